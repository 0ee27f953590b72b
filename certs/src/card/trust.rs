//! Whom to believe: authorities, what they revoked, the world (real or test), and the judgement itself.
//!
//! A card is judged in two steps, since a responder may have to be asked in between: [`CardTrust::examine`], then
//! [`CardTrust::conclude`]. Lists and responders ([`crate::ocsp`]) speak of the same: either may say that a card is
//! good, and either may revoke it.

use super::identity::{self, ids};
use super::{Card, CardKind, Category, Refusal};
use crate::crl::Change;
use crate::ocsp::Answer;
use crate::{Certificate, CertificateError, OcspError, OcspRequest, RevocationList};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::Duration;

/// Which cards an installation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Real cards; test cards are refused.
    Production,
    /// Test cards; real ones are refused.
    Test,
}

/// Whether a card's end before its time must be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// A valid list of the issuer must be at hand, or its responder's answer.
    Required,
    /// Lists and answers are looked at where they are at hand; evidence says that nothing was checked where not.
    Optional,
}

/// What is believed in.
#[derive(Debug, Clone)]
pub struct Range {
    /// Roots, and nobody else's.
    pub roots: Vec<Certificate>,
    /// Authorities below them that issue accepted cards. A card often sends its own certificate only.
    pub issuers: Vec<Certificate>,
    /// Accepted members of the family.
    pub kinds: Vec<CardKind>,
    /// Real or test.
    pub stage: Stage,
    /// Policy of revocation.
    pub revocation: Revocation,
}

/// A card that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The card.
    pub card: Card,
    /// When the list or the answer was made by which it is good; `None` where none was at hand and none is required.
    pub checked: Option<Timestamp>,
}

/// A card on a path to an accepted authority, of which only its revocation is not known yet.
#[derive(Debug, Clone)]
pub struct Examined {
    card: Card,
    certificate: Certificate,
    issuer: Certificate,
}

impl Examined {
    /// The question for its issuer's responder.
    pub fn question(&self) -> OcspRequest {
        OcspRequest::new(self.certificate.clone(), self.issuer.clone())
    }
}

/// Everything needed to judge a card, replaced as a whole when a list is refreshed.
#[derive(Debug, Clone)]
pub struct CardTrust {
    range: Range,
    anchors: Vec<TrustAnchor<'static>>,
    /// Each with the authority that signed it.
    lists: Vec<(Certificate, RevocationList)>,
}

impl CardTrust {
    /// Believes in `range`; `lists` come from anywhere and count only where an authority of the range signed them.
    pub fn new(range: Range, lists: Vec<RevocationList>) -> Result<Self, CertificateError> {
        let anchor = |c: &Certificate| {
            webpki::anchor_from_trusted_cert(&CertificateDer::from(c.der()))
                .map(|a| a.to_owned())
                .map_err(|e| CertificateError::Der(e.to_string()))
        };
        let anchors = range.roots.iter().map(anchor).collect::<Result<_, _>>()?;
        let signer = |l: &RevocationList| {
            range.issuers.iter().chain(&range.roots).find(|a| l.is_signed_by(a)).cloned()
        };
        let lists = lists.into_iter().filter_map(|l| Some((signer(&l)?, l))).collect();
        Ok(Self { range, anchors, lists })
    }

    /// The same belief with other lists.
    pub fn with_lists(&self, lists: Vec<RevocationList>) -> Result<Self, CertificateError> {
        Self::new(self.range.clone(), lists)
    }

    /// Names of the accepted authorities, as TLS tells them to browsers (RFC 8446 §4.2.4).
    pub fn authority_names(&self) -> Vec<Vec<u8>> {
        self.range.issuers.iter().chain(&self.range.roots).filter_map(|c| c.subject_der().ok()).collect()
    }

    /// Lists in force, with the authority's name and the end of each.
    pub fn lists(&self) -> impl Iterator<Item = (String, Timestamp)> {
        self.lists.iter().map(|(by, list)| (by.subject(), list.next_update()))
    }

    /// Authorities of which no list is valid at `now`; their cards are refused where lists are required.
    pub fn without_list(&self, now: Timestamp) -> Vec<String> {
        let valid = |i: &Certificate| self.lists_of(i).any(|l| !l.is_delta() && is_valid(l, now));
        self.range.issuers.iter().filter(|i| !valid(i)).map(Certificate::subject).collect()
    }

