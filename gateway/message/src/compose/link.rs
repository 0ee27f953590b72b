//! `link` and `notify`: mail of our own that stands for the author's.
//!
//! Exactly one address is shown, as text equal to its target; names and file names are tamed so that none
//! of them looks like another.

use super::draft::Draft;
use super::headers::parameter;
use super::html::escape;
use super::html_text::to_text;
use super::letter::{Block, Head, Letter};
use super::plan::Planner;
use super::words::{moment, size, tame};
use crate::error::SkeletonError;
use crate::present::SafeHtml;
use crate::skeleton::{Record, SkeletonReader};
use crate::structure::{PartInfo, Role, Stored, Structure};
use jiff::Timestamp;
use sealpost_envelope::EmailAddress;

/// The author and what they wrote.
#[derive(Debug, Clone)]
pub struct Author<'a> {
    /// Display name.
    pub name: Option<&'a str>,
    /// Address, to which answers go.
    pub address: &'a EmailAddress,
    /// Message-ID of the author's message, without angle brackets.
    pub message_id: Option<&'a str>,
    /// What the author's message itself answers, oldest first.
    pub references: &'a [String],
    /// When it was handed over.
    pub sent: Timestamp,
}

impl Author<'_> {
    pub(super) fn shown(&self) -> String {
        self.name.map(tame).filter(|n| !n.is_empty()).unwrap_or_else(|| self.address.to_string())
    }
}

/// A file behind the link.
#[derive(Debug, Clone)]
pub struct FileLine<'a> {
    /// Name fit for display.
    pub name: &'a str,
    /// Bytes of content.
    pub size: u64,
}

/// Where the pictures inside the author's HTML come from.
#[derive(Debug, Clone, Copy)]
pub struct OriginalParts<'a> {
    /// Skeleton of the author's message.
    pub skeleton: &'a [u8],
    /// Its structure.
    pub structure: &'a Structure,
}

impl OriginalParts<'_> {
    /// Address of a picture within a link mail: the `cid` argument of [`crate::present::render`] when its
    /// result becomes [`LinkMail::html`]. Pictures with an unusual Content-ID are left out.
    pub fn address(&self, cid: &str) -> Option<String> {
        let (node, _) = self.structure.part(crate::present::inline_part(self.structure, cid)?)?;
        let usual = |id: &&str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"@._-+=$".contains(&b));
        node.info.content_id.as_deref().filter(usual).map(|id| format!("cid:{id}"))
    }
}

/// Body as written, files behind a link.
#[derive(Debug, Clone)]
pub struct LinkMail<'a> {
    /// Header facts.
    pub letter: Letter<'a>,
    /// Author.
    pub author: Author<'a>,
    /// Subject with the tag removed.
    pub subject: &'a str,
    /// The author's text; when only HTML is given, the text is made from it.
    pub text: Option<&'a str>,
    /// The author's HTML, rendered with [`OriginalParts::address`].
    pub html: Option<&'a SafeHtml>,
    /// Pictures are taken from here; `None` leaves them out.
    pub parts: Option<OriginalParts<'a>>,
    /// The message was signed or encrypted by its author: it is not split, `files` is the whole of it.
    pub whole: bool,
    /// Files behind the link.
    pub files: &'a [FileLine<'a>],
    /// The recipient's own link.
    pub url: &'a str,
    /// When access ends.
    pub expires: Timestamp,
}

/// A bare notification.
#[derive(Debug, Clone)]
pub struct NotifyMail<'a> {
    /// Header facts.
    pub letter: Letter<'a>,
    /// Author.
    pub author: Author<'a>,
    /// The recipient's own link.
    pub url: &'a str,
    /// When access ends.
    pub expires: Timestamp,
    /// Sent again because nobody opened it yet.
    pub reminder: bool,
}

