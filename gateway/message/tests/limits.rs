//! What a stranger may ask of the walker, and what it keeps of the worst they can send.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::walk;
use sealpost_message::{Coding, Limits, MessageError, Role};
use std::time::Instant;

/// Most that a skeleton may take with the default limits: headers, texts, delimiter lines.
const MAX_SKELETON: usize = 4 << 20;

fn refusal(message: &[u8]) -> Option<MessageError> {
    let whole = walk(message, &[usize::MAX], Limits::default()).err();
    let pieces = walk(message, &[1000, 1], Limits::default()).err();
    assert_eq!(whole, pieces);
    whole
}

#[test]
fn nesting() {
    let nested = |levels: usize| -> Vec<u8> {
        (0..levels)
            .map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n"))
            .collect::<String>()
            .into()
    };
    assert_eq!(refusal(&nested(50)), None);
    assert_eq!(refusal(&nested(51)), Some(MessageError::TooDeep { limit: 50 }));
    assert_eq!(refusal(&nested(1_000)), Some(MessageError::TooDeep { limit: 50 }));
    // Messages within messages nest as deep as they like: they are one file.
    let deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    assert_eq!(refusal(&deep), None);
    // Nor do levels that are left again count.
    let (open, close) = ("Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n", "--c--\r\n");
    let side_by_side = format!("--b\r\n{open}{close}").repeat(1_000);
    let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{side_by_side}--b--\r\n");
    assert_eq!(refusal(message.as_bytes()), None);
}

#[test]
fn parts() {
    let parts = |n: usize| {
        let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
        message.extend_from_slice(&b"--b\r\n\r\nx\r\n".repeat(n));
        message
    };
    assert_eq!(refusal(&parts(9_999)), None);
    assert_eq!(refusal(&parts(10_000)), Some(MessageError::TooManyParts { limit: 10_000 }));
}

#[test]
fn headers() {
    let limit = MessageError::HeadersTooLarge { limit: 256 << 10 };
    let fields = |n: usize| b"X-Field: aaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(n);
    assert_eq!(refusal(&fields(7_000)), None);
    assert_eq!(refusal(&fields(8_000)), Some(limit.clone()));
    // One endless field, and one endless name.
    assert_eq!(refusal(&[b"X: ".to_vec(), vec![b'a'; 300 << 10]].concat()), Some(limit.clone()));
    // All parts together.
    let part = b"--b\r\nX-Field: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
    let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    message.extend_from_slice(&part.repeat(4_000));
    assert_eq!(refusal(&message), Some(limit));
    // A body without header is no header, however long its line.
    assert_eq!(refusal(&vec![b'a'; 300 << 10]), None);
}

/// Walks in large and small pieces, checks the way back and the size of what is kept in the skeleton.
fn survives(name: &str, message: &[u8]) -> common::Walked {
    let started = Instant::now();
    let walked = walk(message, &[64 << 10], Limits::default()).unwrap();
    assert!(walked.rebuild(50_000) == message, "{name} is not rebuilt");
    assert!(walked.skeleton.len() < MAX_SKELETON, "{name}: {} bytes of skeleton", walked.skeleton.len());
    println!(
        "{name}: {} bytes, {} of skeleton, {:?}",
        message.len(),
        walked.skeleton.len(),
        started.elapsed()
    );
    walked
}

fn base64_part(body: &[u8]) -> Vec<u8> {
    let mut message = b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec();
    message.extend_from_slice(body);
    message
}

#[test]
fn worst_cases_stay_small() {
    let mixed = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();

    let preamble = [mixed.clone(), b"preamble line\r\n--c\r\n".repeat(200_000)].concat();
    let walked = survives("endless preamble", &preamble);
    assert_eq!(walked.structure.stored().next().unwrap().0.info.role, Role::Filler);

    let text = [b"--b\r\n\r\n".to_vec(), b"sixty-three thousand bytes of text\r\n".repeat(1_800)].concat();
    let walked = survives("a hundred long texts", &[mixed.clone(), text.repeat(100)].concat());
    assert!(walked.structure.stored().count() > 50);

    // Line lengths that never repeat: no recipe is shorter than the layout itself.
    let mut lines = Vec::new();
    for i in 0..60_000usize {
        lines.extend_from_slice(
            &b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk"
                [..4 * (i * 7 % 19 + 1)],
        );
        lines.extend_from_slice(b"\r\n");
    }
    let walked = survives("irregular base64", &base64_part(&lines));
    let stored = walked.structure.stored().next().unwrap().1;
    assert!(matches!(stored.coding, Coding::Base64Tail { tail: true, .. }));
    let text: Vec<u8> = lines.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    assert!(walked.content(1, 9_999) == base64_simd::STANDARD.decode_to_vec(text).unwrap());

    survives("blank lines in base64", &base64_part(&b"\r\n".repeat(1_000_000)));
    survives("blanks in base64", &base64_part(&b"QUJD ".repeat(400_000)));
    survives("junk within groups", &base64_part(&b"Q-U-J-D-".repeat(250_000)));
    survives("one group, then junk", &base64_part(&[b"QU".to_vec(), vec![b'-'; 2_000_000]].concat()));
    survives("one long line", &base64_part(&b"QUJD".repeat(500_000)));
    survives(
        "one long line with junk at its end",
        &base64_part(&[b"QUJD".repeat(8_190), b"Q!JD".to_vec()].concat().repeat(60)),
    );
    survives("junk after padding", &base64_part(&[b"QQ==".to_vec(), vec![b'x'; 2_000_000]].concat()));
    survives("dashes", &[mixed.clone(), b"--b\r\n\r\n".to_vec(), b"\r\n--".repeat(500_000)].concat());
    survives("carriage returns", &[mixed, b"--b\r\n\r\n".to_vec(), b"\r".repeat(2_000_000)].concat());
    survives(
        "escapes",
        &[
            b"Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".to_vec(),
            b"= = \t==".repeat(300_000),
        ]
        .concat(),
    );
}

#[test]
fn no_header_takes_square_time() {
    let list = |open: &str, item: &str, n: usize| format!("{open}{}\r\n\r\n", item.repeat(n));
    let fields: String = (0..20_000).map(|i| format!("x{i}: y\r\n")).collect();
    let sections: String = (0..8_000).map(|i| format!(";\r\n filename*{i}*=%41(((\"")).collect();
    for (name, header) in [
        ("fields", fields),
        ("sections", format!("Content-Disposition: attachment{sections}\r\n\r\n")),
        ("comments", list("Content-Type: ", "(", 200_000)),
        ("comments in parameters", list("Content-Type: a/b", ";(", 100_000)),
        ("words in a parameter", list("Content-Type: a/b; name=\"", "=?utf-8?q?=41?= ", 12_000)),
        ("addresses", list("To: ", "(<\"a", 50_000)),
        ("groups", list("To: ", "a:b@c;", 40_000)),
        ("subject", list("Subject: ", "=?utf-8?q?=41?= ", 15_000)),
        ("broken words", list("Subject: ", "=?utf-8?b?", 20_000)),
        ("ids", list("References: ", "<a@b>", 50_000)),
        ("date", list("Date: ", "Sun, (", 40_000)),
    ] {
        let started = Instant::now();
        walk(header.as_bytes(), &[usize::MAX], Limits::default()).unwrap();
        println!("{name}: {:?}", started.elapsed());
        assert!(started.elapsed().as_secs() < 5, "{name} took {:?}", started.elapsed());
    }
}
