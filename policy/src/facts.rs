//! What policy is told, and what it answers when no rule speaks.

use crate::{Hints, Period};
use sealpost_envelope::{EmailAddress, Gate, GateMethod, Treatment};
use std::collections::BTreeMap;

/// What the message and its submission are, as far as policy looks.
#[derive(Debug, Clone)]
pub struct MessageFacts {
    /// Who sends: the address in `From:`.
    pub sender: EmailAddress,
    /// Login of the account that handed it over; `None` for a trusted server.
    pub login: Option<String>,
    /// Name of the `[[trusted]]` server that asserted the sender.
    pub server: Option<String>,
    /// All envelope recipients.
    pub recipients: Vec<EmailAddress>,
    /// Subject, decoded.
    pub subject: String,
    /// Other headers by lower-case name, decoded; the first of each name.
    pub headers: BTreeMap<String, String>,
    /// Bytes of the whole message.
    pub size: u64,
    /// Decoded bytes of all attachments together.
    pub attachment_bytes: u64,
    /// File names of the attachments, one element each, empty where there is none.
    pub attachment_names: Vec<String>,
    /// Names of the files in the attachments that are archives, as far as they were looked at.
    pub archived_names: Vec<String>,
    /// The envelope's reverse path is null (RFC 5321 §4.5.5).
    pub null_reverse_path: bool,
    /// The message is multipart/report (RFC 6522).
    pub is_report: bool,
    /// `Auto-Submitted` says anything but `no` (RFC 3834 §5).
    pub auto_submitted: bool,
    /// The `method` of a text/calendar part (RFC 5546).
    pub calendar_method: Option<String>,
    /// Signed by its author (S/MIME or OpenPGP).
    pub author_signed: bool,
    /// Encrypted by its author.
    pub author_encrypted: bool,
    /// What the sender asked for; see [`Hints::read`].
    pub hints: Hints,
    /// Treatment of a secure deposit that this message answers.
    pub replies_to: Option<Treatment>,
    /// The sender's certificate chains to a publicly trusted root.
    pub certificate_public: bool,
    /// Somebody outside deposits it on a page of ours, invited or in answer.
    pub guest: bool,
}

impl MessageFacts {
    /// An ordinary message with an attachment, on which conditions are tried when they are compiled.
    pub(crate) fn sample() -> (Self, RecipientFacts) {
        let address = |text| EmailAddress::parse(text).expect("a literal address is valid");
        let (from, to) = (address("alice@sender.example"), address("bob@recipient.example"));
        let message = Self {
            sender: from,
            login: Some("alice@sender.example".to_owned()),
            server: None,
            recipients: vec![to.clone()],
            subject: "A subject".to_owned(),
            headers: BTreeMap::new(),
            size: 100_000,
            attachment_bytes: 70_000,
            attachment_names: vec!["letter.pdf".to_owned()],
            archived_names: Vec::new(),
            null_reverse_path: false,
            is_report: false,
            auto_submitted: false,
            calendar_method: None,
            author_signed: false,
            author_encrypted: false,
            hints: Hints::default(),
            replies_to: None,
            certificate_public: false,
            guest: false,
        };
        (message, RecipientFacts::new(to))
    }
}

/// What is known of one recipient.
#[derive(Debug, Clone)]
pub struct RecipientFacts {
    /// Address in the envelope.
    pub address: EmailAddress,
    /// What is on record of them; `None` where nobody has looked, and nothing is held for want of it.
    pub known: Option<Known>,
    /// The address that the sender writes to of which this one, new to them, may be a slip of the pen.
    pub near: Option<EmailAddress>,
}

impl RecipientFacts {
    /// Of whom only the address is known.
    pub fn new(address: EmailAddress) -> Self {
        Self { address, known: None, near: None }
    }
}

/// What is on record of a recipient.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Number for codes by SMS, E.164.
    pub phone: Option<String>,
    /// Methods that they hold a token or app for.
    pub enrolled: Vec<GateMethod>,
}

/// The entity's settings that rules build on.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Domains whose mail stays inside, lower case.
    pub domains: Vec<String>,
    /// Seal even with a certificate the outside does not know.
    pub seal_always: bool,
    /// Gate where a rule names none.
    pub gate: Gate,
    /// Access ends this long after the deposit.
    pub expires: Period,
    /// Content is kept this long after access has ended.
    pub retention_after: Period,
    /// Attachments of more decoded bytes together become links.
    pub link_over: u64,
    /// Country of national telephone numbers, ISO 3166-1 alpha-2.
    pub country: String,
    /// Codes by SMS can be sent.
    pub sms: bool,
    /// Beginnings of the numbers that they may go to; without any, all.
    pub sms_prefixes: Vec<String>,
    /// Ends of file names that never leave, lower case, without the dot.
    pub blocked_types: Vec<String>,
    /// Nothing is done to mail; what would have been done is told.
    pub observe: bool,
    /// Mail to a new address that looks like a slip of the pen waits for its sender.
    pub hold_typos: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            seal_always: false,
            gate: Gate::otp_mail(),
            expires: Period::days(30),
            retention_after: Period::days(60),
            link_over: 5_000_000,
            country: "FR".to_owned(),
            sms: false,
            sms_prefixes: Vec::new(),
            blocked_types: Vec::new(),
            observe: false,
            hold_typos: true,
        }
    }
}

impl Defaults {
    /// Whether the address belongs to the entity.
    pub fn is_own(&self, address: &EmailAddress) -> bool {
        self.domains.iter().any(|d| d.eq_ignore_ascii_case(address.domain()))
    }
}
