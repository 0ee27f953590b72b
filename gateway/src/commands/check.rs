//! `sealpost check`: everything that is wrong with configuration, keys, stores and certificates, at once.

mod dns;
mod storage;

use super::{Answer, Unusable, clock};
use crate::config::{self, Config, Entity, Examined, Mode, unsupported};
use crate::credentials;
use crate::dkim::{DomainKeys, Record};
use crate::listeners::tls::Identity;
use crate::pipeline::screening::Screen;
use crate::timeserver::External;
use anyhow::Result;
use sealpost_certs::Certificate;
use std::path::Path;

/// One finding.
struct Finding {
    fault: bool,
    text: String,
}

/// Days before a certificate's end from which `check` warns.
const SOON: i64 = 21;

/// Judges the installation; faults answer 1, warnings do not.
pub async fn run(path: &Path, with_dns: bool, json: bool) -> Result<Answer> {
    let examined = config::examine(path).map_err(|e| Unusable(e.to_string()))?;
    let mut findings: Vec<Finding> = examined.mistakes.iter().flat_map(|m| m.lines()).map(fault).collect();
    let records = match &examined.config {
        Some(config) => look(config, &examined, with_dns, &mut findings).await,
        None => Vec::new(),
    };
    let faults = findings.iter().filter(|f| f.fault).count();
    if json {
        let list: Vec<_> =
            findings.iter().map(|f| serde_json::json!({ "fault": f.fault, "text": f.text })).collect();
        let records: Vec<_> = records
            .iter()
            .map(|r| serde_json::json!({ "name": r.name, "type": "TXT", "text": r.text }))
            .collect();
        say!("{}", serde_json::json!({ "ok": faults == 0, "findings": list, "records": records }));
    } else {
        for finding in &findings {
            say!("{}  {}", if finding.fault { "FAULT  " } else { "warning" }, finding.text);
        }
        if !records.is_empty() {
            say!("records to publish, so that receivers can check the domain's signature (DKIM):");
        }
        for record in &records {
            say!("  {}", record.zone_line());
        }
        say!("{}", if faults == 0 { "ready to serve" } else { "not ready to serve" });
    }
    Ok(if faults == 0 { Answer::Done } else { Answer::Negative })
}

/// Looks at everything that the file names, but for sections that are wrong themselves.
async fn look(
    config: &Config,
    examined: &Examined,
    with_dns: bool,
    findings: &mut Vec<Finding>,
) -> Vec<Record> {
    let sound = |sections: &[&str]| examined.is_sound(sections);
    if sound(&["tls"]) {
        certificate(config, findings);
    }
    if sound(&["store", "timestamp"]) {
        storage::look(config, findings).await;
    }
    warnings(config, findings);
    if sound(&["gate", "rule", "listen"]) {
        findings.extend(unsupported(config).into_iter().map(fault));
    }
    if sound(&["gate"])
        && let Err(error) = crate::providers::open(config)
    {
        findings.push(fault(format!("{error:#}")));
    }
    if sound(&["relay", "route"])
        && let Err(error) = crate::routes::probe(config)
    {
        findings.push(fault(format!("{error:#}")));
    }
    if sound(&["timestamp"]) {
        external_time(config, findings).await;
    }
    if sound(&["accounts"]) {
        backends(config, findings).await;
    }
    if sound(&["returns_mailbox"]) {
        returns_mailboxes(config, findings).await;
    }
    if sound(&["antivirus"]) {
        antivirus(config, findings).await;
    }
    if !sound(&["entity"]) {
        return Vec::new();
    }
    seals(config, findings);
    if with_dns && sound(&["listen", "relay", "route"]) {
        findings.extend(dns::look(config).await);
    }
    domain_keys(config, findings)
}

fn fault(text: impl Into<String>) -> Finding {
    Finding { fault: true, text: text.into() }
}
fn warning(text: impl Into<String>) -> Finding {
    Finding { fault: false, text: text.into() }
}

fn certificate(config: &Config, findings: &mut Vec<Finding>) {
    if let Err(error) = Identity::load(&config.tls.cert, &config.tls.key) {
        findings.push(fault(format!("{error:#}")));
        return;
    }
    let Ok(chain) = Certificate::load(&config.tls.cert) else { return };
    let (now, end) = (clock().now(), chain[0].not_after());
    let left = now.duration_until(end).as_hours() / 24;
    if end <= now {
        findings.push(fault(format!("`tls.cert`: the certificate ended on {end}")));
    } else if left < SOON {
        findings.push(warning(format!("`tls.cert`: the certificate ends in {left} days, on {end}")));
    }
}

