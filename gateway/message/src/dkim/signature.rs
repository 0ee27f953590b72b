//! The DKIM-Signature field.

use super::canonical::relaxed_field;
use crate::header::fields;
use jiff::Timestamp;

/// Fields that are signed wherever they stand (RFC 6376 §5.4.1), and may not be added afterwards: a second
/// From or Subject, which some readers would show, breaks the signature.
const SEALED: [&str; 14] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
];
/// Signed where they stand.
const SIGNED: [&str; 14] = [
    "Content-ID",
    "Content-Description",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "Auto-Submitted",
    "Disposition-Notification-To",
    "Importance",
    "Sensitivity",
    "X-Sealpost-Deposit",
    "X-Sealpost-Reference",
];
/// Of one name so many are signed at most; a header may hold thousands.
const MOST: usize = 20;
/// Width of the lines of the field.
const LINE: usize = 76;

/// A signature in the making.
#[derive(Debug, Clone)]
pub struct Signing<'a> {
    /// `d=`, as an A-label.
    pub domain: &'a str,
    /// `s=`.
    pub selector: &'a str,
    /// `a=`.
    pub algorithm: &'a str,
    /// SHA-256 of the relaxed body.
    pub body_hash: &'a [u8; 32],
    /// `t=`.
    pub at: Timestamp,
}

impl Signing<'_> {
    /// The field with an empty `b=` and what has to be signed for it (RFC 6376 §3.7), for a message with
    /// this header.
    pub fn prepare(&self, header: &[u8]) -> (String, Vec<u8>) {
        let (names, mut signed) = choose(header);
        let field = self.field(&names);
        // The field itself comes last, without its line end.
        let value = field.strip_prefix("DKIM-Signature:").unwrap_or(&field);
        signed.extend(relaxed_field(b"DKIM-Signature", value.as_bytes()));
        (field, signed)
    }

    /// The whole field, with its line end.
    pub fn complete(field: &str, signature: &[u8]) -> String {
        let mut out = field.to_owned();
        let text = base64_simd::STANDARD.encode_to_string(signature);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(LINE - 1));
            out.push_str("\r\n ");
            out.push_str(line);
            rest = tail;
        }
        out.push_str("\r\n");
        out
    }

    fn field(&self, names: &[&str]) -> String {
        let mut out = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed;\r\n d={};\r\n s={}; t={};\r\n h=",
            self.algorithm,
            self.domain,
            self.selector,
            self.at.as_second()
        );
        let mut width = 3;
        for (n, name) in names.iter().enumerate() {
            let text = if n == 0 { (*name).to_owned() } else { format!(":{name}") };
            if width + text.len() > LINE {
                // RFC 6376 §3.5: blanks and folds may stand around the colons.
                out.push_str("\r\n  ");
                width = 2;
            }
            width += text.len();
            out.push_str(&text);
        }
        let body = base64_simd::STANDARD.encode_to_string(self.body_hash);
        out.push_str(&format!(";\r\n bh={body};\r\n b="));
        out
    }
}

/// The names of `h=` and the relaxed fields they stand for, in the same order. Of several fields with one
/// name the lowest is signed first (RFC 6376 §5.4.2).
fn choose(header: &[u8]) -> (Vec<&'static str>, Vec<u8>) {
    let (mut names, mut signed) = (Vec::new(), Vec::new());
    let all: Vec<_> = fields(header).collect();
    let known = SEALED.iter().map(|n| (*n, true)).chain(SIGNED.iter().map(|n| (*n, false)));
    for (name, sealed) in known {
        let here: Vec<_> = all.iter().rev().filter(|f| f.is(name)).collect();
        for field in here.iter().take(MOST) {
            names.push(name);
            signed.extend(relaxed_field(field.name, field.value));
            signed.extend_from_slice(b"\r\n");
        }
        if sealed && here.len() <= MOST {
            names.push(name);
        }
    }
    (names, signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing(body_hash: &[u8; 32]) -> Signing<'_> {
        Signing {
            domain: "example.org",
            selector: "s1",
            algorithm: "ed25519-sha256",
            body_hash,
            at: Timestamp::from_second(1_795_305_600).unwrap(),
        }
    }

    #[test]
    fn fields_are_chosen_and_sealed() {
        let header = b"Received: x\r\nFrom: a\r\nSUBJECT:  b\r\n  c \r\nX-Other: y\r\nResent-To: 1\r\nResent-To: 2\r\n";
        let (names, signed) = choose(header);
        assert_eq!(names.iter().filter(|n| **n == "From").count(), 2);
        assert_eq!(names.iter().filter(|n| **n == "Reply-To").count(), 1);
        assert_eq!(names.iter().filter(|n| **n == "Resent-To").count(), 2);
        assert_eq!(names.iter().filter(|n| **n == "Resent-Cc").count(), 0);
        assert_eq!(
            String::from_utf8(signed).unwrap(),
            "from:a\r\nsubject:b c\r\nresent-to:2\r\nresent-to:1\r\n"
        );
    }

    #[test]
    fn the_field_is_folded_and_repeats_itself() {
        let hash = [7; 32];
        let (field, signed) = signing(&hash).prepare(b"From: a@example.org\r\n");
        let again = signing(&hash).prepare(b"From: a@example.org\r\n");
        assert_eq!((field.clone(), signed.clone()), again);
        let signed = String::from_utf8(signed).unwrap();
        assert!(
            signed.starts_with("from:a@example.org\r\ndkim-signature:v=1; a=ed25519-sha256;"),
            "{signed}"
        );
        assert!(signed.ends_with("; b="), "{signed}");
        let whole = Signing::complete(&field, &[1; 256]);
        let lines: Vec<&str> = whole.strip_suffix("\r\n").unwrap().split("\r\n").collect();
        assert!(
            lines.iter().all(|l| l.len() <= 78) && lines[1..].iter().all(|l| l.starts_with(' ')),
            "{whole}"
        );
        // Without its signature the complete field is what was signed.
        let until = whole.find(" b=").unwrap() + 3;
        let value = &whole["DKIM-Signature:".len()..until];
        assert!(
            signed
                .ends_with(std::str::from_utf8(&relaxed_field(b"DKIM-Signature", value.as_bytes())).unwrap())
        );
    }

    #[test]
    fn thousands_of_fields_are_not_all_named() {
        let header = "Cc: a\r\n".repeat(5000);
        let (names, _) = choose(header.as_bytes());
        assert!(names.len() < 60, "{}", names.len());
    }
}
