//! The unstuffer against a naive reading of RFC 5321 §4.5.2, and against its inverse.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::BytesMut;
use proptest::prelude::*;
use sealpost_smtp::data::{Fault, Piece, Stuffer, Unstuffer};

/// What a whole stream comes to: the message, or the first fault; and what was left behind the end.
type Reading = (Result<Vec<u8>, Fault>, Vec<u8>);

/// Reads the stream in packets of the given sizes; `None` if the end never came.
fn read(stream: &[u8], sizes: &[usize]) -> Option<Reading> {
    read_with(stream, sizes, false)
}

fn read_with(stream: &[u8], sizes: &[usize], bare_lf: bool) -> Option<Reading> {
    let mut unstuffer = Unstuffer::data(1 << 20, None).with_bare_lf(bare_lf);
    let mut input = BytesMut::new();
    let (mut rest, mut sizes) = (stream, sizes.iter().cycle());
    let mut message = Ok(Vec::new());
    loop {
        match unstuffer.next(&mut input) {
            Piece::Data(bytes) => message.as_mut().expect("no data after a fault").extend_from_slice(&bytes),
            Piece::Fault(fault) => {
                assert!(message.is_ok(), "one fault is enough");
                message = Err(fault);
            }
            Piece::End => return Some((message, [&input[..], rest].concat())),
            Piece::NeedInput if rest.is_empty() => return None,
            Piece::NeedInput => {
                assert!(input.is_empty());
                let (packet, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                input.extend_from_slice(packet);
                rest = after;
            }
        }
    }
}

/// The same by the book: find CRLF.CRLF, look at each octet, take a dot off each line.
fn by_the_book(stream: &[u8], bare_lf: bool) -> Option<Reading> {
    let virtual_start = [b"\r\n", stream].concat();
    let end = virtual_start.windows(5).position(|w| w == b"\r\n.\r\n")?;
    let body = &virtual_start[2..(end + 2).max(2)];
    let rest = virtual_start[end + 5..].to_vec();
    // Faults in the order of the wire; a CR is judged when the octet after it is seen.
    let ended = [body, b".\r\n"].concat();
    for (at, octet) in body.iter().enumerate() {
        let fault = match octet {
            0 => Fault::Nul,
            b'\n' if !bare_lf && (at == 0 || body[at - 1] != b'\r') => Fault::BareLf,
            b'\r' if ended[at + 1] != b'\n' => Fault::BareCr,
            _ => continue,
        };
        return Some((Err(fault), rest));
    }
    let starts_line = |at: usize| at == 0 || body[..at].ends_with(b"\r\n");
    let kept = body.iter().enumerate().filter(|(at, octet)| **octet != b'.' || !starts_line(*at));
    Some((Ok(kept.map(|(_, octet)| *octet).collect()), rest))
}

/// Octets of which trouble is made.
fn trouble() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"\r\n"[..]), 3 => Just(&b"."[..]), 2 => Just(&b"a"[..]), 1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]), 1 => Just(&b"\0"[..]), 2 => Just(&b"\r\n.\r\n"[..]), 2 => Just(&b"\r\n.."[..]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|p| p.concat())
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1usize..9, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn reads_as_the_book_does(stream in trouble(), sizes in sizes()) {
        prop_assert_eq!(read(&stream, &sizes), by_the_book(&stream, false));
    }

    #[test]
    fn a_tolerated_lf_neither_ends_the_message_nor_hides_a_dot(stream in trouble(), sizes in sizes()) {
        prop_assert_eq!(read_with(&stream, &sizes, true), by_the_book(&stream, true));
    }
}

proptest! {
    #[test]
    fn stuffing_is_undone(
        lines in proptest::collection::vec("\\.{0,3}[a-z. ]{0,30}\\.?", 0..20),
        out_sizes in sizes(), in_sizes in sizes(),
    ) {
        let message: Vec<u8> = lines.iter().flat_map(|l| [l.as_bytes(), b"\r\n"].concat()).collect();
        let (mut stuffer, mut wire) = (Stuffer::new(), BytesMut::new());
        let (mut rest, mut sizes) = (&message[..], out_sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            stuffer.encode(chunk, &mut wire).unwrap();
            rest = after;
        }
        stuffer.finish(&mut wire).unwrap();
        prop_assert_eq!(read(&wire, &in_sizes), Some((Ok(message), Vec::new())));
    }

    #[test]
    fn what_leaves_has_no_bare_line_end(stream in trouble()) {
        let (mut stuffer, mut wire) = (Stuffer::new(), BytesMut::new());
        let encoded = stuffer.encode(&stream, &mut wire).and_then(|()| stuffer.finish(&mut wire));
        let crlf_only = {
            let rest = stream.strip_suffix(b"\r\n").unwrap_or(&stream);
            let joined = String::from_utf8_lossy(rest).replace("\r\n", "");
            !joined.contains(['\r', '\n'])
        };
        prop_assert_eq!(encoded.is_ok(), crlf_only);
    }
}

#[test]
fn slices_are_as_big_as_the_input() {
    // Stuffed dots cost a move within the buffer, never a slice more.
    let wire = b"..x\r\n".repeat(1000);
    let mut input = BytesMut::from(&wire[..]);
    let Piece::Data(bytes) = Unstuffer::data(1 << 20, None).next(&mut input) else { panic!("no data") };
    assert_eq!(bytes.len(), 4000);
}

/// Eight octets of EHLO ask for two hundred: who sends without end and reads nothing gets no more than one helping ahead.
#[test]
fn answers_to_a_long_pipeline_come_in_bounded_helpings() {
    use sealpost_smtp::server::{Action, Kind, ServerConfig, Session, TlsState};
    let mut config = ServerConfig::new(Kind::Inbound, "mx.sealpost.test", TlsState::Offered);
    config.limits.idle_commands = 10_000;
    let mut session = Session::new(config);
    let mut input = bytes::BytesMut::from(&b"EHLO x\r\n".repeat(5000)[..]);
    let (mut answered, mut largest) = (0, 0);
    loop {
        match session.next(&mut input) {
            Action::Reply(bytes) => {
                answered += bytes.windows(24).filter(|w| *w == b"250 ENHANCEDSTATUSCODES\r").count();
                largest = largest.max(bytes.len());
            }
            Action::NeedInput => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered, 5000);
    assert!(largest < 20 << 10, "{largest} octets at once");
}
