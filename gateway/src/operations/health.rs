//! What the page of health looks at, line by line.
//!
//! **Failure.** What cannot be found out is a line that says so.

use super::{Running, SOON, STAMPED};
use crate::pipeline::housekeeping::clock;
use crate::pipeline::space::{Room, memory_is_short};
use jiff::SignedDuration;
use sealpost_certs::Certificate;
use sealpost_envelope::Timestamp;
use sealpost_store::queue::State;
use sealpost_web::{Health, HealthLine, Operations};

/// An anchor that is due may take this long before it is called late.
const LATE: SignedDuration = SignedDuration::from_mins(5);

impl Running {
    /// Every line, the store first.
    pub(super) async fn lines(&self) -> Vec<HealthLine> {
        let mut lines = vec![
            self.database().await,
            self.log().await,
            self.seals(),
            self.mail_keys(),
            self.queue_state().await,
            self.room(),
            self.certificates_state(),
            self.time().await,
            self.clock().await,
        ];
        lines.extend(self.observed());
        lines
    }

    /// Rules that are only observed protect nobody.
    fn observed(&self) -> Option<HealthLine> {
        let observing = self.0.organisations.iter().any(|o| o.policy.load().defaults().observe);
        let (fr, en) = (
            "Seulement observées (mode = \"observe\") : chaque message passe tel quel.",
            "Only observed (mode = \"observe\"): every message passes as it comes.",
        );
        observing.then(|| line(("Règles", "Rules"), Health::Warn, fr.into(), en.into()))
    }

    pub(super) fn tls(&self) -> Option<Certificate> {
        Certificate::load(&self.0.config.tls.cert).ok()?.into_iter().next()
    }

    async fn database(&self) -> HealthLine {
        let name = ("Base de données", "Database");
        match self.0.store.log_head().await {
            Ok(_) => {
                let engine = match self.0.store.db().engine() {
                    sealpost_store::Engine::Sqlite => "SQLite",
                    sealpost_store::Engine::Postgres => "PostgreSQL",
                };
                line(name, Health::Good, format!("{engine} répond."), format!("{engine} answers."))
            }
            Err(e) => {
                line(name, Health::Bad, format!("Ne répond pas : {e}"), format!("Does not answer: {e}"))
            }
        }
    }

    async fn log(&self) -> HealthLine {
        let name = ("Journal et horodatage", "Journal and timestamps");
        let store = &self.0.store;
        let (Ok(head), Ok(stamped)) = (store.log_head().await, store.latest_stamped().await) else {
            return line(name, Health::Bad, "Ne peut pas être lu.".into(), "Cannot be read.".into());
        };
        let covered = stamped.as_ref().map_or(0, |c| c.size);
        let age = stamped.map_or(i64::MAX, |c| self.0.clock.now().as_second() - c.time.as_second());
        if covered >= head.size {
            let (fr, en) = (
                format!("{} entrées, toutes scellées et horodatées.", head.size),
                format!("{} entries, all of them sealed and timestamped.", head.size),
            );
            return line(name, Health::Good, fr, en);
        }
        let waiting = head.size - covered;
        let state = if age > STAMPED { Health::Bad } else { Health::Good };
        let (fr, en) = (
            format!("{} entrées, dont {waiting} attendent leur horodatage.", head.size),
            format!("{} entries, of which {waiting} wait for their timestamp.", head.size),
        );
        line(name, state, fr, en)
    }

    /// Names nobody: the page is read by administrators of every organisation.
    fn seals(&self) -> HealthLine {
        let name = ("Sceaux des preuves", "Seals of evidence");
        let waiting = self.0.organisations.iter().filter_map(|o| o.sealing.trouble());
        let (count, since) = waiting.fold((0, None), |(n, first), trouble| {
            (n + 1, Some(first.map_or(trouble.since, |f: Timestamp| f.min(trouble.since))))
        });
        let Some(since) = since else {
            return line(name, Health::Good, "Posés au fur et à mesure.".into(), "Made as it comes.".into());
        };
        let (of, since) = (self.0.organisations.len(), since.strftime("%F %H:%M UTC"));
        line(
            name,
            Health::Bad,
            format!(
                "{count} organisme(s) sur {of} : la clé ne répond pas depuis le {since} ; les preuves attendent, rien n’est perdu."
            ),
            format!(
                "{count} of {of} organisation(s): the key has not answered since {since}; evidence waits, nothing is lost."
            ),
        )
    }

    /// Names nobody either.
    fn mail_keys(&self) -> HealthLine {
        let name = ("Clés du courrier", "Keys for mail");
        let (of, count) = (self.0.organisations.len(), self.0.organisations.iter());
        match count.filter(|o| o.mail_keys.missing().is_some()).count() {
            0 => line(name, Health::Good, "Toutes en place.".into(), "All in place.".into()),
            count => line(
                name,
                Health::Bad,
                format!(
                    "{count} organisme(s) sur {of} : une clé manque ; leurs messages sont refusés pour le moment."
                ),
                format!(
                    "{count} of {of} organisation(s): a key is missing; their mail is refused for the time being."
                ),
            ),
        }
    }

