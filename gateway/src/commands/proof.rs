//! `sealpost proof …`: export, renewal, and verification that needs nothing but the file and the certificates to
//! trust.

mod bulk;
mod renewal;

use super::{Answer, Unusable, clock, load};
use crate::cli::ProofCommand;
use crate::gateway::Gateway;
use crate::proofs::{self, Options, ProofError};
use anyhow::{Context, Result};
use sealpost_certs::{Certificate, TrustAnchors};
use sealpost_envelope::{DepositId, Language, Timestamp};
use sealpost_evidence::Actor;
use sealpost_proof::{Report, Verdict, verify};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Runs one of the commands.
pub async fn run(config: &Path, command: ProofCommand, json: bool) -> Result<Answer> {
    match command {
        ProofCommand::Verify { file, trust, at, confined } => {
            let now = at.unwrap_or_else(|| clock().now());
            check(&file, &trust, now, confined, json)
        }
        ProofCommand::Renew { file, output } => renewal::run(config, &file, output.as_deref(), json).await,
        ProofCommand::Export { ids, output, select, recipient, without_content, wait, language } => {
            let gateway = Gateway::open(load(config)?, clock()).await?;
            let language = if language == "en" { Language::En } else { Language::Fr };
            // A number is one recipient of a message, an address selects messages.
            let number = recipient.as_deref().and_then(|r| r.parse().ok());
            let options = Options { recipient: number, content: !without_content, language };
            if ids.is_empty() {
                let address = recipient.filter(|_| number.is_none());
                return bulk::run(&gateway, &select, address.as_deref(), &options, &output, json).await;
            }
            if number.is_none() && recipient.is_some() || select.is_some() {
                let text =
                    "name deposits, or select them by --from, --to, --sender, --recipient ADDRESS; not both";
                return Err(Unusable(text.to_owned()).into());
            }
            let several = ids.len() > 1;
            if several {
                std::fs::create_dir_all(&output).with_context(|| format!("create {}", output.display()))?;
            }
            for id in &ids {
                let found = gateway.store.find_deposit(None, id).await?;
                let deposit = found.ok_or_else(|| {
                    Unusable(format!("there is no deposit {id}; see `sealpost deposit list`"))
                })?;
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
    gateway: &Arc<Gateway>,
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
    let by = Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() };
    proofs::record(gateway, deposit, options, by).await
}

/// Verifies offline, without configuration. `-` is standard input, which must be a file.
fn check(file: &Path, trust: &[PathBuf], now: Timestamp, confined: bool, json: bool) -> Result<Answer> {
    let anchors = anchors(trust)?;
    let unreadable = |e: std::io::Error| Unusable(format!("open {}: {e}", file.display()));
    let opened = match file == Path::new("-") {
        true => File::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?),
        false => File::open(file).map_err(unreadable)?,
    };
    if confined {
        confine().context("give up rights")?;
    }
    let report = verify(std::io::BufReader::with_capacity(1 << 18, opened), &anchors, now)
        .map_err(|e| Unusable(format!("{}: {e}", file.display())))?;
    print(&report, json)?;
    Ok(if report.verdict == Verdict::Valid { Answer::Done } else { Answer::Negative })
}

/// All certificates of all files.
fn anchors(trust: &[PathBuf]) -> Result<TrustAnchors> {
    let mut all = Vec::new();
    for path in trust {
        all.extend(Certificate::load(path).map_err(|e| Unusable(e.to_string()))?);
    }
    let names = || trust.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    Ok(TrustAnchors::new(all).map_err(|e| Unusable(format!("{}: {e}", names())))?)
}

/// Gives up what a verifier does not need before it looks at a stranger's file: from here on this process can open
/// no file, socket or pipe, write no file, and use only so much memory and processor time.
fn confine() -> Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let both = |n| Rlimit { current: Some(n), maximum: Some(n) };
    for (resource, most) in [
        (Resource::Nofile, 0),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Data, 512 * 1024 * 1024),
        (Resource::Cpu, 60),
    ] {
        setrlimit(resource, both(most))?;
    }
    Ok(())
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
        say!("aged: nothing else is wrong; the proof should have been renewed before");
    }
    say!("{}", report.verdict);
    Ok(())
}
