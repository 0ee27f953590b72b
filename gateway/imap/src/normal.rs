//! What the command parser does not know of IMAP4rev2, put into words that it knows: UTF-8 within quotes
//! (RFC 9051 §4.3) and the saved search result `$` (RFC 5182, RFC 9051 §6.4.4.1).
//!
//! Works on whole commands, literals included; what it does not understand it leaves to the parser.

use std::ops::Range;

/// A piece of a command between blanks and parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(Range<usize>),
    Quoted(Range<usize>),
    Literal,
}

/// The messages that `$` stands for, as UIDs and as sequence numbers (`1:3,5`), empty when there are none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Saved {
    pub uids: String,
    pub numbers: String,
}

/// A command to parse.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Normal {
    /// This one.
    Command(Vec<u8>),
    /// It names the saved result, which is empty: there is nothing to do (RFC 5182 §2.1).
    Nothing(String),
}

fn tokens(line: &[u8]) -> Option<Vec<Token>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < line.len() {
        match line[at] {
            b' ' | b'(' | b')' | b'\r' | b'\n' => at += 1,
            b'"' => {
                let start = at;
                at += 1;
                while *line.get(at)? != b'"' {
                    at += if line[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                found.push(Token::Quoted(start..at));
            }
            b'{' => {
                let close = at + memchr::memchr(b'}', &line[at..])?;
                let digits = line[at + 1..close].strip_suffix(b"+").unwrap_or(&line[at + 1..close]);
                let size: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                at = (close + 3).checked_add(size).filter(|end| *end <= line.len())?;
                found.push(Token::Literal);
            }
            _ => {
                let start = at;
                while line.get(at).is_some_and(|b| !b" ()\r\n\"".contains(b)) {
                    at += 1;
                }
                found.push(Token::Word(start..at));
            }
        }
    }
    Some(found)
}

/// Quoted strings with UTF-8 become literals.
pub(crate) fn unquote_utf8(line: Vec<u8>) -> Vec<u8> {
    if line.is_ascii() {
        return line;
    }
    let Some(tokens) = tokens(&line) else { return line };
    let (mut out, mut copied) = (Vec::with_capacity(line.len() + 16), 0);
    for token in tokens {
        let Token::Quoted(range) = token else { continue };
        let inner = &line[range.start + 1..range.end - 1];
        if inner.is_ascii() || std::str::from_utf8(inner).is_err() {
            continue;
        }
        let plain = unescape(inner);
        out.extend_from_slice(&line[copied..range.start]);
        out.extend_from_slice(format!("{{{}+}}\r\n", plain.len()).as_bytes());
        out.extend_from_slice(&plain);
        copied = range.end;
    }
    out.extend_from_slice(&line[copied..]);
    out
}

/// The text of a quoted string's inside.
pub(crate) fn unescape(inner: &[u8]) -> Vec<u8> {
    let (mut plain, mut escaped) = (Vec::with_capacity(inner.len()), false);
    for &b in inner {
        match b {
            b'\\' if !escaped => escaped = true,
            _ => {
                plain.push(b);
                escaped = false;
            }
        }
    }
    plain
}

/// Keys of SEARCH whose argument is a text, in which `$` is itself.
const TEXT_KEYS: [&str; 10] =
    ["BCC", "BODY", "CC", "FROM", "KEYWORD", "SUBJECT", "TEXT", "TO", "UNKEYWORD", "HEADER"];

/// Puts the saved result in the place of `$`.
pub(crate) fn insert_saved(line: Vec<u8>, saved: &Saved) -> Normal {
    if memchr::memchr(b'$', &line).is_none() {
        return Normal::Command(line);
    }
    let Some(tokens) = tokens(&line) else { return Normal::Command(line) };
    let word = |n: usize| match tokens.get(n) {
        Some(Token::Word(range)) => String::from_utf8_lossy(&line[range.clone()]).to_ascii_uppercase(),
        _ => String::new(),
    };
    let by_uid = word(1) == "UID";
    let at = if by_uid { 2 } else { 1 };
    let command = word(at);
    let mut places = Vec::new();
    let set = match command.as_str() {
        "FETCH" | "STORE" | "COPY" | "MOVE" | "EXPUNGE" if word(at + 1) == "$" => {
            let set = if by_uid { &saved.uids } else { &saved.numbers };
            if set.is_empty() {
                return Normal::Nothing(command);
            }
            places.push(at + 1);
            set.clone()
        }
        "SEARCH" => {
            let is_text = |n: usize| TEXT_KEYS.contains(&word(n - 1).as_str()) || word(n - 2) == "HEADER";
            places.extend((at + 1..tokens.len()).filter(|n| word(*n) == "$" && !is_text(*n)));
            // No message has the highest number that a UID can have.
            let set = if saved.uids.is_empty() { "4294967295" } else { &saved.uids };
            format!("UID {set}")
        }
        _ => return Normal::Command(line),
    };
    let (mut out, mut copied) = (Vec::with_capacity(line.len() + set.len()), 0);
    for place in places {
        let Token::Word(range) = &tokens[place] else { continue };
        out.extend_from_slice(&line[copied..range.start]);
        out.extend_from_slice(set.as_bytes());
        copied = range.end;
    }
    out.extend_from_slice(&line[copied..]);
    Normal::Command(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_within_quotes() {
        for (line, plain) in [
            ("a CREATE \"été\"\r\n", "a CREATE {5+}\r\nété\r\n"),
            ("a SEARCH FROM \"a\\\"é\" TO \"b\"\r\n", "a SEARCH FROM {4+}\r\na\"é TO \"b\"\r\n"),
            ("a LOGIN {2+}\r\né \"é\"\r\n", "a LOGIN {2+}\r\né {2+}\r\né\r\n"),
            ("a CREATE \"ete\"\r\n", "a CREATE \"ete\"\r\n"),
            ("a CREATE \"é\r\n", "a CREATE \"é\r\n"),
        ] {
            assert_eq!(String::from_utf8(unquote_utf8(line.into())).unwrap(), plain);
        }
    }

    #[test]
    fn saved_results() {
        let saved = Saved { uids: "5:6".into(), numbers: "1:2".into() };
        for (line, some, none) in [
            ("a FETCH $ FLAGS\r\n", "a FETCH 1:2 FLAGS\r\n", None),
            ("a UID STORE $ +FLAGS ($x)\r\n", "a UID STORE 5:6 +FLAGS ($x)\r\n", None),
            (
                "a SEARCH NOT $ SUBJECT $ HEADER x $\r\n",
                "a SEARCH NOT UID 5:6 SUBJECT $ HEADER x $\r\n",
                Some("a SEARCH NOT UID 4294967295 SUBJECT $ HEADER x $\r\n"),
            ),
            (
                "a STORE 1 +FLAGS ($Sealed)\r\n",
                "a STORE 1 +FLAGS ($Sealed)\r\n",
                Some("a STORE 1 +FLAGS ($Sealed)\r\n"),
            ),
            ("a CREATE $\r\n", "a CREATE $\r\n", Some("a CREATE $\r\n")),
        ] {
            assert_eq!(insert_saved(line.into(), &saved), Normal::Command(some.into()));
            let empty = insert_saved(line.into(), &Saved::default());
            match none {
                Some(text) => assert_eq!(empty, Normal::Command(text.into())),
                None => assert!(matches!(empty, Normal::Nothing(_)), "{line}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(line in "[ -~é\\r\\n$\"{}]{0,60}") {
            let _ = insert_saved(unquote_utf8(line.into_bytes()), &Saved::default());
        }
    }
}
