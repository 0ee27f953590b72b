//! `sealpost proof …`: export, and verification that needs nothing but the file and the certificates to trust.

use super::{Answer, Unusable, clock, load};
use crate::cli::ProofCommand;
use crate::gateway::Gateway;
use crate::proofs::{self, Options, ProofError};
use anyhow::{Context, Result};
use sealpost_certs::{Certificate, TrustAnchors};
use sealpost_envelope::{DepositId, Language};
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_proof::{Report, Verdict, verify};
use std::path::Path;
use std::time::Duration;

/// Runs one of the commands.
pub async fn run(config: &Path, command: ProofCommand, json: bool) -> Result<Answer> {
    match command {
        ProofCommand::Verify { file, trust } => check(&file, &trust, json),
        ProofCommand::Export { ids, output, recipient, without_content, wait, language } => {
            let gateway = Gateway::open(load(config)?, clock()).await?;
            let language = if language == "en" { Language::En } else { Language::Fr };
            let options = Options { recipient, content: !without_content, language };
            let several = ids.len() > 1;
            if several {
                std::fs::create_dir_all(&output).with_context(|| format!("create {}", output.display()))?;
            }
            for id in &ids {
                let found = gateway.store.find_deposit(None, id).await?;
                let deposit = found.ok_or_else(|| Unusable(format!("there is no deposit {id}")))?;
                let file = if several { output.join(format!("{deposit}.asice")) } else { output.clone() };
                if export(&gateway, deposit, &options, &file, wait).await? == Answer::Negative {
                    return Ok(Answer::Negative);
                }
                match json {
                    true => say!("{}", serde_json::json!({ "deposit": deposit, "file": file })),
                    false => say!("{}", file.display()),
                }
            }
            Ok(Answer::Done)
        }
    }
}

/// Writes one proof and records that; negative while something is still missing and nobody waits for it.
async fn export(
    gateway: &Gateway,
    deposit: DepositId,
    options: &Options,
    file: &Path,
    wait: bool,
) -> Result<Answer> {
    loop {
        match proofs::write(gateway, deposit, options, file).await {
            Ok(()) => break,
            Err(error) => match error.downcast_ref::<ProofError>() {
                Some(ProofError::Pending(_)) if wait => {
                    proofs::complete(gateway).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Some(ProofError::Pending(_)) => {
                    eprintln!("{error}");
                    return Ok(Answer::Negative);
                }
                Some(ProofError::NoRecipient(_)) => return Err(Unusable(error.to_string()).into()),
                None => return Err(error),
            },
        }
    }
    record_export(gateway, deposit, options).await?;
    Ok(Answer::Done)
}

/// ProofExported, by whoever sits at the server.
async fn record_export(gateway: &Gateway, deposit: DepositId, options: &Options) -> Result<()> {
    let row = gateway.store.read_deposit(deposit).await?.row;
    let Some(organisation) = gateway.organisation(row.entity) else { return Ok(()) };
    let mut event = Event::new(EventName::ProofExported, row.entity, gateway.clock.now())
        .deposit(deposit)
        .actor(Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() })
        .detail(Detail::new().flag("content", options.content));
    event.recipient = options.recipient;
    Ok(gateway.store.record(vec![render(&organisation.issuer, event, None)?]).await?)
}

/// Verifies offline, without configuration.
fn check(file: &Path, trust: &Path, json: bool) -> Result<Answer> {
    let anchors = Certificate::load(trust).map_err(|e| Unusable(e.to_string()))?;
    let anchors = TrustAnchors::new(anchors).map_err(|e| Unusable(format!("{}: {e}", trust.display())))?;
    let opened = std::fs::File::open(file).with_context(|| format!("open {}", file.display()));
    let opened = opened.map_err(|e| Unusable(format!("{e:#}")))?;
    let report = verify(std::io::BufReader::with_capacity(1 << 18, opened), &anchors, clock().now())
        .map_err(|e| Unusable(format!("{}: {e}", file.display())))?;
    print(&report, json)?;
    Ok(if report.verdict == Verdict::Valid { Answer::Done } else { Answer::Negative })
}

fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    for check in &report.checks {
        let mark = if check.ok { "ok  " } else { "FAIL" };
        say!("{mark}  {}: {}", check.subject, check.what);
    }
    if report.aged {
        say!("aged: the last timestamp's authority is no longer valid; the proof should have been renewed");
    }
    say!("{}", report.verdict);
    Ok(())
}
