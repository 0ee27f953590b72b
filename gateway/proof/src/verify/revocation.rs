//! Revocation: no certificate that is used had been revoked when it was used.
//!
//! **Rule.** Each value (a list, or a responder's answer) is by the issuer of certificates used here, was made before the
//! proof was sealed, and holds for a time at which one of them was used: it was in force then, or was made later. A
//! certificate that was revoked later than its signature's timestamp does no harm (EN 319 102-1 §5.6.3).
//!
//! **Levels.** All seals have the values they need inside (B-LT), and then each of them stands in `revocation/` too, or
//! none has (B-T). The manifest covers all but the seal over itself; so nothing can be taken out of that one or changed
//! in it.
//!
//! **Standards.** RFC 5280 §5, RFC 6960, EN 319 122-1 §6.3.

use super::Judge;
use super::ageing::TOLERANCE;
use super::contents::Contents;
use crate::name::MemberName;
use sealpost_certs::{RevocationValue, Use, VerifiedSignature};
use sealpost_envelope::Timestamp;
use std::collections::BTreeSet;
use std::io::{self, Read, Seek};

impl Judge<'_> {
    /// Remembers certificates that a signature relied on.
    pub(super) fn rely_on(&mut self, uses: Vec<Use>) {
        self.used.extend(uses);
    }

    /// Remembers what a seal has inside.
    pub(super) fn has_inside(&mut self, seal: &MemberName, verified: &VerifiedSignature) {
        self.inside.push((seal.clone(), verified.revocation().to_vec()));
    }

    /// Every value that is there, and those inside of seals.
    pub(super) fn revocation<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        let sealed = self.chain.first().map_or(Timestamp::MAX, |(_, stamp)| stamp.gen_time());
        let sealed = sealed.saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX);
        // Renewals come after the seal, and so does what is said of their authorities.
        self.used.retain(|u| u.at <= sealed);
        let mut beside = Vec::new();
        for name in contents.names() {
            let is_list = match name {
                MemberName::Revocation(_) => true,
                MemberName::Answer(_) => false,
                _ => continue,
            };
            let Some(bytes) = contents.load(&name, self)? else { continue };
            let value = if is_list { RevocationValue::list(&bytes) } else { RevocationValue::answer(&bytes) };
            let outcome = match &value {
                Ok(value) => judge_value(value, &self.used, sealed),
                Err(error) => Err(error.to_string()),
            };
            self.judge(&name, outcome, Clone::clone);
            beside.extend(value);
        }
        self.levels(&beside);
        Ok(())
    }

    /// Either every seal has its values inside, and they stand beside it too, or none has.
    fn levels(&mut self, beside: &[RevocationValue]) {
        let inside = std::mem::take(&mut self.inside);
        let checkpoint = inside.iter().find(|(name, _)| *name == MemberName::CheckpointSeal);
        let Some(long_term) = checkpoint.map(|(_, values)| !values.is_empty()) else { return };
        for (name, values) in &inside {
            if values.is_empty() == long_term {
                let has = if long_term { "lacks" } else { "has" };
                self.fail(name, format!("it {has} revocation values, unlike {}", MemberName::CheckpointSeal));
            } else if values.iter().any(|v| !beside.contains(v)) {
                self.fail(name, "a revocation value inside is not one of those in revocation/");
            }
        }
        if !long_term {
            return;
        }
        let silent = |u: &&Use| !beside.iter().any(|v| v.about(&u.certificate, &u.issuer).is_some());
        let unknown: BTreeSet<String> =
            self.used.iter().filter(silent).map(|u| u.certificate.subject()).collect();
        for subject in unknown {
            let words = format!("nothing here says whether {subject} was revoked: pending at the export");
            self.pass(&MemberName::CheckpointToken, words);
        }
    }
}

fn judge_value(value: &RevocationValue, used: &[Use], sealed: Timestamp) -> Result<String, String> {
    let said = |u: &Use| Some((u.clone(), value.about(&u.certificate, &u.issuer)?));
    let concerned: Vec<_> = used.iter().filter_map(said).collect();
    let Some((first, dates)) = concerned.first() else {
        return Err("signed by no issuer of the certificates used, or about none of them".into());
    };
    for (used, said) in &concerned {
        if let Some(end) = said.revoked.filter(|end| *end <= used.at) {
            let subject = used.certificate.subject();
            return Err(format!("{subject} was revoked on {end}, before it was used on {}", used.at));
        }
    }
    let (from, to) = (dates.this_update, dates.next_update);
    if from > sealed {
        return Err(format!("made on {from}, after the proof was sealed"));
    }
    if !concerned.iter().any(|(used, said)| said.holds_for(used.at)) {
        return Err(format!("in force from {from} to {to} only, before any use"));
    }
    let count = concerned.iter().map(|(u, _)| u.certificate.serial_hex()).collect::<BTreeSet<_>>().len();
    Ok(format!("{}, of {from}, revokes none of the {count} certificates used", first.issuer.subject()))
}
