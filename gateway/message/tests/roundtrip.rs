//! Whatever the message and however it arrives: what is rebuilt is what was received.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::walk;
use proptest::prelude::*;
use sealpost_message::Limits;

/// Limits so small that every overflow happens.
fn tight() -> Limits {
    Limits { text_inline: 64, skeleton_bytes: 600, ..Limits::default() }
}

fn check(message: &[u8], sizes: &[usize], step: usize) {
    for limits in [Limits::default(), tight()] {
        let whole = walk(message, &[usize::MAX], limits.clone()).unwrap();
        let walked = walk(message, sizes, limits).unwrap();
        assert_eq!(walked.rebuild(step), message);
        assert_eq!(walked.structure, whole.structure, "the reading depends on the pieces");
        assert_eq!(walked.parts, whole.parts);
        assert_eq!(walked.skeleton, whole.skeleton);
        for n in walked.parts.keys() {
            assert_eq!(walked.content(*n, step), whole.content(*n, usize::MAX));
        }
        let json = serde_json::to_string(&walked.structure).unwrap();
        let mut back: sealpost_message::Structure = serde_json::from_str(&json).unwrap();
        back.top.fields = walked.structure.top.fields.clone();
        assert_eq!(back, walked.structure);
    }
}

/// Fragments that matter to the walker, in any order: most results are nonsense, none may be lost.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"--b\r\n".to_vec()),
        Just(b"\r\n--b\r\n".to_vec()),
        Just(b"\r\n--b--\r\n".to_vec()),
        Just(b"--bb\r\n".to_vec()),
        Just(b"--bb--".to_vec()),
        Just(b"--b  \r\n".to_vec()),
        Just(b"-".to_vec()),
        Just(b"--".to_vec()),
        Just(b"Content-Type: multipart/mixed; boundary=b\r\n".to_vec()),
        Just(b"Content-Type: multipart/related; boundary=\"bb\"\r\n\r\n".to_vec()),
        Just(b"Content-Type: text/html\r\n\r\n<img src=cid:x>".to_vec()),
        Just(b"Content-Type: image/png\r\nContent-ID: <x>\r\n".to_vec()),
        Just(b"Content-Type: application/pdf; name=a.pdf\r\n".to_vec()),
        Just(b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec()),
        Just(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n".to_vec()),
        Just(b"Content-Disposition: attachment\r\n\r\n".to_vec()),
        Just(b"QUJD".to_vec()),
        Just(b"QUI=".to_vec()),
        Just(b"QQ==\r\n".to_vec()),
        Just(b"QR==".to_vec()),
        Just(b"=".to_vec()),
        Just(b"=C3=A9 =\r\n".to_vec()),
        Just(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ABCDEFGHIJKL\r\n".repeat(5)),
        Just(b"0123456\r\n".repeat(9)),
        Just(b"x".repeat(300)),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(fragment, 0..40).prop_map(|f| f.concat())
}

/// A base64 body of this data in lines of this length, with a stray byte now and then.
fn base64_body(data: &[u8], line: usize, stray: &[(usize, u8)]) -> Vec<u8> {
    let text = base64_simd::STANDARD.encode_to_string(data);
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(line.max(1)) {
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    for (at, byte) in stray {
        if !out.is_empty() {
            let at = at % out.len();
            out.insert(at, *byte);
        }
    }
    out
}

proptest! {
    #[test]
    fn any_fragments(message in fragments(), sizes in proptest::collection::vec(1usize..50, 1..6), step in 1usize..200) {
        check(&message, &sizes, step);
    }

    #[test]
    fn any_bytes_in_a_multipart(
        body in proptest::collection::vec(any::<u8>(), 0..400),
        sizes in proptest::collection::vec(1usize..50, 1..6),
    ) {
        let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\n".to_vec();
        message.extend_from_slice(&body);
        message.extend_from_slice(b"\r\n--b--\r\n");
        check(&message, &sizes, 64);
    }

    #[test]
    fn base64_in_any_layout(
        data in proptest::collection::vec(any::<u8>(), 0..3000),
        line in prop_oneof![Just(76usize), Just(64), Just(75), 1usize..130, Just(100_000)],
        stray in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        sizes in proptest::collection::vec(1usize..5000, 1..4),
    ) {
        let mut message =
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec();
        message.extend_from_slice(&base64_body(&data, line, &stray));
        check(&message, &sizes, 333);
        let walked = walk(&message, &sizes, Limits::default()).unwrap();
        if stray.iter().all(|(_, b)| matches!(b, b'\r' | b'\n' | b' ' | b'-' | b'.' | 128..)) {
            // Foreign characters are ignored (RFC 2045 §6.8).
            assert_eq!(walked.content(1, 1000), data);
        }
    }
}
