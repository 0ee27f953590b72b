//! Judging a proof, offline and independently of the installation that wrote it.
//!
//! **Exposure.** Everything read here may come from an adversary. Contents of messages are streamed, all
//! other members are bounded before they are read.
//!
//! **Result.** One [`Check`] per thing looked at, each naming its member; a proof is valid when all are. No
//! check is skipped because another failed, unless the container itself cannot be walked.
//!
//! **Ageing.** The seal over the manifest is stamped last and covers all; each renewal stamps all that is there
//! again. Signers' certificates may end, and the proof stays valid until the authority of the last timestamp
//! ends (EN 319 102-1 §5.6.3).

mod ageing;
mod contents;
mod log;
mod revocation;
mod seals;
mod second;

use crate::container::{self, ReadError};
use crate::name::MemberName;
use contents::Contents;
use sealpost_certs::{Certificate, RevocationValue, TrustAnchors, Use, VerifiedTimestamp};
use sealpost_envelope::{Sha256Digest, Timestamp};
use sealpost_evidence::xml::ParsedEvidence;
use serde::Serialize;
use std::io::{self, Read, Seek};
use thiserror::Error;

/// Why a file could not be judged at all.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Not a ZIP, so not a proof that could be valid or not.
    #[error("not a proof: {0}")]
    NotProof(&'static str),
    /// The system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether it is as it should be.
    pub ok: bool,
    /// Member of the proof, or `(container)`.
    pub subject: String,
    /// What was found.
    pub what: String,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Everything is as it should be.
    Valid,
    /// Something is not.
    Invalid,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Valid => "VALID",
            Self::Invalid => "INVALID",
        })
    }
}

/// All checks, and what follows from them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// In the order of the proof.
    pub checks: Vec<Check>,
    /// The answer.
    pub verdict: Verdict,
    /// Whether it is invalid only because time went by: it should have been renewed.
    pub aged: bool,
}

/// Judges a proof: valid under `trust` at `now`, or not.
pub fn verify<R: Read + Seek>(
    mut reader: R,
    trust: &TrustAnchors,
    now: Timestamp,
) -> Result<Report, OpenError> {
    let archive = container::read(&mut reader).map_err(|e| match e {
        ReadError::NotZip => OpenError::NotProof("not a ZIP file"),
        ReadError::Io(e) => OpenError::Io(e),
    })?;
    let mut judge = Judge {
        trust,
        now,
        checks: Vec::new(),
        anchors: Vec::new(),
        used: Vec::new(),
        inside: Vec::new(),
        stamps: Vec::new(),
        chain: Vec::new(),
        evidence: Vec::new(),
        message_digests: Vec::new(),
        aged: false,
    };
    let walked = archive.deviations.is_empty();
    for deviation in &archive.deviations {
        judge.fail(&deviation.subject, &deviation.what);
    }
    if walked {
        judge.pass(&container::WHOLE, format!("canonical, {} members", archive.members.len()));
    }
    let mut contents = Contents::digest(reader, archive, &mut judge)?;
    judge.manifest(&mut contents)?;
    judge.all_evidence(&mut contents)?;
    judge.log(&mut contents)?;
    judge.original(&contents);
    judge.renewals(&mut contents)?;
    judge.roots(&mut contents)?;
    judge.revocation(&mut contents)?;
    judge.witness();
    judge.ageing();
    let valid = judge.checks.iter().all(|c| c.ok);
    let aged = judge.aged && judge.checks.iter().filter(|c| !c.ok).count() == 1;
    let verdict = if valid { Verdict::Valid } else { Verdict::Invalid };
    Ok(Report { checks: judge.checks, verdict, aged })
}

/// The checks so far, and what later checks need of earlier ones.
struct Judge<'a> {
    trust: &'a TrustAnchors,
    now: Timestamp,
    checks: Vec<Check>,
    /// Anchors that a path ended in.
    anchors: Vec<Certificate>,
    /// Certificates that were relied on, and when.
    used: Vec<Use>,
    /// Revocation values inside of each seal.
    inside: Vec<(MemberName, Vec<RevocationValue>)>,
    /// Timestamps that the seal over the manifest covers.
    stamps: Vec<(String, VerifiedTimestamp)>,
    /// The timestamp of the seal over the manifest, then those of renewals.
    chain: Vec<(MemberName, VerifiedTimestamp)>,
    /// Evidence that could be read, with its name.
    evidence: Vec<(MemberName, Sha256Digest, ParsedEvidence)>,
    /// Digests of the message as received, by who names it.
    message_digests: Vec<(MemberName, Sha256Digest)>,
    aged: bool,
}

impl Judge<'_> {
    fn pass(&mut self, subject: &dyn ToString, what: impl ToString) {
        self.checks.push(Check { ok: true, subject: subject.to_string(), what: what.to_string() });
    }
    fn fail(&mut self, subject: &dyn ToString, what: impl ToString) {
        self.checks.push(Check { ok: false, subject: subject.to_string(), what: what.to_string() });
    }
    /// Records either outcome; gives the value of a good one.
    fn judge<T, E: ToString>(
        &mut self,
        subject: &dyn ToString,
        outcome: Result<T, E>,
        words: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.pass(subject, words(&value));
                Some(value)
            }
            Err(e) => {
                self.fail(subject, e);
                None
            }
        }
    }
}
