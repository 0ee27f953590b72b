//! Header fields that we write: folded, 7-bit, proof against injection.
//!
//! **Exposure.** Values come from strangers (display names, subjects, file names). Control characters
//! become blanks, so that no value ends its field; characters outside ASCII go into encoded words.
//! **Standards.** RFC 5322 §2.2.3 and §3.3, RFC 2047, RFC 2231.

use crate::header::clean_text;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Lines we write have at most 76 characters (RFC 2047 §2 asks it of encoded words).
const LINE: usize = 76;

/// A header block under construction, without the blank line.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    pub(super) fn new() -> Self {
        Self::default()
    }
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    fn push(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }
    /// A structured field of ASCII words, folded at blanks.
    pub(super) fn words(&mut self, name: &str, value: &str) {
        let value: String = clean_text(value.to_owned()).chars().filter(char::is_ascii).collect();
        let mut width = name.len() + 1;
        self.push(name);
        self.push(":");
        for word in value.split(' ').filter(|w| !w.is_empty()) {
            if width + 1 + word.len() > LINE && width > name.len() + 1 {
                self.push("\r\n");
                width = 0;
            }
            self.push(" ");
            self.push(word);
            width += 1 + word.len();
        }
        self.push("\r\n");
    }
    /// An unstructured field (RFC 5322 §3.2.5).
    pub(super) fn text(&mut self, name: &str, value: &str) {
        let value = clean_text(value.to_owned());
        let plain = value.is_ascii() && !value.contains("=?") && value.split(' ').all(|w| w.len() < LINE - 2);
        if plain && name.len() + 2 + value.split(' ').next().map_or(0, str::len) <= LINE {
            return self.words(name, &value);
        }
        self.push(name);
        self.push(": ");
        let encoded = encoded_words(&value, name.len() + 2);
        self.push(&encoded);
        self.push("\r\n");
    }
    /// One mailbox (RFC 5322 §3.4).
    pub(super) fn mailbox(&mut self, name: &str, display: Option<&str>, address: &str) {
        let address = clean_text(address.to_owned());
        let display = clean_text(display.unwrap_or_default().trim().to_owned());
        if display.is_empty() {
            return self.push(&format!("{name}: {address}\r\n"));
        }
        let mut width = name.len() + 1;
        self.push(name);
        self.push(":");
        let address = format!("<{address}>");
        for word in phrase(&display, name.len() + 2).iter().chain([&address]) {
            let first_line = word.split('\r').next().map_or(0, str::len);
            if width + 1 + first_line > LINE && width > name.len() + 1 {
                self.push("\r\n");
                width = 0;
            }
            self.push(" ");
            self.push(word);
            width = match word.rsplit_once('\n') {
                Some((_, last_line)) => last_line.len(),
                None => width + 1 + word.len(),
            };
        }
        self.push("\r\n");
    }
    /// Several mailboxes, each on a line of its own; no field where there is none.
    pub(super) fn mailboxes(&mut self, name: &str, all: &[(Option<&str>, &str)]) {
        for (n, (display, address)) in all.iter().enumerate() {
            // Written as a field of its own, whose name then gives way to the fold (RFC 5322 §2.2.3).
            let mut one = Self::new();
            one.mailbox(name, *display, address);
            let text = one.0.strip_suffix(b"\r\n").unwrap_or(&one.0);
            let skip = if n == 0 { 0 } else { name.len() + 1 };
            self.0.extend_from_slice(&text[skip..]);
            self.push(if n + 1 < all.len() { ",\r\n" } else { "\r\n" });
        }
    }
    /// Message identifiers, one a line; what is none is left out.
    pub(super) fn ids<'a>(&mut self, name: &str, ids: impl IntoIterator<Item = &'a str>) {
        let fits = |id: &&str| {
            !id.is_empty()
                && id.len() <= 900
                && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
        };
        let listed: Vec<String> = ids.into_iter().filter(fits).map(|id| format!("<{id}>")).collect();
        if !listed.is_empty() {
            self.push(&format!("{name}: {}\r\n", listed.join("\r\n ")));
        }
    }
    /// RFC 5322 §3.3.
    pub(super) fn date(&mut self, name: &str, time: Timestamp, zone: &TimeZone) {
        self.push(&format!("{name}: {}\r\n", format_date(time, zone)));
    }
}

