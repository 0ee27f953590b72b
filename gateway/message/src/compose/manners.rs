//! Letters between a recipient at the door and the sender: a refusal, a request, an acknowledgement, and what
//! the sender's answer brings the recipient.
//!
//! What a recipient wrote is shown as their words, in one line and without addresses to be opened.

use super::draft::Draft;
use super::letter::{Block, Head, Letter};
use super::link::Author;
use super::words::{moment, tame};
use jiff::Timestamp;
use sealpost_envelope::{EmailAddress, Language};

/// What a recipient says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// The message reached somebody it was not for.
    NotForMe,
    /// They do not want it.
    Declined,
    /// They ask for access until then, which the sender grants at this address.
    Extension {
        /// New end of access.
        until: Timestamp,
        /// Page with the answer.
        url: String,
    },
    /// They say who should get it instead.
    Colleague {
        /// Who.
        address: String,
    },
    /// They confirm having read it.
    Acknowledged,
}

/// A letter to the sender.
#[derive(Debug, Clone)]
pub struct SayingMail<'a> {
    /// Header facts; `to` is the sender of the message.
    pub letter: Letter<'a>,
    /// What is said.
    pub saying: Saying,
    /// Whose mailbox the link was sent to.
    pub recipient: &'a EmailAddress,
    /// Whether the gate was passed before.
    pub identified: bool,
    /// Their own words.
    pub words: Option<&'a str>,
    /// Subject of the sender's message.
    pub subject: &'a str,
    /// Message-ID of the sender's message, without angle brackets.
    pub message_id: Option<&'a str>,
    /// When it was deposited.
    pub sent: Timestamp,
    /// When this was said.
    pub said: Timestamp,
}

/// The letter to the sender, threaded on their own message.
pub fn saying(mail: &SayingMail<'_>) -> Draft {
    let letter = &mail.letter;
    let (state, title) = titles(letter, &mail.saying);
    let shown = Some(tame(mail.subject)).filter(|s| !s.is_empty());
    let about = shown
        .clone()
        .or_else(|| letter.reference.map(ToString::to_string))
        .unwrap_or_else(|| letter.say("votre message", "your message").to_owned());
    let head = Head {
        from: tame(letter.brand.entity),
        // A person answers a person.
        reply_to: Some((None, mail.recipient)),
        subject: format!("{state}{} {about}", letter.say(" :", ":")),
        references: mail.message_id.into_iter().collect(),
        is_reply: true,
        automatic: Some("auto-generated"),
    };
    letter.draft(&head, &blocks(mail, title, shown))
}

fn titles<'a>(letter: &Letter<'a>, saying: &Saying) -> (&'a str, &'a str) {
    match saying {
        Saying::NotForMe => (
            letter.say("Mauvais destinataire", "Wrong recipient"),
            letter.say(
                "Votre message est arrivé à quelqu'un à qui il n'était pas destiné",
                "Your message reached somebody it was not meant for",
            ),
        ),
        Saying::Declined => (
            letter.say("Refusé", "Refused"),
            letter.say("Votre message a été refusé", "Your message was refused"),
        ),
        Saying::Extension { .. } => (
            letter.say("Prolongation demandée", "Extension asked for"),
            letter.say(
                "Votre destinataire demande plus de temps pour ouvrir le message",
                "Your recipient asks for more time to open the message",
            ),
        ),
        Saying::Colleague { .. } => (
            letter.say("Autre destinataire proposé", "Another recipient proposed"),
            letter.say(
                "Votre destinataire propose de remettre le message à quelqu'un d'autre",
                "Your recipient proposes to hand the message to somebody else",
            ),
        ),
        Saying::Acknowledged => (
            letter.say("Lecture confirmée", "Reading confirmed"),
            letter.say(
                "Votre destinataire confirme avoir pris connaissance du message",
                "Your recipient confirms having read the message",
            ),
        ),
    }
}

fn blocks(mail: &SayingMail<'_>, title: &str, subject: Option<String>) -> Vec<Block> {
    let letter = &mail.letter;
    let moment = |time| moment(time, letter.brand.zone, letter.language);
    let row = |fr: &str, en: &str, value: String| (letter.say(fr, en).to_owned(), value);
    let mut facts = vec![row("Destinataire", "Recipient", mail.recipient.to_string())];
    facts.extend(subject.map(|s| row("Objet", "Subject", s)));
    facts.push(row("Envoyé le", "Sent", moment(mail.sent)));
    facts.push(row("Indiqué le", "Said", moment(mail.said)));
    let proven = match mail.identified {
        true => letter.say("la personne s'est identifiée", "the person signed in"),
        false => letter.say(
            "non : quiconque détient le lien a pu le faire",
            "no: anybody who holds the link may have done this",
        ),
    };
    facts.push(row("Identité vérifiée", "Identity checked", proven.to_owned()));
    match &mail.saying {
        Saying::Extension { until, .. } => {
            facts.push(row("Accès demandé jusqu'au", "Access until", moment(*until)));
        }
        Saying::Colleague { address } => facts.push(row("À la place", "Instead", tame(address))),
        _ => {}
    }
    facts.extend(mail.words.map(tame).filter(|w| !w.is_empty()).map(|w| row("Ses mots", "Their words", w)));
    let mut blocks = vec![Block::Title(title.to_owned()), Block::Rows(facts)];
    blocks.push(Block::Text(next_step(letter, &mail.saying).to_owned()));
    if let Saying::Extension { url, .. } = &mail.saying {
        blocks.push(Block::Url(url.clone()));
        blocks.push(Block::Note(
            letter
                .say(
                    "Ce lien ne sert qu'une fois et vaut pour ce destinataire seul. Sans réponse de votre part, \
                     l'accès reste comme il est.",
                    "This link serves once, for this recipient only. Without an answer of yours, access stays \
                     as it is.",
                )
                .to_owned(),
        ));
    }
    blocks
}

