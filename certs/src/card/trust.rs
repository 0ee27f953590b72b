//! Whom to believe: authorities, revocation lists, the world (real or test), and the judgement itself.

use super::identity::{self, ids};
use super::{Card, CardKind, Category, Refusal};
use crate::{Certificate, CertificateError, RevocationList};
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
    /// A valid list of the issuer must be at hand.
    Required,
    /// Lists are looked at where they are at hand; evidence says that nothing was checked where not.
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
    /// When the list was made that does not name it; `None` where none was at hand and none is required.
    pub checked: Option<Timestamp>,
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
        let missing = self.range.issuers.iter().filter(|i| self.list_of(i, now).is_err());
        missing.map(Certificate::subject).collect()
    }

    /// Judges what a client presented, its own certificate first.
    pub fn judge(&self, chain: &[impl AsRef<[u8]>], now: Timestamp) -> Result<Holder, Refusal> {
        let own = chain.first().ok_or(Refusal::None)?;
        let certificate =
            Certificate::from_der(own.as_ref()).map_err(|e| Refusal::Unreadable(e.to_string()))?;
        // First what the person can act upon, whoever issued it: the certificate is refused in any case.
        self.stage(&certificate)?;
        usable(&certificate)?;
        let issuer = self.chain(&certificate, now)?;
        let card = Card::read(&certificate)?;
        if !self.range.kinds.contains(&card.kind) {
            return Err(Refusal::Kind(card.kind.as_str()));
        }
        // Identifiers of documented test cards fail the check.
        if card.category == Category::Real && !card.id.key_holds() {
            return Err(Refusal::Identifier);
        }
        let checked = self.revocation(&certificate, issuer, now)?;
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

    fn revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        // An authority that its root withdrew issues nothing that counts.
        let above = self.range.roots.iter().filter_map(|root| self.list_of(root, now).ok());
        if let Some(at) = above.filter_map(|l| l.revoked(issuer)).next() {
            return Err(Refusal::Revoked(at));
        }
        match self.list_of(issuer, now) {
            Ok(list) => match list.revoked(certificate) {
                Some(at) => Err(Refusal::Revoked(at)),
                None => Ok(Some(list.this_update())),
            },
            Err(_) if self.range.revocation == Revocation::Optional => Ok(None),
            Err(why) => Err(Refusal::RevocationUnknown(why.into())),
        }
    }

    /// The newest list of an authority that is valid at `now`.
    fn list_of(&self, authority: &Certificate, now: Timestamp) -> Result<&RevocationList, &'static str> {
        let own = self.lists.iter().filter(|(by, _)| by == authority).map(|(_, list)| list);
        let mut own = own.peekable();
        if own.peek().is_none() {
            return Err("no revocation list of its issuer is at hand");
        }
        own.filter(|l| l.this_update() <= now && now <= l.next_update())
            .max_by_key(|l| l.this_update())
            .ok_or("the revocation list of its issuer is out of date")
    }
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
