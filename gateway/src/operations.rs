//! What the running gateway tells its auditors and administrators (`web/src/app/operations.rs`).
//!
//! **Failure.** What cannot be found out is said as such; nothing here can stop the service. The page of health is
//! filled by [`health`].

mod health;

use crate::audit;
use crate::commands::policy;
use crate::gateway::{Gateway, Organisation};
use crate::hand::Hand as Moving;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sealpost_certs::{Certificate, Signer};
use sealpost_envelope::EntityId;
use sealpost_evidence::Actor;
use sealpost_policy::RecipientFacts;
use sealpost_store::queue::OutboundId;
use sealpost_web::{
    CertificateShown, CertificateUse, Hand, HealthLine, LogVerdict, Operations, Question, RuleShown,
    SettingsShown, WouldBe,
};
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
            Vec::new(),
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
            let evidence = organisation.sealing.known();
            all.extend(evidence.map(|s| shown(CertificateUse::Evidence, s.certificate())));
            let mail = self.0.mail_signer(organisation, &organisation.seal_address, None);
            all.extend(mail.ok().map(|s| shown(CertificateUse::Mail, s.certificate())));
        }
        all.push(shown(CertificateUse::Journal, credentials.journal.certificate()));
        all.push(shown(CertificateUse::Time, credentials.time.certificate()));
        all.extend(self.tls().map(|c| shown(CertificateUse::Tls, &c)));
        all
    }

    fn health(&self) -> BoxFuture<'_, Vec<HealthLine>> {
        self.lines().boxed()
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
