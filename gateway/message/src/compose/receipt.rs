//! Receipts: short mail to the sender, threaded on their own message.

use super::draft::Draft;
use super::letter::{Block, Head, Letter};
use super::words::{moment, tame};
use jiff::Timestamp;
use sealpost_envelope::EmailAddress;

/// What the receipt tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptKind {
    /// A recipient has opened the message, not yet all of them.
    OpenedByOne,
    /// Every recipient has opened it.
    OpenedByAll,
    /// It could not be brought to a recipient.
    Failed,
    /// It has not left: policy waits for the sender.
    Held,
    /// It still has not, and will be given up soon.
    StillHeld,
    /// Access was closed for a recipient, or for all.
    Revoked,
    /// The address of the first recipient was corrected.
    Corrected,
    /// Access lasts longer, until then.
    Extended(Timestamp),
}

/// How far the message has come for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientState {
    /// Sent, nothing known beyond.
    Sent,
    /// Taken over by the recipient's server.
    Delivered(Timestamp),
    /// Opened after authentication.
    Opened(Timestamp),
    /// Could not be brought; says why.
    Failed(String),
    /// Has not left; says why.
    Held(String),
    /// Access was closed.
    Revoked(Timestamp),
}

/// One recipient's line.
#[derive(Debug, Clone)]
pub struct ReceiptLine<'a> {
    /// Recipient.
    pub address: &'a EmailAddress,
    /// State.
    pub state: RecipientState,
    /// Who opened, in words, where they gave a name.
    pub by: Option<String>,
}

/// A receipt.
#[derive(Debug, Clone)]
pub struct ReceiptMail<'a> {
    /// Header facts; `to` is the sender of the message.
    pub letter: Letter<'a>,
    /// What it tells.
    pub kind: ReceiptKind,
    /// Subject of the sender's message; `None` keeps it out (treatment `notify`).
    pub subject: Option<&'a str>,
    /// Message-ID of the sender's message, without angle brackets.
    pub message_id: Option<&'a str>,
    /// When it was deposited.
    pub sent: Timestamp,
    /// The recipient that the receipt is about first.
    pub recipients: &'a [ReceiptLine<'a>],
    /// Page of the deposit in the senders' app.
    pub url: Option<&'a str>,
}

/// Recipients named at most: receipts are short.
const SHOWN: usize = 20;

/// The receipt.
pub fn receipt(mail: &ReceiptMail<'_>) -> Draft {
    let (head, blocks) = parts(mail);
    mail.letter.draft(&head, &blocks)
}

/// Its header facts and its text.
pub(super) fn parts<'a>(mail: &'a ReceiptMail<'_>) -> (Head<'a>, Vec<Block>) {
    let letter = &mail.letter;
    let (state, title) = match mail.kind {
        ReceiptKind::OpenedByOne => (
            letter.say("Reçu partiellement", "Partly received"),
            letter.say("Un destinataire a consulté le message", "One recipient has opened the message"),
        ),
        ReceiptKind::OpenedByAll => (
            letter.say("Reçu", "Received"),
            letter.say(
                "Tous les destinataires ont consulté le message",
                "All recipients have opened the message",
            ),
        ),
        ReceiptKind::Failed => (
            letter.say("Non remis", "Not delivered"),
            letter.say("Le message n'a pas pu être remis", "The message could not be delivered"),
        ),
        ReceiptKind::Held => (
            letter.say("En attente", "Waiting"),
            letter.say("Le message n'est pas parti", "The message has not left"),
        ),
        ReceiptKind::StillHeld => (
            letter.say("En attente", "Waiting"),
            letter.say("Rappel : le message n'est pas parti", "Reminder: the message has not left"),
        ),
        ReceiptKind::Revoked => (
            letter.say("Révoqué", "Revoked"),
            letter.say("L'accès au message a été fermé", "Access to the message was closed"),
        ),
        ReceiptKind::Corrected => (
            letter.say("Adresse corrigée", "Address corrected"),
            letter.say(
                "L'adresse d'un destinataire a été corrigée et le message lui est envoyé",
                "The address of a recipient was corrected and the message is sent there",
            ),
        ),
        ReceiptKind::Extended(_) => (
            letter.say("Prolongé", "Extended"),
            letter.say("L'accès au message est prolongé", "Access to the message was extended"),
        ),
    };
    let shown = mail.subject.map(tame).filter(|s| !s.is_empty());
    let about = shown
        .clone()
        .or_else(|| letter.reference.map(ToString::to_string))
        .unwrap_or_else(|| letter.say("votre message", "your message").to_owned());
    let subject = format!("{state}{} {about}", letter.say(" :", ":"));
    let head = Head {
        from: tame(letter.brand.entity),
        reply_to: None,
        subject,
        references: mail.message_id.into_iter().collect(),
        is_reply: true,
        automatic: Some("auto-replied"),
    };
    let blocks = blocks(mail, state, title, shown);
    (head, blocks)
}

