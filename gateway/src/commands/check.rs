//! `sealpost check`: everything that is wrong with configuration, keys, stores and certificates, at once.

use super::{Answer, clock, load};
use crate::config::{Config, TimestampMode, unsupported};
use crate::credentials;
use crate::listeners::tls::Identity;
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
pub async fn run(path: &Path, dns: bool, json: bool) -> Result<Answer> {
    let config = load(path)?;
    let mut findings = Vec::new();
    certificate(&config, &mut findings);
    store(&config, &mut findings).await;
    warnings(&config, &mut findings);
    if dns {
        findings.push(fault("--dns is not available yet: SPF, DKIM, DMARC, PTR and MX were not looked at"));
    }
    let faults = findings.iter().filter(|f| f.fault).count();
    if json {
        let list: Vec<_> =
            findings.iter().map(|f| serde_json::json!({ "fault": f.fault, "text": f.text })).collect();
        say!("{}", serde_json::json!({ "ok": faults == 0, "findings": list }));
    } else {
        for finding in &findings {
            say!("{}  {}", if finding.fault { "FAULT  " } else { "warning" }, finding.text);
        }
        say!("{}", if faults == 0 { "ready to serve" } else { "not ready to serve" });
    }
    Ok(if faults == 0 { Answer::Done } else { Answer::Negative })
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

async fn store(config: &Config, findings: &mut Vec<Finding>) {
    if let Err(error) = crate::gateway::open_store(config, clock()).await {
        findings.push(fault(format!("`store`: {error:#}")));
    }
    let authority = config.store.keys.join("authority");
    findings.extend(
        credentials::incomplete(&authority).into_iter().map(|text| fault(format!("`store.keys`: {text}"))),
    );
    if !authority.exists() {
        findings.push(warning(format!(
            "`store.keys`: {} holds no authority yet; `serve` makes one at its first start",
            authority.display()
        )));
    }
}

fn warnings(config: &Config, findings: &mut Vec<Finding>) {
    if config.timestamp.mode == TimestampMode::Embedded {
        findings.push(warning(
            "`timestamp.mode`: the embedded authority is no independent witness; nobody makes proof for himself",
        ));
    }
    findings.extend(unsupported(config).into_iter().map(fault));
    if config.relay.smarthost.is_none() && !config.demo.outside_mailboxes {
        findings.push(fault(
            "`relay.smarthost`: delivery by MX records is not available yet; without a smarthost mail is held",
        ));
    }
}
