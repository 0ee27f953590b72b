//! `BINARY[…]`: the content of a part, its transfer encoding undone while it passes (RFC 3516, RFC 9051 §6.4.5).
//!
//! The length must be told before the content: what is encoded is read twice, and never held whole.

use crate::backend::{Backend, Body, MailboxError, Mailboxes, Row};
use crate::output::{Output, Reply};
use crate::session::{Session, SessionError, Stop};
use crate::structure::{Kind, Structure};

/// Longest line of quoted-printable held; RFC 2045 §6.7 (5) allows 76.
const MAX_LINE: usize = 64 * 1024;

/// Undoes a transfer encoding.
#[derive(Debug)]
pub(crate) enum Decoder {
    Identity,
    Base64 { bits: u32, count: u32, ended: bool },
    Quoted { line: Vec<u8> },
}

impl Decoder {
    /// For a `Content-Transfer-Encoding`; `None` for one that nobody knows.
    fn new(encoding: &str) -> Option<Self> {
        Some(match encoding.to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Self::Identity,
            "base64" => Self::Base64 { bits: 0, count: 0, ended: false },
            "quoted-printable" => Self::Quoted { line: Vec::new() },
            _ => return None,
        })
    }

    /// Takes encoded bytes, appends what they mean.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(bytes),
            Self::Base64 { bits, count, ended } => {
                for &b in bytes {
                    *ended |= b == b'=';
                    // RFC 2045 §6.8: characters outside the alphabet are ignored.
                    let Some(value) = sextet(b).filter(|_| !*ended) else { continue };
                    *bits = (*bits << 6) | value;
                    *count += 6;
                    if *count >= 8 {
                        *count -= 8;
                        out.push((*bits >> *count) as u8);
                    }
                }
            }
            Self::Quoted { line } => {
                for piece in bytes.split_inclusive(|b| *b == b'\n') {
                    line.extend_from_slice(piece);
                    if piece.ends_with(b"\n") || line.len() > MAX_LINE {
                        quoted(line, out);
                        line.clear();
                    }
                }
            }
        }
    }

    fn finish(self, out: &mut Vec<u8>) {
        if let Self::Quoted { line } = self {
            quoted(&line, out);
        }
    }
}

