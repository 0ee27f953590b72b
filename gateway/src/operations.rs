//! What the running gateway tells its auditors and administrators (`web/src/app/operations.rs`).
//!
//! **Failure.** What cannot be found out is said as such; nothing here can stop the service.

use crate::audit;
use crate::commands::policy;
use crate::gateway::{Gateway, Organisation};
use crate::hand::Hand as Moving;
use crate::pipeline::space::{Room, memory_is_short};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sealpost_certs::{Certificate, Signer};
use sealpost_envelope::{EntityId, Timestamp};
use sealpost_evidence::Actor;
use sealpost_policy::RecipientFacts;
use sealpost_store::queue::{OutboundId, State};
use sealpost_web::{
    CertificateShown, CertificateUse, Hand, Health, HealthLine, LogVerdict, Operations, Question, RuleShown,
    SettingsShown, WouldBe,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys of the configuration whose values are secrets unless they name a file or a variable.
const SECRETS: [&str; 5] = ["password", "secret", "_key", "consumer", "token"];
/// Certificates are renewed with so much time left.
const SOON: i64 = 30 * 86_400;
/// A log without a stamped head for longer than this needs a look.
const STAMPED: i64 = 120;

/// The gateway that serves.
#[derive(Debug)]
pub struct Running(pub Arc<Gateway>);

impl Running {
    fn organisation(&self, entity: EntityId) -> Option<&Arc<Organisation>> {
        self.0.organisation(entity)
    }
}

impl Operations for Running {
    fn verify_log(&self) -> BoxFuture<'_, Result<LogVerdict, String>> {
        let gateway = &self.0;
        async move {
            let judged = audit::whole(
                &gateway.store,
                &gateway.credentials,
                gateway.log_origin(),
                gateway.external.as_ref(),
            );
            let report = judged.await.map_err(|e| format!("{e:#}"))?;
            Ok(LogVerdict {
                entries: report.head.size,
                checkpoints: report.checkpoints,
                findings: report.findings.iter().map(ToString::to_string).collect(),
            })
        }
        .boxed()
    }

    fn would_be(&self, entity: EntityId, question: &Question) -> Result<WouldBe, String> {
        let organisation = self.organisation(entity).ok_or("the organisation is not configured")?;
        if !organisation.owns(&question.sender) {
            return Err(question.language.pick(
                "L’adresse de l’expéditeur n’est pas d’un domaine de l’organisme : il ne pourrait rien déposer.",
                "The sender’s address is in none of the organisation’s domains: they could not deposit anything.",
            ).to_owned());
        }
        let facts = policy::facts(
            question.sender.clone(),
            &question.recipient,
            question.size,
            question.attachments.clone(),
            question.subject.clone(),
            BTreeMap::new(),
        );
        let recipient = RecipientFacts::new(question.recipient.clone());
        let decision = organisation.policy.load().decide(&facts, &recipient, self.0.clock.now());
        Ok(WouldBe {
            held: decision.hold_text(question.language),
            verdict: decision.verdict,
            explanation: decision.explanation,
        })
    }

    fn rules(&self) -> Vec<RuleShown> {
        let shown = |rule: &crate::config::Rule| {
            let mut settings = vec![("treatment", rule.treatment.to_string())];
            settings.extend(rule.gate.as_ref().map(|g| ("gate", g.words().join(", "))));
            settings.extend(rule.expires.map(|p| ("expires", p.to_string())));
            settings.extend(rule.retention.map(|p| ("retention", p.to_string())));
            if !rule.remind.is_empty() {
                let words: Vec<String> = rule.remind.iter().map(ToString::to_string).collect();
                settings.push(("remind", words.join(", ")));
            }
            settings.extend(rule.identity.clone().map(|i| ("identity", i)));
            RuleShown { name: rule.name.clone(), when: rule.when.clone(), settings }
        };
        self.0.config.rule.iter().map(shown).collect()
    }

    fn certificates(&self, entity: EntityId) -> Vec<CertificateShown> {
        let credentials = &self.0.credentials;
        let mut all = vec![shown(CertificateUse::Root, credentials.root())];
        if let Some(organisation) = self.organisation(entity) {
            all.push(shown(CertificateUse::Evidence, organisation.evidence.certificate()));
            let mail = self.0.mail_signer(organisation, &organisation.seal_address, None);
            all.extend(mail.ok().map(|s| shown(CertificateUse::Mail, s.certificate())));
        }
        all.push(shown(CertificateUse::Journal, credentials.journal.certificate()));
        all.push(shown(CertificateUse::Time, credentials.time.certificate()));
        all.extend(self.tls().map(|c| shown(CertificateUse::Tls, &c)));
        all
    }

    fn health(&self) -> BoxFuture<'_, Vec<HealthLine>> {
        async move {
            vec![
                self.database().await,
                self.log().await,
                self.queue_state().await,
                self.room(),
                self.certificates_state(),
                self.time(),
            ]
        }
        .boxed()
    }

    fn settings(&self) -> Vec<SettingsShown> {
        let text = std::fs::read_to_string(&self.0.config.file).unwrap_or_default();
        let table: toml::Table = text.parse().unwrap_or_default();
        sections(&table)
    }

    fn domains(&self, entity: EntityId) -> Vec<String> {
        let domains = self.organisation(entity).map(|o| &o.settings.domains);
        domains.into_iter().flatten().map(|d| d.as_str().to_owned()).collect()
    }

    fn queue(
        &self,
        entity: EntityId,
        row: OutboundId,
        hand: Hand,
        by: Actor,
    ) -> BoxFuture<'_, Result<bool, String>> {
        async move {
            let done = async {
                // A row of another organisation is none.
                let Some(moving) = Moving::of(&self.0, row, by).await?.filter(|m| m.entity() == entity)
                else {
                    return Ok(false);
                };
                match hand {
                    Hand::Retry => moving.retry().await,
                    Hand::Hold => moving.hold().await,
                    Hand::Drop => moving.take_out().await,
                }
            };
            done.await.map_err(|e: anyhow::Error| format!("{e:#}"))
        }
        .boxed()
    }
}

