//! Writing a proof: members in their order, each read once, then the manifest, then the seal over it.
//!
//! **Failure.** What does not fit together is refused here rather than found by a verifier in ten years:
//! an evidence without its entry, a path that does not lead to the checkpoint, a message that is not the
//! one deposited.

use crate::bundle::{Bundle, LoggedEntry, Source};
use crate::container::{MIMETYPE, Writer};
use crate::manifest::{self, Listed};
use crate::name::{EntryPart, EvidencePart, MemberName};
use crate::{readme, report, xades};
use sealpost_certs::{RevocationValue, SignError, Signer, TrustAnchors, cms, complete_seal};
use sealpost_envelope::{Sha256Digest, Timestamp};
use sealpost_evidence::checkpoint::{NoteError, SignedCheckpoint, TlogProof};
use sealpost_evidence::journal::{EntryError, EntryView, OpeningError, check_openings};
use sealpost_evidence::merkle::{MerkleError, leaf_hash, verify_inclusion};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Seek, Write};
use thiserror::Error;

/// Why no proof was written. The output is then to be thrown away.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Reading a message or writing the proof failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The seal over the proof could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No timestamp for the seal over the proof.
    #[error("no timestamp: {0}")]
    Stamp(String),
    /// The bundle's parts contradict one another.
    #[error("{subject}: {what}")]
    Inconsistent {
        /// Member.
        subject: String,
        /// What is wrong.
        what: String,
    },
}

fn inconsistent(subject: impl ToString, what: impl ToString) -> ExportError {
    ExportError::Inconsistent { subject: subject.to_string(), what: what.to_string() }
}

/// Writes the proof. `signer` seals the manifest (and evidence, where signatures are enveloped too), `stamp` gives a verified timestamp token over the imprint
/// it is given, `now` becomes the signing time.
pub fn export<W, E>(
    bundle: Bundle<'_>,
    signer: &dyn Signer,
    mut stamp: impl FnMut(&Sha256Digest) -> Result<Vec<u8>, E>,
    now: Timestamp,
    out: W,
) -> Result<W, ExportError>
where
    W: Write + Seek,
    E: std::fmt::Display,
{
    let checkpoint = SignedCheckpoint::parse(&bundle.checkpoint.note)
        .map_err(|e: NoteError| inconsistent(MemberName::Checkpoint, e))?;
    check_evidence(&bundle)?;
    let mut e = Exporter { writer: Writer::new(out), listed: Vec::new() };
    e.bytes(MemberName::Mimetype, MIMETYPE.as_bytes())?;
    e.bytes(MemberName::Report, &report::render(&bundle, now))?;
    e.bytes(MemberName::Readme, readme::render(&bundle, now).as_bytes())?;
    e.messages(&bundle.digests.sha256, bundle.size, bundle.original, bundle.sent, bundle.receipts)?;
    for (n, evidence) in (1..).zip(&bundle.evidence) {
        let name = |part| MemberName::Evidence { number: n, event: evidence.event, part };
        e.bytes(name(EvidencePart::Xml), &evidence.xml)?;
        e.bytes(name(EvidencePart::Seal), &evidence.seal)?;
        if bundle.enveloped {
            e.bytes(name(EvidencePart::Enveloped), &xades::seal(&evidence.xml, signer, now, &mut stamp)?)?;
        }
    }
    for entry in &bundle.entries {
        e.entry(entry, &checkpoint)?;
    }
    e.bytes(MemberName::Checkpoint, &bundle.checkpoint.note)?;
    e.bytes(MemberName::CheckpointToken, &bundle.checkpoint.token)?;
    e.bytes(MemberName::CheckpointSeal, &bundle.checkpoint.seal)?;
    for (n, root) in (1..).zip(&bundle.roots) {
        e.bytes(MemberName::Root(n), root.to_pem().as_bytes())?;
    }
    e.revocation(&bundle.revocation)?;
    let manifest = manifest::write(&MemberName::Signature, &e.listed);
    e.bytes(MemberName::Manifest, &manifest)?;
    let signature = cms::sign(signer, &Sha256Digest::of(&manifest), now, cms::Use::Seal)?;
    let token = stamp(&signature.imprint()).map_err(|e| ExportError::Stamp(e.to_string()))?;
    let mut seal = signature.with_timestamp(&token);
    if bundle.long_term {
        let wrong = |what: &dyn std::fmt::Display| inconsistent(MemberName::Signature, what);
        let trust = TrustAnchors::new(bundle.roots).map_err(|e| wrong(&e))?;
        seal = complete_seal(&seal, &Sha256Digest::of(&manifest), &trust, &bundle.revocation)
            .map_err(|e| wrong(&e))?;
    }
    e.bytes(MemberName::Signature, &seal)?;
    Ok(e.writer.finish()?)
}

