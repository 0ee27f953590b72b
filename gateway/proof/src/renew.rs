//! Renewal: one more timestamp over everything, made while the last one is still good.
//!
//! **Job.** Copies a proof member by member and adds `META-INF/ASiCArchiveManifestNNN.xml`, which digests all of it
//! anew, and `META-INF/timestampNNN.tst` over that list. No byte of the old members changes.
//!
//! **Failure.** What is not VALID at the moment is not renewed: a timestamp over damage would dignify it. The
//! caller has verified; here only the form is looked at again.
//!
//! **Standards.** EN 319 162-1 (ASiCArchiveManifest). Why not RFC 4998: docs/decisions/0009-renewal.md.

use crate::container::{self, Writer};
use crate::manifest::{self, Listed};
use crate::name::MemberName;
use sealpost_envelope::Sha256Digest;
use std::io::{self, Read, Seek, SeekFrom, Write};
use thiserror::Error;

/// Why a proof was not renewed. The output is then to be thrown away.
#[derive(Debug, Error)]
pub enum RenewError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not in the form of a proof.
    #[error("{subject}: {what}")]
    Form {
        /// Member, or `(container)`.
        subject: String,
        /// What is wrong.
        what: String,
    },
    /// No timestamp.
    #[error("no timestamp: {0}")]
    Stamp(String),
}

fn form(subject: impl ToString, what: impl ToString) -> RenewError {
    RenewError::Form { subject: subject.to_string(), what: what.to_string() }
}

/// Writes the renewed proof. `stamp` gives a verified timestamp token over the imprint it is given.
pub fn renew<R, W, E>(
    mut proof: R,
    stamp: impl FnOnce(&Sha256Digest) -> Result<Vec<u8>, E>,
    out: W,
) -> Result<W, RenewError>
where
    R: Read + Seek,
    W: Write + Seek,
    E: std::fmt::Display,
{
    let archive = container::read(&mut proof).map_err(|e| form(container::WHOLE, e))?;
    if let Some(d) = archive.deviations.first() {
        return Err(form(&d.subject, &d.what));
    }
    let mut writer = Writer::new(out);
    let mut listed: Vec<Listed> = Vec::new();
    let mut number = 1;
    for member in &archive.members {
        let name = MemberName::parse(&member.name).ok_or_else(|| form(&member.name, "unknown member"))?;
        proof.seek(SeekFrom::Start(member.data))?;
        let digest = writer.add(&name, member.size, (&mut proof).take(member.size))?;
        if let MemberName::Archive { number: n, .. } = name {
            number = n.saturating_add(1);
        }
        if name != MemberName::Mimetype {
            listed.push((name, digest));
        }
    }
    let token = MemberName::Archive { number, token: true };
    let list = manifest::write(&token, &listed);
    let digest = writer.add_bytes(&MemberName::Archive { number, token: false }, &list)?;
    let stamped = stamp(&digest).map_err(|e| RenewError::Stamp(e.to_string()))?;
    writer.add_bytes(&token, &stamped)?;
    Ok(writer.finish()?)
}
