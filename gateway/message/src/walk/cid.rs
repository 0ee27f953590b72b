//! Which `cid:` addresses an HTML body shows (RFC 2392), found while it streams by.

use memchr::memmem;
use std::collections::HashSet;

/// Longest Content-ID looked for.
const MAX_ID: usize = 300;
/// Most ids remembered; a body that shows more pictures has the rest as files.
const MAX_IDS: usize = 2_000;

/// Scanner over the content of HTML bodies.
#[derive(Debug, Default)]
pub(crate) struct CidScan {
    carry: Vec<u8>,
}

impl CidScan {
    /// Looks at the next piece of content.
    pub(crate) fn push(&mut self, content: &[u8], found: &mut HashSet<String>) {
        for piece in content.chunks(16 << 10) {
            self.carry.extend_from_slice(piece);
            let keep_from = self.scan(false, found);
            self.carry.drain(..keep_from);
        }
    }

    /// Ends the body.
    pub(crate) fn finish(self, found: &mut HashSet<String>) {
        self.scan(true, found);
    }

    /// Takes whole ids; gives where an unfinished one may begin.
    fn scan(&self, end: bool, found: &mut HashSet<String>) -> usize {
        let mut at = 0;
        while let Some(i) = memmem::find(&self.carry[at..], b"cid:") {
            let start = at + i + 4;
            let rest = &self.carry[start..];
            let len = rest.iter().take(MAX_ID).position(|b| is_delimiter(*b));
            match len {
                Some(len) => remember(&rest[..len], found),
                None if rest.len() >= MAX_ID => {}
                None if end => remember(rest, found),
                None => return at + i,
            }
            at = start;
        }
        // The four letters themselves may be cut.
        at.max(self.carry.len().saturating_sub(3))
    }
}

fn is_delimiter(b: u8) -> bool {
    matches!(b, b'"' | b'\'' | b'>' | b'<' | b')' | b'&' | b' ' | b'\t' | b'\r' | b'\n')
}

fn remember(id: &[u8], found: &mut HashSet<String>) {
    if !id.is_empty() && found.len() < MAX_IDS {
        found.insert(normal_id(&String::from_utf8_lossy(id)));
    }
}

/// An id as it is compared: percent-decoded (RFC 2392 §2), since writers encode at will.
pub(crate) fn normal_id(id: &str) -> String {
    let mut out = Vec::with_capacity(id.len());
    let bytes = id.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|d| char::from(*d).to_digit(16));
        match (bytes[i], digit(i + 1), digit(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            (byte, ..) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_wherever_the_pieces_end() {
        let html = b"<img src=\"cid:a@b\"><img src=cid:c%40d>url('cid:e') cid: cid:last";
        for step in 1..20 {
            let (mut scan, mut found) = (CidScan::default(), HashSet::new());
            html.chunks(step).for_each(|piece| scan.push(piece, &mut found));
            scan.finish(&mut found);
            let mut ids: Vec<_> = found.into_iter().collect();
            ids.sort();
            assert_eq!(ids, ["a@b", "c@d", "e", "last"], "by {step}");
        }
    }
}