/// `Mon, 2 Mar 2026 10:11:12 +0100`.
pub(super) fn format_date(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}

/// A display name as tokens to be parted by blanks or folds: one quoted string, or encoded words only
/// (RFC 5322 §3.2.5; readers disagree about blanks where both kinds meet).
fn phrase(display: &str, used: usize) -> Vec<String> {
    let words: Vec<&str> = display.split(' ').filter(|w| !w.is_empty()).collect();
    let plain = words.iter().all(|word| word.is_ascii() && !word.contains("=?") && word.len() < LINE / 2);
    if !plain {
        return vec![encoded_words(&words.join(" "), used)];
    }
    let escaped = words.join(" ").replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"").split(' ').map(str::to_owned).collect()
}

/// Encoded words in the Q form (RFC 2047 §4.2), the first after `used` characters of its line.
fn encoded_words(text: &str, used: usize) -> String {
    const OPEN: &str = "=?utf-8?Q?";
    let mut out = String::from(OPEN);
    let mut width = used + OPEN.len();
    let next_line = |out: &mut String| {
        out.push_str("?=\r\n ");
        out.push_str(OPEN);
        1 + OPEN.len()
    };
    // A break after a blank where there is one, for readers that show it as a blank.
    for word in text.split_inclusive(' ') {
        let pieces: Vec<String> = word.chars().map(q_piece).collect();
        let len: usize = pieces.iter().map(String::len).sum();
        if width + len + 2 > LINE && 1 + OPEN.len() + len + 2 <= LINE && !out.ends_with(OPEN) {
            width = next_line(&mut out);
        }
        for piece in pieces {
            // Room for the closing `?=`; characters are never cut (RFC 2047 §5).
            if width + piece.len() + 2 > LINE {
                width = next_line(&mut out);
            }
            out.push_str(&piece);
            width += piece.len();
        }
    }
    out.push_str("?=");
    out
}

fn q_piece(c: char) -> String {
    match c {
        ' ' => "_".to_owned(),
        // What RFC 2047 §5 (3) allows in a phrase is allowed everywhere.
        c if c.is_ascii_alphanumeric() || "!*+-/".contains(c) => c.to_string(),
        c => {
            let mut buf = [0; 4];
            c.encode_utf8(&mut buf).bytes().map(|b| format!("={b:02X}")).collect()
        }
    }
}

