//! Alerts: the administrator hears of trouble by mail, when it begins, every day while it lasts, and when it ends.
//!
//! **Job.** One background task, on the node that holds the job, looks every minute at what can be seen from inside:
//! certificates, disk, queue, seals, keys for mail, external time, the age of the backup. What is found becomes a letter to
//! `alerts.mail`, in the transaction that remembers it was told.
//!
//! **Failure.** What cannot be looked at is logged and is no trouble. A letter travels as all mail does: where mail
//! itself is the trouble, an address that this installation delivers itself is told all the same.

use super::housekeeping::clock;
use super::notices;
use super::space;
use super::spec::Spec;
use crate::gateway::{Gateway, Organisation};
use jiff::SignedDuration;
use sealpost_certs::Certificate;
use sealpost_envelope::{EmailAddress, Timestamp};
use sealpost_message::compose::{self, Draft, Letter, NoticeMail};
use sealpost_store::StoreError;
use sealpost_store::queue::Priority;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Who looks, among several nodes.
const JOB: &str = "alerts";
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// A node that does not come back in this time is taken for dead.
const LEASE: Duration = Duration::from_secs(300);
/// Time between two letters about the same trouble.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// Days before a certificate's end; as `check` warns.
const SOON: SignedDuration = SignedDuration::from_hours(21 * 24);
/// Work that is due and that nobody has taken for so long is stuck.
const STUCK: SignedDuration = SignedDuration::from_mins(15);
/// So much mail that is tried in vain for so long is no longer the recipients' affair.
const DELAYED: (u64, SignedDuration) = (50, SignedDuration::from_hours(1));
/// A backup older than this is missing, once there was one.
const BACKUP: SignedDuration = SignedDuration::from_hours(3 * 24);
/// A mailbox elsewhere that cannot be read for so long is no passing trouble.
const UNREAD: SignedDuration = SignedDuration::from_mins(30);
/// Name of the chore that `sealpost backup` reports.
pub const BACKUP_CHORE: &str = "backup";

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// A certificate ends soon, or has ended.
    Certificate,
    /// Little room is left: new mail is refused soon, or already.
    Disk,
    /// Mail does not move.
    Queue,
    /// Checkpoints, or an organisation's evidence, get no seal.
    Seal,
    /// No external authority dates the checkpoints.
    Time,
    /// The last backup is old.
    Backup,
    /// The clock is too far ahead to be trusted with ending things.
    Clock,
    /// A key that signs an organisation's mail is missing.
    Keys,
    /// A mailbox elsewhere that bounces come to cannot be read.
    Returns,
}

const ALL: [Trouble; 9] = [
    Trouble::Certificate,
    Trouble::Disk,
    Trouble::Queue,
    Trouble::Seal,
    Trouble::Time,
    Trouble::Backup,
    Trouble::Clock,
    Trouble::Keys,
    Trouble::Returns,
];

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Disk => "disk",
            Self::Queue => "queue",
            Self::Seal => "seal",
            Self::Time => "time",
            Self::Backup => "backup",
            Self::Clock => "clock",
            Self::Keys => "keys",
            Self::Returns => "returns",
        }
    }
}

/// What a letter tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Which.
    pub trouble: Trouble,
    /// It is over.
    pub over: bool,
    /// When it was seen.
    pub at: Timestamp,
    /// What exactly, one line each: names and numbers.
    pub facts: Vec<String>,
}

/// Runs until `shutdown`; returns at once where nobody is to be told.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    let Some(to) = gateway.config.alerts.mail.clone() else { return };
    let holder = format!("{holder}/alerts");
    loop {
        if let Err(error) = round(&gateway, &holder, &to).await {
            tracing::error!(%error, "looking for trouble");
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            return;
        }
    }
}

/// One look.
pub async fn round(gateway: &Gateway, holder: &str, to: &EmailAddress) -> Result<(), StoreError> {
    let now = gateway.clock.now();
    // Whose own keys are missing cannot say so.
    let able = |o: &&Arc<Organisation>| o.signing(now).is_ok();
    let found = gateway.organisation_of(to).filter(able).or(gateway.organisations.iter().find(able));
    let Some(organisation) = found.or(gateway.organisations.first()) else { return Ok(()) };
    if gateway.store.claim(JOB, holder, LEASE).await?.is_none() {
        return Ok(());
    }
    for trouble in ALL {
        let facts = facts(gateway, trouble, now).await?;
        let over = facts.is_empty();
        let spec = Spec::Alert(Alert { trouble, over, at: now, facts });
        let mail = notices::row(organisation.id, to.clone(), &spec, Priority::Receipt, now);
        let told = match over {
            true => gateway.store.relief(trouble.name(), mail).await?,
            false => {
                gateway
                    .store
                    .trouble(trouble.name(), now, now.saturating_sub(AGAIN).unwrap_or(now), mail)
                    .await?
            }
        };
        if told {
            tracing::warn!(trouble = trouble.name(), over, "the administrator is told");
            gateway.queue.wake();
        }
    }
    Ok(())
}