/// From `"<sender's name> via <entity>"`, answers to the sender, threaded on what they wrote.
fn head<'a>(letter: &Letter<'a>, author: &Author<'a>, subject: String) -> Head<'a> {
    // The longest chains are cut at the front (RFC 5322 §3.6.4 lets agents trim).
    let skip = author.references.len().saturating_sub(20);
    let mut references: Vec<&str> = author.references[skip..].iter().map(String::as_str).collect();
    references.extend(author.message_id);
    Head {
        from: format!("{} via {}", author.shown(), tame(letter.brand.entity)),
        reply_to: Some((author.name, author.address)),
        subject,
        references,
        is_reply: false,
        automatic: None,
    }
}

/// The author's body sealed, their files replaced by the recipient's link.
pub fn link(mail: &LinkMail<'_>) -> Result<Draft, SkeletonError> {
    let letter = &mail.letter;
    let subject = if mail.subject.trim().is_empty() {
        letter.say("(sans objet)", "(no subject)").to_owned()
    } else {
        mail.subject.to_owned()
    };
    let mut blocks = Vec::new();
    blocks.extend(author_block(mail));
    blocks.extend(file_blocks(mail));
    let head = head(letter, &mail.author, subject);
    let alternative = letter.alternative(&head.subject, &blocks);
    let pictures = match (mail.parts, mail.html) {
        (Some(parts), Some(html)) => pictures(parts, &html.html)?,
        _ => Vec::new(),
    };
    if pictures.is_empty() {
        return Ok(Draft { outer: letter.fields(&head), inner: super::seal::literal_recipe(&alternative) });
    }
    let boundary = letter.boundary("rel");
    let mut plan = Planner::new();
    // RFC 2387 §3.4: the root's type; parts are told apart by their Content-ID.
    plan.literal(
        format!(
            "Content-Type: multipart/related; type=\"multipart/alternative\";\r\n \
             boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
        )
        .as_bytes(),
    );
    plan.literal(&alternative);
    for one in &pictures {
        plan.literal(format!("\r\n--{boundary}\r\n").as_bytes());
        picture(&mut plan, one)?;
    }
    plan.literal(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(Draft { outer: letter.fields(&head), inner: plan.finish() })
}

fn author_block(mail: &LinkMail<'_>) -> Option<Block> {
    let text = mail.text.map(str::to_owned).or_else(|| mail.html.map(|h| to_text(&h.html)))?;
    let html = match mail.html {
        Some(safe) => safe.html.clone(),
        None => {
            let lines: Vec<String> = text.trim().lines().map(escape).collect();
            format!("<p style=\"margin:0 0 14px\">{}</p>", lines.join("<br>\n"))
        }
    };
    let empty = text.trim().is_empty() && mail.html.is_none();
    (!empty).then_some(Block::Author { text, html })
}

fn file_blocks(mail: &LinkMail<'_>) -> Vec<Block> {
    let letter = &mail.letter;
    let (who, entity) = (mail.author.shown(), tame(letter.brand.entity));
    let until = moment(mail.expires, letter.brand.zone, letter.language);
    let intro = match (mail.whole, mail.files.len()) {
        (true, _) => letter
            .say(
                "{who} vous adresse un message signé ou chiffré de sa main ; il vous est remis entier par {entity}.",
                "{who} has sent you a message that they signed or encrypted themselves; {entity} hands it over whole.",
            )
            .to_owned(),
        (_, 1) => letter
            .say("{who} vous transmet un fichier par {entity}.", "{who} has sent you a file through {entity}.")
            .to_owned(),
        (_, n) => letter
            .say("{who} vous transmet {n} fichiers par {entity}.", "{who} has sent you {n} files through {entity}.")
            .replace("{n}", &n.to_string()),
    };
    let rows = mail.files.iter().map(|f| (tame(f.name), size(f.size, letter.language))).collect();
    vec![
        Block::Text(fill(&intro, &who, &entity)),
        Block::Files(rows),
        Block::Text(letter.say("Pour ouvrir :", "To open:").to_owned()),
        Block::Url(mail.url.to_owned()),
        Block::Note(access_note(letter, &until)),
    ]
}

/// Names go in last: what they hold is not looked at again.
fn fill(text: &str, who: &str, entity: &str) -> String {
    let mut out = String::with_capacity(text.len() + who.len() + entity.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (word, used) = match rest {
            r if r.starts_with("{who}") => (who, 5),
            r if r.starts_with("{entity}") => (entity, 8),
            _ => ("{", 1),
        };
        out.push_str(word);
        rest = &rest[used..];
    }
    out.push_str(rest);
    out
}

fn access_note(letter: &Letter<'_>, until: &str) -> String {
    let fr = "Accessible jusqu'au {until}. Vous serez invité à vous identifier ; l'expéditeur est informé de \
              l'ouverture. Ce lien vous est personnel, ne le transférez pas.";
    let en = "Available until {until}. You will be asked to identify yourself; the sender is told when you \
              open it. This link is yours alone: please do not forward it.";
    letter.say(fr, en).replace("{until}", until)
}

/// A notification that says nothing of the content.
pub fn notify(mail: &NotifyMail<'_>) -> Draft {
    let letter = &mail.letter;
    let (who, entity) = (mail.author.shown(), tame(letter.brand.entity));
    let title = match mail.reminder {
        false => letter.say("Un message sécurisé vous attend", "A secure message is waiting for you"),
        true => letter
            .say("Rappel : un message sécurisé vous attend", "Reminder: a secure message is waiting for you"),
    };
    let subject = match letter.reference {
        Some(reference) => format!("{title} ({reference})"),
        None => title.to_owned(),
    };
    let intro = letter.say(
        "{who} vous a adressé un message par le service de messagerie sécurisée de {entity}.",
        "{who} has sent you a message through the secure mail service of {entity}.",
    );
    let moment = |time| moment(time, letter.brand.zone, letter.language);
    let until = moment(mail.expires);
    let blocks = [
        Block::Title(title.to_owned()),
        Block::Text(fill(intro, &who, &entity)),
        Block::Rows(vec![
            (letter.say("De", "From").to_owned(), mail.author.address.to_string()),
            (letter.say("Envoyé le", "Sent").to_owned(), moment(mail.author.sent)),
        ]),
        Block::Text(letter.say("Pour l'ouvrir :", "To open it:").to_owned()),
        Block::Url(mail.url.to_owned()),
        Block::Note(access_note(letter, &until)),
    ];
    let head = head(letter, &mail.author, subject);
    letter.draft(&head, &blocks)
}

/// A picture inside the author's HTML.
struct Picture<'a> {
    info: &'a PartInfo,
    stored: &'a Stored,
}

