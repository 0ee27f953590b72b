//! A one-pass scanner that accepts canonical JSON and nothing else, without allocating.
//!
//! Of RFC 8785 it accepts what entries use: objects, arrays, strings, booleans and integers within
//! ±(2^53−1). A number in another spelling, and `null`, are refused: we never write them.

use super::MAX_SAFE;
use super::write::utf16_order;

/// Deeper nesting is refused; entries have three levels.
const MAX_DEPTH: u8 = 16;

/// Where the form was left, as an offset.
pub(super) struct Bad(pub usize);

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
    pub(super) fn bad<T>(&self) -> Result<T, Bad> {
        Err(Bad(self.at))
    }
    /// Exactly these characters.
    pub(super) fn literal(&mut self, expected: &str) -> Result<(), Bad> {
        if !self.try_literal(expected) {
            return self.bad();
        }
        Ok(())
    }
    /// These characters, or nothing.
    pub(super) fn try_literal(&mut self, expected: &str) -> bool {
        let there = self.text.as_bytes()[self.at..].starts_with(expected.as_bytes());
        if there {
            self.at += expected.len();
        }
        there
    }
    pub(super) fn end(&self) -> Result<(), Bad> {
        if self.at == self.text.len() { Ok(()) } else { self.bad() }
    }
    /// Integer in its one spelling.
    pub(super) fn integer(&mut self) -> Result<i64, Bad> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let zero_led =
            self.text.as_bytes().get(digits) == Some(&b'0') && (self.at - digits > 1 || digits > start);
        match self.text[start..self.at].parse::<i64>() {
            Ok(n) if !zero_led && i128::from(n.unsigned_abs()) <= MAX_SAFE => Ok(n),
            _ => Err(Bad(start)),
        }
    }
    /// String in its one spelling; gives what stands between the quotes, and whether escapes are in it.
    pub(super) fn string(&mut self) -> Result<(&'a str, bool), Bad> {
        self.literal("\"")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(b) if b >= 0x20 => self.at += 1,
                _ => return self.bad(),
            }
        }
        let inner = &self.text[start..self.at];
        self.at += 1;
        Ok((inner, escaped))
    }
    /// RFC 8785 §3.2.2.2: the two-character escapes where they exist, `\u00xx` in lower case else.
    fn escape(&mut self) -> Result<(), Bad> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
            [b'u', b'0', b'0', high @ (b'0' | b'1'), low, ..] => {
                let low_value = match low {
                    b'0'..=b'9' => low - b'0',
                    b'a'..=b'f' => low - b'a' + 10,
                    _ => return self.bad(),
                };
                let short = *high == b'0' && matches!(low_value, 0x8 | 0x9 | 0xa | 0xc | 0xd);
                if short {
                    return self.bad();
                }
                self.at += 6;
            }
            _ => return self.bad(),
        }
        Ok(())
    }
    /// An object; gives its text.
    pub(super) fn object(&mut self) -> Result<&'a str, Bad> {
        let start = self.at;
        self.members(0)?;
        Ok(&self.text[start..self.at])
    }
    fn members(&mut self, depth: u8) -> Result<(), Bad> {
        self.literal("{")?;
        if self.try_literal("}") {
            return Ok(());
        }
        let mut previous: Option<(&str, bool)> = None;
        loop {
            let here = self.at;
            let key = self.string()?;
            if previous.is_some_and(|p| !ascends(p, key)) {
                return Err(Bad(here));
            }
            previous = Some(key);
            self.literal(":")?;
            self.value(depth + 1)?;
            if self.try_literal("}") {
                return Ok(());
            }
            self.literal(",")?;
        }
    }
    fn value(&mut self, depth: u8) -> Result<(), Bad> {
        if depth > MAX_DEPTH {
            return self.bad();
        }
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.members(depth),
            Some(b'[') => self.items(depth),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            _ => self.integer().map(drop),
        }
    }
    fn items(&mut self, depth: u8) -> Result<(), Bad> {
        self.literal("[")?;
        if self.try_literal("]") {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.try_literal("]") {
                return Ok(());
            }
            self.literal(",")?;
        }
    }
}

/// Whether key `b` comes after key `a` (strictly: a key given twice is refused).
fn ascends(a: (&str, bool), b: (&str, bool)) -> bool {
    let plain = |key: (&str, bool)| match key {
        (text, false) => text.to_owned(),
        (text, true) => serde_json::from_str(&format!("\"{text}\"")).unwrap_or_default(),
    };
    if a.1 || b.1 { utf16_order(&plain(a), &plain(b)).is_lt() } else { utf16_order(a.0, b.0).is_lt() }
}