fn next_step<'a>(letter: &Letter<'a>, saying: &Saying) -> &'a str {
    match saying {
        Saying::NotForMe => letter.say(
            "Son accès est fermé. Vérifiez l'adresse et envoyez le message à la bonne personne.",
            "Their access is closed. Check the address and send the message to the right person.",
        ),
        Saying::Declined => letter.say(
            "Son accès est fermé. Vous pouvez lui répondre, ou lui envoyer à nouveau le message.",
            "Their access is closed. You can answer them, or send the message again.",
        ),
        Saying::Extension { .. } => {
            letter.say("Pour accorder ou refuser, en un clic :", "To grant or refuse it, in one click:")
        }
        Saying::Colleague { .. } => letter.say(
            "Rien n'a changé : son accès reste ouvert. Si vous êtes d'accord, envoyez le message à cette personne.",
            "Nothing has changed: their access stays open. If you agree, send the message to that person.",
        ),
        Saying::Acknowledged => letter.say(
            "C'est une déclaration du destinataire, datée et consignée au journal. Vous n'avez rien à faire.",
            "This is the recipient's own statement, dated and written to the journal. There is nothing to do.",
        ),
    }
}

/// A letter to the recipient: access lasts longer.
#[derive(Debug, Clone)]
pub struct GrantedMail<'a> {
    /// Header facts.
    pub letter: Letter<'a>,
    /// Author.
    pub author: Author<'a>,
    /// The recipient's own link.
    pub url: &'a str,
    /// When access ends now.
    pub expires: Timestamp,
}

/// Tells the recipient that their link opens again.
pub fn granted(mail: &GrantedMail<'_>) -> Draft {
    let letter = &mail.letter;
    let title = letter.say("Votre accès est prolongé", "Your access was extended");
    let until = moment(mail.expires, letter.brand.zone, letter.language);
    let who = mail.author.shown();
    let intro = match letter.language {
        Language::Fr => {
            format!("{who} a prolongé votre accès à son message. Votre lien s'ouvre jusqu'au {until}.")
        }
        Language::En => {
            format!("{who} extended your access to their message. Your link opens until {until}.")
        }
    };
    let blocks = [
        Block::Title(title.to_owned()),
        Block::Text(intro),
        Block::Text(letter.say("Pour l'ouvrir :", "To open it:").to_owned()),
        Block::Url(mail.url.to_owned()),
    ];
    let mut references: Vec<&str> = mail.author.references.iter().map(String::as_str).collect();
    references.extend(mail.author.message_id);
    let head = Head {
        from: format!("{who} via {}", tame(letter.brand.entity)),
        reply_to: Some((mail.author.name, mail.author.address)),
        subject: match letter.reference {
            Some(reference) => format!("{title} ({reference})"),
            None => title.to_owned(),
        },
        references,
        is_reply: false,
        automatic: None,
    };
    letter.draft(&head, &blocks)
}

#[cfg(test)]
mod tests {
    use super::super::letter::Brand;
    use super::*;
    use jiff::tz::TimeZone;
    use sealpost_envelope::Reference;

    fn shown(language: Language, saying_: Saying, words: Option<&str>) -> String {
        let (seal, to): (EmailAddress, EmailAddress) =
            ("seal@example.org".parse().unwrap(), "alice@example.org".parse().unwrap());
        let (recipient, reference): (EmailAddress, Reference) =
            ("bob@example.net".parse().unwrap(), Reference::parse("4K7M2Q9T").unwrap());
        let time: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let zone = TimeZone::UTC;
        let letter = Letter {
            brand: Brand { entity: "Hôpital", support: None, address: &seal, zone: &zone },
            to: &to,
            message_id: "1.1@example.org",
            date: time,
            language,
            reference: Some(&reference),
            deposit: None,
            unique: "1",
        };
        let draft = saying(&SayingMail {
            letter,
            saying: saying_,
            recipient: &recipient,
            identified: false,
            words,
            subject: "Bilan",
            message_id: Some("m@example.org"),
            sent: time,
            said: time,
        });
        let mut bytes = draft.outer.clone();
        bytes.extend_from_slice(draft.inner.as_bytes());
        let text = String::from_utf8_lossy(&bytes).replace("=\r\n", "").replace("=3D", "=");
        text.replace("\r\n ", " ")
    }

    #[test]
    fn letters_say_what_happened_and_show_one_address() {
        let url = "https://depot.example.org/a/token";
        let until: Timestamp = "2026-04-01T10:00:00Z".parse().unwrap();
        let asked = shown(
            Language::En,
            Saying::Extension { until, url: url.into() },
            Some("see https://evil.example now"),
        );
        assert!(asked.contains("Subject: Extension asked for: Bilan"), "{asked}");
        assert!(
            asked.contains("Reply-To: bob@example.net") || asked.contains("<bob@example.net>"),
            "{asked}"
        );
        assert!(asked.contains("In-Reply-To: <m@example.org>"), "{asked}");
        assert!(asked.contains(url) && !asked.contains("https://evil"), "{asked}");
        for (saying, word) in [
            (Saying::NotForMe, "Wrong recipient"),
            (Saying::Declined, "Refused"),
            (Saying::Acknowledged, "Reading confirmed"),
            (Saying::Colleague { address: "carol@example.net".into() }, "carol@example.net"),
        ] {
            let mail = shown(Language::En, saying, None);
            assert!(mail.contains(word) && !mail.contains("https://"), "{mail}");
        }
    }
}