/// The pictures that the HTML shows.
fn pictures<'a>(parts: OriginalParts<'a>, html: &str) -> Result<Vec<Picture<'a>>, SkeletonError> {
    let mut found = Vec::new();
    let mut reader = SkeletonReader::new();
    reader.push(parts.skeleton);
    while let Some(record) = reader.next_record()? {
        let Record::Part(encoder) = record else { continue };
        let Some((node, stored)) = parts.structure.part(encoder.part()) else { continue };
        let shown = node.info.role == Role::Inline
            && node.info.content_id.as_deref().is_some_and(|id| html.contains(&format!("\"cid:{id}\"")));
        if shown {
            found.push(Picture { info: &node.info, stored });
        }
    }
    reader.finish()?;
    Ok(found)
}

fn picture(plan: &mut Planner, picture: &Picture<'_>) -> Result<(), SkeletonError> {
    let Picture { info, stored } = picture;
    let is_type =
        |t: &&str| t.len() < 60 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"/+-.".contains(&b));
    let media_type = Some(info.media_type.as_str()).filter(is_type).unwrap_or("application/octet-stream");
    let id: String = info
        .content_id
        .iter()
        .flat_map(|id| id.chars())
        .filter(|c| c.is_ascii_graphic() && !"<>".contains(*c))
        .collect();
    let file = info.filename.as_deref().map(|name| parameter("filename", name)).unwrap_or_default();
    plan.literal(
        format!(
            "Content-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <{id}>\r\n\
             Content-Disposition: inline{file}\r\n\r\n"
        )
        .as_bytes(),
    );
    plan.part_base64(stored)
}
