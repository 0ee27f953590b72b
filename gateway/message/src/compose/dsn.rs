//! Delivery status notifications that a client asked for (RFC 3461, RFC 3464), as multipart/report.
//!
//! They are never wrapped into a signature: programs look for multipart/report at the top (RFC 6522 §3).

use super::headers::Fields;
use super::letter::{Block, Head, Letter};
use super::plan::{Planner, Recipe};
use super::quoted::encode_text;
use super::text;
use super::words::{moment, tame};
use crate::error::SkeletonError;
use crate::header::{clean_text, fields};
use jiff::Timestamp;
use sealpost_envelope::EmailAddress;

/// What became of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DsnAction {
    /// In the recipient's mailbox.
    Delivered,
    /// Given to a server that reports nothing.
    Relayed,
    /// Still being tried.
    Delayed,
    /// Given up.
    Failed,
}

impl DsnAction {
    /// The word of RFC 3464 §2.3.3.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
        }
    }
}

/// A notification.
#[derive(Debug, Clone)]
pub struct DsnMail<'a> {
    /// Header facts; `to` is the sender of the message.
    pub letter: Letter<'a>,
    /// What became of it.
    pub action: DsnAction,
    /// For whom.
    pub recipient: &'a EmailAddress,
    /// `ORCPT` as the client gave it, `type;address`.
    pub original_recipient: Option<&'a str>,
    /// `ENVID` as the client gave it.
    pub envelope_id: Option<&'a str>,
    /// RFC 3463.
    pub status: &'a str,
    /// The remote server's words.
    pub diagnostic: Option<&'a str>,
    /// Who said them.
    pub remote: Option<&'a str>,
    /// Our host name.
    pub reporter: &'a str,
    /// When the message was accepted.
    pub arrived: Timestamp,
    /// Until when it is tried, of a delay.
    pub until: Option<Timestamp>,
    /// Subject of the sender's message.
    pub subject: &'a str,
    /// Its Message-ID, without angle brackets.
    pub message_id: Option<&'a str>,
    /// Its header block, returned with the notification.
    pub header: &'a [u8],
    /// The whole message, returned instead where the client asked for it (`RET=FULL`).
    pub whole: Option<&'a Recipe>,
}

/// Header returned at most.
const MOST_HEADER: usize = 16 << 10;

