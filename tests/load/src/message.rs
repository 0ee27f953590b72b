//! The messages that are sent: small ones by number, large ones as a stream of the same piece.

use std::sync::atomic::{AtomicU64, Ordering};

static NUMBER: AtomicU64 = AtomicU64::new(0);

fn head(from: &str, to: &str, content_type: &str) -> String {
    let n = NUMBER.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    format!(
        "From: Alice Martin <{from}>\r\nTo: {to}\r\nSubject: Load {n}\r\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nMessage-ID: <load.{pid}.{n}@sealpost.test>\r\n\
         MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n"
    )
}

/// A text message of `size` octets with a Message-ID of its own.
pub fn small(from: &str, to: &str, size: usize) -> Vec<u8> {
    let mut out = head(from, to, "text/plain; charset=us-ascii").into_bytes();
    out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n\r\n");
    let line = b"All of this is text that a person might have written, line after line.\r\n";
    while out.len() + line.len() <= size {
        out.extend_from_slice(line);
    }
    let rest = size.saturating_sub(out.len());
    if rest > 2 {
        out.extend(std::iter::repeat_n(b'x', rest - 2));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Octets of the attachment in one piece: whole base64 lines of 57.
const PIECE: usize = 57 * 16 * 1024;

/// A message with one attachment in base64, produced while it is sent.
pub struct Large {
    piece: Vec<u8>,
    /// Octets of the attachment, decoded: a multiple of a piece.
    pub file: u64,
}

impl Large {
    /// With an attachment of about `file` octets.
    pub fn with_file(file: u64) -> Self {
        let mut number = 0u64;
        let mut raw = vec![0u8; PIECE];
        for chunk in raw.chunks_mut(8) {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            chunk.copy_from_slice(&(number >> 8).to_le_bytes()[..chunk.len()]);
        }
        let mut piece = String::with_capacity(PIECE / 57 * 78);
        for line in raw.chunks(57) {
            base64_simd::STANDARD.encode_append(line, &mut piece);
            piece.push_str("\r\n");
        }
        Self { piece: piece.into_bytes(), file: file.div_ceil(PIECE as u64) * PIECE as u64 }
    }

    /// Of about `wire` octets in all.
    pub fn of_size(wire: u64) -> Self {
        Self::with_file(wire / 78 * 57)
    }

    /// Octets on the wire, header and closing lines aside.
    pub fn wire(&self) -> u64 {
        self.file / 57 * 78
    }

    /// Up to the attachment's content.
    pub fn head(&self, from: &str, to: &str) -> String {
        head(from, to, "multipart/mixed; boundary=\"load\"")
            + "\r\n--load\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThe file is attached.\r\n\
               --load\r\nContent-Type: application/octet-stream; name=\"load.bin\"\r\n\
               Content-Disposition: attachment; filename=\"load.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    }

    /// The attachment's content.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let count = self.file / PIECE as u64;
        (0..count).map(|_| self.piece.as_slice())
    }

    /// What follows it.
    pub fn tail(&self) -> &'static str {
        "--load--\r\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_asked() {
        assert_eq!(small("a@b.test", "c@d.test", 4096).len(), 4096);
        let large = Large::with_file(1);
        assert_eq!(large.file, PIECE as u64);
        assert_eq!(large.pieces().map(<[u8]>::len).sum::<usize>() as u64, large.wire());
    }
}
