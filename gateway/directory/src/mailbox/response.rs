//! What an IMAP server answers: one line of it, and what stands in a FETCH response.
//!
//! **Job.** [`read`] tells which kind of line it is. [`Attributes`] reads the items of a FETCH response piece by piece: a
//! piece ends where a literal begins, whose bytes the caller takes from the connection, or with the response.
//!
//! **Exposure.** Every byte is the server's, which may lie: nothing recurses, numbers are bounded by their types, items that
//! were not asked for are passed over, and what is no response is refused.
//!
//! **Standards.** RFC 9051 §7, §9; RFC 3501 says the same here.

use crate::Trouble;

/// A line of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// The answer to a command: its tag, whether it went well, the server's words.
    Tagged(&'a str, bool, &'a str),
    /// It waits for more of the command.
    Continue,
    /// So many messages are in the folder.
    Exists(u32),
    /// Items of a message begin here, with their bracket.
    Fetch(&'a str),
    /// What the server can do.
    Capability(&'a str),
    /// UIDs of the folder mean the same as long as this number does.
    UidValidity(u32),
    /// It hangs up, and says why.
    Bye(&'a str),
    /// Something else that it tells unasked.
    Other,
}

/// Reads a line, without its end.
pub fn read(line: &str) -> Result<Line<'_>, Trouble> {
    const WRONG: Trouble = Trouble::Protocol("a line is no response");
    if line == "+" || line.starts_with("+ ") {
        return Ok(Line::Continue);
    }
    let (first, rest) = line.split_once(' ').ok_or(WRONG)?;
    let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
    if first != "*" {
        let is_tag = first.bytes().all(|b| b.is_ascii_alphanumeric());
        return match word.to_ascii_uppercase().as_str() {
            "OK" if is_tag => Ok(Line::Tagged(first, true, more)),
            "NO" | "BAD" if is_tag => Ok(Line::Tagged(first, false, rest)),
            _ => Err(WRONG),
        };
    }
    if let Ok(number) = word.parse::<u32>() {
        let (kind, items) = more.split_once(' ').unwrap_or((more, ""));
        return Ok(match kind.to_ascii_uppercase().as_str() {
            "EXISTS" => Line::Exists(number),
            "FETCH" => Line::Fetch(items),
            _ => Line::Other,
        });
    }
    Ok(match word.to_ascii_uppercase().as_str() {
        "CAPABILITY" => Line::Capability(more),
        "BYE" => Line::Bye(more),
        "OK" => validity(more).map_or(Line::Other, Line::UidValidity),
        _ => Line::Other,
    })
}

/// `[UIDVALIDITY n] …`
fn validity(text: &str) -> Option<u32> {
    let (code, _) = text.strip_prefix('[')?.split_once(']')?;
    let (name, number) = code.split_once(' ')?;
    name.eq_ignore_ascii_case("UIDVALIDITY").then(|| number.parse().ok()).flatten()
}

/// Length of the literal that a line announces at its end (RFC 9051 §4.3).
pub fn literal(line: &str) -> Option<u64> {
    let (_, number) = line.strip_suffix('}')?.rsplit_once('{')?;
    let number = number.strip_suffix('+').unwrap_or(number);
    number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok()).flatten()
}

/// What a piece of a FETCH response ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// With a literal, which is this item's value.
    Literal(String),
    /// With the response.
    End,
}

/// Items of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its number, for as long as UIDVALIDITY is the same.
    pub uid: Option<u32>,
    /// RFC822.SIZE.
    pub size: Option<u64>,
    /// Content of the item that was asked for, where it came within a line: quoted, or NIL.
    pub text: Option<String>,
}

impl Attributes {
    /// Reads a piece. The first one begins with the bracket, the others behind a literal.
    pub fn piece(&mut self, piece: &str, is_first: bool) -> Result<Piece, Trouble> {
        const WRONG: Trouble = Trouble::Protocol("a FETCH response cannot be read");
        let mut rest = if is_first { piece.strip_prefix('(').ok_or(WRONG)? } else { piece };
        loop {
            rest = rest.trim_start_matches(' ');
            if let Some(after) = rest.strip_prefix(')') {
                return if after.is_empty() { Ok(Piece::End) } else { Err(WRONG) };
            }
            // A section may hold blanks: BODY[HEADER.FIELDS (TO)].
            let mut depth = 0u32;
            let end = rest.find(|c| {
                match c {
                    '[' => depth += 1,
                    ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                c == ' ' && depth == 0
            });
            let (name, value) = rest.split_at(end.ok_or(WRONG)?);
            let (name, value) = (name.to_ascii_uppercase(), &value[1..]);
            if value.starts_with('{') {
                let alone = literal(value).is_some() && value.find('}') == Some(value.len() - 1);
                return if alone { Ok(Piece::Literal(name)) } else { Err(WRONG) };
            }
            let length = value_length(value).ok_or(WRONG)?;
            let (value, after) = value.split_at(length);
            match name.as_str() {
                "UID" => self.uid = Some(value.parse().map_err(|_| WRONG)?),
                "RFC822.SIZE" => self.size = Some(value.parse().map_err(|_| WRONG)?),
                _ if is_content(&name) => {
                    self.text = Some(if value.eq_ignore_ascii_case("NIL") {
                        String::new()
                    } else {
                        unquoted(value).ok_or(WRONG)?
                    });
                }
                _ => {}
            }
            rest = after;
        }
    }
}

/// Whether an item is what we ask for: BODY[], or BODY[HEADER], which a server may give with where it begins.
pub fn is_content(name: &str) -> bool {
    let name = name.strip_suffix("<0>").unwrap_or(name);
    matches!(name, "BODY[]" | "BODY[HEADER]")
}

/// Length of a value that is no literal: an atom, a quoted text, or a list of such.
fn value_length(value: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return Some(at + 1);
                }
            }
            _ if quoted => {}
            b'(' => depth += 1,
            b')' if depth == 0 => return (at > 0).then_some(at),
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b' ' if depth == 0 => return (at > 0).then_some(at),
            _ => {}
        }
    }
    // The bracket of the response must follow; within a list a literal may stand, which we never ask for.
    None
}

