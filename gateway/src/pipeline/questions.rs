//! Letters to a sender whose message waits: the question, and how the answer was taken.
//!
//! **Job.** Fills `sealpost_message::compose::question`. Where answers cannot reach us the receipt says what to do
//! instead (`pipeline/deposit.rs` sends that one).
//!
//! **Failure.** As composition.

use super::composition::{ComposeError, Desk};
use super::content::ContentError;
use super::letters::{self, Heading};
use super::returns;
use sealpost_envelope::{EmailAddress, Language, RecipientNo};
use sealpost_message::compose::{self, Choice, Draft, QuestionMail};
use sealpost_policy::{Answer, Ask, strip_tags};

/// Asks.
pub async fn ask(
    desk: &Desk<'_>,
    ask: Ask,
    recipients: &[RecipientNo],
    reason: (&str, &str),
    again: bool,
) -> Result<Draft, ComposeError> {
    let row = &desk.open.deposit.row;
    let first =
        *recipients.first().ok_or_else(|| ComposeError::Row("the question names nobody".to_owned()))?;
    let address =
        returns::address(returns::answer(ask), desk.gateway, desk.organisation, &row.reference, first)
            .map_err(ContentError::from)?
            .ok_or_else(|| ComposeError::Row("no address can be made for the answer".to_owned()))?;
    let language = letters::senders_language(desk);
    let until = desk.gateway.config.relay.hold_for.after(row.created);
    let text = [language.pick(reason.0, reason.1).to_owned()];
    letter(
        desk,
        recipients,
        &Said {
            state: language.pick("En attente", "Waiting"),
            title: match again {
                false => language.pick("Le message n'est pas parti", "The message has not left"),
                true => {
                    language.pick("Rappel : le message n'est pas parti", "Reminder: the message has not left")
                }
            },
            text: &text,
            answer: Some((&address, &choices(ask, language), until)),
        },
    )
    .await
}

/// Says how an answer was taken: what was understood stands there, so that a slip of the pen is seen.
pub async fn answered(
    desk: &Desk<'_>,
    recipients: &[RecipientNo],
    answer: Option<&Answer>,
    late: bool,
) -> Result<Draft, ComposeError> {
    let language = letters::senders_language(desk);
    let say = |fr: &'static str, en: &'static str| language.pick(fr, en);
    let (state, title) = match answer {
        Some(Answer::Cancel) => {
            (say("Annulé", "Cancelled"), say("Le message ne partira pas", "The message will not leave"))
        }
        Some(_) => {
            (say("Envoyé", "Sent"), say("Votre réponse a été prise en compte", "Your answer was taken"))
        }
        None if late => (
            say("Déjà réglé", "Settled already"),
            say("Rien n'attend plus de réponse", "Nothing waits for an answer any more"),
        ),
        None => (
            say("Réponse non comprise", "Answer not understood"),
            say("Votre réponse n'a pas été comprise", "Your answer was not understood"),
        ),
    };
    let text = [match answer {
        Some(Answer::Protect) => say("Vous avez répondu : SECURISER. Le message part protégé par un lien.", "You answered: SECURE. The message leaves protected by a link.").to_owned(),
        Some(Answer::Send) => say("Vous avez répondu : ENVOYER. Le message part tel quel.", "You answered: SEND. The message leaves as it is.").to_owned(),
        Some(Answer::Cancel) => say("Vous avez répondu : ANNULER. Rien n'a été envoyé.", "You answered: CANCEL. Nothing was sent.").to_owned(),
        Some(Answer::Phone(number)) => format!(
            "{} {number}. {}",
            say("Vous avez donné ce numéro :", "You gave this number:"),
            say("Les codes y seront envoyés ; le message part.", "Codes will be sent there; the message leaves."),
        ),
        None if late => say("Votre réponse est arrivée trop tard, ou après une autre : elle n'a rien changé.", "Your answer came too late, or after another one: it has changed nothing.").to_owned(),
        None => say("La première ligne doit contenir l'un des mots proposés, et rien d'autre. Répondez à nouveau au message qui vous a été envoyé : celui qui attend n'est pas parti.", "The first line must hold one of the words offered and nothing else. Answer again to the message that you were sent: what waits has not left.").to_owned(),
    }];
    letter(desk, recipients, &Said { state, title, text: &text, answer: None }).await
}

/// What differs between the letters.
struct Said<'a> {
    state: &'a str,
    title: &'a str,
    text: &'a [String],
    answer: Option<(&'a EmailAddress, &'a [Choice<'a>], sealpost_envelope::Timestamp)>,
}

async fn letter(desk: &Desk<'_>, recipients: &[RecipientNo], said: &Said<'_>) -> Result<Draft, ComposeError> {
    let row = &desk.open.deposit.row;
    let mut consignments = desk.gateway.store.consignments(row.id).await?;
    consignments.retain(|c| recipients.contains(&c.n));
    let about: Vec<&EmailAddress> = consignments.iter().map(|c| &c.address).collect();
    let heading = Heading::new(desk);
    let base = desk.gateway.config.web.url.as_str().trim_end_matches('/');
    Ok(compose::question(&QuestionMail {
        letter: heading.letter(desk, letters::senders_language(desk)),
        state: said.state,
        title: said.title,
        subject: &strip_tags(&desk.open.meta.structure.top.subject),
        message_id: row.message_id.as_deref(),
        text: said.text,
        recipients: &about,
        answer: said.answer,
        url: &format!("{base}/deposits/{}", row.id),
    }))
}

fn choices(ask: Ask, language: Language) -> Vec<Choice<'static>> {
    let choice = |fr: (&'static str, &'static str), en: (&'static str, &'static str)| {
        let (word, meaning) = match language {
            Language::Fr => fr,
            Language::En => en,
        };
        Choice { word, meaning }
    };
    let send = choice(("ENVOYER", "l'envoyer tel quel"), ("SEND", "to send it as it is"));
    let cancel = choice(("ANNULER", "ne pas l'envoyer"), ("CANCEL", "not to send it"));
    let first = match ask {
        Ask::Protect => choice(
            ("SECURISER", "l'envoyer protégé, ouvert après authentification"),
            ("SECURE", "to send it protected, opened after authentication"),
        ),
        Ask::Confirm => return vec![send, cancel],
        Ask::Phone => {
            let number = choice(
                ("06 12 34 56 78", "le numéro de mobile du destinataire, pour les codes"),
                ("+33 6 12 34 56 78", "the recipient's mobile number, for the codes"),
            );
            return vec![number, cancel];
        }
    };
    vec![first, send, cancel]
}