/// What there is to say of a kind of trouble; nothing when there is none.
async fn facts(gateway: &Gateway, trouble: Trouble, now: Timestamp) -> Result<Vec<String>, StoreError> {
    Ok(match trouble {
        Trouble::Certificate => certificates(gateway, now),
        Trouble::Disk => space::Room::new(&gateway.config).short(),
        Trouble::Queue => queue(gateway, now).await?,
        Trouble::Seal => {
            let waiting = gateway.store.bare_checkpoints(1).await?;
            let old = |at: Timestamp| now.duration_since(at) > STUCK;
            let bare = waiting.iter().filter(|c| old(c.time)).map(|c| format!("{} {}", c.size, c.time));
            let keyless = gateway.organisations.iter().filter_map(|o| {
                let trouble = o.sealing.trouble().filter(|t| old(t.since))?;
                Some(format!("{}: {} {}", o.settings.name, trouble.since, trouble.why))
            });
            bare.chain(keyless).collect()
        }
        Trouble::Keys => {
            let missing = |o: &Arc<Organisation>| {
                o.mail_keys.missing().map(|m| format!("{}: {} {}", o.settings.name, m.since, m.why))
            };
            gateway.organisations.iter().filter_map(missing).collect()
        }
        Trouble::Time => time(gateway, now).await?,
        Trouble::Clock => {
            let doubt = clock::glance(&gateway.store, &gateway.config.timestamp, now).await?;
            doubt.map(|doubt| doubt.to_string()).into_iter().collect()
        }
        Trouble::Returns => {
            let before = now.saturating_sub(UNREAD).unwrap_or(now);
            let named = |name: &str| gateway.config.returns_mailbox.iter().any(|m| m.name() == name);
            let unread = gateway.store.unread_mailboxes(before).await?;
            let still = unread.into_iter().filter(|u| named(&u.name));
            still.map(|u| format!("{}: {} {}", u.name, u.since, u.failure)).collect()
        }
        Trouble::Backup => {
            let last = gateway.store.chore(BACKUP_CHORE).await?;
            last.filter(|at| now.duration_since(*at) > BACKUP).map(|at| at.to_string()).into_iter().collect()
        }
    })
}

/// The listeners' certificate, and those that seal.
fn certificates(gateway: &Gateway, now: Timestamp) -> Vec<String> {
    let mut ends = Vec::new();
    match Certificate::load(&gateway.config.tls.cert) {
        Ok(chain) => ends.extend(chain.first().map(|c| ("tls.cert".to_owned(), c.not_after()))),
        Err(error) => tracing::warn!(%error, "the listeners' certificate cannot be read"),
    }
    for organisation in &gateway.organisations {
        let name = &organisation.settings.name;
        let evidence = organisation.sealing.known();
        ends.extend(evidence.map(|s| (name.clone(), s.certificate().not_after())));
        let mail = organisation.signing(now).ok().and_then(|keys| keys.mail.as_ref());
        ends.extend(mail.map(|m| (name.clone(), m.certificate().not_after())));
    }
    let soon = |end: Timestamp| end.duration_since(now) < SOON;
    ends.into_iter().filter(|(_, end)| soon(*end)).map(|(what, end)| format!("{what}: {end}")).collect()
}

async fn queue(gateway: &Gateway, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let before = |span| now.saturating_sub(span).unwrap_or(now);
    let (stuck, delayed) = gateway.store.stuck(before(STUCK), before(DELAYED.1)).await?;
    Ok(if stuck > 0 || delayed >= DELAYED.0 { vec![(stuck + delayed).to_string()] } else { Vec::new() })
}

/// A checkpoint that waits for its date much longer than configured.
async fn time(gateway: &Gateway, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let Some(external) = &gateway.external else { return Ok(Vec::new()) };
    let Some(newest) = gateway.store.latest_stamped().await? else { return Ok(Vec::new()) };
    let last = gateway.store.latest_anchor().await?;
    if last.as_ref().is_some_and(|a| a.size >= newest.size) {
        return Ok(Vec::new());
    }
    let since = last.map_or(newest.time, |a| a.obtained);
    let patience = external.every.saturating_add(STUCK);
    let late = now.duration_since(since) > patience && now.duration_since(newest.time) > STUCK;
    Ok(if late { vec![since.to_string()] } else { Vec::new() })
}

