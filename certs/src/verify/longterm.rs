//! Revocation values inside signatures: level B-LT (EN 319 122-1 §6.3).
//!
//! **Rule.** A signature has no values, or all that its certificates need: every certificate of its own path and of
//! its timestamp's, up to but not including the anchors, is spoken for by one value of its issuer that holds for the
//! time of its use and does not revoke it before; and no value is there that none of them needs.

use super::path::{Purpose, TrustAnchors};
use super::{Level, VerifiedSignature, VerifyError, verify_detached};
use crate::asn1::ContentInfo;
use crate::{Certificate, RevocationValue};
use der::asn1::SetOfVec;
use der::{Any, Decode, Encode};
use jiff::Timestamp;
use sealpost_envelope::Sha256Digest;
use std::collections::BTreeSet;

/// A certificate that was relied on.
#[derive(Debug, Clone)]
pub struct Use {
    /// The certificate.
    pub certificate: Certificate,
    /// Who issued it.
    pub issuer: Certificate,
    /// When it was relied on.
    pub at: Timestamp,
}

impl Use {
    /// The certificates of a path, leaf first, and its anchor's place above them.
    pub fn of(path: &[Certificate], anchor: &Certificate, at: Timestamp) -> Vec<Self> {
        let issuers = path.iter().skip(1).chain(std::iter::once(anchor));
        let uses = path.iter().zip(issuers);
        // An anchor may be a certificate that is no root: what is trusted itself is not asked about.
        let uses = uses.filter(|(c, _)| *c != anchor);
        uses.map(|(c, i)| Self { certificate: c.clone(), issuer: i.clone(), at }).collect()
    }

    /// Which of `values` is the first to say something of this use; an error where it speaks against it, or none does.
    pub fn judge(&self, values: &[RevocationValue]) -> Result<usize, VerifyError> {
        let said = values.iter().map(|v| v.about(&self.certificate, &self.issuer));
        let found = said.enumerate().find_map(|(n, said)| Some((n, said.filter(|s| s.holds_for(self.at))?)));
        let subject = || self.certificate.subject();
        match found {
            None => Err(VerifyError::NoRevocation { subject: subject(), at: self.at }),
            Some((_, said)) if said.revoked.is_some_and(|end| end <= self.at) => Err(VerifyError::Revoked {
                subject: subject(),
                end: said.revoked.unwrap_or(self.at),
                at: self.at,
            }),
            Some((n, _)) => Ok(n),
        }
    }
}

/// Which of `values` are needed, or the first certificate for which there is none.
fn needed(values: &[RevocationValue], uses: &[Use]) -> Result<BTreeSet<usize>, VerifyError> {
    uses.iter().map(|u| u.judge(values)).collect()
}

/// What stands inside a signature: all that is needed, and nothing else.
pub(super) fn check(values: &[RevocationValue], uses: &[Use]) -> Result<(), VerifyError> {
    if needed(values, uses)?.len() == values.len() {
        Ok(())
    } else {
        Err(VerifyError::NotCanonical("revocation values are included without being used"))
    }
}

/// Brings a seal of level B-T to B-LT with those of `values` that it needs; the error says what is missing. What was
/// signed is not touched.
pub fn complete_seal(
    cms: &[u8],
    digest: &Sha256Digest,
    trust: &TrustAnchors,
    values: &[RevocationValue],
) -> Result<Vec<u8>, VerifyError> {
    let verified = verify_detached(cms, digest, trust, Purpose::Seal, Level::T)?;
    enclose(cms, &verified.uses(), values)
}

/// The same for a seal that was verified a moment ago, and is known to rely on `uses`.
pub fn enclose(cms: &[u8], uses: &[Use], values: &[RevocationValue]) -> Result<Vec<u8>, VerifyError> {
    let chosen = needed(values, uses)?;
    let not_der = |e: der::Error| VerifyError::NotDer(e.to_string());
    let mut info = ContentInfo::from_der(cms).map_err(not_der)?;
    let chosen = chosen.into_iter().filter_map(|n| values.get(n)).collect::<Vec<_>>();
    let choices = chosen.iter().map(|v| Any::from_der(&v.choice())).collect::<Result<Vec<_>, _>>();
    info.content.crls = Some(SetOfVec::try_from(choices.map_err(not_der)?).map_err(not_der)?);
    // RFC 5652 §5.1: version 5 where something else than a list is in there.
    if chosen.iter().any(|v| !v.is_list()) {
        info.content.version = 5;
    }
    info.to_der().map_err(not_der)
}

impl VerifiedSignature {
    /// Every certificate that the signature and its timestamp rely on, and when.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = Use::of(&self.path, &self.anchor, self.at);
        if let Some(stamp) = &self.timestamp {
            uses.extend(stamp.uses());
        }
        uses
    }
    /// Revocation values inside; none below level B-LT.
    pub fn revocation(&self) -> &[RevocationValue] {
        &self.revocation
    }
}

impl super::VerifiedTimestamp {
    /// Every certificate that the token relies on, and when.
    pub fn uses(&self) -> Vec<Use> {
        Use::of(&self.path, &self.anchor, self.gen_time)
    }
}
