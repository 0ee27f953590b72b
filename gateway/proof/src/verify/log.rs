//! The journal: its checkpoint, the entries below it, what they commit to, and the message they name.

use super::Judge;
use super::ageing::TOLERANCE;
use super::contents::Contents;
use crate::name::{EntryPart, MemberName};
use sealpost_certs::VerifiedSignature;
use sealpost_envelope::{Sha256Digest, Timestamp};
use sealpost_evidence::checkpoint::{LogKey, SignedCheckpoint, TlogProof};
use sealpost_evidence::journal::{EntryView, check_openings};
use sealpost_evidence::merkle::{leaf_hash, verify_inclusion};
use sealpost_evidence::xml::ParsedEvidence;
use std::io::{self, Read, Seek};

/// A checkpoint that verified.
struct Log {
    note: SignedCheckpoint,
    /// When an authority saw it.
    seen: Option<Timestamp>,
}

impl Judge<'_> {
    pub(super) fn log<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<()> {
        let log = self.checkpoint(contents)?;
        let mut attested = Vec::new();
        for name in contents.names() {
            let MemberName::Entry(index, part) = name else { continue };
            match part {
                EntryPart::Json => attested.extend(self.entry(contents, index, log.as_ref())?),
                EntryPart::Openings => self.openings(contents, index)?,
                EntryPart::Proof => {}
            }
        }
        for (name, digest, said) in std::mem::take(&mut self.evidence) {
            let named = attested.contains(&digest);
            let outcome = if named { Ok(()) } else { Err("no journal entry names its digest") };
            self.judge(&name, outcome, |()| "named by its journal entry".to_owned());
            self.message_digests.push((name, said.message_sha256));
        }
        Ok(())
    }

    /// `log/checkpoint`: timestamp, seal, and the log's own signature by the key that the seal vouches for.
    fn checkpoint<R: Read + Seek>(&mut self, contents: &mut Contents<R>) -> io::Result<Option<Log>> {
        let name = MemberName::Checkpoint;
        let (Some(note), Some(digest)) = (contents.load(&name, self)?, contents.digest_of(&name)) else {
            return Ok(None);
        };
        let seen = match contents.load(&MemberName::CheckpointToken, self)? {
            Some(token) => self.token(&MemberName::CheckpointToken, &name, &token, &digest),
            None => None,
        };
        let seal = self.seal(contents, &name, &MemberName::CheckpointSeal)?;
        let outcome = open_note(&note, seal.as_ref());
        let opened = self.judge(&name, outcome, |note| {
            let said = note.unverified();
            format!("log {}, {} entries", said.origin, said.size)
        });
        Ok(opened.map(|note| Log { note, seen: seen.map(|s| s.gen_time()) }))
    }

    /// One entry: its form, its place in the log, and the evidence it names. Gives that evidence's digest.
    fn entry<R: Read + Seek>(
        &mut self,
        contents: &mut Contents<R>,
        index: u64,
        log: Option<&Log>,
    ) -> io::Result<Option<Sha256Digest>> {
        let name = MemberName::Entry(index, EntryPart::Json);
        let Some(bytes) = contents.load(&name, self)? else { return Ok(None) };
        let proof_name = MemberName::Entry(index, EntryPart::Proof);
        if let (Some(log), Some(proof)) = (log, contents.load(&proof_name, self)?) {
            let outcome = check_proof(&proof, index, &bytes, log);
            self.judge(&proof_name, outcome, |()| "leads to the checkpoint".to_owned());
        }
        let outcome = EntryView::parse(&bytes).map_err(|e| e.to_string());
        let Some(view) = self.judge(&name, outcome, |v| format!("{} at {}", v.event, v.time)) else {
            return Ok(None);
        };
        if let Some(seen) = log.and_then(|l| l.seen)
            && view.time > seen.saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX)
        {
            self.fail(&name, "its time is later than the checkpoint's timestamp");
        }
        let evidence = match view.evidence() {
            Ok(evidence) => evidence,
            Err(e) => {
                self.fail(&name, e);
                None
            }
        };
        let own = self.evidence.iter().find(|(_, digest, _)| Some(*digest) == evidence);
        let outcome = match (own, self.evidence.first()) {
            (Some((_, _, said)), _) => agrees(&view, said),
            (None, Some((_, _, first))) if view.deposit != Some(first.deposit) => {
                Err("it belongs to another deposit")
            }
            _ => Ok(()),
        };
        if let Err(what) = outcome {
            self.fail(&name, what);
        }
        self.message_digests.extend(named_message(&view).map(|d| (name, d)));
        Ok(evidence)
    }

    fn openings<R: Read + Seek>(&mut self, contents: &mut Contents<R>, index: u64) -> io::Result<()> {
        let name = MemberName::Entry(index, EntryPart::Openings);
        let entry = contents.load(&MemberName::Entry(index, EntryPart::Json), self)?;
        if let (Some(entry), Some(openings)) = (entry, contents.load(&name, self)?) {
            let outcome = check_openings(&entry, &openings);
            self.judge(&name, outcome, |clear| format!("opens {} commitments", clear.len()));
        }
        Ok(())
    }

    /// The message itself is the one that evidence and journal speak of.
    pub(super) fn original<R: Read + Seek>(&mut self, contents: &Contents<R>) {
        let name = MemberName::Original;
        let Some(digest) = contents.digest_of(&name) else { return };
        let named = std::mem::take(&mut self.message_digests);
        let outcome = match named.iter().find(|(_, said)| *said != digest) {
            _ if named.is_empty() => Err("neither evidence nor journal names it".to_owned()),
            Some((by, _)) => Err(format!("it is not the message that {by} names")),
            None => Ok(()),
        };
        self.judge(&name, outcome, |()| format!("is the message deposited, named {} times", named.len()));
    }
}

