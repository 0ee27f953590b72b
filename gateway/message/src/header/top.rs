//! Facts of a message's own header.

use super::{Field, clean_text, fields};
use crate::structure::{Mailbox, TopHeaders};
use mail_parser::{Address, HeaderValue};
use sealpost_envelope::Timestamp;
use std::collections::HashSet;

/// RFC 5322 §3.6: fields that may stand once. More of them would show one author to us, another to a reader.
const ONCE: [&str; 13] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "date",
    "content-type",
    "mime-version",
];

/// Reads the message's header block.
pub(crate) fn parse_top(block: &[u8]) -> TopHeaders {
    let mut top = TopHeaders::default();
    let mut seen: HashSet<String> = HashSet::new();
    for field in fields(block) {
        let name = field.name_text().to_lowercase();
        let again = seen.contains(&name);
        if again && ONCE.contains(&name.as_str()) && !top.repeated.contains(&name) {
            top.repeated.push(name.clone());
        }
        if !again {
            take(&mut top, &name, &field);
        }
        if name.starts_with("x-sealpost-") {
            top.hints.push((name.clone(), field.text()));
        }
        top.fields.push((field.name_text(), field.text()));
        seen.insert(name);
    }
    top
}

fn take(top: &mut TopHeaders, name: &str, field: &Field<'_>) {
    match name {
        "from" => top.from = mailboxes(field),
        "sender" => top.sender = mailboxes(field).into_iter().next(),
        "reply-to" => top.reply_to = mailboxes(field),
        "to" => top.to = mailboxes(field),
        "cc" => top.cc = mailboxes(field),
        "bcc" => top.bcc = mailboxes(field),
        "disposition-notification-to" => top.disposition_notification_to = mailboxes(field),
        "return-receipt-to" => top.return_receipt_to = mailboxes(field),
        "subject" => top.subject = field.text(),
        "date" => top.date = date(field),
        "message-id" => top.message_id = ids(field).into_iter().next(),
        "in-reply-to" => top.in_reply_to = ids(field),
        "references" => top.references = ids(field),
        "auto-submitted" => {
            // RFC 3834 §5: parameters may follow.
            let text = field.unfolded();
            let word = text.split([';', ' ', '\t', '(']).next().unwrap_or("").to_lowercase();
            top.auto_submitted = Some(word).filter(|w| !w.is_empty());
        }
        "sensitivity" => top.sensitivity = Some(field.text()).filter(|t| !t.is_empty()),
        "content-language" => {
            top.content_language =
                field.text().split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
        }
        _ => {}
    }
}

/// Addresses, groups opened.
fn mailboxes(field: &Field<'_>) -> Vec<Mailbox> {
    field.parsed(
        |s| s.parse_address(),
        |value| {
            let HeaderValue::Address(list) = value else { return Vec::new() };
            let flat: Vec<_> = match list {
                Address::List(list) => list,
                Address::Group(groups) => groups.into_iter().flat_map(|g| g.addresses).collect(),
            };
            let tidy = |text: &str| clean_text(text.trim().to_owned());
            flat.iter()
                .filter_map(|addr| {
                    let mut address = tidy(addr.address.as_deref()?);
                    let mut name = addr.name.as_deref().map(tidy).filter(|n| !n.is_empty());
                    // A quoted local part without brackets (RFC 5322 §3.4.1) is taken for a name.
                    if address.starts_with('@')
                        && let Some(local) = name.take()
                    {
                        let local = local.replace('\\', "\\\\").replace('"', "\\\"");
                        address = format!("\"{local}\"{address}");
                    }
                    (!address.is_empty()).then_some(Mailbox { name, address })
                })
                .collect()
        },
    )
}

fn ids(field: &Field<'_>) -> Vec<String> {
    field.parsed(
        |s| s.parse_id(),
        |value| match value {
            HeaderValue::Text(id) => vec![clean_text(id.into_owned())],
            HeaderValue::TextList(ids) => ids.into_iter().map(|id| clean_text(id.into_owned())).collect(),
            _ => Vec::new(),
        },
    )
}

fn date(field: &Field<'_>) -> Option<Timestamp> {
    field.parsed(
        |s| s.parse_date(),
        |value| {
            let date = *value.as_datetime()?;
            date.is_valid().then(|| Timestamp::from_second(date.to_timestamp()).ok())?
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts() {
        let block = "From: =?UTF-8?Q?Am=C3=A9lie?= <amelie@a.example>, \"B, C\" <b@c.example>\r\n\
            Sender: <s@a.example>\r\nTo: team: x@y.example, Z <z@y.example>;\r\n\
            Subject: =?iso-8859-1?Q?caf=E9?=\r\n =?iso-8859-1?Q?_cr=E8me?= [secure]\r\n\
            Date: Sun, 22 Nov 2026 01:00:00 +0100\r\nMessage-ID: <1@a.example>\r\n\
            References: <a@b>\r\n <c@d>\r\nAuto-Submitted: auto-replied (vacation); x=y\r\n\
            X-Sealpost-Treatment: notify\r\nsubject: second\r\nContent-Language: fr, en\r\n\r\n";
        let top = parse_top(block.as_bytes());
        let named: Vec<_> = top.from.iter().map(|m| (m.name.as_deref(), m.address.as_str())).collect();
        assert_eq!(named, [(Some("Amélie"), "amelie@a.example"), (Some("B, C"), "b@c.example")]);
        assert_eq!(top.sender.as_ref().unwrap().address, "s@a.example");
        assert_eq!(top.to.len(), 2);
        assert_eq!(top.subject, "café crème [secure]");
        assert_eq!(top.date.unwrap().to_string(), "2026-11-22T00:00:00Z");
        assert_eq!(top.message_id.as_deref(), Some("1@a.example"));
        assert_eq!(top.references, ["a@b", "c@d"]);
        assert_eq!(top.auto_submitted.as_deref(), Some("auto-replied"));
        assert_eq!(top.hint("X-Sealpost-Treatment"), Some("notify"));
        assert_eq!(top.repeated, ["subject"]);
        assert_eq!(top.content_language, ["fr", "en"]);
        assert_eq!(top.field("MESSAGE-id"), Some("<1@a.example>"));
    }

    #[test]
    fn a_subject_cannot_turn_around_or_break_lines() {
        let top = parse_top(b"Subject: a\xe2\x80\xaeb\x07c =?utf-8?Q?x=0D=0AY:_z?=\r\n\r\n");
        assert_eq!(top.subject, "ab c x  Y: z");
    }
}
