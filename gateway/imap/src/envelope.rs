//! ENVELOPE from a header block (RFC 3501 §7.4.2).

use crate::{address, header, text};
use std::borrow::Cow;

/// Header fields of the envelope, in the order in which they are given.
const FIELDS: [&str; 10] =
    ["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id"];

/// Writes the envelope of a header block.
pub(crate) fn write(out: &mut Vec<u8>, block: &[u8]) {
    let mut values: [Option<Cow<'_, [u8]>>; 10] = Default::default();
    for field in header::fields(block) {
        let Some(n) = FIELDS.iter().position(|f| field.name.eq_ignore_ascii_case(f.as_bytes())) else {
            continue;
        };
        match &mut values[n] {
            None => values[n] = Some(header::unfold(field.value)),
            // Several To or Cc are one list.
            Some(list) if (2..8).contains(&n) => {
                let list = list.to_mut();
                list.extend_from_slice(b", ");
                list.extend_from_slice(&header::unfold(field.value));
            }
            Some(_) => {}
        }
    }
    out.push(b'(');
    // Where the list of From stands.
    let mut from = 0..0;
    for (n, value) in values.iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        match n {
            2..=7 => {
                // Sender and Reply-To are From where they are missing or empty.
                let own = value.as_deref().filter(|v| !v.is_empty());
                match own {
                    None if matches!(n, 3 | 4) => out.extend_from_within(from.clone()),
                    own => {
                        let start = out.len();
                        address::list(out, own);
                        if n == 2 {
                            from = start..out.len();
                        }
                    }
                }
            }
            _ => text::nstring(out, value.as_deref()),
        }
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    #[test]
    fn as_in_the_standard() {
        // RFC 3501 §8, shortened.
        let block = b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev1 WG mtg summary and\r\n minutes\r\nTo: imap@cac.washington.edu\r\n\
            To: x@y.z\r\ncc: minutes@CNRI.Reston.VA.US\r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n";
        let mut out = Vec::new();
        super::write(&mut out, block);
        let from = r#"(("Terry Gray" NIL "gray" "cac.washington.edu"))"#;
        let expected = format!(
            r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" {from} {from} {from} ((NIL NIL "imap" "cac.washington.edu")(NIL NIL "x" "y.z")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")) NIL NIL "<B27397-0100000@cac.washington.edu>")"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