/// Every evidence is named by exactly one entry, and entries ascend.
fn check_evidence(bundle: &Bundle<'_>) -> Result<(), ExportError> {
    if bundle.entries.is_empty() {
        return Err(inconsistent("log/", "a proof needs at least one journal entry"));
    }
    let mut named = HashSet::new();
    for entry in &bundle.entries {
        let name = MemberName::Entry(entry.index, EntryPart::Json);
        let view = EntryView::parse(&entry.json).map_err(|e: EntryError| inconsistent(&name, e))?;
        if view.deposit != Some(bundle.deposit) {
            return Err(inconsistent(name, "it belongs to another deposit"));
        }
        named.extend(view.evidence().map_err(|e| inconsistent(&name, e))?);
    }
    for (n, evidence) in (1..).zip(&bundle.evidence) {
        if !named.contains(&Sha256Digest::of(&evidence.xml)) {
            let name = MemberName::Evidence { number: n, event: evidence.event, part: EvidencePart::Xml };
            return Err(inconsistent(name, "no journal entry names its digest"));
        }
    }
    Ok(())
}

struct Exporter<W> {
    writer: Writer<W>,
    listed: Vec<Listed>,
}

impl<W: Write + Seek> Exporter<W> {
    fn bytes(&mut self, name: MemberName, bytes: &[u8]) -> Result<(), ExportError> {
        let digest = self.writer.add_bytes(&name, bytes)?;
        self.list(name, digest);
        Ok(())
    }

    fn source(&mut self, name: MemberName, source: Source<'_>) -> Result<Sha256Digest, ExportError> {
        let digest = self.writer.add(&name, source.size, (source.open)()?)?;
        self.list(name, digest);
        Ok(digest)
    }

    fn list(&mut self, name: MemberName, digest: Sha256Digest) {
        if name.is_listed() {
            self.listed.push((name, digest));
        }
    }

    fn messages<'a>(
        &mut self,
        sha256: &Sha256Digest,
        size: u64,
        original: Option<Source<'a>>,
        mut sent: Vec<(u32, Source<'a>)>,
        mut receipts: Vec<(u32, Source<'a>)>,
    ) -> Result<(), ExportError> {
        if let Some(source) = original {
            let len = source.size;
            let digest = self.source(MemberName::Original, source)?;
            if digest != *sha256 || len != size {
                return Err(inconsistent(MemberName::Original, "it is not the message that was deposited"));
            }
        }
        sent.sort_by_key(|(recipient, _)| *recipient);
        for (recipient, source) in sent {
            self.source(MemberName::Sent(recipient), source)?;
        }
        receipts.sort_by_key(|(recipient, _)| *recipient);
        let mut numbers = BTreeMap::new();
        for (recipient, source) in receipts {
            let number = numbers.entry(recipient).and_modify(|n| *n += 1).or_insert(1u32);
            self.source(MemberName::Receipt(recipient, *number), source)?;
        }
        Ok(())
    }

    /// Lists first, then answers, each numbered by itself.
    fn revocation(&mut self, values: &[RevocationValue]) -> Result<(), ExportError> {
        let (lists, answers): (Vec<_>, Vec<_>) = values.iter().partition(|v| v.is_list());
        for (n, list) in (1..).zip(lists) {
            self.bytes(MemberName::Revocation(n), list.der())?;
        }
        for (n, answer) in (1..).zip(answers) {
            self.bytes(MemberName::Answer(n), answer.der())?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &LoggedEntry, checkpoint: &SignedCheckpoint) -> Result<(), ExportError> {
        let name = |part| MemberName::Entry(entry.index, part);
        let said = checkpoint.unverified();
        verify_inclusion(&leaf_hash(&entry.json), entry.index, said.size, &entry.path, &said.root)
            .map_err(|e: MerkleError| inconsistent(name(EntryPart::Proof), e))?;
        self.bytes(name(EntryPart::Json), &entry.json)?;
        if let Some(openings) = &entry.openings {
            check_openings(&entry.json, openings)
                .map_err(|e: OpeningError| inconsistent(name(EntryPart::Openings), e))?;
            self.bytes(name(EntryPart::Openings), openings)?;
        }
        let proof =
            TlogProof { index: entry.index, path: entry.path.clone(), checkpoint: checkpoint.clone() };
        self.bytes(name(EntryPart::Proof), &proof.to_bytes())
    }
}
