//! A message of 300 MB passes through the walker and the rebuilder in memory that does not depend on it.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use sealpost_envelope::{Digests, DualDigester};
use sealpost_message::{Limits, Rebuilder, Step, WalkEvent, Walker};

const HEAD: &str = "From: a@a.example\r\nSubject: large\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=frontier\r\n\r\n\
    --frontier\r\nContent-Type: text/plain\r\n\r\nSee attached.\r\n\
    --frontier\r\nContent-Type: application/octet-stream; name=big.bin\r\n\
    Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=big.bin\r\n\r\n";
const TAIL: &str = "--frontier--\r\n";
/// Pieces that the attachment repeats; each is 57 × 1024 bytes of data, 78 × 1024 of message.
const PIECES: usize = 3_750;
/// What the whole way may add to the process, debug build and allocator's slack included.
const MAX_GROWTH_KIB: u64 = 6 << 10;

/// Peak resident memory of this process.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn piece() -> (Vec<u8>, Vec<u8>) {
    let data: Vec<u8> = (0..57u32 * 1024).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut text = Vec::new();
    for line in data.chunks(57) {
        text.extend_from_slice(base64_simd::STANDARD.encode_to_string(line).as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    (data, text)
}

#[test]
fn three_hundred_megabytes() {
    let (data, text) = piece();
    let before = peak_kib();
    let mut walker = Walker::new(Limits::default());
    let (mut events, mut skeleton, mut received) = (Vec::new(), Vec::new(), DualDigester::new());
    let (mut stored_len, mut stored) = (0u64, None);
    let body = std::iter::repeat_n(text.as_slice(), PIECES);
    let source = std::iter::once(HEAD.as_bytes()).chain(body).chain(std::iter::once(TAIL.as_bytes()));
    let mut keep = |events: &mut Vec<WalkEvent>| {
        for event in events.drain(..) {
            match event {
                WalkEvent::Skeleton(bytes) => skeleton.extend_from_slice(&bytes),
                WalkEvent::PartData(bytes) => {
                    // The stored bytes are the repeated data: only this check sees them.
                    let at = (stored_len % data.len() as u64) as usize;
                    let first = bytes.len().min(data.len() - at);
                    assert!(bytes[..first] == data[at..at + first]);
                    stored_len += bytes.len() as u64;
                }
                WalkEvent::PartEnd(part) => stored = Some(part),
                WalkEvent::PartStart { .. } => {}
            }
        }
    };
    for bytes in source {
        received.update(bytes);
        walker.push(bytes, &mut events).unwrap();
        keep(&mut events);
    }
    let structure = walker.finish(&mut events).unwrap();
    keep(&mut events);
    let stored = stored.unwrap();
    assert_eq!(stored.size, (data.len() * PIECES) as u64);
    assert_eq!(structure.attachments_size(), stored.size);
    assert!(skeleton.len() < 2_000, "the skeleton has {} bytes", skeleton.len());

    let received: Digests = received.finish();
    assert_eq!(rebuilt(&skeleton, &data), received);
    let growth = peak_kib() - before;
    println!("{} bytes of message, {growth} KiB of memory", structure.size);
    assert!(growth < MAX_GROWTH_KIB, "{growth} KiB");
}

fn rebuilt(skeleton: &[u8], data: &[u8]) -> Digests {
    let (mut rebuilder, mut digester, mut out) = (Rebuilder::new(), DualDigester::new(), Vec::new());
    rebuilder.push(skeleton);
    while let Some(step) = rebuilder.next_step().unwrap() {
        match step {
            Step::Literal(bytes) => digester.update(&bytes),
            Step::Part { mut encoder, .. } => {
                for _ in 0..PIECES {
                    encoder.push(data, &mut out).unwrap();
                    digester.update(&out);
                    out.clear();
                }
                encoder.finish(&mut out).unwrap();
                digester.update(&out);
            }
        }
    }
    rebuilder.finish().unwrap();
    digester.finish()
}