fn unquoted(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            text.push(c);
        }
    }
    (!escaped).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        for (line, want) in [
            ("+ ", Line::Continue),
            ("+", Line::Continue),
            ("+ idling", Line::Continue),
            ("a7 OK [READ-WRITE] done", Line::Tagged("a7", true, "[READ-WRITE] done")),
            ("a7 ok", Line::Tagged("a7", true, "")),
            ("a7 NO [NONEXISTENT] no", Line::Tagged("a7", false, "NO [NONEXISTENT] no")),
            ("a7 BAD what", Line::Tagged("a7", false, "BAD what")),
            ("* 23 EXISTS", Line::Exists(23)),
            ("* 5 FETCH (UID 17)", Line::Fetch("(UID 17)")),
            ("* 5 EXPUNGE", Line::Other),
            ("* CAPABILITY IMAP4rev1 IDLE", Line::Capability("IMAP4rev1 IDLE")),
            ("* OK [UIDVALIDITY 3857529045] ok", Line::UidValidity(3_857_529_045)),
            ("* OK [UIDVALIDITY 99999999999] too large", Line::Other),
            ("* OK Still here", Line::Other),
            ("* BYE gone", Line::Bye("gone")),
            ("* FLAGS (\\Seen)", Line::Other),
        ] {
            assert_eq!(read(line), Ok(want), "{line}");
        }
        for wrong in ["", "a7", "a7 MAYBE", "*", "hello there", "a\u{e9} OK", "x-1 OK"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        for (line, want) in [
            ("BODY[] {12}", Some(12)),
            ("BODY[] {12+}", Some(12)),
            ("BODY[] {0}", Some(0)),
            ("BODY[] {12} ", None),
            ("BODY[] {-1}", None),
            ("BODY[] {1e3}", None),
            ("BODY[] {99999999999999999999999}", None),
            ("{}", None),
            ("}", None),
        ] {
            assert_eq!(literal(line), want, "{line}");
        }
    }

    #[test]
    fn items_come_in_any_order_and_what_was_not_asked_for_is_passed_over() {
        let whole = |piece: &str| {
            let mut read = Attributes::default();
            read.piece(piece, true).map(|end| (read, end))
        };
        let told = |uid, size, text: Option<&str>| Attributes { uid, size, text: text.map(str::to_owned) };
        for (piece, want) in [
            ("()", told(None, None, None)),
            ("(UID 17 RFC822.SIZE 12)", told(Some(17), Some(12), None)),
            ("(RFC822.SIZE 12 FLAGS (\\Seen $x) UID 17)", told(Some(17), Some(12), None)),
            ("(MODSEQ (7) UID 1 X \"a)\\\" (\")", told(Some(1), None, None)),
            ("(BODY[HEADER]<0> \"a\\\\b\" uid 4)", told(Some(4), None, Some("a\\b"))),
            ("(BODY[] NIL UID 4)", told(Some(4), None, Some(""))),
            ("(BODY[HEADER.FIELDS (TO)] \"x\" UID 4)", told(Some(4), None, None)),
        ] {
            assert_eq!(whole(piece), Ok((want, Piece::End)), "{piece}");
        }
        let (read, end) = whole("(UID 3 BODY[] {7}").unwrap();
        assert_eq!((read.uid, end), (Some(3), Piece::Literal("BODY[]".into())));
        let mut read = Attributes::default();
        assert_eq!(read.piece(" UID 9)", false), Ok(Piece::End));
        assert_eq!(read.uid, Some(9));
        for wrong in [
            "",
            "(",
            "UID 1",
            "(UID)",
            "(UID 1",
            "(UID 4294967296)",
            "(UID 1) x",
            "(UID \"1\")",
            "(X \"a)",
            "(X (a)",
            "(BODY[] {7} UID 1)",
            "(X {a}",
            "(X  )",
            "(BODY[ 1)",
        ] {
            assert!(whole(wrong).is_err(), "{wrong}");
        }
    }
}
