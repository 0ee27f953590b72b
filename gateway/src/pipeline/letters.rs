//! Letters: the mails that are ours, filled with a deposit's facts.
//!
//! **Job.** Gathers what each template needs: the recipient's link, the author's body, a code, how far the
//! recipients are. The words are in `sealpost_message::compose`.
//!
//! **Failure.** As composition.

use super::composition::{ComposeError, Desk, skeleton};
use super::notifications;
use super::spec::{ReceiptEvent, Spec};
use crate::config::Receipts;
use crate::declared::declared;
use crate::gateway::zone;
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use sealpost_envelope::{EmailAddress, Language, Treatment};
use sealpost_evidence::EventName;
use sealpost_gate::{CodeKey, declared_words};
use sealpost_message::compose::{
    self, Author, Brand, CodeMail, Draft, FileLine, Letter, LinkMail, MdnMail, NotifyMail, OriginalParts,
    ReceiptKind, ReceiptLine, ReceiptMail, Recipe, RecipientState,
};
use sealpost_message::present::{self, Collector, SafeHtml};
use sealpost_message::{SkeletonReader, Structure};
use sealpost_policy::strip_tags;
use sealpost_store::access::Challenge;
use sealpost_store::queue::{Filter, State};
use sealpost_store::{ConsignmentRow, JournalFilter};
use uuid::Uuid;

/// Whether a recipient gets a message for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The first mail.
    First,
    /// Sent again.
    Again,
}

/// Facts that all letters of a row share, kept alive for the borrowed [`Letter`].
pub(super) struct Heading {
    support: Option<String>,
    zone: TimeZone,
    message_id: String,
    unique: String,
}

impl Heading {
    pub(super) fn new(desk: &Desk<'_>) -> Self {
        let support = &desk.organisation.settings.support;
        let contacts = [support.mail.as_ref().map(ToString::to_string), support.phone.clone()];
        let contacts: Vec<String> = contacts.into_iter().flatten().collect();
        let number = desk.row.recipient.unwrap_or(0);
        let host = &desk.organisation.settings.hostname;
        Self {
            support: (!contacts.is_empty()).then(|| contacts.join(" · ")),
            zone: zone(),
            // `<uuid.n@hostname>`. The first mail carries the deposit's id, by which an
            // answer is recognised; others their own row's.
            message_id: match super::spec::Spec::read(&desk.row.spec) {
                Ok(super::spec::Spec::Consignment { .. }) => {
                    format!("{}.{number}@{host}", desk.open.deposit.row.id)
                }
                _ => format!("{}.{number}@{host}", desk.row.id),
            },
            unique: desk.row.id.to_string(),
        }
    }

    pub(super) fn letter<'a>(&'a self, desk: &'a Desk<'_>, language: Language) -> Letter<'a> {
        let deposit = &desk.open.deposit.row;
        Letter {
            brand: Brand {
                entity: &desk.organisation.settings.name,
                support: self.support.as_deref(),
                address: &desk.organisation.seal_address,
                zone: &self.zone,
            },
            to: &desk.row.rcpt,
            message_id: &self.message_id,
            date: desk.gateway.clock.now(),
            language,
            reference: Some(&deposit.reference),
            deposit: Some(deposit.id),
            unique: &self.unique,
        }
    }
}

/// `link` or `notify`, with the recipient's own link of that generation.
pub async fn secure(
    desk: &Desk<'_>,
    consignment: &ConsignmentRow,
    generation: u32,
    occasion: Occasion,
) -> Result<Draft, ComposeError> {
    let heading = Heading::new(desk);
    let structure = &desk.open.meta.structure;
    let token = desk.open.key.link_token(consignment.n, generation);
    let url = format!("{}/m/{}", desk.gateway.config.web.url.as_str().trim_end_matches('/'), token.expose());
    let letter = heading.letter(desk, consignment.language);
    let author = author(desk, structure);
    if consignment.verdict.treatment == Treatment::Notify {
        let expires = consignment.verdict.expires;
        let reminder = occasion == Occasion::Again;
        return Ok(compose::notify(&NotifyMail { letter, author, url: &url, expires, reminder }));
    }
    let skeleton = skeleton(desk.open).await?;
    let whole = structure.author_signed || structure.author_encrypted;
    let parts = OriginalParts { skeleton: &skeleton, structure };
    let html = if whole { None } else { body(&parts)? };
    let subject = strip_tags(&structure.top.subject);
    let files = files(structure, whole);
    Ok(compose::link(&LinkMail {
        letter,
        author,
        subject: &subject,
        // The text alternative is derived from what is shown.
        text: None,
        html: html.as_ref(),
        parts: (!whole).then_some(parts),
        whole,
        files: &files,
        url: &url,
        expires: consignment.verdict.expires,
    })?)
}