    /// Judges what a client presented, its own certificate first, by lists alone.
    pub fn judge(&self, chain: &[impl AsRef<[u8]>], now: Timestamp) -> Result<Holder, Refusal> {
        self.conclude(self.examine(chain, now)?, None, now)
    }

    /// All but revocation.
    pub fn examine(&self, chain: &[impl AsRef<[u8]>], now: Timestamp) -> Result<Examined, Refusal> {
        let own = chain.first().ok_or(Refusal::None)?;
        let certificate =
            Certificate::from_der(own.as_ref()).map_err(|e| Refusal::Unreadable(e.to_string()))?;
        // First what the person can act upon, whoever issued it: the certificate is refused in any case.
        self.stage(&certificate)?;
        usable(&certificate)?;
        let issuer = self.chain(&certificate, now)?.clone();
        let card = Card::read(&certificate)?;
        if !self.range.kinds.contains(&card.kind) {
            return Err(Refusal::Kind(card.kind.as_str()));
        }
        // Identifiers of documented test cards fail the check.
        if card.category == Category::Real && !card.id.key_holds() {
            return Err(Refusal::Identifier);
        }
        Ok(Examined { card, certificate, issuer })
    }

    /// Revocation, by lists and by what a responder said where one was asked: its answer, or in words why there is
    /// none that can be believed.
    pub fn conclude(
        &self,
        examined: Examined,
        answer: Option<Result<Answer, String>>,
        now: Timestamp,
    ) -> Result<Holder, Refusal> {
        let Examined { card, certificate, issuer } = examined;
        let listed = self.listed(&certificate, &issuer, now)?;
        let checked = match (answer, listed) {
            (Some(Ok(answer)), listed) => {
                Some(self.answered(&answer, &issuer, now)?.max(listed.unwrap_or(Timestamp::MIN)))
            }
            (_, Ok(at)) => Some(at),
            (_, Err(_)) if self.range.revocation == Revocation::Optional => None,
            (Some(Err(words)), Err(why)) => {
                return Err(Refusal::RevocationUnknown(format!("{why}, and {words}")));
            }
            (None, Err(why)) => return Err(Refusal::RevocationUnknown(why.into())),
        };
        Ok(Holder { card, checked })
    }

    fn stage(&self, certificate: &Certificate) -> Result<(), Refusal> {
        // IGC-Santé's test authorities bear the word in their names.
        let category = identity::category(certificate)?;
        let test = category == Category::Test
            || certificate
                .issuer()
                .split(',')
                .any(|part| part.starts_with("CN=TEST ") || part == "OU=IGC-SANTE TEST");
        match (self.range.stage, test) {
            (Stage::Production, true) => Err(Refusal::Test),
            (Stage::Test, _) if category == Category::Real => Err(Refusal::Real),
            _ => Ok(()),
        }
    }

    /// The accepted authority that issued it, on a path to a root at `now` (RFC 5280 §6).
    fn chain(&self, certificate: &Certificate, now: Timestamp) -> Result<&Certificate, Refusal> {
        let why = match self.path(certificate, now) {
            Ok(issuer) => return Ok(issuer),
            Err(why) => why,
        };
        // Its age is worth a word of its own only where all else is right: an unknown issuer writes any date.
        let (first, last) = (certificate.not_before(), certificate.not_after());
        if now > last && self.path(certificate, last).is_ok() {
            return Err(Refusal::Expired(last));
        }
        if now < first && self.path(certificate, first).is_ok() {
            return Err(Refusal::NotYet(first));
        }
        Err(Refusal::Chain(why))
    }

    fn path(&self, certificate: &Certificate, at: Timestamp) -> Result<&Certificate, String> {
        let der = CertificateDer::from(certificate.der());
        let leaf = webpki::EndEntityCert::try_from(&der).map_err(|e| e.to_string())?;
        let issuers: Vec<_> = self.range.issuers.iter().map(|c| CertificateDer::from(c.der())).collect();
        let seconds = u64::try_from(at.as_second()).unwrap_or(0);
        let path = leaf
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.anchors,
                &issuers,
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                webpki::KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(|e| e.to_string())?;
        // Cards come from an authority below the root; the root itself may issue them where it is listed.
        let direct = match path.intermediate_certificates().next() {
            Some(used) => self.range.issuers.iter().find(|c| c.der() == used.der().as_ref()),
            None => self.range.issuers.iter().find(|c| c.subject() == certificate.issuer()),
        };
        let direct = direct.ok_or("issued by no accepted authority")?;
        // webpki looks at basicConstraints but not at keyUsage (RFC 5280 §6.1.4 (n)).
        if direct.key_usage().is_some_and(|u| !u.key_cert_sign()) {
            return Err("its issuer may not issue certificates".into());
        }
        Ok(direct)
    }

