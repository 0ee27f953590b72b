//! The message of the Proofs folder: what has happened to a deposit so far, with the evidence attached.
//!
//! It never travels: it is written into the sender's own folder, piece by piece, as long as there is evidence.
//!
//! **Standards.** RFC 2045, RFC 2046 §5.1.3.

use super::headers::parameter;
use super::letter::{Block, Head, Letter};
use super::quoted::base64_lines;
use super::words::{moment, tame};
use jiff::Timestamp;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct ProofStep<'a> {
    /// When.
    pub time: Timestamp,
    /// What, in the letter's language.
    pub words: &'a str,
    /// To whom, if it concerns one recipient.
    pub recipient: Option<&'a str>,
}

/// The message.
#[derive(Debug, Clone)]
pub struct ProofMail<'a> {
    /// Header facts; `to` is the sender of the message.
    pub letter: Letter<'a>,
    /// Subject of the sender's message; `None` once its content was destroyed.
    pub subject: Option<&'a str>,
    /// Its Message-ID, without angle brackets.
    pub message_id: Option<&'a str>,
    /// SHA-256 of it as it was deposited.
    pub sha256: &'a str,
    /// What happened, oldest first.
    pub steps: &'a [ProofStep<'a>],
    /// Evidence that waits for its seal.
    pub unsealed: usize,
    /// Where the whole proof can be had.
    pub url: &'a str,
}

/// Steps named at most; the evidence is attached in any case.
const SHOWN: usize = 100;

impl ProofMail<'_> {
    /// Header, text, and the beginning of what is attached.
    pub fn head(&self) -> Vec<u8> {
        let letter = &self.letter;
        let shown = self.subject.map(tame).filter(|s| !s.is_empty());
        let about = shown.clone().or_else(|| letter.reference.map(ToString::to_string)).unwrap_or_default();
        let head = Head {
            from: tame(letter.brand.entity),
            reply_to: None,
            subject: format!("{} {about}", letter.say("Preuves :", "Proofs:")),
            references: self.message_id.into_iter().collect(),
            is_reply: true,
            automatic: Some("auto-generated"),
        };
        let mut out = letter.fields(&head);
        out.extend_from_slice(
            format!(
                "Content-Type: multipart/mixed;\r\n boundary=\"{0}\"\r\n\r\n--{0}\r\n",
                letter.boundary("proofs")
            )
            .as_bytes(),
        );
        out.extend_from_slice(&letter.alternative(&head.subject, &self.blocks(shown)));
        out
    }

    /// A file, as its kind of `application/…`.
    pub fn file(&self, name: &str, subtype: &str, bytes: &[u8]) -> Vec<u8> {
        let mut out = format!(
            "\r\n--{}\r\nContent-Type: application/{subtype}\r\nContent-Disposition: attachment{}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            self.letter.boundary("proofs"),
            parameter("filename", name)
        )
        .into_bytes();
        out.extend_from_slice(&base64_lines(bytes));
        out
    }

    /// The end.
    pub fn end(&self) -> Vec<u8> {
        format!("\r\n--{}--\r\n", self.letter.boundary("proofs")).into_bytes()
    }

    fn blocks(&self, subject: Option<String>) -> Vec<Block> {
        let letter = &self.letter;
        let say = |fr: &str, en: &str| letter.say(fr, en).to_owned();
        let mut facts: Vec<(String, String)> =
            subject.map(|s| (say("Objet", "Subject"), s)).into_iter().collect();
        facts.push((say("Empreinte SHA-256 du message", "SHA-256 of the message"), self.sha256.to_owned()));
        let mut steps: Vec<(String, String)> = self.steps.iter().take(SHOWN).map(|s| self.line(s)).collect();
        if let Some(more) = self.steps.len().checked_sub(SHOWN).filter(|n| *n > 0) {
            steps.push(("…".to_owned(), format!("+ {more}")));
        }
        let mut blocks = vec![
            Block::Title(say("Ce qui est prouvé à ce jour", "What is proved so far")),
            Block::Rows(facts),
            Block::Rows(steps),
            Block::Text(say(
                "Chaque preuve jointe (.xml) porte un cachet horodaté (.p7s), que n'importe qui peut vérifier. Ce \
                 message est remplacé à chaque nouvelle étape.",
                "Each evidence attached (.xml) has a timestamped seal (.p7s) that anybody can verify. This message \
                 is replaced at each new step.",
            )),
        ];
        if self.unsealed > 0 {
            blocks.push(Block::Note(say(
                "Certaines preuves attendent encore leur cachet.",
                "Some evidence still waits for its seal.",
            )));
        }
        blocks.push(Block::Text(say("Dossier de preuve complet :", "The complete proof file:")));
        blocks.push(Block::Url(self.url.to_owned()));
        blocks
    }

    fn line(&self, step: &ProofStep<'_>) -> (String, String) {
        let time = moment(step.time, self.letter.brand.zone, self.letter.language);
        match step.recipient {
            Some(recipient) => (time, format!("{} ({})", step.words, tame(recipient))),
            None => (time, step.words.to_owned()),
        }
    }
}
