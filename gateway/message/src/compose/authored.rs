//! A message that a person wrote on a page or a program handed over in pieces: composed as a stream, so that its
//! files may have any size.
//!
//! **Job.** [`AuthoredMail::head`] gives header and texts, [`AuthoredMail::file`] the beginning of each file, whose
//! bytes go through [`FileEncoder`], [`AuthoredMail::end`] the end. Joined, they are one message.
//!
//! **Exposure.** Every value comes from its author: none ends its field, no media type is believed that would
//! change the structure, and no text can hold a boundary (ours begin with `=_`, which neither quoted-printable
//! nor base64 ever writes).
//!
//! **Standards.** RFC 5322 §3.6, RFC 2045 §6, RFC 2046 §5.1, RFC 2047, RFC 2231.

use super::headers::{Fields, parameter};
use super::quoted::encode_text;
use base64_simd::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Somebody in a header: display name and address.
pub type Named<'a> = (Option<&'a str>, &'a str);

/// What the author says.
#[derive(Debug, Clone)]
pub struct AuthoredMail<'a> {
    /// From.
    pub from: Named<'a>,
    /// Sender, where somebody else writes for the author.
    pub sender: Option<&'a str>,
    /// To.
    pub to: &'a [Named<'a>],
    /// Cc.
    pub cc: &'a [Named<'a>],
    /// Subject.
    pub subject: &'a str,
    /// Date, and the zone it is written in.
    pub date: Timestamp,
    /// See `date`.
    pub zone: &'a TimeZone,
    /// Message-ID without angle brackets; also makes the boundaries.
    pub message_id: &'a str,
    /// Message-ID that this one answers, without angle brackets.
    pub answers: Option<&'a str>,
    /// What the author asks of us: `X-Sealpost-…` fields.
    pub hints: &'a [(&'static str, String)],
    /// Plain text.
    pub text: &'a str,
    /// The same with formatting.
    pub html: Option<&'a str>,
    /// Whether files follow.
    pub files: bool,
}

impl AuthoredMail<'_> {
    fn boundary(&self, kind: &str) -> String {
        let unique: String = self.message_id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        format!("=_{kind}_{unique}")
    }

    /// Header and texts.
    pub fn head(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields.date("Date", self.date, self.zone);
        fields.mailbox("From", self.from.0, self.from.1);
        if let Some(sender) = self.sender {
            fields.mailbox("Sender", None, sender);
        }
        fields.mailboxes("To", self.to);
        fields.mailboxes("Cc", self.cc);
        if self.to.is_empty() && self.cc.is_empty() {
            // RFC 5322 §3.4: a group without members says that there are recipients whom nobody is to see.
            fields.words("To", "undisclosed-recipients:;");
        }
        fields.text("Subject", self.subject);
        fields.ids("Message-ID", [self.message_id]);
        // RFC 5322 §3.6.4.
        fields.ids("In-Reply-To", self.answers);
        fields.ids("References", self.answers);
        for (name, value) in self.hints {
            fields.words(name, value);
        }
        fields.words("MIME-Version", "1.0");
        let mut out = fields.into_bytes();
        if self.files {
            self.open("mixed", &mut out);
        }
        self.texts(&mut out);
        out
    }

    fn open(&self, kind: &str, out: &mut Vec<u8>) {
        let boundary = self.boundary(kind);
        let text =
            format!("Content-Type: multipart/{kind};\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n");
        out.extend_from_slice(text.as_bytes());
    }

    fn texts(&self, out: &mut Vec<u8>) {
        let Some(html) = self.html else { return leaf("plain", self.text, out) };
        self.open("alternative", out);
        leaf("plain", self.text, out);
        let boundary = self.boundary("alternative");
        out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        leaf("html", html, out);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    }

    /// The beginning of a file; its bytes follow, through a [`FileEncoder`].
    pub fn file(&self, name: &str, media_type: &str) -> Vec<u8> {
        format!(
            "\r\n--{}\r\nContent-Type: {}{}\r\nContent-Disposition: attachment{}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            self.boundary("mixed"),
            leaf_type(media_type),
            parameter("name", name),
            parameter("filename", name)
        )
        .into_bytes()
    }

    /// The end.
    pub fn end(&self) -> Vec<u8> {
        match self.files {
            true => format!("\r\n--{}--\r\n", self.boundary("mixed")).into_bytes(),
            false => b"\r\n".to_vec(),
        }
    }
}

fn leaf(subtype: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!(
            "Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(&encode_text(text.as_bytes()));
}

/// A media type that a base64 leaf may have (RFC 2045 §6.4 keeps base64 from composite types).
fn leaf_type(given: &str) -> String {
    let token = |t: &str| {
        !t.is_empty()
            && t.len() <= 127
            && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some((kind, sub)) if token(kind) && token(sub) && kind != "multipart" && kind != "message" => essence,
        _ => "application/octet-stream".to_owned(),
    }
}

/// Octets of a line of 76 base64 characters.
const LINE: usize = 57;

/// Base64 in lines, whatever the pieces in which the octets come.
#[derive(Debug, Default)]
pub struct FileEncoder {
    rest: Vec<u8>,
}

impl FileEncoder {
    /// Encodes what makes whole lines; keeps the rest for later.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() - self.rest.len() % LINE;
        lines(&self.rest[..whole], out);
        self.rest.drain(..whole);
    }
    /// Encodes the rest.
    pub fn finish(self, out: &mut Vec<u8>) {
        lines(&self.rest, out);
    }
}