fn sextet(b: u8) -> Option<u32> {
    Some(u32::from(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// One line of quoted-printable (RFC 2045 §6.7).
fn quoted(line: &[u8], out: &mut Vec<u8>) {
    let body = line.strip_suffix(b"\n").map_or(line, |l| l.strip_suffix(b"\r").unwrap_or(l));
    let end = &line[body.len()..];
    let body = if end.is_empty() { body } else { body.trim_ascii_end() };
    let (body, end) = match body.strip_suffix(b"=") {
        Some(soft) => (soft, &b""[..]),
        None => (body, end),
    };
    let mut rest = body;
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, pair) {
            (b'=', Some(value)) => {
                out.push(value);
                rest = &after[2..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out.extend_from_slice(end);
}

/// A part to be sent without its encoding.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub path: Vec<u32>,
    pub partial: Option<(u64, u64)>,
}

/// `BINARY[1.2]<0>` as the response repeats it.
pub(crate) fn label(kind: &str, path: &[u32], partial: Option<u64>) -> String {
    let path = path.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
    let origin = partial.map_or(String::new(), |from| format!("<{from}>"));
    format!("{kind}[{path}]{origin}")
}

/// Where a part's encoded bytes are, its encoding, and how long the decoded ones are.
#[derive(Debug)]
pub(crate) struct Found {
    from: u64,
    len: u64,
    encoding: String,
    pub size: u64,
}

impl<B: Backend> Session<B> {
    /// Finds a part and counts its decoded bytes; `None` when there is no such part.
    pub(crate) async fn find_binary(
        &self,
        row: &Row,
        structure: Option<&Structure>,
        path: &[u32],
    ) -> Result<Option<Found>, Stop> {
        if path.is_empty() {
            let whole = Found { from: 0, len: row.size, encoding: String::new(), size: row.size };
            return Ok(Some(whole));
        }
        let Some(part) = structure.and_then(|s| s.find(path)) else { return Ok(None) };
        let (from, end) = (part.body.0, part.body.1.min(row.size));
        let len = end.saturating_sub(from);
        // Multiparts and messages have no encoding of their own (RFC 2045 §6.4).
        let encoding = if part.kind == Kind::Leaf { part.encoding.clone() } else { String::new() };
        let mut found = Found { from, len, encoding, size: len };
        let unknown = || Stop::No("[UNKNOWN-CTE] this transfer encoding is not known".into());
        if !matches!(Decoder::new(&found.encoding).ok_or_else(unknown)?, Decoder::Identity) {
            found.size = 0;
            let mut reading = self.read_binary(row, &found).await?;
            while let Some(bytes) = reading.next().await? {
                found.size += bytes.len() as u64;
            }
        }
        Ok(Some(found))
    }

    async fn read_binary(
        &self,
        row: &Row,
        found: &Found,
    ) -> Result<Reading<<B::Mailboxes as Mailboxes>::Body>, Stop> {
        let folder = self.selected()?.folder;
        let body = match found.len {
            0 => None,
            len => Some(self.mailboxes()?.body(folder, row.uid, found.from, len).await?),
        };
        Ok(Reading { body, decoder: Decoder::new(&found.encoding) })
    }

    /// Sends a part, or a range of it, as a literal8 (RFC 3516 §4.2: it may hold NUL).
    pub(crate) async fn send_binary<O: Output>(
        &self,
        row: &Row,
        found: &Found,
        partial: Option<(u64, u64)>,
        reply: &mut Reply<'_, O>,
    ) -> Result<(), Stop> {
        let (from, most) = partial.unwrap_or((0, u64::MAX));
        let (mut skip, mut left) = (from.min(found.size), most.min(found.size.saturating_sub(from)));
        let mut reading = self.read_binary(row, found).await?;
        reply.write(format!(" ~{{{left}}}\r\n").as_bytes()).await?;
        // An error here cannot be told any more: the length stands.
        while left > 0 {
            let Ok(Some(bytes)) = reading.next().await else { break };
            let cut = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let start = cut(skip).min(bytes.len());
            skip -= start as u64;
            let end = start.saturating_add(cut(left)).min(bytes.len());
            left -= (end - start) as u64;
            reply.write(&bytes[start..end]).await?;
        }
        if left > 0 {
            return Err(SessionError::ShortBody { uid: row.uid, missing: left }.into());
        }
        Ok(())
    }
}

/// A part being read and decoded.
struct Reading<D> {
    body: Option<D>,
    decoder: Option<Decoder>,
}

impl<D: Body> Reading<D> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, MailboxError> {
        let Some(mut decoder) = self.decoder.take() else { return Ok(None) };
        let chunk = match &mut self.body {
            Some(body) => body.next().await?,
            None => None,
        };
        let mut out = Vec::new();
        match chunk {
            Some(bytes) => {
                decoder.push(&bytes, &mut out);
                self.decoder = Some(decoder);
            }
            None => decoder.finish(&mut out),
        }
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_in_any_pieces() {
        for (encoding, encoded, plain) in [
            ("7bit", "a\r\nb", "a\r\nb"),
            ("BASE64", "Qm9u\r\nam91cg==\r\n--junk", "Bonjour"),
            ("base64", "Qm9uam91cg", "Bonjour"),
            ("quoted-printable", "caf=C3=A9 =\r\nnoir  \r\n=3D=\r\n", "café noir\r\n="),
            ("quoted-printable", "a=zz=", "a=zz"),
        ] {
            for step in 1..encoded.len() {
                let (mut decoder, mut out) = (Decoder::new(encoding).unwrap(), Vec::new());
                encoded.as_bytes().chunks(step).for_each(|c| decoder.push(c, &mut out));
                decoder.finish(&mut out);
                assert_eq!(String::from_utf8(out).unwrap(), plain, "{encoding} by {step}");
            }
        }
        assert!(Decoder::new("x-uuencode").is_none());
        assert_eq!(label("BINARY", &[1, 2], Some(5)), "BINARY[1.2]<5>");
    }
}