pub(super) fn author<'a>(desk: &'a Desk<'_>, structure: &'a Structure) -> Author<'a> {
    let deposit = &desk.open.deposit.row;
    Author {
        name: structure.top.from.first().and_then(|m| m.name.as_deref()),
        address: &deposit.sender,
        message_id: deposit.message_id.as_deref(),
        references: &structure.top.references,
        sent: deposit.created,
    }
}

fn files(structure: &Structure, whole: bool) -> Vec<FileLine<'_>> {
    if whole {
        return vec![FileLine { name: "message.eml", size: structure.size }];
    }
    let attachments = structure.attachments();
    attachments
        .map(|(node, stored)| FileLine {
            name: node.info.filename.as_deref().unwrap_or("document"),
            size: stored.size,
        })
        .collect()
}

/// The author's words as sanitised HTML, from the texts that stand in the skeleton. A longer text is behind
/// the link with the files.
fn body(parts: &OriginalParts<'_>) -> Result<Option<SafeHtml>, ComposeError> {
    let chosen = present::bodies(parts.structure);
    let mut collector = Collector::new(&chosen);
    let mut reader = SkeletonReader::new();
    reader.push(parts.skeleton);
    while let Some(record) = reader.next_record()? {
        collector.see(&record);
    }
    let mut shown: Option<SafeHtml> = None;
    for body in &chosen {
        let Some(content) = collector.content(body.node) else { continue };
        let next = present::render(body, content, false, &|cid| parts.address(cid));
        shown = Some(match shown {
            None => next,
            Some(before) => SafeHtml {
                html: before.html + &next.html,
                remote_removed: before.remote_removed | next.remote_removed,
                truncated: before.truncated | next.truncated,
            },
        });
    }
    Ok(shown)
}

/// The six digits of a challenge.
pub async fn code(desk: &Desk<'_>, challenge: Uuid) -> Result<Draft, ComposeError> {
    let challenge = Challenge::get(desk.gateway.store.db(), challenge)
        .await?
        .ok_or_else(|| ComposeError::Row("the challenge is gone".to_owned()))?;
    let consignment = desk.gateway.store.consignment(challenge.deposit, challenge.recipient).await?;
    let codes = desk.gateway.store.keys().purpose("codes").map_err(super::content::ContentError::from)?;
    let code = CodeKey::new(codes.expose()).derive(challenge.id, challenge.deposit, challenge.recipient);
    let heading = Heading::new(desk);
    let letter = heading.letter(desk, consignment.language);
    compose::code(&CodeMail { letter, code: code.expose(), valid_until: challenge.expires })
        .map_err(|_| ComposeError::Row("a code has six digits".to_owned()))
}

/// A receipt in our own words, or the one that the sender's program asked for.
pub enum Told {
    /// To be signed.
    Letter(Draft),
    /// To leave as it is (RFC 6522 §3).
    Report(Recipe),
}

/// Above so many recipients, openings are told together.
const ONE_BY_ONE: usize = 5;

/// Whether the message asked for a read receipt to the one who deposited it: another address would make us write to
/// whom a stranger names (RFC 8098 §2.1).
fn wants_mdn(structure: &Structure, sender: &EmailAddress) -> bool {
    let top = &structure.top;
    let mut asked = top.disposition_notification_to.iter().chain(&top.return_receipt_to);
    asked.any(|m| EmailAddress::parse(&m.address).is_ok_and(|a| a.key() == sender.key()))
}

/// Language of what the sender is told: that of their own message, where their program says it (RFC 3282) and the
/// organisation speaks it.
pub(super) fn senders_language(desk: &Desk<'_>) -> Language {
    let spoken = &desk.organisation.settings.languages;
    let said = desk.open.meta.structure.top.content_language.iter();
    let known = said.filter_map(|tag| Language::negotiate(tag)).find(|l| spoken.contains(l));
    known.unwrap_or_else(|| desk.organisation.language())
}

