//! Faults of `[[trusted]]` servers that the configuration names, and nothing else, are overlooked.
//!
//! **Job.** Mends line ends while a message arrives, notes what was overlooked for the journal, and stops mail that
//! goes in circles between two servers.
//!
//! **Standards.** RFC 5321 §2.3.8 (line ends), §6.3 (loops); RFC 5322 §3.6 (Date); RFC 3848 (how TLS is told).
//!
//! **Failure.** A fault that is not tolerated by name is refused with what to change. A message whose lines were mended
//! has two digests, of the bytes as they came and as they were deposited; the journal holds both.

use super::intake::Received;
use crate::config::{Tolerance, Trusted};
use sealpost_envelope::{Digests, DualDigester};
use sealpost_message::TopHeaders;
use sealpost_smtp::Reply;

/// A message that has passed so many servers goes in circles.
const MAX_HOPS: usize = 50;
/// So often it may have passed this one: by a forwarding address it may come again.
const MAX_OWN_HOPS: usize = 3;

/// What was overlooked of a submission.
#[derive(Debug, Clone, Default)]
pub struct Overlooked {
    /// By the names of the configuration.
    pub faults: Vec<&'static str>,
    /// Of the bytes as they came, where others were deposited.
    pub received: Option<Digests>,
}

/// Turns LF without CR into CRLF, and digests what it was given.
#[derive(Debug)]
pub struct LineEnds {
    digester: DualDigester,
    after_cr: bool,
    mended: bool,
}

impl LineEnds {
    /// At the beginning of a message.
    pub fn new() -> Self {
        Self { digester: DualDigester::new(), after_cr: false, mended: false }
    }

    /// The next bytes, mended.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        self.digester.update(bytes);
        let first = self.after_cr;
        let is_bare = |at: usize| match at.checked_sub(1) {
            Some(before) => bytes[before] != b'\r',
            None => !first,
        };
        let (mut out, mut from) = (Vec::new(), 0);
        let ends = bytes.iter().enumerate().filter(|(at, byte)| **byte == b'\n' && is_bare(*at));
        for (at, _) in ends {
            out.extend_from_slice(&bytes[from..at]);
            out.extend_from_slice(b"\r\n");
            from = at + 1;
        }
        if let Some(last) = bytes.last() {
            self.after_cr = *last == b'\r';
        }
        if from == 0 {
            return bytes.into();
        }
        self.mended = true;
        out.extend_from_slice(&bytes[from..]);
        out.into()
    }

    /// Digests of what came, if it was changed.
    pub fn finish(self) -> Option<Digests> {
        self.mended.then(|| self.digester.finish())
    }
}

/// What is overlooked of a message from that server, or why it is refused.
pub fn overlook(server: &Trusted, received: &Received, protocol: &str) -> Result<Overlooked, Reply> {
    let mut faults = Vec::new();
    let top = &received.meta.structure.top;
    if !has_date(top) {
        if !server.tolerates(Tolerance::NoDate) {
            return Err(Reply::new(554, 6, 0, "The message has no Date field (RFC 5322 section 3.6)"));
        }
        faults.push("no-date");
    }
    if received.as_it_came.is_some() {
        faults.push("bare-lf");
    }
    // Without TLS the session lets only those servers in from which that is tolerated.
    if !protocol.contains("SMTPS") {
        faults.push("no-tls");
    }
    Ok(Overlooked { faults, received: received.as_it_came })
}

fn has_date(top: &TopHeaders) -> bool {
    top.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Date"))
}

/// Refuses a message that has come by here, or by anybody, too often.
pub fn in_circles(top: &TopHeaders, hostname: &str) -> Result<(), Reply> {
    let passed = top.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Received"));
    let (mut all, mut own) = (0, 0);
    for (_, value) in passed {
        all += 1;
        own += usize::from(is_by(value, hostname));
    }
    match all > MAX_HOPS || own > MAX_OWN_HOPS {
        true => Err(Reply::new(554, 4, 6, "This message goes in circles: it has passed here before")),
        false => Ok(()),
    }
}

/// Whether a Received field was added by that server: `… by HOST with …` (RFC 5321 §4.4).
fn is_by(received: &str, hostname: &str) -> bool {
    let mut words = received.split_ascii_whitespace();
    words.any(|word| word.eq_ignore_ascii_case("by"))
        && words.next().is_some_and(|host| host.trim_end_matches(';').eq_ignore_ascii_case(hostname))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mended in pieces of every length, and whole.
    fn mended(text: &str) -> (String, bool) {
        let mut whole = LineEnds::new();
        let expected = whole.push(text.as_bytes()).into_owned();
        for size in 1..=text.len().max(1) {
            let mut pieces = LineEnds::new();
            let got: Vec<u8> =
                text.as_bytes().chunks(size).flat_map(|piece| pieces.push(piece).into_owned()).collect();
            assert_eq!(got, expected, "{text:?} by {size}");
            let digest = sealpost_envelope::Sha256Digest::of(text.as_bytes());
            assert!(pieces.finish().is_none_or(|d| d.sha256 == digest));
        }
        (String::from_utf8(expected).unwrap(), whole.finish().is_some())
    }

    #[test]
    fn line_ends_are_mended_once() {
        for (came, kept, changed) in [
            ("", "", false),
            ("a\r\nb\r\n", "a\r\nb\r\n", false),
            ("a\nb\r\n\nc", "a\r\nb\r\n\r\nc", true),
            ("\n\n", "\r\n\r\n", true),
            ("x\n.\n", "x\r\n.\r\n", true),
        ] {
            assert_eq!(mended(came), (kept.to_owned(), changed), "{came:?}");
        }
    }

    #[test]
    fn circles_are_seen() {
        let by = |host: &str| ("Received".to_owned(), format!("from a by {host} with ESMTP id 1; date"));
        let top = |hosts: &[&str]| TopHeaders {
            fields: hosts.iter().map(|host| by(host)).collect(),
            ..TopHeaders::default()
        };
        assert!(in_circles(&top(&["us.example"; 3]), "us.example").is_ok());
        assert!(in_circles(&top(&["US.example"; 4]), "us.example").is_err());
        assert!(in_circles(&top(&["b.example"; 50]), "us.example").is_ok());
        assert!(in_circles(&top(&["b.example"; 51]), "us.example").is_err());
        assert!(!is_by("from us.example by b.example with SMTP", "us.example"));
        assert!(!is_by("by", "us.example"));
    }
}
