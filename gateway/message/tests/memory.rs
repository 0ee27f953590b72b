//! Messages of any size pass through the walker and the rebuilder in memory that does not depend on them.
//!
//! They are made while they are read. `SEALPOST_LARGE_MIB=5120` makes each one larger than 4 GiB.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use sealpost_envelope::{Digests, DualDigester};
use sealpost_message::{Limits, Rebuilder, Role, Step, Structure, WalkEvent, Walker};

/// Size of each message in MiB, unless said otherwise.
const USUAL_MIB: u64 = 40;
/// What the whole way may add to the process, debug build and allocator's slack included.
const MAX_GROWTH_KIB: u64 = 6 << 10;
const DATA: usize = 57 * 1024;

/// A message of one repeated piece.
struct Large {
    name: &'static str,
    head: Vec<u8>,
    piece: Vec<u8>,
    pieces: u64,
    tail: Vec<u8>,
    /// What the walk gives to store for each piece, and before and after all of them.
    stored: Vec<u8>,
    stored_head: Vec<u8>,
    stored_tail: Vec<u8>,
}

impl Large {
    fn new(name: &'static str, part: &str, piece: Vec<u8>, stored: Vec<u8>) -> Self {
        let mib = std::env::var("SEALPOST_LARGE_MIB").map_or(USUAL_MIB, |n| n.parse().unwrap());
        let head = format!(
            "From: a@a.example\r\nSubject: large\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=frontier\r\n\r\n\
             --frontier\r\nContent-Type: text/plain\r\n\r\nSee attached.\r\n--frontier\r\n{part}\r\n"
        );
        Self {
            name,
            head: head.into(),
            pieces: (mib << 20) / piece.len() as u64,
            piece,
            // The line end before the delimiter belongs to it.
            tail: b"\r\n--frontier--\r\n".to_vec(),
            stored,
            stored_head: Vec::new(),
            stored_tail: Vec::new(),
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let middle = (0..self.pieces).map(|_| self.piece.as_slice());
        std::iter::once(&self.head[..]).chain(middle).chain(std::iter::once(&self.tail[..]))
    }
    fn stored(&self) -> impl Iterator<Item = &[u8]> {
        let middle = (0..self.pieces).map(|_| self.stored.as_slice());
        std::iter::once(&self.stored_head[..]).chain(middle).chain(std::iter::once(&self.stored_tail[..]))
    }
}

fn data() -> Vec<u8> {
    (0..DATA as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Peak resident memory of this process.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Walks, checks what is stored, rebuilds.
fn passes(large: &Large) -> Structure {
    let before = peak_kib();
    let mut walker = Walker::new(Limits::default());
    let (mut events, mut skeleton, mut received) = (Vec::new(), Vec::new(), DualDigester::new());
    let mut stored = DualDigester::new();
    let mut keep = |events: &mut Vec<WalkEvent>| {
        for event in events.drain(..) {
            match event {
                WalkEvent::Skeleton(bytes) => skeleton.extend_from_slice(&bytes),
                WalkEvent::PartData(bytes) => stored.update(&bytes),
                WalkEvent::PartStart { .. } | WalkEvent::PartEnd(_) => {}
            }
        }
    };
    for bytes in large.pieces() {
        received.update(bytes);
        walker.push(bytes, &mut events).unwrap();
        keep(&mut events);
    }
    let structure = walker.finish(&mut events).unwrap();
    keep(&mut events);
    assert!(skeleton.len() < 40_000, "{}: the skeleton has {} bytes", large.name, skeleton.len());
    let mut due = DualDigester::new();
    large.stored().for_each(|bytes| due.update(bytes));
    assert_eq!(stored.finish(), due.finish(), "{}: other bytes are stored", large.name);
    assert_eq!(rebuilt(&skeleton, large), received.finish(), "{}: not rebuilt", large.name);
    let growth = peak_kib() - before;
    println!("{}: {} bytes of message, {growth} KiB of memory", large.name, structure.size);
    assert!(growth < MAX_GROWTH_KIB, "{}: {growth} KiB", large.name);
    structure
}

fn rebuilt(skeleton: &[u8], large: &Large) -> Digests {
    let (mut rebuilder, mut digester, mut out) = (Rebuilder::new(), DualDigester::new(), Vec::new());
    rebuilder.push(skeleton);
    while let Some(step) = rebuilder.next_step().unwrap() {
        match step {
            Step::Literal(bytes) => digester.update(&bytes),
            Step::Part { mut encoder, .. } => {
                for bytes in large.stored() {
                    encoder.push(bytes, &mut out).unwrap();
                    digester.update(&out);
                    out.clear();
                }
                encoder.finish(&mut out).unwrap();
                digester.update(&out);
                out.clear();
            }
        }
    }
    rebuilder.finish().unwrap();
    digester.finish()
}

fn base64_of(data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in data.chunks(57) {
        text.extend_from_slice(base64_simd::STANDARD.encode_to_string(line).as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text
}

const FILE: &str = "Content-Type: application/octet-stream; name=big.bin\r\nContent-Transfer-Encoding: ";

#[test]
fn base64() {
    let mut large = Large::new("base64", &format!("{FILE}base64\r\n"), base64_of(&data()), data());
    large.tail = b"--frontier--\r\n".to_vec();
    let structure = passes(&large);
    assert_eq!(structure.attachments_size(), large.pieces * DATA as u64);
}

#[test]
fn binary() {
    let data = data();
    let large = Large::new("binary", &format!("{FILE}binary\r\n"), data.clone(), data);
    let structure = passes(&large);
    assert_eq!(structure.attachments_size(), large.pieces * DATA as u64);
}

#[test]
fn quoted_printable() {
    let text = "une ligne accentu=C3=A9e, =\r\nbris=C3=A9e\r\n".repeat(1000).into_bytes();
    let large = Large::new("quoted-printable", &format!("{FILE}quoted-printable\r\n"), text.clone(), text);
    let structure = passes(&large);
    let line = "une ligne accentuée, brisée\r\n".len() as u64;
    assert_eq!(structure.attachments_size(), large.pieces * 1000 * line);
}

#[test]
fn a_text_body() {
    let text = b"A line of a text that has no end.\r\n".repeat(1600);
    let large = Large::new("text", "Content-Type: text/plain\r\n", text.clone(), text);
    let structure = passes(&large);
    assert!(!structure.has_attachments());
}

#[test]
fn irregular_base64() {
    // No layout repeats: from the budget of a recipe on it is kept as it stands, so that only lengths count.
    let line: Vec<u8> =
        (1..20usize).flat_map(|n| [&b"QUJD".repeat(n * 7 % 19)[..], b"\r\n"].concat()).collect();
    let mut large = Large::new("irregular", &format!("{FILE}base64\r\n"), line.repeat(64), Vec::new());
    large.tail = b"--frontier--\r\n".to_vec();
    let before = peak_kib();
    let (mut walker, mut events) = (Walker::new(Limits::default()), Vec::new());
    for bytes in large.pieces() {
        walker.push(bytes, &mut events).unwrap();
        events.retain(|event| matches!(event, WalkEvent::PartEnd(_)));
    }
    let structure = walker.finish(&mut events).unwrap();
    let letters = large.piece.iter().filter(|b| b.is_ascii_alphanumeric()).count() as u64;
    assert_eq!(structure.attachments_size(), large.pieces * letters / 4 * 3);
    assert!(peak_kib() - before < MAX_GROWTH_KIB);
}

#[test]
fn a_file_within_tnef() {
    let data = data();
    let mut large = Large::new(
        "TNEF",
        "Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: binary\r\n",
        data.clone(),
        data,
    );
    // A length of 32 bits: larger than 4 GiB there is no file inside.
    large.pieces = large.pieces.min(u64::from(u32::MAX) / DATA as u64);
    let attribute =
        |id: u32, length: u64| [&[2u8][..], &id.to_le_bytes(), &(length as u32).to_le_bytes()].concat();
    let length = large.pieces * DATA as u64;
    let sum = large.piece.iter().fold(0u64, |sum, b| sum + u64::from(*b)) * large.pieces;
    let begin = [&0x223E_9F78_u32.to_le_bytes()[..], &[1, 0], &attribute(0x0006_9002, 0), &[0, 0]].concat();
    let before = [begin, attribute(0x0006_800f, length)].concat();
    let after =
        [&(sum as u16).to_le_bytes()[..], &attribute(0x0001_8010, 6), b"a.bin\0", &[0xC8, 0x01]].concat();
    large.head.extend_from_slice(&before);
    large.stored_head = before;
    large.tail = [&after[..], b"\r\n--frontier--\r\n"].concat();
    large.stored_tail = after;
    let structure = passes(&large);
    let inside: Vec<_> =
        structure.inside().map(|(n, _, file)| (n, file.filename.clone(), file.size)).collect();
    assert_eq!(inside, [(2, Some("a.bin".to_owned()), length)]);
}

#[test]
fn an_endless_preamble() {
    let line = b"not yet a part\r\n".repeat(2048);
    let mut large = Large::new("preamble", "", line.clone(), line);
    large.head = b"Content-Type: multipart/mixed; boundary=frontier\r\n\r\n".to_vec();
    // The first 16 KiB stay in the skeleton.
    large.tail = b"--frontier--\r\n".to_vec();
    large.stored_head = Vec::new();
    let before = peak_kib();
    let (mut walker, mut events) = (Walker::new(Limits::default()), Vec::new());
    for bytes in large.pieces() {
        walker.push(bytes, &mut events).unwrap();
        events.clear();
    }
    let structure = walker.finish(&mut events).unwrap();
    let (node, stored) = structure.stored().next().unwrap();
    assert_eq!(node.info.role, Role::Filler);
    assert_eq!(stored.size, large.pieces * large.piece.len() as u64 - (16 << 10) - 2);
    assert!(peak_kib() - before < MAX_GROWTH_KIB);
}