/// The letter.
pub fn letter(letter: Letter<'_>, organisation: &Organisation, alert: &Alert) -> Draft {
    let host = organisation.settings.hostname.clone();
    let (title, text) = words(&letter, alert.trouble);
    let state = match alert.over {
        true => letter.say("Rétabli", "Resolved"),
        false => letter.say("Alerte", "Alert"),
    };
    let subject = format!("[{host}] {state}{} {title}", letter.say(" :", ":"));
    let over = letter.say(
        "Ce problème est terminé. Il n'y a rien de plus à faire.",
        "This trouble is over. There is nothing more to do.",
    );
    let facts = alert.facts.iter().map(|fact| (letter.say("Constaté", "Found").to_owned(), fact.clone()));
    let table = [facts.collect::<Vec<_>>()];
    let note = letter.say(
        "Ce message est répété chaque jour tant que le problème dure, et un dernier annonce sa fin.",
        "This message comes again every day while the trouble lasts, and a last one tells of its end.",
    );
    let text = [if alert.over { over.to_owned() } else { text.to_owned() }];
    compose::notice(&NoticeMail {
        letter,
        subject: &subject,
        title,
        text: &text,
        tables: if alert.facts.is_empty() { &[] } else { &table },
        url: None,
        note: (!alert.over).then_some(note),
        answers: None,
    })
}

fn words(letter: &Letter<'_>, trouble: Trouble) -> (&'static str, &'static str) {
    let say = |fr: (&'static str, &'static str), en| if letter.say("fr", "en") == "fr" { fr } else { en };
    match trouble {
        Trouble::Certificate => say(
            (
                "un certificat arrive à son terme",
                "Remplacez-le avant cette date : les clients et les destinataires n'acceptent pas un certificat échu. \
                 Un nouveau fichier est pris en compte par SIGHUP.",
            ),
            (
                "a certificate is about to end",
                "Replace it before that date: clients and recipients accept no certificate that is over. A new file \
                 is taken up on SIGHUP.",
            ),
        ),
        Trouble::Disk => say(
            (
                "la place manque sur le disque",
                "En dessous de la réserve (`limits.disk_reserve`), les nouveaux messages sont refusés pour le moment. \
                 Rien de ce qui a été accepté n'est perdu.",
            ),
            (
                "the disk is nearly full",
                "Below the reserve (`limits.disk_reserve`) new mail is refused for the time being. Nothing that was \
                 accepted is lost.",
            ),
        ),
        Trouble::Queue => say(
            (
                "des messages n'avancent plus",
                "Des messages attendent depuis trop longtemps. `sealpost queue list` les montre, avec la dernière \
                 réponse du serveur suivant.",
            ),
            (
                "mail does not move",
                "Messages have been waiting for too long. `sealpost queue list` shows them, with the last answer of \
                 the next server.",
            ),
        ),
        Trouble::Seal => say(
            (
                "les preuves ne sont plus scellées",
                "Les messages sont acceptés, mais leurs preuves attendent leur sceau. Le journal du serveur en donne \
                 la cause ; tout est rattrapé ensuite.",
            ),
            (
                "evidence is not sealed",
                "Mail is accepted, but its evidence waits for its seal. The server's log names the cause; everything \
                 is made up for afterwards.",
            ),
        ),
        Trouble::Keys => say(
            (
                "une clé de signature manque",
                "Les nouveaux messages de cet organisme sont refusés pour le moment, ceux qui étaient acceptés \
                 attendent. Les autres organismes n'en souffrent pas. Remettez le fichier en place : rien d'autre n'est \
                 à faire.",
            ),
            (
                "a signing key is missing",
                "New mail of this organisation is refused for the time being, what was accepted waits. Other \
                 organisations are not concerned. Put the file back: nothing else is to be done.",
            ),
        ),
        Trouble::Time => say(
            (
                "l'autorité d'horodatage ne répond pas",
                "Aucune autorité externe (`timestamp`) n'a daté le journal depuis le moment indiqué. Les messages \
                 sont acceptés ; la prochaine réponse date tout ce qui attend.",
            ),
            (
                "the time-stamping authority does not answer",
                "No authority outside (`timestamp`) has dated the journal since the moment below. Mail is accepted; \
                 the next answer dates all that waits.",
            ),
        ),
        Trouble::Returns => say(
            (
                "la boîte des retours n'est plus lue",
                "Les rapports de non-remise, accusés et réponses qui y arrivent (`returns_mailbox`) attendent là-bas ; ils \
                 seront lus dès que le serveur répondra de nouveau.",
            ),
            (
                "the mailbox for bounces is not read",
                "Bounces, receipts and answers that come to it (`returns_mailbox`) wait there; they are read as soon as \
                 the server answers again.",
            ),
        ),
        Trouble::Backup => say(
            (
                "la dernière sauvegarde est ancienne",
                "Voici la date de la dernière sauvegarde (`sealpost backup`).",
            ),
            ("the last backup is old", "This is when the last backup was made (`sealpost backup`)."),
        ),
        Trouble::Clock => say(
            (
                "l'horloge avance trop",
                "Rien n'est détruit ni clos tant que l'horloge n'est pas remise à l'heure, ou confirmée par \
                 `sealpost clock --confirm`. Les messages continuent de passer.",
            ),
            (
                "the clock is too far ahead",
                "Nothing is destroyed or ended until the clock is set right, or confirmed by `sealpost clock \
                 --confirm`. Mail goes on.",
            ),
        ),
    }
}

#[cfg(test)]
mod tests;