/// The notification. Fails where the message to be returned is damaged.
pub fn dsn(mail: &DsnMail<'_>) -> Result<Recipe, SkeletonError> {
    let letter = &mail.letter;
    let (state, sentence) = words(mail);
    let head = Head {
        from: tame(letter.brand.entity),
        reply_to: None,
        subject: format!("{state}{} {}", letter.say(" :", ":"), tame(mail.subject)),
        references: mail.message_id.into_iter().collect(),
        is_reply: true,
        automatic: Some("auto-replied"),
    };
    let mut out = letter.fields(&head);
    let boundary = letter.boundary("dsn");
    out.extend_from_slice(
        format!(
            "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(&encode_text(text::render(letter, &blocks(mail, state, sentence)).as_bytes()));
    out.extend_from_slice(
        format!("\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n").as_bytes(),
    );
    out.extend_from_slice(&report(mail));
    let end = format!("\r\n--{boundary}--\r\n").into_bytes();
    let mut plan = Planner::new();
    match mail.whole {
        Some(message) => {
            // RFC 2046 §5.2.1: a message part says what is within, and is never encoded itself.
            out.extend_from_slice(
                format!(
                    "\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\
                     Content-Transfer-Encoding: 8bit\r\n\r\n"
                )
                .as_bytes(),
            );
            plan.literal(&out);
            plan.append(message)?;
        }
        None => {
            out.extend_from_slice(
                format!("\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n").as_bytes(),
            );
            out.extend_from_slice(&returned(mail.header));
            plan.literal(&out);
        }
    }
    plan.literal(&end);
    Ok(plan.finish())
}

fn words<'t>(mail: &DsnMail<'t>) -> (&'t str, &'t str) {
    let letter = &mail.letter;
    match mail.action {
        DsnAction::Delivered => (
            letter.say("Remis", "Delivered"),
            letter.say(
                "Le message a été remis dans la boîte du destinataire.",
                "The message was delivered to the recipient's mailbox.",
            ),
        ),
        DsnAction::Relayed => (
            letter.say("Transmis", "Relayed"),
            letter.say(
                "Le message a été transmis à un serveur qui ne signale pas la remise.",
                "The message was given to a server that does not report delivery.",
            ),
        ),
        DsnAction::Delayed => (
            letter.say("Retardé", "Delayed"),
            letter.say(
                "Le message n'a pas encore pu être remis ; les essais continuent. Vous n'avez rien à faire.",
                "The message could not be delivered yet; attempts go on. There is nothing you need to do.",
            ),
        ),
        DsnAction::Failed => (
            letter.say("Non remis", "Not delivered"),
            letter.say("Le message n'a pas pu être remis.", "The message could not be delivered."),
        ),
    }
}

fn blocks(mail: &DsnMail<'_>, state: &str, sentence: &str) -> Vec<Block> {
    let letter = &mail.letter;
    let row = |fr: &str, en: &str, value: String| (letter.say(fr, en).to_owned(), value);
    let when = |time| moment(time, letter.brand.zone, letter.language);
    let mut rows = vec![
        row("Destinataire", "Recipient", mail.recipient.to_string()),
        row("Objet", "Subject", tame(mail.subject)),
        row("Envoyé le", "Sent", when(mail.arrived)),
    ];
    if let Some(until) = mail.until {
        rows.push(row("Essais jusqu'au", "Tried until", when(until)));
    }
    if let Some(diagnostic) = mail.diagnostic.filter(|d| !d.is_empty()) {
        rows.push(row("Réponse du serveur", "Server's reply", tame(diagnostic)));
    }
    vec![Block::Title(state.to_owned()), Block::Text(sentence.to_owned()), Block::Rows(rows)]
}

/// RFC 3464 §2: fields of the message, a blank line, fields of the recipient.
fn report(mail: &DsnMail<'_>) -> Vec<u8> {
    let mut out = Fields::new();
    // RFC 3464 §2.2.1: only when the client gave one.
    if let Some(id) = mail.envelope_id {
        out.words("Original-Envelope-Id", id);
    }
    out.words("Reporting-MTA", &format!("dns; {}", mail.reporter));
    out.date("Arrival-Date", mail.arrived, mail.letter.brand.zone);
    let mut bytes = out.into_bytes();
    bytes.extend_from_slice(b"\r\n");
    let mut out = Fields::new();
    if let Some(original) = mail.original_recipient {
        out.words("Original-Recipient", original);
    }
    let kind = if mail.recipient.needs_smtputf8() { "utf-8" } else { "rfc822" };
    out.words("Final-Recipient", &format!("{kind}; {}", ascii(mail.recipient.as_str())));
    out.words("Action", mail.action.word());
    out.words("Status", mail.status);
    if let Some(remote) = mail.remote {
        out.words("Remote-MTA", &format!("dns; {remote}"));
    }
    if let Some(diagnostic) = mail.diagnostic.filter(|d| !d.is_empty()) {
        out.words("Diagnostic-Code", &format!("smtp; {diagnostic}"));
    }
    if let Some(until) = mail.until {
        out.date("Will-Retry-Until", until, mail.letter.brand.zone);
    }
    bytes.extend(out.into_bytes());
    bytes
}

/// RFC 6533 §3: an address as `utf-8-addr-xtext`, so that the report stays ASCII.
pub(super) fn ascii(address: &str) -> String {
    let piece = |c: char| match c {
        '\\' | '+' | '=' => format!("\\x{{{:02X}}}", u32::from(c)),
        c if c.is_ascii() => c.to_string(),
        c => format!("\\x{{{:X}}}", u32::from(c)),
    };
    if address.is_ascii() { address.to_owned() } else { address.chars().map(piece).collect() }
}

/// The header of the message, as far as it is ASCII text, without what stays inside.
fn returned(header: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields(header).filter(|f| !super::relay::stays_inside(f.name)) {
        if out.len() + field.raw.len() > MOST_HEADER {
            break;
        }
        if field.raw.is_ascii() {
            out.extend_from_slice(field.raw);
            if !field.raw.ends_with(b"\n") {
                out.extend_from_slice(b"\r\n");
            }
        } else {
            let mut readable = Fields::new();
            readable.text(&clean_text(field.name_text()), &field.text());
            out.extend(readable.into_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{Brand, Letter};
    use jiff::tz::TimeZone;
    use sealpost_envelope::Language;

    #[test]
    fn the_message_comes_back_as_asked() {
        let (seal, to): (EmailAddress, EmailAddress) =
            ("seal@cabinet.example".parse().unwrap(), "alice@cabinet.example".parse().unwrap());
        let recipient: EmailAddress = "bob@example.org".parse().unwrap();
        let time: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let message = "Subject: été\r\nBcc: x@y.example\r\n\r\nBonjour\r\n";
        let whole = Recipe::of(message.as_bytes());
        let text = |whole: Option<&Recipe>| {
            let mail = DsnMail {
                letter: Letter {
                    brand: Brand { entity: "Cabinet", support: None, address: &seal, zone: &TimeZone::UTC },
                    to: &to,
                    message_id: "1@cabinet.example",
                    date: time,
                    language: Language::Fr,
                    reference: None,
                    deposit: None,
                    unique: "1",
                },
                action: DsnAction::Failed,
                recipient: &recipient,
                original_recipient: None,
                envelope_id: None,
                status: "5.1.1",
                diagnostic: Some("550 5.1.1 no such user"),
                remote: Some("mx.example.org"),
                reporter: "mail.cabinet.example",
                arrived: time,
                until: None,
                subject: "été",
                message_id: Some("orig@cabinet.example"),
                header: b"Subject: x\r\nBcc: x@y.example\r\n",
                whole,
            };
            String::from_utf8(dsn(&mail).unwrap().literal().unwrap().unwrap()).unwrap()
        };
        let full = text(Some(&whole));
        let part = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
        assert!(full.contains(&format!("{part}{message}\r\n--=_dsn_1--\r\n")), "{full}");
        let header = text(None);
        assert!(
            header.contains("Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--=_dsn_1--"),
            "{header}"
        );
        assert!(header.contains("Status: 5.1.1\r\n") && !header.contains("message/rfc822"), "{header}");
    }
}