/// `; name="…"`, in RFC 2231 form when the value needs it, each piece on a line of its own.
pub(super) fn parameter(name: &str, value: &str) -> String {
    let value = clean_text(value.to_owned());
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    if value.is_ascii() && quoted.len() + name.len() + 6 <= LINE {
        return format!(";\r\n {name}=\"{quoted}\"");
    }
    let room = LINE - name.len() - 8;
    let mut pieces = vec![String::from("utf-8''")];
    for c in value.chars() {
        let mut buf = [0; 4];
        let piece: String = match c {
            c if c.is_ascii_alphanumeric() || "-._".contains(c) => c.to_string(),
            c => c.encode_utf8(&mut buf).bytes().map(|b| format!("%{b:02X}")).collect(),
        };
        match pieces.last_mut() {
            Some(last) if last.len() + piece.len() <= room => last.push_str(&piece),
            _ => pieces.push(piece),
        }
    }
    match pieces.as_slice() {
        [one] => format!(";\r\n {name}*={one}"),
        many => many.iter().enumerate().map(|(n, piece)| format!(";\r\n {name}*{n}*={piece}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> String {
        let mut fields = Fields::new();
        fields.text("Subject", value);
        String::from_utf8(fields.into_bytes()).unwrap()
    }

    fn mailbox(display: &str) -> String {
        let mut fields = Fields::new();
        fields.mailbox("From", Some(display), "seal@example.org");
        String::from_utf8(fields.into_bytes()).unwrap()
    }

    #[test]
    fn known_answers() {
        assert_eq!(text("plain"), "Subject: plain\r\n");
        assert_eq!(text("été"), "Subject: =?utf-8?Q?=C3=A9t=C3=A9?=\r\n");
        assert_eq!(text("a\r\nBcc: x@y"), "Subject: a Bcc: x@y\r\n");
        assert_eq!(mailbox("A \"B\" via C"), "From: \"A \\\"B\\\" via C\" <seal@example.org>\r\n");
        assert_eq!(mailbox("Zoé"), "From: =?utf-8?Q?Zo=C3=A9?= <seal@example.org>\r\n");
        assert_eq!(
            mailbox("Zoé Été \"Z\" via Parc & fils"),
            "From: =?utf-8?Q?Zo=C3=A9_=C3=89t=C3=A9_=22Z=22_via_Parc_=26_fils?=\r\n <seal@example.org>\r\n"
        );
        assert_eq!(mailbox("  "), "From: seal@example.org\r\n");
        assert_eq!(parameter("filename", "a\"b.pdf"), ";\r\n filename=\"a\\\"b.pdf\"");
        assert_eq!(parameter("filename", "é.pdf"), ";\r\n filename*=utf-8''%C3%A9.pdf");
        let mut fields = Fields::new();
        fields.ids("References", ["a@b", "bad id", "c\r\nX: y", "d@e"]);
        assert_eq!(fields.into_bytes(), b"References: <a@b>\r\n <d@e>\r\n");
        let time: Timestamp = "2026-03-02T09:11:12Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(format_date(time, &zone), "Mon, 2 Mar 2026 10:11:12 +0100");
    }

    fn one_field_of_short_lines(block: &str) -> bool {
        let lines: Vec<&str> = block.strip_suffix("\r\n").unwrap().split("\r\n").collect();
        block.is_ascii()
            && lines.iter().all(|l| l.len() <= LINE && !l.trim().is_empty() && !l.contains(['\r', '\n']))
            && lines[1..].iter().all(|l| l.starts_with(' '))
    }

    proptest! {
        #[test]
        fn any_text_is_one_field(value in any::<String>(), spaced in "[a-z ]{0,300}") {
            prop_assert!(value.trim().is_empty() || one_field_of_short_lines(&text(&value)), "{:?}", text(&value));
            prop_assert!(one_field_of_short_lines(&mailbox(&value)));
            prop_assert!(spaced.trim().is_empty() || one_field_of_short_lines(&text(&spaced)));
        }
        #[test]
        fn subjects_are_read_back(value in "[ -~é€😀]{1,200}") {
            let block = format!("{}\r\n", text(&value));
            let field = crate::header::fields(block.as_bytes()).next().unwrap().text();
            let normal = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(normal(&field), normal(&value));
        }
        #[test]
        fn names_are_read_back(value in "[ -~é€😀]{1,120}") {
            let block = format!("{}\r\n", mailbox(&value));
            let parsed = mail_parser::MessageParser::default().parse(&block).unwrap();
            let from = parsed.from().unwrap().first().unwrap().clone();
            prop_assert_eq!(from.address(), Some("seal@example.org"));
            let normal = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(normal(from.name().unwrap_or_default()), normal(&value), "{}", block);
        }
        #[test]
        fn any_parameter_is_short(value in any::<String>()) {
            let text = parameter("filename", &value);
            prop_assert!(text.is_ascii() && text.split("\r\n").all(|l| l.len() <= LINE), "{}", text);
        }
    }
}
