//! Repeatable mutations: the same seed number gives the same bytes everywhere.

/// Words that parsers treat in a special way.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n\r\n",
    b".\r\n",
    b"--",
    b"=",
    b"==",
    b"\"",
    b"\\",
    b"%",
    b"%00",
    b"=?utf-8?Q?",
    b"?=",
    b"(",
    b")",
    b"<",
    b">",
    b";",
    b":",
    b",",
    b"*0*=",
    b"{4}\r\n",
    b"{99999999999}\r\n",
    b"\xff\xff\xff\xff",
    b"\x80",
    b"\x30\x80",
    b"\x7f\xff\xff\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xae",
    b"0",
    b"-1",
    b"18446744073709551616",
    b"[",
    b"]",
    b"{",
    b"}",
    b"PK\x03\x04",
    b"cid:",
    b"<script>",
];

/// A small generator of numbers (xorshift), seeded.
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

/// A mutation of `seed`, at times joined with `other`; never longer than `most` bytes.
pub fn mutate(seed: &[u8], other: &[u8], numbers: &mut Numbers, most: usize) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(out.len() + 1);
        let span = numbers.below(out.len() - at + 1).min(1 + numbers.below(64));
        match numbers.below(9) {
            0 if at < out.len() => out[at] ^= 1 << numbers.below(8),
            1 if at < out.len() => out[at] = numbers.below(256) as u8,
            2 => drop(out.drain(at..at + span)),
            3 => {
                let again = out[at..at + span].to_vec();
                for _ in 0..=numbers.below(8) {
                    out.splice(at..at, again.iter().copied());
                }
            }
            4 => out.truncate(at),
            5 => {
                let from = numbers.below(other.len() + 1);
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
            6 => {
                let from = numbers.below(other.len() + 1);
                let to = (from + 1 + numbers.below(64)).min(other.len());
                out.splice(at..at, other[from.min(to)..to].iter().copied());
            }
            _ => {
                let word = WORDS[numbers.below(WORDS.len())];
                out.splice(at..at, word.iter().copied());
            }
        }
        out.truncate(most);
    }
    out
}