    async fn clock(&self) -> HealthLine {
        let name = ("Horloge", "Clock");
        let now = self.0.clock.now();
        match clock::glance(&self.0.store, &self.0.config.timestamp, now).await {
            Ok(None) => line(
                name,
                Health::Good,
                format!("{}.", now.strftime("%F %H:%M UTC")),
                format!("{}.", now.strftime("%F %H:%M UTC")),
            ),
            Ok(Some(doubt)) => {
                let (days, today) = (doubt.days(), now.strftime("%F"));
                line(
                    name,
                    Health::Bad,
                    format!(
                        "Elle avance de {days} jours sur ce que l’installation a vu : rien n’est détruit ni clos tant qu’elle n’est pas remise à l’heure, ou confirmée par « sealpost clock --confirm {today} »."
                    ),
                    format!(
                        "It is {days} days ahead of what the installation has seen: nothing is destroyed or ended until it is set right, or confirmed by `sealpost clock --confirm {today}`."
                    ),
                )
            }
            Err(e) => line(
                name,
                Health::Bad,
                format!("Ne peut pas être comparée : {e}"),
                format!("Cannot be compared: {e}"),
            ),
        }
    }

    async fn queue_state(&self) -> HealthLine {
        let name = ("Envois", "Outgoing mail");
        let Ok(counts) = self.0.queue.counts().await else {
            return line(
                name,
                Health::Bad,
                "La file ne peut pas être lue.".into(),
                "The queue cannot be read.".into(),
            );
        };
        let of = |state: State| counts.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n);
        let (waiting, held, failed) =
            (of(State::Compose) + of(State::Ready), of(State::Held), of(State::Failed));
        let state = if held > 0 { Health::Warn } else { Health::Good };
        let (fr, en) = (
            format!("{waiting} en attente, {held} retenus, {failed} abandonnés."),
            format!("{waiting} waiting, {held} held, {failed} given up."),
        );
        line(name, state, fr, en)
    }

    fn room(&self) -> HealthLine {
        let name = ("Place et mémoire", "Storage and memory");
        let config = &self.0.config;
        let (disk, memory) = (Room::new(config).has(0), !memory_is_short(config));
        match disk && memory {
            true => line(name, Health::Good, "Suffisantes.".into(), "Enough of both.".into()),
            false => line(
                name,
                Health::Bad,
                "Presque épuisées : les dépôts sont refusés pour l’instant.".into(),
                "Nearly used up: deposits are refused for now.".into(),
            ),
        }
    }

    fn certificates_state(&self) -> HealthLine {
        let name = ("Certificats", "Certificates");
        let now = self.0.clock.now();
        let entities = self.0.organisations.iter().flat_map(|o| self.certificates(o.id));
        let first: Option<Timestamp> = entities.map(|c| c.not_after).min();
        let left = first.map_or(i64::MAX, |end| end.as_second() - now.as_second());
        let days = left / 86_400;
        let state = match left {
            _ if left <= 0 => Health::Bad,
            _ if left < SOON => Health::Warn,
            _ => Health::Good,
        };
        line(
            name,
            state,
            format!("Le premier qui prend fin est encore valable {days} jours."),
            format!("The first to end is valid for another {days} days."),
        )
    }

    async fn time(&self) -> HealthLine {
        let name = ("Autorité d’horodatage extérieure", "External time authority");
        let Some(external) = &self.0.external else {
            return line(
                name,
                Health::Warn,
                "Aucune : l’organisme date lui-même ses preuves, ce qu’un tiers peut contester.".into(),
                "None: the organisation dates its own proofs, which others may dispute.".into(),
            );
        };
        let store = &self.0.store;
        let (Ok(newest), Ok(last)) = (store.latest_stamped().await, store.latest_anchor().await) else {
            return line(name, Health::Bad, "Ne peut pas être lue.".into(), "Cannot be read.".into());
        };
        let covered = last.as_ref().map_or(0, |a| a.size);
        let overdue = self.0.clock.now().saturating_sub(external.every + LATE).unwrap_or(Timestamp::MIN);
        let is_late = last.as_ref().is_none_or(|a| a.obtained < overdue);
        // What came after the last answer waits only once the next one is due.
        let waits = newest.is_some_and(|c| c.size > covered && c.time < overdue);
        let said = last.map(|a| (a.authority, a.time.strftime("%F %H:%M UTC").to_string()));
        match (said, waits && is_late) {
            (said, true) => {
                let since = said.map_or_else(|| "—".to_owned(), |(_, at)| at);
                line(
                    name,
                    Health::Warn,
                    format!(
                        "En attente ; dernière réponse : {since}. Rien n’est perdu, les preuves la recevront."
                    ),
                    format!("Pending; last answer: {since}. Nothing is lost, proofs will get it."),
                )
            }
            (Some((authority, at)), false) => line(
                name,
                Health::Good,
                format!("Dernière réponse le {at} : {authority}."),
                format!("Last answer on {at}: {authority}."),
            ),
            (None, false) => line(name, Health::Good, "Configurée.".into(), "Configured.".into()),
        }
    }
}

fn line(name: (&'static str, &'static str), state: Health, fr: String, en: String) -> HealthLine {
    HealthLine { name, state, words: (fr, en) }
}
