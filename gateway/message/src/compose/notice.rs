//! Plain letters of the organisation that belong to no deposit: about an account, in answer to a question.

use super::draft::Draft;
use super::letter::{Block, Head, Letter};
use super::words::tame;

/// Label and value, one a line.
pub type Rows = Vec<(String, String)>;

/// Such a letter. All texts are in the letter's language.
#[derive(Debug, Clone)]
pub struct NoticeMail<'a> {
    /// Header facts.
    pub letter: Letter<'a>,
    /// Subject.
    pub subject: &'a str,
    /// First line, large.
    pub title: &'a str,
    /// Paragraphs.
    pub text: &'a [String],
    /// Tables, each below the last.
    pub tables: &'a [Rows],
    /// The one address of the letter.
    pub url: Option<&'a str>,
    /// A last paragraph of lesser weight.
    pub note: Option<&'a str>,
    /// Message-ID of the mail that this one answers, without angle brackets.
    pub answers: Option<&'a str>,
}

/// The letter.
pub fn notice(mail: &NoticeMail<'_>) -> Draft {
    let letter = &mail.letter;
    let head = Head {
        from: tame(letter.brand.entity),
        reply_to: None,
        subject: tame(mail.subject),
        references: mail.answers.into_iter().collect(),
        is_reply: mail.answers.is_some(),
        automatic: Some(if mail.answers.is_some() { "auto-replied" } else { "auto-generated" }),
    };
    let mut blocks = vec![Block::Title(tame(mail.title))];
    blocks.extend(mail.text.iter().map(|text| Block::Text(tame(text))));
    blocks.extend(
        mail.tables
            .iter()
            .map(|rows| Block::Rows(rows.iter().map(|(label, value)| (tame(label), tame(value))).collect())),
    );
    blocks.extend(mail.url.map(|url| Block::Url(url.to_owned())));
    blocks.extend(mail.note.map(|note| Block::Note(tame(note))));
    letter.draft(&head, &blocks)
}
