//! What all mail of our own has in common: its header, its two alternatives, its frame.

use super::draft::Draft;
use super::headers::Fields;
use super::html;
use super::plan::Recipe;
use super::quoted::encode_text;
use super::seal::literal_recipe;
use super::text;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealpost_envelope::{DepositId, EmailAddress, Language, Reference};

/// The organisation in whose name we write.
#[derive(Debug, Clone)]
pub struct Brand<'a> {
    /// Its name, as people know it.
    pub entity: &'a str,
    /// Support contact: phone, address, in one line.
    pub support: Option<&'a str>,
    /// `seal.address`: sender of all mail of our own, and subject of its certificate.
    pub address: &'a EmailAddress,
    /// Zone of dates and times.
    pub zone: &'a TimeZone,
}

/// Who gets which message of ours.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    /// In whose name.
    pub brand: Brand<'a>,
    /// To whom.
    pub to: &'a EmailAddress,
    /// Message-ID without angle brackets, `uuid.n@hostname`.
    pub message_id: &'a str,
    /// Date; CMS signing-time must be within the hour.
    pub date: Timestamp,
    /// In which language.
    pub language: Language,
    /// Reference of the deposit; account mail has none.
    pub reference: Option<&'a Reference>,
    /// Deposit; account mail has none.
    pub deposit: Option<DepositId>,
    /// Makes boundaries: an identifier of this outgoing message, letters, digits and hyphens.
    pub unique: &'a str,
}

/// A piece of a letter, written once and rendered as text and as HTML.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// First line, large.
    Title(String),
    /// A paragraph.
    Text(String),
    /// A paragraph of lesser weight.
    Note(String),
    /// Label and value, one a line.
    Rows(Vec<(String, String)>),
    /// File name and size, one a line.
    Files(Vec<(String, String)>),
    /// The code, large and alone.
    Code(String),
    /// The one address of the letter, shown as it is.
    Url(String),
    /// The author's own words: text, and sanitised HTML.
    Author { text: String, html: String },
}

/// Header facts that differ from letter to letter.
pub(super) struct Head<'a> {
    pub(super) from: String,
    pub(super) reply_to: Option<(Option<&'a str>, &'a EmailAddress)>,
    pub(super) subject: String,
    /// Message-IDs that this one belongs to, oldest first.
    pub(super) references: Vec<&'a str>,
    /// Answers the last of them (RFC 5322 §3.6.4).
    pub(super) is_reply: bool,
    /// `Auto-Submitted` (RFC 3834 §5), on everything that no person sent.
    pub(super) automatic: Option<&'static str>,
}

impl Letter<'_> {
    /// Outer header. No value can end its field.
    pub(super) fn fields(&self, head: &Head<'_>) -> Vec<u8> {
        let mut out = Fields::new();
        out.date("Date", self.date, self.brand.zone);
        out.mailbox("From", Some(&head.from), self.brand.address.as_str());
        out.mailbox("To", None, self.to.as_str());
        if let Some((name, address)) = head.reply_to {
            out.mailbox("Reply-To", name, address.as_str());
        }
        out.text("Subject", &head.subject);
        out.ids("Message-ID", [self.message_id]);
        if head.is_reply {
            out.ids("In-Reply-To", head.references.last().copied());
        }
        out.ids("References", head.references.iter().copied());
        if let Some(word) = head.automatic {
            out.words("Auto-Submitted", word);
        }
        out.words("Content-Language", self.language.tag());
        if let Some(deposit) = self.deposit {
            out.words("X-Sealpost-Deposit", &deposit.to_string());
        }
        if let Some(reference) = self.reference {
            out.words("X-Sealpost-Reference", reference.as_str());
        }
        out.words("MIME-Version", "1.0");
        out.into_bytes()
    }
    /// Boundary of that kind; "=_" stands in no encoded text.
    pub(super) fn boundary(&self, kind: &str) -> String {
        let unique = self.unique.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(50);
        format!("=_{kind}_{}", unique.collect::<String>())
    }
    /// multipart/alternative of the blocks as text and HTML, its own header included.
    pub(super) fn alternative(&self, subject: &str, blocks: &[Block]) -> Vec<u8> {
        let boundary = self.boundary("alt");
        let plain = text::render(self, blocks);
        let rich = html::render(self, subject, blocks);
        let mut out =
            format!("Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n").into_bytes();
        for (subtype, body) in [("plain", plain), ("html", rich)] {
            out.extend_from_slice(
                format!(
                    "--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n\
                     Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                )
                .as_bytes(),
            );
            out.extend_from_slice(&encode_text(body.as_bytes()));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }
    /// A letter without stored parts.
    pub(super) fn draft(&self, head: &Head<'_>, blocks: &[Block]) -> Draft {
        let inner: Recipe = literal_recipe(&self.alternative(&head.subject, blocks));
        Draft { outer: self.fields(head), inner }
    }
    /// A number of octets as people read it.
    pub fn size(&self, octets: u64) -> String {
        super::words::size(octets, self.language)
    }
    /// A moment in the organisation's zone.
    pub fn moment(&self, at: Timestamp) -> String {
        super::words::moment(at, self.brand.zone, self.language)
    }
    /// The word of its language.
    pub fn say<'t>(&self, fr: &'t str, en: &'t str) -> &'t str {
        self.language.pick(fr, en)
    }
}