fn open_note(note: &[u8], seal: Option<&VerifiedSignature>) -> Result<SignedCheckpoint, String> {
    let note = SignedCheckpoint::parse(note).map_err(|e| e.to_string())?;
    let seal = seal.ok_or("no seal vouches for the key that signed it")?;
    let key = seal.signer().public_key().map_err(|e| e.to_string())?;
    let key = LogKey::new(&note.unverified().origin, &key).map_err(|e| e.to_string())?;
    note.verify(&key).map_err(|e| e.to_string())?;
    Ok(note)
}

fn check_proof(bytes: &[u8], index: u64, entry: &[u8], log: &Log) -> Result<(), String> {
    let proof = TlogProof::parse(bytes).map_err(|e| e.to_string())?;
    if proof.to_bytes() != bytes {
        return Err("not in the form that Sealpost writes".into());
    }
    if proof.index != index {
        return Err(format!("it is about entry {}", proof.index));
    }
    if proof.checkpoint != log.note {
        return Err("its checkpoint is not log/checkpoint".into());
    }
    // The log's signature has been found good once, in `log/checkpoint` itself.
    let said = log.note.unverified();
    verify_inclusion(&leaf_hash(entry), index, said.size, &proof.path, &said.root).map_err(|e| e.to_string())
}

/// Entry and evidence say the same.
fn agrees(view: &EntryView<'_>, said: &ParsedEvidence) -> Result<(), &'static str> {
    if view.id != said.id {
        Err("its evidence has another identifier")
    } else if view.event != said.event {
        Err("its evidence attests another event")
    } else if view.time != said.time {
        Err("its evidence has another time")
    } else if view.deposit != Some(said.deposit) {
        Err("its evidence is about another deposit")
    } else if view.recipient != said.recipient {
        Err("its evidence is about another recipient")
    } else {
        Ok(())
    }
}

/// `detail.sha256` of a SubmissionAcceptance: the message as received.
fn named_message(view: &EntryView<'_>) -> Option<Sha256Digest> {
    if view.event != sealpost_evidence::EventName::SubmissionAcceptance {
        return None;
    }
    let detail: serde_json::Value = serde_json::from_str(view.detail).ok()?;
    Sha256Digest::try_from(detail.get("sha256")?.as_str()?.to_owned()).ok()
}
