//! Read receipts for senders whose program asked for one (RFC 8098), as multipart/report.
//!
//! The recipient passed a gate and opened the message by an act of their own: `manual-action`; that the sender hears of
//! it was said on the page before, and the notification itself is made by us: `MDN-sent-automatically`.
//!
//! As for [`super::dsn()`], no signature goes around it: programs look for multipart/report at the top (RFC 6522 §3).

use super::dsn::ascii;
use super::headers::Fields;
use super::plan::Recipe;
use super::quoted::encode_text;
use super::receipt::{ReceiptMail, parts};
use super::seal::literal_recipe;
use super::text;
use sealpost_envelope::EmailAddress;

/// A read receipt.
#[derive(Debug, Clone)]
pub struct MdnMail<'a> {
    /// What it tells a person, as the receipt does.
    pub receipt: ReceiptMail<'a>,
    /// Who has read.
    pub recipient: &'a EmailAddress,
    /// `ORCPT` as the client gave it, `type;address`.
    pub original_recipient: Option<&'a str>,
    /// Our host name.
    pub reporter: &'a str,
}

/// The receipt.
pub fn mdn(mail: &MdnMail<'_>) -> Recipe {
    let letter = &mail.receipt.letter;
    let (head, blocks) = parts(&mail.receipt);
    let boundary = letter.boundary("mdn");
    let mut out = letter.fields(&head);
    out.extend_from_slice(
        format!(
            "Content-Type: multipart/report; report-type=disposition-notification;\r\n boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(&encode_text(text::render(letter, &blocks).as_bytes()));
    out.extend_from_slice(
        format!("\r\n--{boundary}\r\nContent-Type: message/disposition-notification\r\n\r\n").as_bytes(),
    );
    out.extend_from_slice(&report(mail));
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    literal_recipe(&out)
}

/// RFC 8098 §3.
fn report(mail: &MdnMail<'_>) -> Vec<u8> {
    let mut out = Fields::new();
    out.words("Reporting-UA", &format!("{}; Sealpost", mail.reporter));
    if let Some(original) = mail.original_recipient {
        out.words("Original-Recipient", original);
    }
    let kind = if mail.recipient.needs_smtputf8() { "utf-8" } else { "rfc822" };
    out.words("Final-Recipient", &format!("{kind}; {}", ascii(mail.recipient.as_str())));
    out.ids("Original-Message-ID", mail.receipt.message_id);
    out.words("Disposition", "manual-action/MDN-sent-automatically; displayed");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{Brand, Letter, ReceiptKind};
    use jiff::tz::TimeZone;
    use sealpost_envelope::Language;

    #[test]
    fn a_report_that_programs_read() {
        let (address, to): (EmailAddress, EmailAddress) =
            ("seal@cabinet.example".parse().unwrap(), "alice@cabinet.example".parse().unwrap());
        let reader: EmailAddress = "rené@exämple.org".parse().unwrap();
        let receipt = ReceiptMail {
            letter: Letter {
                brand: Brand { entity: "Cabinet", support: None, address: &address, zone: &TimeZone::UTC },
                to: &to,
                message_id: "1@cabinet.example",
                date: "2026-11-22T10:00:00Z".parse().unwrap(),
                language: Language::En,
                reference: None,
                deposit: None,
                unique: "1",
            },
            kind: ReceiptKind::OpenedByAll,
            subject: Some("Results"),
            message_id: Some("orig@cabinet.example"),
            sent: "2026-11-22T09:00:00Z".parse().unwrap(),
            recipients: &[],
            url: None,
        };
        let mail = MdnMail {
            receipt,
            recipient: &reader,
            original_recipient: Some("rfc822;r@x"),
            reporter: "mail.example",
        };
        let text = String::from_utf8(mdn(&mail).literal().unwrap().unwrap()).unwrap();
        for line in [
            "Content-Type: multipart/report; report-type=disposition-notification;",
            "In-Reply-To: <orig@cabinet.example>",
            "Reporting-UA: mail.example; Sealpost",
            "Original-Recipient: rfc822;r@x",
            "Final-Recipient: utf-8; ren\\x{E9}@ex\\x{E4}mple.org",
            "Original-Message-ID: <orig@cabinet.example>",
            "Disposition: manual-action/MDN-sent-automatically; displayed",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} is not in {text}");
        }
        assert!(text.is_ascii());
    }
}
