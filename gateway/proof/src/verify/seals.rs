//! Seals and timestamps: over the manifest, over each evidence; roots that are shipped; ageing.

use super::Judge;
use super::contents::Contents;
use crate::manifest;
use crate::name::MemberName;
use sealpost_certs::{
    Certificate, Level, Purpose, VerifiedSignature, VerifiedTimestamp, verify_detached, verify_timestamp,
};
use sealpost_envelope::{Sha256Digest, Timestamp};
use sealpost_evidence::xml;
use std::io::{self, Read, Seek};

/// Clocks may differ by this much before a time is called impossible.
pub(super) const TOLERANCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

impl Judge<'_> {
    /// The manifest: its form, its seal, and every member against its digest.
    pub(super) fn manifest<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        let name = MemberName::Manifest;
        let Some(bytes) = contents.load(&name, self)? else { return Ok(()) };
        let parsed = manifest::parse(&bytes).ok_or("not in the form that Sealpost writes");
        let listed = self.judge(&name, parsed, |l| format!("lists {} members", l.len()));
        let verified = self.seal(contents, &name, &MemberName::Signature)?;
        self.last_stamp = verified.and_then(|v| v.timestamp().cloned());
        let Some(listed) = listed else { return Ok(()) };
        for (name, digest) in &listed {
            let outcome = match contents.digest_of(name) {
                None => Err("listed in the manifest, but missing"),
                Some(found) if found != *digest => Err("changed: its digest is not the one in the manifest"),
                Some(_) => Ok(()),
            };
            self.judge(name, outcome, |()| format!("sha256 {digest}"));
        }
        for name in contents.names() {
            if name.is_listed() && !listed.iter().any(|(l, _)| *l == name) {
                self.fail(&name, "added: the manifest does not list it");
            }
        }
        if !listed.iter().map(|(n, _)| n).is_sorted() {
            self.fail(&MemberName::Manifest, "its members are out of order");
        }
        Ok(())
    }

    /// A detached CAdES-B-T in member `seal` over member `subject`.
    pub(super) fn seal<R: Read + Seek>(
        &mut self,
        contents: &mut Contents<R>,
        subject: &MemberName,
        seal: &MemberName,
    ) -> io::Result<Option<VerifiedSignature>> {
        let (Some(digest), Some(bytes)) = (contents.digest_of(subject), contents.load(seal, self)?) else {
            return Ok(None);
        };
        let outcome = verify_detached(&bytes, &digest, self.trust, Purpose::Seal, Level::T);
        let verified = self.judge(seal, outcome, seal_words);
        if let Some(verified) = &verified {
            self.anchors.push(verified.anchor().clone());
            if let Some(stamp) = verified.timestamp() {
                self.anchors.push(stamp.anchor().clone());
                if *seal != MemberName::Signature {
                    self.stamps.push((seal.to_string(), stamp.clone()));
                }
            }
        }
        Ok(verified)
    }

    /// A bare token over a digest.
    pub(super) fn token(
        &mut self,
        subject: &MemberName,
        token: &[u8],
        imprint: &Sha256Digest,
    ) -> Option<VerifiedTimestamp> {
        let outcome = verify_timestamp(token, imprint, self.trust);
        let stamp = self.judge(subject, outcome, dated)?;
        self.anchors.push(stamp.anchor().clone());
        self.stamps.push((subject.to_string(), stamp.clone()));
        Some(stamp)
    }

    /// Every evidence: its seal, its form, the event in its name.
    pub(super) fn all_evidence<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        for name in contents.names() {
            let MemberName::Evidence { number, event, seal: false } = name else { continue };
            let seal = MemberName::Evidence { number, event, seal: true };
            self.seal(contents, &name, &seal)?;
            let (Some(bytes), Some(digest)) = (contents.load(&name, self)?, contents.digest_of(&name)) else {
                continue;
            };
            let parsed = xml::parse(&bytes).map_err(|e| e.to_string()).and_then(|parsed| {
                if parsed.event == event { Ok(parsed) } else { Err(format!("it attests {}", parsed.event)) }
            });
            let words = |p: &xml::ParsedEvidence| format!("{} at {}, deposit {}", p.event, p.time, p.deposit);
            if let Some(parsed) = self.judge(&name, parsed, words) {
                self.evidence.push((name, digest, parsed));
            }
        }
        let differs = |a: &xml::ParsedEvidence, b: &xml::ParsedEvidence| {
            a.deposit != b.deposit || a.message_sha256 != b.message_sha256 || a.reference != b.reference
        };
        let strangers: Vec<MemberName> = match self.evidence.split_first() {
            Some(((_, _, first), rest)) => {
                rest.iter().filter(|(_, _, e)| differs(first, e)).map(|(n, ..)| n.clone()).collect()
            }
            None => Vec::new(),
        };
        for name in strangers {
            self.fail(&name, "it is about another deposit than the first evidence");
        }
        Ok(())
    }

    /// Shipped roots: only those that a path ended in, in the one spelling.
    pub(super) fn roots<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        for name in contents.names() {
            if !matches!(name, MemberName::Root(_)) {
                continue;
            }
            let Some(bytes) = contents.load(&name, self)? else { continue };
            let outcome = self.root(&bytes);
            self.judge(&name, outcome, Clone::clone);
        }
        Ok(())
    }

    fn root(&self, bytes: &[u8]) -> Result<String, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
        let certificates = Certificate::from_pem(text).map_err(|e| e.to_string())?;
        let [certificate] = certificates.as_slice() else {
            return Err("more than one certificate".into());
        };
        if certificate.to_pem() != text {
            return Err("not in the form that Sealpost writes".into());
        }
        let same = |a: &Certificate| {
            a.subject() == certificate.subject()
                && a.public_key().ok().is_some_and(|k| certificate.public_key().ok() == Some(k))
        };
        if self.anchors.iter().any(same) {
            Ok(format!("trusted: {}, fingerprint {}", certificate.subject(), certificate.fingerprint()))
        } else {
            Err(format!("{} is not a root that was used", certificate.subject()))
        }
    }

    /// The chain of timestamps holds until now.
    pub(super) fn ageing(&mut self) {
        let Some(last) = self.last_stamp.take() else { return };
        let name = MemberName::Signature;
        let end = last.authority().not_after();
        if last.gen_time() > self.now.saturating_add(TOLERANCE).unwrap_or(self.now) {
            self.fail(&name, format!("its timestamp {} lies in the future", last.gen_time()));
        } else if end < self.now {
            self.aged = true;
            self.fail(&name, format!("aged: the authority of the last timestamp ended on {end}"));
        } else {
            self.pass(&name, format!("the last timestamp holds until {end}"));
        }
        for (subject, stamp) in std::mem::take(&mut self.stamps) {
            let covered_late = stamp.authority().not_after() < last.gen_time();
            let later =
                stamp.gen_time() > last.gen_time().saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX);
            if covered_late {
                self.fail(&subject, "its timestamp had aged before the proof was sealed");
            } else if later {
                self.fail(&subject, "its timestamp is later than the seal over the proof");
            }
        }
    }
}

fn seal_words(v: &VerifiedSignature) -> String {
    let stamp = v.timestamp().map(dated).unwrap_or_default();
    format!("sealed by {}, {stamp}", v.signer().subject())
}

fn dated(t: &VerifiedTimestamp) -> String {
    format!("dated {} by {}", t.gen_time(), t.authority().subject())
}
