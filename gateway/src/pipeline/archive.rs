//! Names of the files in ZIP archives, for types that never leave.
//!
//! **Job.** Reads an archive's directory where it lies, which is at its end: nothing is unpacked. Only done where the
//! configuration blocks types.
//!
//! **Exposure.** Strangers' bytes. What is read is bounded, whatever the archive says of itself; what is no archive, or a
//! broken one, has no names, and is for the antivirus.
//!
//! **Standards.** PKWARE APPNOTE 6.3 (§4.3.12, §4.3.14 to §4.3.16).

use super::content::ContentError;
use super::intake::Received;
use crate::gateway::Gateway;
use futures_util::StreamExt;
use sealpost_message::Stored;
use sealpost_store::content::Place;
use std::ops::Range;

/// The end record and the longest comment behind it, with the records of ZIP64 before.
const TAIL: u64 = 22 + 65_535 + 76;
/// Octets of directory that are read of one archive.
const MOST: u64 = 4 << 20;
/// Names kept of one message.
const NAMES: usize = 100_000;

/// The names in all archives of a message that is in.
pub async fn names(gateway: &Gateway, received: &Received) -> Result<Vec<String>, ContentError> {
    let mut names = Vec::new();
    for (node, stored) in received.meta.structure.stored() {
        let name = node.info.filename.as_deref().unwrap_or_default().to_lowercase();
        let is_zip = name.ends_with(".zip") || node.info.media_type.contains("zip");
        // Stored as it is: what was quoted-printable is no archive any more.
        if !is_zip || stored.stored_len != stored.size {
            continue;
        }
        let tail = stored.size.saturating_sub(TAIL);
        let end = read(gateway, received, stored, tail..stored.size).await?;
        let Some(place) = directory(&end, tail) else { continue };
        let place = place.start..place.end.min(place.start.saturating_add(MOST));
        let listed = entries(&read(gateway, received, stored, place).await?);
        names.extend(listed.into_iter().take(NAMES - names.len().min(NAMES)));
    }
    Ok(names)
}

async fn read(
    gateway: &Gateway,
    received: &Received,
    stored: &Stored,
    range: Range<u64>,
) -> Result<Vec<u8>, ContentError> {
    let Some(part) = received.parts.iter().find(|p| p.n == stored.n) else { return Ok(Vec::new()) };
    let place = Place::body(received.id, stored.n);
    let mut bytes = gateway.store.read_body(&received.key, &place, &part.body, stored.stored_len, range)?;
    let mut out = Vec::new();
    while let Some(piece) = bytes.next().await {
        out.extend_from_slice(&piece?);
    }
    Ok(out)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(N)?)?;
    Some(field.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// Where the directory lies: before the end record, as long as that says. `tail` begins at `offset` of the archive.
fn directory(tail: &[u8], offset: u64) -> Option<Range<u64>> {
    let last = tail.len().checked_sub(22)?;
    let end = (0..=last).rev().find(|at| tail[*at..].starts_with(b"PK\x05\x06"))?;
    let (mut at, mut size) = (end, number::<4>(tail, end + 12)?);
    // §4.3.14, §4.3.15: a record and its locator stand before, with the true size.
    if size == 0xffff_ffff
        && let Some(wide) = end.checked_sub(76).filter(|at| tail[*at..].starts_with(b"PK\x06\x06"))
    {
        (at, size) = (wide, number::<8>(tail, wide + 40)?);
    }
    let until = offset.checked_add(at as u64)?;
    Some(until.checked_sub(size)?..until)
}

/// The names in a directory, as far as it can be read.
fn entries(mut directory: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while directory.starts_with(b"PK\x01\x02") && names.len() < NAMES {
        let length = |at| number::<2>(directory, at).and_then(|n| usize::try_from(n).ok());
        let (Some(name), Some(extra), Some(comment)) = (length(28), length(30), length(32)) else { break };
        let Some(bytes) = directory.get(46..46 + name) else { break };
        names.push(String::from_utf8_lossy(bytes).into_owned());
        let Some(rest) = directory.get(46 + name + extra + comment..) else { break };
        directory = rest;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(names: &[&str], comment: &str) -> Vec<u8> {
        let mut out = b"PK\x03\x04 whatever lies before".to_vec();
        let start = out.len();
        for name in names {
            out.extend_from_slice(b"PK\x01\x02");
            out.extend_from_slice(&[0; 24]);
            out.extend_from_slice(&(name.len() as u16).to_le_bytes());
            out.extend_from_slice(&[0; 16]);
            out.extend_from_slice(name.as_bytes());
        }
        let size = (out.len() - start) as u32;
        out.extend_from_slice(b"PK\x05\x06");
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(comment.len() as u16).to_le_bytes());
        out.extend_from_slice(comment.as_bytes());
        out
    }

    fn listed(bytes: &[u8]) -> Vec<String> {
        let Some(place) = directory(bytes, 0) else { return Vec::new() };
        let (from, to) = (place.start as usize, place.end as usize);
        entries(&bytes[from.min(bytes.len())..to.min(bytes.len())])
    }

    #[test]
    fn names_are_listed() {
        for comment in ["", "a comment"] {
            assert_eq!(listed(&archive(&["a/run.exe", "é.pdf"], comment)), ["a/run.exe", "é.pdf"]);
        }
        assert!(listed(&archive(&[], "")).is_empty());
    }

    #[test]
    fn damage_of_every_octet_is_survived() {
        let whole = archive(&["a/run.exe", "b.txt"], "");
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                assert!(listed(&damaged).len() <= 2);
            }
            listed(&whole[..at]);
            listed(&whole[at..]);
        }
    }
}
