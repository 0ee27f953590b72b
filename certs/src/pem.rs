//! PEM (RFC 7468): the text form of keys and certificates in files.

use thiserror::Error;

/// Why a PEM text cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PemError {
    /// A block without its END line, or one of another label.
    #[error("PEM block {0} has no matching END line")]
    Unterminated(String),
    /// The body of a block is not base64.
    #[error("PEM block {0} is not base64")]
    Base64(String),
}

/// One block: its label (`CERTIFICATE`, `PRIVATE KEY`, …) and the bytes in it.
#[derive(Clone)]
pub struct Block {
    /// Text between `BEGIN` and the dashes.
    pub label: String,
    /// Decoded body.
    pub bytes: Vec<u8>,
}

/// Writes one block with lines of 64 characters (RFC 7468 §3).
pub fn encode(label: &str, bytes: &[u8]) -> String {
    let body = base64_lines(bytes, 64, "\n");
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

/// Base64 in lines of `width` characters, each ended by `end`.
pub fn base64_lines(bytes: &[u8], width: usize, end: &str) -> String {
    let flat = base64_simd::STANDARD.encode_to_string(bytes);
    let mut out = String::with_capacity(flat.len() + (flat.len() / width + 1) * end.len());
    let mut rest = flat.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(width));
        out.push_str(line);
        out.push_str(end);
        rest = tail;
    }
    out
}

/// All blocks of a file, in order. Text around blocks is commentary.
pub fn decode_all(text: &str) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next() {
                Some(l) if l == end => break,
                Some(l) if !l.starts_with("-----") => body.push_str(l),
                _ => return Err(PemError::Unterminated(label.to_owned())),
            }
        }
        let bytes = base64_simd::STANDARD
            .decode_to_vec(body.as_bytes())
            .map_err(|_| PemError::Base64(label.to_owned()))?;
        zeroize::Zeroize::zeroize(&mut body); // it may have been a key
        blocks.push(Block { label: label.to_owned(), bytes });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let text = format!("comment\n{}{}", encode("A", &[1; 100]), encode("B", b"").replace('\n', "\r\n"));
        let blocks = decode_all(&text).unwrap();
        assert_eq!((blocks[0].label.as_str(), blocks[0].bytes.len()), ("A", 100));
        assert_eq!((blocks[1].label.as_str(), blocks[1].bytes.len()), ("B", 0));
        assert!(decode_all("-----BEGIN A-----\nAA==\n").is_err());
        assert!(decode_all("-----BEGIN A-----\nAA==\n-----END B-----\n").is_err());
        assert!(decode_all("-----BEGIN A-----\n*\n-----END A-----\n").is_err());
    }
}