fn shown(usage: CertificateUse, certificate: &Certificate) -> CertificateShown {
    CertificateShown {
        usage,
        subject: certificate.subject(),
        issuer: certificate.issuer(),
        fingerprint: certificate.fingerprint().to_hex(),
        not_after: certificate.not_after(),
    }
}

/// What is checked on the page of health.
impl Running {
    fn tls(&self) -> Option<Certificate> {
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

    fn time(&self) -> HealthLine {
        let name = ("Autorité d’horodatage extérieure", "External time authority");
        match &self.0.external {
            Some(_) => line(name, Health::Good, "Configurée.".into(), "Configured.".into()),
            None => line(
                name,
                Health::Warn,
                "Aucune : l’organisme date lui-même ses preuves, ce qu’un tiers peut contester.".into(),
                "None: the organisation dates its own proofs, which others may dispute.".into(),
            ),
        }
    }
}

fn line(name: (&'static str, &'static str), state: Health, fr: String, en: String) -> HealthLine {
    HealthLine { name, state, words: (fr, en) }
}

/// The file's tables, one section each; what stands before the first table comes first.
fn sections(table: &toml::Table) -> Vec<SettingsShown> {
    let mut all = vec![SettingsShown { name: "sealpost.toml".into(), values: Vec::new() }];
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => all.push(section(key.clone(), inner)),
            toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
                let tables = list.iter().filter_map(toml::Value::as_table);
                all.extend(tables.map(|inner| section(format!("[[{key}]]"), inner)));
            }
            other => all[0].values.push((key.clone(), masked(key, other))),
        }
    }
    all.retain(|s| !s.values.is_empty());
    all
}

fn section(name: String, table: &toml::Table) -> SettingsShown {
    let mut values = Vec::new();
    collect("", table, &mut values);
    SettingsShown { name, values }
}

fn collect(path: &str, table: &toml::Table, values: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) => collect(&name, inner, values),
            other => values.push((name, masked(key, other))),
        }
    }
}

/// A value as TOML; a secret that stands in the file itself, and a password in an address, is not shown.
fn masked(key: &str, value: &toml::Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let elsewhere = text.starts_with("file:") || text.starts_with("env:");
    if SECRETS.iter().any(|s| key.ends_with(s)) && !elsewhere && value.is_str() {
        return "••••••".into();
    }
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("\"{scheme}://••••••@{rest}\""),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::sections;

    #[test]
    fn secrets_in_the_file_are_not_shown() {
        let text = r#"
            mode = "enforce"
            [store]
            database = "postgres://sealpost:hunter2@db.example/sealpost"
            s3_secret_key = "abcdef"
            [gate.sms]
            secret = "env:SMS_SECRET"
            [[entity]]
            name = "Hôpital"
            seal = { password = "open sesame" }
        "#;
        let shown = format!("{:?}", sections(&text.parse().unwrap()));
        for hidden in ["hunter2", "abcdef", "open sesame"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        for seen in ["enforce", "env:SMS_SECRET", "Hôpital", "@db.example", "[[entity]]"] {
            assert!(shown.contains(seen), "{seen}: {shown}");
        }
    }
}