/// Whether another receipt, still to come, tells all that this one would.
async fn superseded(desk: &Desk<'_>) -> Result<bool, ComposeError> {
    let (deposit, mine) = (desk.open.deposit.row.id, desk.row);
    let mut rows = desk.gateway.queue.list(&Filter { deposit: Some(deposit), ..Filter::default() });
    while let Some(row) = rows.next().await {
        let row = row?;
        let opening = matches!(
            Spec::read(&row.spec),
            Ok(Spec::Receipt { event: ReceiptEvent::OpenedByOne | ReceiptEvent::OpenedByAll })
        );
        if opening
            && row.id != mine.id
            && row.state == State::Compose
            && (row.created, row.id) > (mine.created, mine.id)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What has become of the sender's message.
pub async fn receipt(desk: &Desk<'_>, event: ReceiptEvent) -> Result<Told, ComposeError> {
    let opening = matches!(event, ReceiptEvent::OpenedByOne | ReceiptEvent::OpenedByAll);
    // What needs the sender's hand is mailed in any case.
    if opening && desk.gateway.config.accounts.receipts == Receipts::Imap {
        return Err(ComposeError::Unneeded("openings are shown on the copy in Sent"));
    }
    let deposit = &desk.open.deposit.row;
    let structure = &desk.open.meta.structure;
    let mut consignments = desk.gateway.store.consignments(deposit.id).await?;
    // The recipient that the receipt is about comes first.
    consignments.sort_by_key(|c| (Some(c.n) != desk.row.recipient, c.n));
    if opening && consignments.len() > ONE_BY_ONE && superseded(desk).await? {
        return Err(ComposeError::Unneeded("a later receipt tells of more openings"));
    }
    let heading = Heading::new(desk);
    let language = senders_language(desk);
    let mut lines: Vec<ReceiptLine<'_>> = consignments.iter().map(|c| line(c, language)).collect();
    if let (Some(first), Some(n), true) = (lines.first_mut(), desk.row.recipient, opening) {
        first.by = opener(desk, n).await?;
    }
    let subject = strip_tags(&structure.top.subject);
    let url =
        format!("{}/deposits/{}", desk.gateway.config.web.url.as_str().trim_end_matches('/'), deposit.id);
    let mail = ReceiptMail {
        letter: heading.letter(desk, language),
        kind: match event {
            ReceiptEvent::OpenedByOne => ReceiptKind::OpenedByOne,
            ReceiptEvent::OpenedByAll => ReceiptKind::OpenedByAll,
            ReceiptEvent::Failed => ReceiptKind::Failed,
            ReceiptEvent::Held => ReceiptKind::Held,
            ReceiptEvent::StillHeld => ReceiptKind::StillHeld,
            ReceiptEvent::Revoked => ReceiptKind::Revoked,
            ReceiptEvent::Corrected => ReceiptKind::Corrected,
            ReceiptEvent::Extended => {
                ReceiptKind::Extended(consignments.first().map_or(deposit.created, |c| c.verdict.expires))
            }
        },
        subject: Some(&subject),
        message_id: deposit.message_id.as_deref(),
        sent: deposit.created,
        recipients: &lines,
        url: Some(&url),
    };
    let reader = consignments.first().filter(|c| opening && Some(c.n) == desk.row.recipient);
    // The report is for the program that sent the message; somebody else reads a letter.
    let asks = desk.row.rcpt == deposit.sender && wants_mdn(structure, &deposit.sender);
    if let Some(reader) = reader.filter(|_| asks) {
        let asked = notifications::asked_for(desk.gateway, deposit.id, reader.n).await?;
        let original_recipient = asked.and_then(|a| a.orcpt);
        let reporter = &desk.organisation.settings.hostname;
        return Ok(Told::Report(compose::mdn(&MdnMail {
            receipt: mail,
            recipient: &reader.address,
            original_recipient: original_recipient.as_deref(),
            reporter,
        })));
    }
    Ok(Told::Letter(compose::receipt(&mail)))
}

/// Who opened first, in words, where several read the mailbox and they gave a name.
async fn opener(desk: &Desk<'_>, n: u32) -> Result<Option<String>, ComposeError> {
    let filter = JournalFilter {
        deposit: Some(desk.open.deposit.row.id),
        recipient: Some(n),
        event: Some(EventName::ConsignmentAcceptance),
        limit: Some(1),
        ..JournalFilter::default()
    };
    let entry = desk.gateway.store.search_journal(&filter).next().await.transpose()?;
    Ok(entry.as_ref().and_then(declared).map(|name| declared_words(&name, senders_language(desk))))
}

fn line(consignment: &ConsignmentRow, language: Language) -> ReceiptLine<'_> {
    let address: &EmailAddress = &consignment.address;
    if let Some(at) = consignment.revoked {
        return ReceiptLine { address, state: RecipientState::Revoked(at), by: None };
    }
    if let Some(reason) = consignment.verdict.hold.as_ref().filter(|_| consignment.failed.is_none()) {
        return ReceiptLine {
            address,
            state: RecipientState::Held(sealpost_policy::reason(reason, language)),
            by: None,
        };
    }
    let state = match (&consignment.failed, &consignment.opened, &consignment.last_sent) {
        (Some(_), ..) => {
            let why = consignment.failure.as_deref().unwrap_or_default();
            RecipientState::Failed(sealpost_policy::reason(why, language))
        }
        (None, Some(at), _) => RecipientState::Opened(*at),
        (None, None, Some(at)) => RecipientState::Delivered(*at),
        (None, None, None) => RecipientState::Sent,
    };
    ReceiptLine { address, state, by: None }
}

#[cfg(test)]
mod tests;