    /// When a list was made that does not name it, or why no list tells.
    fn listed(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Result<Timestamp, &'static str>, Refusal> {
        // An authority that its root withdrew issues nothing that counts.
        let above = self.range.roots.iter().filter_map(|root| self.list_of(root, issuer, now).ok());
        if let Some(at) = above.filter_map(|l| l.revoked(issuer)).next() {
            return Err(Refusal::Revoked(at));
        }
        let list = match self.list_of(issuer, certificate, now) {
            Ok(list) => list,
            Err(why) => return Ok(Err(why)),
        };
        let newer = self.continuation(issuer, list, now);
        let end = match newer.and_then(|delta| delta.change(certificate)) {
            Some(Change::Ended(at)) => Some(at),
            Some(Change::Restored) => None,
            None => list.revoked(certificate),
        };
        match end {
            Some(at) => Err(Refusal::Revoked(at)),
            None => Ok(Ok(newer.unwrap_or(list).this_update())),
        }
    }

    /// When a responder knew it to be good. "Unknown" refuses, whatever a list says: its issuer speaks there too.
    fn answered(&self, answer: &Answer, issuer: &Certificate, now: Timestamp) -> Result<Timestamp, Refusal> {
        // RFC 6960 §4.2.2.2.1: a responder's own certificate may have ended early.
        let delegate = answer.delegate.as_ref();
        let list = delegate.and_then(|d| Some((d, self.list_of(issuer, d, now).ok()?)));
        if list.is_some_and(|(delegate, list)| list.revoked(delegate).is_some()) {
            return Err(Refusal::RevocationUnknown("the responder's own certificate was revoked".into()));
        }
        answer.good().map_err(|e| match e {
            OcspError::Revoked(at) => Refusal::Revoked(at),
            other => Refusal::RevocationUnknown(other.to_string()),
        })
    }

    /// The newest whole list of an authority that speaks of `certificate` and is valid at `now`.
    fn list_of(
        &self,
        authority: &Certificate,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<&RevocationList, &'static str> {
        let own = self.lists_of(authority).filter(|l| !l.is_delta() && l.concerns(certificate));
        let mut own = own.peekable();
        if own.peek().is_none() {
            return Err("no revocation list of its issuer is at hand");
        }
        own.filter(|l| is_valid(l, now))
            .max_by_key(|l| l.this_update())
            .ok_or("the revocation list of its issuer is out of date")
    }

    /// The newest delta list that continues `list` and is valid at `now`.
    fn continuation(
        &self,
        authority: &Certificate,
        list: &RevocationList,
        now: Timestamp,
    ) -> Option<&RevocationList> {
        let deltas = self.lists_of(authority).filter(|l| l.continues(list) && is_valid(l, now));
        deltas.max_by_key(|l| l.this_update())
    }

    fn lists_of(&self, authority: &Certificate) -> impl Iterator<Item = &RevocationList> {
        self.lists.iter().filter(move |(by, _)| by == authority).map(|(_, list)| list)
    }
}

fn is_valid(list: &RevocationList, now: Timestamp) -> bool {
    list.this_update() <= now && now <= list.next_update()
}

/// RFC 5280 §4.2.1.3, §4.2.1.12: for authentication, not for signatures.
fn usable(certificate: &Certificate) -> Result<(), Refusal> {
    let usage = certificate.key_usage();
    let signs_only = usage.is_some_and(|u| u.non_repudiation() && !u.digital_signature());
    let purposes = certificate.extended_key_usage().map(|(_, p)| p.0).unwrap_or_default();
    if signs_only || (!purposes.is_empty() && purposes.iter().all(|p| *p == crate::asn1::oid::EKU_EMAIL)) {
        return Err(Refusal::SignatureOnly);
    }
    if certificate.is_ca()
        || !usage.is_some_and(|u| u.digital_signature())
        || !purposes.contains(&ids::CLIENT_AUTH)
    {
        return Err(Refusal::Purpose);
    }
    Ok(())
}
