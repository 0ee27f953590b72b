//! Revocation: no certificate that is used had been revoked when it was used.
//!
//! **Rule.** Each list is signed by an issuer of certificates used here and was in force when the proof was sealed. A
//! certificate that was revoked later than its signature's timestamp does no harm (EN 319 102-1 §5.6.3).
//!
//! **Standards.** RFC 5280 §5.

use super::Judge;
use super::ageing::TOLERANCE;
use super::contents::Contents;
use crate::name::MemberName;
use sealpost_certs::{Certificate, RevocationList};
use sealpost_envelope::Timestamp;
use std::collections::BTreeSet;
use std::io::{self, Read, Seek};

/// A certificate, and when it was relied on.
pub(super) type Used = (Certificate, Timestamp);

impl Judge<'_> {
    /// Remembers certificates that a signature of `at` relied on.
    pub(super) fn rely_on(&mut self, path: &[Certificate], at: Timestamp) {
        self.used.extend(path.iter().map(|c| (c.clone(), at)));
    }

    /// Every list that is there.
    pub(super) fn revocation<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        for name in contents.names() {
            if !matches!(name, MemberName::Revocation(_)) {
                continue;
            }
            let Some(bytes) = contents.load(&name, self)? else { continue };
            let sealed = self.chain.first().map(|(_, stamp)| stamp.gen_time());
            let outcome = judge_list(&bytes, &self.used, &self.anchors, sealed);
            self.judge(&name, outcome, Clone::clone);
        }
        Ok(())
    }
}

fn judge_list(
    bytes: &[u8],
    used: &[Used],
    anchors: &[Certificate],
    sealed: Option<Timestamp>,
) -> Result<String, String> {
    let list = RevocationList::from_der(bytes).map_err(|e| e.to_string())?;
    let mut issuers = anchors.iter().chain(used.iter().map(|(c, _)| c).filter(|c| c.is_ca()));
    let issuer =
        issuers.find(|c| list.is_signed_by(c)).ok_or("signed by no issuer of the certificates used")?;
    let begin = list.this_update().saturating_sub(TOLERANCE).unwrap_or(Timestamp::MIN);
    if let Some(at) = sealed.filter(|at| *at < begin || *at > list.next_update()) {
        let (from, to) = (list.this_update(), list.next_update());
        return Err(format!("in force from {from} to {to} only, but the proof was sealed on {at}"));
    }
    let mut concerned = BTreeSet::new();
    for (certificate, at) in used.iter().filter(|(c, _)| c.issuer() == issuer.subject()) {
        concerned.insert(certificate.serial_hex());
        if let Some(end) = list.revoked(certificate).filter(|end| end <= at) {
            return Err(format!(
                "{} was revoked on {end}, before it was used on {at}",
                certificate.subject()
            ));
        }
    }
    match concerned.len() {
        0 => Err("unused: no certificate of its issuer is relied on".into()),
        n => Ok(format!(
            "{}, of {}, revokes none of the {n} certificates used",
            issuer.subject(),
            list.this_update()
        )),
    }
}
