//! Questions to the sender of a message that waits, and what became of their answer.
//!
//! An answer goes to an address of its own and is one word alone on the first line, so that any mail program can give it.

use super::draft::Draft;
use super::letter::{Block, Head, Letter};
use super::words::tame;
use jiff::Timestamp;
use sealpost_envelope::EmailAddress;

/// One answer that can be given.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// What to write, as it is.
    pub word: &'a str,
    /// What follows from it.
    pub meaning: &'a str,
}

/// A question, or the word about its answer. All texts are in the letter's language.
#[derive(Debug, Clone)]
pub struct QuestionMail<'a> {
    /// Header facts; `to` is the sender of the message.
    pub letter: Letter<'a>,
    /// First word of the subject.
    pub state: &'a str,
    /// First line, large.
    pub title: &'a str,
    /// Subject of the sender's message.
    pub subject: &'a str,
    /// Message-ID of the sender's message, without angle brackets.
    pub message_id: Option<&'a str>,
    /// Paragraphs.
    pub text: &'a [String],
    /// Whom it is about.
    pub recipients: &'a [&'a EmailAddress],
    /// Where the answer goes, what it can be, and until when; nothing where none is awaited.
    pub answer: Option<(&'a EmailAddress, &'a [Choice<'a>], Timestamp)>,
    /// Page of the deposit in the senders' app.
    pub url: &'a str,
}

/// Recipients named at most.
const SHOWN: usize = 20;

/// The letter.
pub fn question(mail: &QuestionMail<'_>) -> Draft {
    let letter = &mail.letter;
    let subject = tame(mail.subject);
    let head = Head {
        from: tame(letter.brand.entity),
        reply_to: mail.answer.map(|(address, ..)| (None, address)),
        subject: format!("{}{} {subject}", mail.state, letter.say(" :", ":")),
        references: mail.message_id.into_iter().collect(),
        is_reply: true,
        automatic: Some("auto-replied"),
    };
    let mut facts = vec![(letter.say("Objet", "Subject").to_owned(), subject)];
    let label = || letter.say("À", "To").to_owned();
    facts.extend(mail.recipients.iter().take(SHOWN).map(|address| (label(), address.to_string())));
    if let Some(more) = mail.recipients.len().checked_sub(SHOWN).filter(|n| *n > 0) {
        facts.push(("…".to_owned(), format!("+ {more}")));
    }
    let mut blocks = vec![Block::Title(tame(mail.title))];
    blocks.extend(mail.text.iter().map(|text| Block::Text(tame(text))));
    blocks.push(Block::Rows(facts));
    if let Some((_, choices, until)) = mail.answer {
        blocks.extend(ask(letter, choices, until));
    }
    let page = letter
        .say("Le message, ses destinataires et sa preuve :", "The message, its recipients and its proof:");
    blocks.push(Block::Text(page.to_owned()));
    blocks.push(Block::Url(mail.url.to_owned()));
    letter.draft(&head, &blocks)
}

fn ask(letter: &Letter<'_>, choices: &[Choice<'_>], until: Timestamp) -> Vec<Block> {
    let how = letter.say(
        "Répondez à ce message, en écrivant seul sur la première ligne :",
        "Answer this message, with one of these alone on the first line:",
    );
    let mut blocks = vec![Block::Text(how.to_owned())];
    // Lines of their own: a column would break the words on a telephone, and they are to be copied.
    let colon = letter.say(" :", ":");
    blocks.extend(
        choices.iter().map(|choice| Block::Text(format!("{}{colon} {}", choice.word, choice.meaning))),
    );
    let end = letter.moment(until);
    let end = match letter.say("fr", "en") {
        "fr" => format!("Sans réponse avant le {end}, le message ne partira pas, et vous en serez averti."),
        _ => format!("Without an answer before {end} the message will not leave, and you will be told."),
    };
    blocks.push(Block::Note(end));
    blocks
}