fn lines(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.chunks(LINE) {
        let mut text = [0u8; 76];
        let encoded = STANDARD.encode(line, base64_simd::Out::from_slice(&mut text));
        out.extend_from_slice(encoded);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Role;
    use crate::walk::{Limits, WalkEvent, Walker};
    use proptest::prelude::*;

    static ZONE: TimeZone = TimeZone::UTC;

    fn mail<'a>(
        to: &'a [Named<'a>],
        subject: &'a str,
        text: &'a str,
        html: Option<&'a str>,
    ) -> AuthoredMail<'a> {
        AuthoredMail {
            from: (Some("Zoé \"Z\" Été"), "zoe@example.org"),
            sender: Some("secretary@example.org"),
            to,
            cc: &[(None, "copy@example.org")],
            subject,
            date: "2026-03-02T09:11:12Z".parse().unwrap(),
            zone: &ZONE,
            message_id: "0193a7c0-0000-7000-8000-000000000001@mail.example.org",
            answers: None,
            hints: &[],
            text,
            html,
            files: true,
        }
    }

    /// What our own walk makes of it: names, types and decoded content of the attachments, and the header.
    /// Name, media type and content.
    type File = (Option<String>, String, Vec<u8>);

    fn walk(message: &[u8]) -> (crate::Structure, Vec<File>) {
        let (mut walker, mut events) = (Walker::new(Limits::default()), Vec::new());
        walker.push(message, &mut events).unwrap();
        let structure = walker.finish(&mut events).unwrap();
        let (mut files, mut open) = (Vec::new(), None);
        for event in events {
            match event {
                WalkEvent::PartStart { info, .. } => open = Some((info, Vec::new())),
                WalkEvent::PartData(bytes) => open.as_mut().unwrap().1.extend_from_slice(&bytes),
                WalkEvent::PartEnd(_) => {
                    let (info, bytes) = open.take().unwrap();
                    if info.role == Role::Attachment {
                        files.push((info.filename, info.media_type, bytes));
                    }
                }
                WalkEvent::Skeleton(_) => {}
            }
        }
        (structure, files)
    }

    fn whole(mail: &AuthoredMail<'_>, files: &[(&str, &str, &[u8])]) -> Vec<u8> {
        let mut out = mail.head();
        for (name, media_type, bytes) in files {
            out.extend_from_slice(&mail.file(name, media_type));
            let mut encoder = FileEncoder::default();
            for piece in bytes.chunks(100) {
                encoder.push(piece, &mut out);
            }
            encoder.finish(&mut out);
        }
        out.extend_from_slice(&mail.end());
        out
    }

    #[test]
    fn our_own_walk_finds_everything() {
        let to = [(Some("Bob, le même"), "bob@example.test"), (None, "dora@example.test")];
        let mail = mail(&to, "Résultats\r\nBcc: x@y", "Bonjour.\n--=_mixed_0193\n.", Some("<p>Bonjour.</p>"));
        let content: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let message = whole(
            &mail,
            &[
                ("scan é.pdf", "application/pdf", &content),
                ("x", "message/rfc822", b"From: a"),
                ("e", "", b""),
            ],
        );
        let lines = message.split(|b| *b == b'\n');
        assert!(lines.clone().all(|l| l.len() <= 79 && l.is_ascii()));
        let (structure, files) = walk(&message);
        assert_eq!(structure.top.subject, "Résultats  Bcc: x@y");
        assert_eq!(structure.top.from[0].name.as_deref(), Some("Zoé \"Z\" Été"));
        assert_eq!(structure.top.sender.as_ref().unwrap().address, "secretary@example.org");
        let named: Vec<_> =
            structure.top.to.iter().map(|m| (m.name.as_deref(), m.address.as_str())).collect();
        assert_eq!(named, to);
        assert_eq!(structure.top.cc.len(), 1);
        assert!(structure.top.bcc.is_empty());
        let found: Vec<_> = files.iter().map(|(n, t, b)| (n.as_deref(), t.as_str(), b.len())).collect();
        assert_eq!(
            found,
            [
                (Some("scan é.pdf"), "application/pdf", 70_000),
                (Some("x"), "application/octet-stream", 7),
                (Some("e"), "application/octet-stream", 0),
            ]
        );
        assert_eq!(files[0].2, content);
    }

    #[test]
    fn media_types() {
        for (given, used) in [
            ("Image/PNG", "image/png"),
            ("text/plain; charset=x", "text/plain"),
            ("multipart/mixed", "application/octet-stream"),
            ("a/b\r\nX: y", "application/octet-stream"),
            ("none", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(leaf_type(given), used, "{given}");
        }
    }

    proptest! {
        #[test]
        fn any_words_and_bytes_come_through(
            subject in "[ -~é\r\n😀]{0,200}", text in "[ -~é\r\n\t=_-]{0,400}", name in "[ -~é😀]{1,80}",
            bytes in proptest::collection::vec(any::<u8>(), 0..500), named in "[ -~é,;<>@\"]{0,80}",
        ) {
            let to = [(Some(named.as_str()), "bob@example.test"), (Some(named.as_str()), "dora@example.test")];
            let mail = mail(&to, &subject, &text, Some(&text));
            let message = whole(&mail, &[(&name, "application/x", &bytes)]);
            prop_assert!(message.is_ascii());
            let (structure, files) = walk(&message);
            prop_assert_eq!(structure.top.to.len(), 2, "{}", String::from_utf8_lossy(&mail.head()));
            prop_assert_eq!(structure.top.to[1].address.as_str(), "dora@example.test");
            prop_assert_eq!(files.len(), 1);
            prop_assert_eq!(&files[0].2, &bytes);
        }
    }
}
