//! `sealpost journal …`: search, export, and verification of the whole log.

mod person;

use super::{Answer, Unusable, load, store};
use crate::audit;
use crate::cli::{JournalCommand, JournalFilter as Wanted};
use crate::credentials::Credentials;
use crate::pipeline::search;
use crate::timeserver::External;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use sealpost_envelope::{Clock, SystemClock};
use sealpost_evidence::journal::format_time;
use sealpost_store::{EndError, JournalEntry, JournalFilter, Store, StoreError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Runs one of the commands.
pub async fn run(config: &Path, command: JournalCommand, json: bool) -> Result<Answer> {
    match command {
        JournalCommand::Search(wanted) => {
            let (_, store) = store(config).await?;
            let filter = filter(&store, wanted).await?;
            while_read(list(&store, &filter, &mut std::io::stdout().lock(), Form::Lines).await)?;
            Ok(Answer::Done)
        }
        JournalCommand::Export { filter: wanted, format, output } => {
            let (_, store) = store(config).await?;
            let filter = filter(&store, wanted).await?;
            let form = if format == "csv" { Form::Csv } else { Form::Lines };
            match output {
                None => while_read(list(&store, &filter, &mut std::io::stdout().lock(), form).await)?,
                Some(path) => {
                    let file =
                        std::fs::File::create(&path).with_context(|| format!("write {}", path.display()))?;
                    let mut out = std::io::BufWriter::new(file);
                    list(&store, &filter, &mut out, form).await?;
                    out.flush()?;
                }
            }
            Ok(Answer::Done)
        }
        JournalCommand::Verify => verify(config, json).await,
        JournalCommand::Index { rebuild } => index(config, rebuild, json).await,
        JournalCommand::Person { address, output } => {
            let (_, store) = store(config).await?;
            let who = address.parse().map_err(|e| Unusable(format!("{address}: {e}")))?;
            let count = match output {
                None => {
                    let lines = person::export(&store, &who, &mut std::io::stdout().lock()).await;
                    // Whoever stopped reading had something to read.
                    if lines.as_ref().is_err_and(is_unread) { 1 } else { lines? }
                }
                Some(path) => {
                    let mut open = std::fs::File::options();
                    // Personal data: for whoever runs the command alone.
                    open.write(true).create(true).truncate(true).mode(0o600);
                    let file = open.open(&path).with_context(|| format!("write {}", path.display()))?;
                    let mut out = std::io::BufWriter::new(file);
                    let count = person::export(&store, &who, &mut out).await?;
                    out.flush()?;
                    count
                }
            };
            Ok(if count > 0 { Answer::Done } else { Answer::Negative })
        }
    }
}

/// Whether nobody reads any more.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Whoever reads a list may stop reading (`| head`): that is no fault.
fn while_read(listed: Result<()>) -> Result<()> {
    if listed.as_ref().is_err_and(is_unread) { Ok(()) } else { listed }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Csv,
}

async fn filter(store: &Store, wanted: Wanted) -> Result<JournalFilter> {
    let event = match wanted.event {
        Some(name) => Some(name.parse().map_err(|e| Unusable(format!("--event: {e}")))?),
        None => None,
    };
    let deposit = match wanted.deposit {
        Some(text) => {
            let found = store.find_deposit(None, &text).await?;
            Some(found.ok_or_else(|| {
                Unusable(format!("there is no deposit {text}; see `sealpost deposit list`"))
            })?)
        }
        None => None,
    };
    Ok(JournalFilter {
        event,
        deposit,
        since: wanted.since,
        until: wanted.until,
        limit: wanted.limit.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        ..JournalFilter::default()
    })
}

async fn list(store: &Store, filter: &JournalFilter, out: &mut impl Write, form: Form) -> Result<()> {
    if form == Form::Csv {
        writeln!(out, "index,id,time,event,entity,deposit,recipient,leaf")?;
    }
    let mut entries = store.search_journal(filter);
    while let Some(entry) = entries.next().await {
        write_entry(&entry?, out, form)?;
    }
    Ok(())
}

fn write_entry(entry: &JournalEntry, out: &mut impl Write, form: Form) -> Result<()> {
    let index = entry.index.map(|i| i.to_string()).unwrap_or_default();
    if form == Form::Csv {
        let deposit = entry.deposit.map(|d| d.to_string()).unwrap_or_default();
        let recipient = entry.recipient.map(|n| n.to_string()).unwrap_or_default();
        let leaf = sealpost_envelope::hex::encode(&entry.leaf);
        let (id, time, event, entity) = (entry.id, entry.time, entry.event, entry.entity);
        writeln!(out, "{index},{id},{time},{event},{entity},{deposit},{recipient},{leaf}")?;
        return Ok(());
    }
    let parse = |bytes: &Option<Vec<u8>>| -> Result<serde_json::Value> {
        Ok(match bytes {
            Some(bytes) => serde_json::from_slice(bytes)?,
            None => serde_json::Value::Null,
        })
    };
    // As `/api/v1/journal` tells it: what one looks for stands on top, also of an entry that was pruned.
    let line = serde_json::json!({
        "id": entry.id, "index": entry.index, "time": format_time(entry.time), "event": entry.event.as_str(),
        "deposit": entry.deposit, "recipient": entry.recipient,
        "leaf": sealpost_envelope::hex::encode(&entry.leaf),
        "entry": parse(&entry.bytes)?,
        "openings": parse(&entry.openings)?,
    });
    writeln!(out, "{line}")?;
    Ok(())
}

/// A gateway that runs meanwhile and this command take the entries from each other: whoever loses looks again.
async fn index(path: &Path, rebuild: bool, json: bool) -> Result<Answer> {
    let (_, store) = store(path).await?;
    if rebuild {
        store.forget_all_words().await?;
    }
    loop {
        match search::all(&store, |step| tracing::info!(position = step.position, "entered")).await {
            Ok(position) => {
                match json {
                    true => say!("{}", serde_json::json!({"entered": position})),
                    false => say!("{position} entries are in the search index"),
                }
                return Ok(Answer::Done);
            }
            Err(EndError::Store(StoreError::Conflict(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Recomputes everything from the raw entries; names what is missing or changed.
async fn verify(path: &Path, json: bool) -> Result<Answer> {
    let config = load(path)?;
    let first = config.entity.first().map(|e| e.name.clone()).unwrap_or_default();
    let credentials = Credentials::open(&config.store.keys.join("authority"), &first, SystemClock.now())?;
    let store = crate::gateway::open_store(&config, super::clock()).await?;
    let origin = crate::gateway::log_origin(&store, &credentials).await?;
    let external = External::open(&config.timestamp)?;
    let report = audit::whole(&store, &credentials, &origin, external.as_ref()).await?;
    if json {
        let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        say!(
            "{}",
            serde_json::json!({
                "entries": report.head.size, "checkpoints": report.checkpoints, "ok": findings.is_empty(), "findings": findings,
            })
        );
    } else {
        for finding in &report.findings {
            say!("FAIL  {finding}");
        }
        say!("{} entries, {} checkpoints", report.head.size, report.checkpoints);
        say!("{}", if report.findings.is_empty() { "VALID" } else { "INVALID" });
    }
    Ok(if report.findings.is_empty() { Answer::Done } else { Answer::Negative })
}
