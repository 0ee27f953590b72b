//! Every byte of a proof: flipped, removed, added. Each time INVALID, each time naming the file. Every file of every
//! kind of proof is `matrix.rs`.

use super::{World, failures};
use crate::container::{Member, read};
use crate::*;
use jiff::Timestamp;
use std::io::Cursor;

/// A small proof: one evidence, one entry.
fn small(w: &World) -> Vec<u8> {
    let mut bundle = w.bundle(&w.events()[..1]);
    bundle.receipts.truncate(1);
    w.export_long_term(bundle)
}

pub(crate) fn members(proof: &[u8]) -> Vec<Member> {
    read(&mut Cursor::new(proof)).unwrap().members
}

/// The member that a byte belongs to; bytes of the central directory and the end belong to the container.
pub(super) fn owner(members: &[Member], at: u64) -> Option<&str> {
    members.iter().find(|m| m.offset <= at && at < m.data + m.size).map(|m| m.name.as_str())
}

/// What is wrong with the answer to a damaged proof, if anything.
pub(super) fn complaint(w: &World, damaged: &[u8], owner: Option<&str>) -> Option<String> {
    let report = match verify(Cursor::new(damaged), &w.trust, w.at + jiff::SignedDuration::from_mins(3)) {
        Ok(report) => report,
        Err(e) => return Some(format!("no report: {e}")),
    };
    let named = match owner {
        Some(name) => report.checks.iter().any(|c| !c.ok && c.subject == name),
        None => report.checks.iter().any(|c| !c.ok),
    };
    let good = report.verdict == Verdict::Invalid && named;
    (!good).then(|| format!("{:?} {owner:?} {:?}", report.verdict, failures(&report)))
}

/// Runs `check` for these positions, on two threads.
pub(super) fn everywhere(positions: &[usize], check: impl Fn(usize) -> Option<String> + Sync) {
    let complaints = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for half in positions.chunks(positions.len().div_ceil(2)) {
            let (check, complaints) = (&check, &complaints);
            scope.spawn(move || {
                for at in half {
                    if let Some(complaint) = check(*at) {
                        complaints.lock().unwrap().push(format!("{at}: {complaint}"));
                    }
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{} complaints, first {:?}", complaints.len(), complaints.first());
}

fn flip(w: &World, proof: &[u8], positions: &[usize]) {
    let members = members(proof);
    everywhere(positions, |at| {
        let mut damaged = proof.to_vec();
        damaged[at] ^= 1 << (at % 8);
        complaint(w, &damaged, owner(&members, at as u64))
    });
}

/// Whether the container alone is found wrong, by a line that names `owner`.
fn container_complaint(damaged: &[u8], owner: Option<&str>) -> Option<String> {
    let archive = match read(&mut Cursor::new(damaged)) {
        Ok(archive) => archive,
        Err(e) => return Some(e.to_string()),
    };
    let named = archive.deviations.iter().any(|d| owner.is_none_or(|o| d.subject == o));
    (!named).then(|| format!("{owner:?} {:?}", archive.deviations))
}

#[test]
fn every_flipped_byte_of_the_container_is_found_and_named() {
    let w = World::new(Timestamp::now());
    let proof = small(&w);
    let members = members(&proof);
    // Contents and checksums are not the container's to judge.
    let judged = |at: u64| {
        !members
            .iter()
            .any(|m| (m.data..m.data + m.size).contains(&at) || (m.offset + 14..m.offset + 18).contains(&at))
    };
    let positions: Vec<_> = (0..proof.len()).filter(|at| judged(*at as u64)).collect();
    everywhere(&positions, |at| {
        (0..8).find_map(|bit| {
            let mut damaged = proof.clone();
            damaged[at] ^= 1 << bit;
            container_complaint(&damaged, owner(&members, at as u64))
        })
    });
}

#[test]
fn missing_or_added_bytes_are_found() {
    let w = World::new(Timestamp::now());
    let proof = small(&w);
    let positions: Vec<_> = (0..proof.len()).step_by(5).collect();
    everywhere(&positions, |at| {
        let mut shorter = proof.clone();
        shorter.remove(at);
        let mut longer = proof.clone();
        longer.insert(at, 0);
        container_complaint(&shorter, None).or_else(|| container_complaint(&longer, None))
    });
    for cut in [proof.len() - 1, proof.len() - 22, proof.len() / 2] {
        assert_eq!(complaint(&w, &proof[..cut], None), None);
    }
    let longer = [&proof[..], b"\0"].concat();
    assert_eq!(complaint(&w, &longer, None), None);
}

/// Flips over the whole length, judged by the whole verification. `SEALPOST_TEST_EVERY_BYTE=1` flips every
/// byte, which takes minutes without optimisation: run it so after a change of a format.
#[test]
fn flipped_bytes_are_found_and_named() {
    let w = World::new(Timestamp::now());
    let proof = small(&w);
    let step = if std::env::var_os("SEALPOST_TEST_EVERY_BYTE").is_some() { 1 } else { 97 };
    let positions: Vec<_> = (0..proof.len()).step_by(step).collect();
    flip(&w, &proof, &positions);
}

#[test]
fn a_rebuilt_container_with_a_changed_member_is_found() {
    // Checksums made right again, so that only digests and signatures speak.
    let w = World::new(Timestamp::now());
    let proof = small(&w);
    let all = members(&proof);
    for changed in &all {
        let mut writer = container::Writer::new(Cursor::new(Vec::new()));
        for member in &all {
            let mut bytes = proof[member.data as usize..(member.data + member.size) as usize].to_vec();
            if member == changed {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x20;
            }
            writer.add_bytes(&MemberName::parse(&member.name).unwrap(), &bytes).unwrap();
        }
        let rebuilt = writer.finish().unwrap().into_inner();
        assert_eq!(complaint(&w, &rebuilt, Some(&changed.name)), None, "{}", changed.name);
    }
    // A member left out, and one added.
    for missing in &all {
        let mut writer = container::Writer::new(Cursor::new(Vec::new()));
        for member in all.iter().filter(|m| *m != missing) {
            let bytes = &proof[member.data as usize..(member.data + member.size) as usize];
            writer.add_bytes(&MemberName::parse(&member.name).unwrap(), bytes).unwrap();
        }
        let rebuilt = writer.finish().unwrap().into_inner();
        assert_eq!(complaint(&w, &rebuilt, Some(&missing.name)), None, "without {}", missing.name);
    }
}

/// A member changed somewhere, with all checksums made right again.
pub(crate) fn rebuild(proof: &[u8], change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut writer = container::Writer::new(Cursor::new(Vec::new()));
    for member in members(proof) {
        let bytes = proof[member.data as usize..(member.data + member.size) as usize].to_vec();
        if let Some(bytes) = change(&member.name, bytes) {
            writer.add_bytes(&MemberName::parse(&member.name).unwrap(), &bytes).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

pub(super) fn content_of(proof: &[u8], name: &str) -> Option<Vec<u8>> {
    let found = members(proof).into_iter().find(|m| m.name == name);
    found.map(|m| proof[m.data as usize..(m.data + m.size) as usize].to_vec())
}

#[test]
fn what_is_no_zip_is_no_proof() {
    let w = World::new(Timestamp::now());
    for bytes in [&b""[..], b"PK", b"hello", &[0; 100]] {
        assert!(
            matches!(verify(Cursor::new(bytes), &w.trust, w.at), Err(OpenError::NotProof(_))),
            "{bytes:?}"
        );
    }
}