fn blocks(mail: &ReceiptMail<'_>, state: &str, title: &str, subject: Option<String>) -> Vec<Block> {
    let letter = &mail.letter;
    let mut facts = vec![(letter.say("État", "State").to_owned(), state.to_owned())];
    facts.extend(subject.map(|s| (letter.say("Objet", "Subject").to_owned(), s)));
    facts.push((
        letter.say("Envoyé le", "Sent").to_owned(),
        moment(mail.sent, letter.brand.zone, letter.language),
    ));
    if matches!(mail.kind, ReceiptKind::OpenedByOne | ReceiptKind::OpenedByAll) {
        let opened = mail.recipients.iter().filter(|r| matches!(r.state, RecipientState::Opened(_))).count();
        let count = format!("{opened} {} {}", letter.say("sur", "of"), mail.recipients.len());
        facts.push((letter.say("Consulté par", "Opened by").to_owned(), count));
    }
    if let ReceiptKind::Extended(until) = mail.kind {
        let until = moment(until, letter.brand.zone, letter.language);
        facts.push((letter.say("Accès jusqu'au", "Access until").to_owned(), until));
    }
    let mut lines: Vec<(String, String)> = mail
        .recipients
        .iter()
        .take(SHOWN)
        .map(|r| {
            let by = r.by.as_deref().map(|by| format!(", {}", tame(by))).unwrap_or_default();
            (r.address.to_string(), format!("{}{by}", words(letter, &r.state)))
        })
        .collect();
    if let Some(more) = mail.recipients.len().checked_sub(SHOWN).filter(|n| *n > 0) {
        lines.push(("…".to_owned(), format!("+ {more}")));
    }
    let mut blocks = vec![Block::Title(title.to_owned()), Block::Rows(facts), Block::Rows(lines)];
    if mail.kind == ReceiptKind::Failed {
        blocks.push(Block::Text(
            letter
                .say(
                    "Vérifiez l'adresse, puis corrigez-la ou envoyez à nouveau.",
                    "Check the address, then correct it or send again.",
                )
                .to_owned(),
        ));
    }
    if matches!(mail.kind, ReceiptKind::Held | ReceiptKind::StillHeld) {
        blocks.push(Block::Text(
            letter
                .say(
                    "Pour qu'il parte, corrigez ce qui est indiqué et envoyez-le à nouveau, laissez-le partir depuis \
                     sa page, ou demandez à votre administrateur de le libérer.",
                    "To have it leave, mend what is said above and send it again, let it go on its page, or ask \
                     your administrator to release it.",
                )
                .to_owned(),
        ));
    }
    if let Some(url) = mail.url {
        blocks.push(Block::Text(
            letter
                .say(
                    "Détail et preuve, et pour envoyer à nouveau, corriger une adresse, prolonger ou fermer l'accès :",
                    "Details and proof, and to send again, correct an address, extend or close access:",
                )
                .to_owned(),
        ));
        blocks.push(Block::Url(url.to_owned()));
    }
    blocks
}

fn words(letter: &Letter<'_>, state: &RecipientState) -> String {
    let at = |time: &Timestamp| moment(*time, letter.brand.zone, letter.language);
    match state {
        RecipientState::Sent => letter.say("pas encore consulté", "not opened yet").to_owned(),
        RecipientState::Delivered(time) => format!("{} {}", letter.say("remis le", "delivered"), at(time)),
        RecipientState::Opened(time) => format!("{} {}", letter.say("consulté le", "opened"), at(time)),
        RecipientState::Held(why) => format!("{} {}", letter.say("en attente :", "waiting:"), tame(why)),
        RecipientState::Revoked(time) => {
            format!("{} {}", letter.say("accès fermé le", "access closed"), at(time))
        }
        RecipientState::Failed(why) => format!("{} {}", letter.say("échec :", "failed:"), tame(why)),
    }
}
