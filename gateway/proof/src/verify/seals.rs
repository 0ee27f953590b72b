//! Seals and timestamps: over the manifest, over each evidence; roots that are shipped.

use super::Judge;
use super::contents::Contents;
use crate::manifest;
use crate::name::{EvidencePart, MemberName};
use crate::xades;
use sealpost_certs::{
    Certificate, Level, Purpose, VerifiedSignature, VerifiedTimestamp, VerifyError, verify_bare,
    verify_detached, verify_timestamp,
};
use sealpost_envelope::Sha256Digest;
use sealpost_evidence::xml;
use std::collections::BTreeSet;
use std::io::{self, Read, Seek};

impl Judge<'_> {
    /// The manifest: its form, its seal, and every member against its digest.
    pub(super) fn manifest<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        let name = MemberName::Manifest;
        let Some(bytes) = contents.load(&name, self)? else { return Ok(()) };
        let parsed =
            manifest::parse(&MemberName::Signature, &bytes).ok_or("not in the form that Sealpost writes");
        let listed = self.judge(&name, parsed, |l| format!("lists {} members", l.len()));
        let verified = self.seal(contents, &name, &MemberName::Signature)?;
        if let Some(stamp) = verified.and_then(|v| v.timestamp().cloned()) {
            self.chain.push((MemberName::Signature, stamp));
        }
        let Some(listed) = listed else { return Ok(()) };
        for (name, digest) in &listed {
            if let Some(found) = contents.digest_of(name)
                && found == *digest
            {
                self.pass(name, format!("sha256 {digest}"));
            }
        }
        self.listed(contents, &name, &listed, MemberName::is_listed);
        Ok(())
    }

    /// What a manifest lists is there and unchanged, and it lists all that `belongs`.
    pub(super) fn listed<R: Read + Seek>(
        &mut self,
        contents: &Contents<R>,
        manifest: &MemberName,
        listed: &[manifest::Listed],
        belongs: impl Fn(&MemberName) -> bool,
    ) {
        for (name, digest) in listed {
            match contents.digest_of(name) {
                None => self.fail(name, format!("listed in {manifest}, but missing")),
                Some(found) if found != *digest => {
                    self.fail(name, format!("changed: its digest is not the one in {manifest}"));
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<&MemberName> = listed.iter().map(|(name, _)| name).collect();
        for name in contents.names() {
            if belongs(&name) && !known.contains(&name) {
                self.fail(&name, format!("added: {manifest} does not list it"));
            }
        }
        if !listed.iter().map(|(n, _)| n).is_sorted_by(|a, b| a < b) || !known.iter().all(|n| belongs(n)) {
            self.fail(manifest, "its members are out of order, or not its own");
        }
    }

    /// A detached CAdES, B-T or B-LT, in member `seal` over member `subject`.
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
        let of_another = matches!(outcome, Err(VerifyError::Digest));
        let verified = self.judge(seal, outcome, seal_words);
        if of_another {
            self.fail(subject, format!("changed: it is not what {seal} was made over"));
        }
        if let Some(verified) = &verified {
            if let Some(content) = contents.load(subject, self)? {
                self.second_on_seal(seal, verified, &bytes, &content);
            }
            self.anchors.push(verified.anchor().clone());
            self.rely_on(verified.uses());
            self.has_inside(seal, verified);
            if let Some(stamp) = verified.timestamp() {
                self.anchors.push(stamp.anchor().clone());
                if *seal != MemberName::Signature {
                    self.stamps.push((seal.to_string(), stamp.clone()));
                }
            }
        }
        Ok(verified)
    }

    /// The evidence once more, with a XAdES signature inside, if it is there.
    fn enveloped<R: Read + Seek>(
        &mut self,
        contents: &mut Contents<R>,
        evidence: &MemberName,
        name: &MemberName,
    ) -> io::Result<()> {
        let (Some(bytes), Some(original)) = (contents.load(name, self)?, contents.load(evidence, self)?)
        else {
            return Ok(());
        };
        let Some(opened) = xades::open(&bytes) else {
            self.fail(name, "not an evidence with a signature in the form that Sealpost writes");
            return Ok(());
        };
        if opened.evidence.as_bytes() != original {
            self.fail(name, format!("without its signature it is not {evidence}"));
        }
        let outcome = verify_bare(&opened.bare(), self.trust, Purpose::Seal);
        if let Some(verified) = self.judge(name, outcome, seal_words) {
            self.second_on_bare(name, &verified, &opened.bare());
            self.anchors.push(verified.anchor().clone());
            self.rely_on(verified.uses());
            if let Some(stamp) = verified.timestamp() {
                self.anchors.push(stamp.anchor().clone());
                self.stamps.push((name.to_string(), stamp.clone()));
            }
        }
        Ok(())
    }

    /// A bare token over a digest, made before the seal over the proof.
    pub(super) fn token(
        &mut self,
        subject: &MemberName,
        over: &MemberName,
        token: &[u8],
        imprint: &Sha256Digest,
    ) -> Option<VerifiedTimestamp> {
        let stamp = self.stamp(subject, over, token, imprint)?;
        self.stamps.push((subject.to_string(), stamp.clone()));
        Some(stamp)
    }

    /// A bare token over the digest of member `over`.
    pub(super) fn stamp(
        &mut self,
        subject: &MemberName,
        over: &MemberName,
        token: &[u8],
        imprint: &Sha256Digest,
    ) -> Option<VerifiedTimestamp> {
        let outcome = verify_timestamp(token, imprint, self.trust);
        if matches!(outcome, Err(VerifyError::Imprint)) {
            self.fail(over, format!("changed: it is not what {subject} was made over"));
        }
        let stamp = self.judge(subject, outcome, dated)?;
        self.second_on_stamp(subject, &stamp, imprint);
        self.rely_on(stamp.uses());
        self.anchors.push(stamp.anchor().clone());
        Some(stamp)
    }

    /// Every evidence: its seal, its form, the event in its name.
    pub(super) fn all_evidence<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        for name in contents.names() {
            let MemberName::Evidence { number, event, part: EvidencePart::Xml } = name else { continue };
            let other = |part| MemberName::Evidence { number, event, part };
            self.seal(contents, &name, &other(EvidencePart::Seal))?;
            self.enveloped(contents, &name, &other(EvidencePart::Enveloped))?;
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
}

fn seal_words(v: &VerifiedSignature) -> String {
    let stamp = v.timestamp().map(dated).unwrap_or_default();
    let values = if v.revocation().is_empty() { "" } else { ", with revocation values" };
    format!("sealed by {}, {stamp}{values}", v.signer().subject())
}

pub(super) fn dated(t: &VerifiedTimestamp) -> String {
    format!("dated {} by {}", t.gen_time(), t.authority().subject())
}
