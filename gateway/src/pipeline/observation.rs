//! Observation: with `mode = "observe"` mail passes untouched, and the administrator reads what would have happened.
//!
//! **Job.** One background task looks for what nobody was told of, and mails it to `alerts.mail`: the first a moment after
//! it came, then less and less often while there is more, at least hourly. The letter counts what the rules would have
//! done, and names the mail in which somebody would have noticed it.
//!
//! **Failure.** What could not be told is told with the next letter; the observations themselves were written with the
//! deposit.

use super::composition::ComposeError;
use super::notices;
use super::spec::Spec;
use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::{EmailAddress, Language, Observed, Timestamp, Treatment};
use sealpost_message::compose::{self, Draft, Letter, NoticeMail};
use sealpost_store::queue::Priority;
use sealpost_store::{Observation, Observations, ObservedCount, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Time between the first letter and the second; doubled from one to the next while there is something to tell.
const FIRST: Duration = Duration::from_secs(30);
/// The longest time between two.
const LAST: Duration = Duration::from_secs(3600);
/// Kinds that a letter counts.
const KINDS: u32 = 50;
/// Messages that it names.
const NAMED: u32 = 50;

/// Runs until `shutdown`; returns at once where nobody is to be told.
pub async fn run(gateway: Arc<Gateway>, shutdown: CancellationToken) {
    let Some(to) = gateway.config.alerts.mail.clone() else { return };
    let mut pause = FIRST;
    while shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        match tell(&gateway, &to).await {
            Ok(true) => {
                if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(LAST);
            }
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "telling what was observed"),
        }
    }
}

/// Queues the letter, if there is something to tell.
async fn tell(gateway: &Gateway, to: &EmailAddress) -> Result<bool, StoreError> {
    let Some(organisation) = gateway.organisation_of(to).or(gateway.organisations.first()) else {
        return Ok(false);
    };
    // Most looks find nothing, and write nothing.
    if !gateway.store.untold_observed().await? {
        return Ok(false);
    }
    let now = gateway.clock.now();
    let mail = notices::row(organisation.id, to.clone(), &Spec::Observed { at: now }, Priority::Receipt, now);
    let told = gateway.store.tell_observed(now, mail).await?;
    if told {
        gateway.queue.wake();
    }
    Ok(told)
}

/// The letter about what was told at `at`.
pub async fn letter(
    gateway: &Gateway,
    letter: Letter<'_>,
    organisation: &Organisation,
    at: Timestamp,
) -> Result<Draft, ComposeError> {
    let which = Observations::Told(at);
    let counts = gateway.store.observed_counts(which, KINDS).await?;
    let named = gateway.store.observations(which, NAMED).await?;
    let language = letter.language;
    let recipients: u64 = counts.iter().map(|c| c.recipients).sum();
    let title = match (language, recipients) {
        (Language::Fr, 1) => "Ce que les règles auraient fait d’un envoi".to_owned(),
        (Language::En, 1) => "What the rules would have done with one mail".to_owned(),
        (Language::Fr, n) => format!("Ce que les règles auraient fait de {n} envois"),
        (Language::En, n) => format!("What the rules would have done with {n} mails"),
    };
    let text = [letter
        .say(
            "Les règles sont seulement observées (mode = \"observe\") : ces messages sont partis tels quels. \
             Voici ce qui leur serait arrivé avec mode = \"enforce\".",
            "The rules are only observed (mode = \"observe\"): these messages left as they came. This is what would \
             have happened to them with mode = \"enforce\".",
        )
        .to_owned()];
    let mut tables = vec![counts.iter().map(|c| counted(c, language)).collect::<Vec<_>>()];
    tables.extend(named.iter().map(|o| described(o, &letter, language)));
    let note = letter.say(
        "Chaque destinataire compte pour un envoi. « sealpost policy observed » montre tout ce qui a été observé.",
        "Each recipient counts as one mail. “sealpost policy observed” shows all that was observed.",
    );
    let host = &organisation.settings.hostname;
    Ok(compose::notice(&NoticeMail {
        letter: letter.clone(),
        subject: &format!(
            "[{host}] {}{} {title}",
            letter.say("Observation", "Observed"),
            letter.say(" :", ":")
        ),
        title: &title,
        text: &text,
        tables: &tables,
        url: None,
        note: Some(note),
        answers: None,
    }))
}

fn counted(count: &ObservedCount, language: Language) -> (String, String) {
    let n = match (language, count.recipients) {
        (Language::Fr, 1) => "1 envoi".to_owned(),
        (Language::En, 1) => "1 mail".to_owned(),
        (Language::Fr, n) => format!("{n} envois"),
        (Language::En, n) => format!("{n} mails"),
    };
    (n, consequence(count.treatment, count.held, &count.rule, language))
}

fn described(o: &Observation, letter: &Letter<'_>, language: Language) -> Vec<(String, String)> {
    let Observed { treatment, rule, hold } = &o.observed;
    let say = |fr, en| letter.say(fr, en).to_owned();
    let mut rows = vec![
        (say("Référence", "Reference"), o.reference.to_string()),
        (say("De", "From"), o.sender.to_string()),
        (say("À", "To"), o.recipient.to_string()),
        (say("Aurait été", "Would have been"), consequence(*treatment, hold.is_some(), rule, language)),
    ];
    rows.extend(hold.as_ref().map(|why| (say("Motif", "Reason"), why.pick(language).to_owned())));
    rows
}

/// What would have happened, in words and in the configuration's word.
pub fn consequence(treatment: Treatment, held: bool, rule: &str, language: Language) -> String {
    let fr = language == Language::Fr;
    let what = match treatment {
        Treatment::Pass => {
            if fr {
                "remis tel quel"
            } else {
                "delivered as it came"
            }
        }
        Treatment::Trace => {
            if fr {
                "remis avec preuves"
            } else {
                "delivered with evidence"
            }
        }
        Treatment::Seal => {
            if fr {
                "scellé (S/MIME)"
            } else {
                "sealed (S/MIME)"
            }
        }
        Treatment::Link => {
            if fr {
                "pièces jointes derrière un lien"
            } else {
                "attachments behind a link"
            }
        }
        Treatment::Notify => {
            if fr {
                "derrière un lien, avec notification"
            } else {
                "behind a link, with a notification"
            }
        }
        Treatment::Refuse => {
            if fr {
                "refusé"
            } else {
                "refused"
            }
        }
    };
    let waits = match (held, fr) {
        (false, _) => "",
        (true, true) => "retenu, puis ",
        (true, false) => "held, then ",
    };
    match fr {
        true => format!("{waits}{what} ({treatment}), par « {rule} »"),
        false => format!("{waits}{what} ({treatment}), by “{rule}”"),
    }
}