/// Mail waits while the antivirus does not answer: a fault, since nothing leaves.
async fn antivirus(config: &Config, findings: &mut Vec<Finding>) {
    if let Some(screen) = Screen::open(&config.antivirus)
        && let Err(error) = screen.ping().await
    {
        findings.push(fault(format!("`antivirus.clamd`: {error}; no mail leaves meanwhile")));
    }
}

/// The records to publish for the keys that sign outgoing mail.
fn domain_keys(config: &Config, findings: &mut Vec<Finding>) -> Vec<Record> {
    let mut records = Vec::new();
    for entity in &config.entity {
        match DomainKeys::open(entity) {
            Ok(keys) if keys.is_empty() => findings.push(warning(format!(
                "`entity.dkim.keys`: mail of {} leaves without the domain's signature; many receivers refuse it",
                entity.name
            ))),
            Ok(keys) => records.extend(keys.records(entity)),
            Err(error) => findings.push(fault(format!("{}{error:#}", whose(config, entity)))),
        }
    }
    records
}

/// With several organisations the setting alone would not say whose.
fn whose(config: &Config, entity: &Entity) -> String {
    if config.entity.len() > 1 { format!("{}: ", entity.name) } else { String::new() }
}

/// Keys that the configuration brings, tried out.
fn seals(config: &Config, findings: &mut Vec<Finding>) {
    let now = clock().now();
    for entity in &config.entity {
        let evidence = credentials::brought_evidence(entity, now);
        let mail = match entity.seal_address() {
            Some(address) => credentials::brought_mail(entity, &address, now),
            None => Ok(None),
        };
        for (name, signer) in [("entity.seal.key", evidence), ("entity.seal.mail_key", mail)] {
            let whose = whose(config, entity);
            match signer.map(|s| s.map(|s| s.sign(b"check"))) {
                Ok(None | Some(Ok(_))) => {}
                Ok(Some(Err(error))) => findings.push(fault(format!("{whose}`{name}`: {error}"))),
                Err(error) => findings.push(fault(format!("{whose}{error:#}"))),
            }
        }
    }
}

/// Asks the external authorities for the time. One that fails is a warning: deposits go on without it.
async fn external_time(config: &Config, findings: &mut Vec<Finding>) {
    let external = match External::open(&config.timestamp) {
        Ok(Some(external)) => external,
        Ok(None) => return,
        Err(error) => return findings.push(fault(format!("{error:#}"))),
    };
    for (url, outcome) in external.probe(&*clock()).await {
        if let Err(error) = outcome {
            findings
                .push(warning(format!("`timestamp`: {url}: {error}; external time stays pending meanwhile")));
        }
    }
}

/// Asks the servers that know passwords about somebody who does not exist: who lets them in, or gives no answer, is told.
async fn backends(config: &Config, findings: &mut Vec<Finding>) {
    for settings in &config.accounts.backend {
        let name = &settings.name;
        let backend = match crate::backends::backend(settings) {
            Ok(backend) => backend,
            Err(error) => {
                findings.push(fault(format!("`accounts.backend` {name:?}: {error:#}")));
                continue;
            }
        };
        if let Err(trouble) = backend.probe().await {
            findings
                .push(warning(format!("`accounts.backend` {name:?}: {trouble}; its people cannot log in")));
        }
    }
}

/// Opens the mailboxes that bounces come to.
async fn returns_mailboxes(config: &Config, findings: &mut Vec<Finding>) {
    for settings in &config.returns_mailbox {
        if let Err(error) = crate::pipeline::polling::probe(settings).await {
            let name = settings.name();
            findings.push(warning(format!("`returns_mailbox` {name}: {error:#}; bounces wait there unread")));
        }
    }
}

fn warnings(config: &Config, findings: &mut Vec<Finding>) {
    if config.timestamp.url.is_none() {
        findings.push(warning(
            "`timestamp.url`: the built-in time authority is no independent witness; nobody makes proof for himself",
        ));
    }
    if config.mode == Mode::Observe {
        findings.push(warning(
            "`mode = \"observe\"`: rules change nothing; no message is sealed, protected, held or refused by them",
        ));
    }
}
