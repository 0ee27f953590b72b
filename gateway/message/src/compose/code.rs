//! Mail that brings a code.
//!
//! Its text/plain holds exactly one run of six digits, the code: whatever else could hold one (a reference,
//! a phone number, an organisation's number) is written in groups. It shows no address to be opened.

use super::draft::Draft;
use super::letter::{Block, Head, Letter};
use super::seal::literal_recipe;
use super::words::{has_six_digits, tame, tame_digits, validity};
use jiff::Timestamp;
use sealpost_envelope::Language;

/// A code for a gate or a login.
#[derive(Debug, Clone)]
pub struct CodeMail<'a> {
    /// Header facts.
    pub letter: Letter<'a>,
    /// The six digits.
    pub code: &'a str,
    /// End of its validity.
    pub valid_until: Timestamp,
}

/// What was to be sent is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has six digits")]
pub struct NotSixDigits;

/// The mail with the code.
pub fn code(mail: &CodeMail<'_>) -> Result<Draft, NotSixDigits> {
    if mail.code.len() != 6 || !mail.code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotSixDigits);
    }
    let letter = &mail.letter;
    let until = validity(mail.valid_until, letter.brand.zone, letter.language);
    let name = tame(letter.brand.entity);
    let subject = match letter.language {
        Language::Fr => format!("[Authentification {name}] Votre OTP valable jusqu'à {until}"),
        Language::En => format!("[Sign-in {name}] Your code valid until {until}"),
    };
    let entity = tame_digits(&name);
    let support = letter.brand.support.map(|s| tame_digits(&tame(s))).filter(|s| !has_six_digits(s));
    let sentence = match letter.language {
        Language::Fr => format!("Voici votre code à usage unique pour {entity}, valable jusqu'à {until} :"),
        Language::En => format!("This is your one-time code for {entity}, valid until {until}:"),
    };
    let mut blocks = vec![
        Block::Text(sentence),
        Block::Code(mail.code.to_owned()),
        Block::Note(
            letter
                .say(
                    "Ne le communiquez à personne. Si vous n'avez rien demandé, ignorez ce message.",
                    "Do not share it with anyone. If you did not ask for it, ignore this message.",
                )
                .to_owned(),
        ),
    ];
    if let Some(reference) = letter.reference {
        let label = letter.say("Référence\u{a0}:", "Reference:");
        blocks.push(Block::Note(format!("{label} {}", grouped(reference.as_str()))));
    }
    let mut inside = letter.clone();
    inside.brand.entity = &entity;
    inside.brand.support = support.as_deref();
    inside.reference = None;
    let head = Head {
        from: name,
        reply_to: None,
        subject,
        references: Vec::new(),
        is_reply: false,
        automatic: Some("auto-generated"),
    };
    let alternative = inside.alternative(&head.subject, &blocks);
    Ok(Draft { outer: letter.fields(&head), inner: literal_recipe(&alternative) })
}

/// The reference, in two groups when it could be taken for a code. Both spellings are read.
fn grouped(reference: &str) -> String {
    match reference.split_at_checked(4) {
        Some((a, b)) if has_six_digits(reference) => format!("{a}-{b}"),
        _ => reference.to_owned(),
    }
}
