//! `sealpost journal …`: search, export, and verification of the whole log.

mod person;

use super::{Answer, Unusable, load, store};
use crate::cli::{JournalCommand, JournalFilter as Wanted};
use crate::credentials::Credentials;
use crate::timeserver::External;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use sealpost_certs::{Level, Purpose, TrustAnchors, verify_detached, verify_timestamp};
use sealpost_envelope::{Clock, Sha256Digest, SystemClock};
use sealpost_evidence::checkpoint::{LogKey, NoteError, SignedCheckpoint};
use sealpost_store::{Checkpoint, Finding, JournalEntry, JournalFilter, Store};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Runs one of the commands.
pub async fn run(config: &Path, command: JournalCommand, json: bool) -> Result<Answer> {
    match command {
        JournalCommand::Search(wanted) => {
            let (_, store) = store(config).await?;
            let filter = filter(&store, wanted).await?;
            list(&store, &filter, &mut std::io::stdout().lock(), Form::Lines).await?;
            Ok(Answer::Done)
        }
        JournalCommand::Export { filter: wanted, format, output } => {
            let (_, store) = store(config).await?;
            let filter = filter(&store, wanted).await?;
            let form = if format == "csv" { Form::Csv } else { Form::Lines };
            match output {
                None => list(&store, &filter, &mut std::io::stdout().lock(), form).await?,
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
        JournalCommand::Person { address, output } => {
            let (_, store) = store(config).await?;
            let who = address.parse().map_err(|e| Unusable(format!("{address}: {e}")))?;
            let count = match output {
                None => {
                    // Whoever reads it may stop reading.
                    let lines = person::export(&store, &who, &mut std::io::stdout().lock()).await;
                    let stopped = |e: &anyhow::Error| {
                        e.downcast_ref::<std::io::Error>()
                            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
                    };
                    if lines.as_ref().is_err_and(stopped) { 1 } else { lines? }
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
            Some(found.ok_or_else(|| Unusable(format!("there is no deposit {text}")))?)
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
    let line = serde_json::json!({
        "index": entry.index,
        "entry": parse(&entry.bytes)?,
        "openings": parse(&entry.openings)?,
    });
    writeln!(out, "{line}")?;
    Ok(())
}

/// Recomputes everything from the raw entries; names what is missing or changed.
async fn verify(path: &Path, json: bool) -> Result<Answer> {
    let config = load(path)?;
    let first = config.entity.first().map(|e| e.name.clone()).unwrap_or_default();
    let credentials = Credentials::open(&config.store.keys.join("authority"), &first, SystemClock.now())?;
    let store = crate::gateway::open_store(&config, super::clock()).await?;
    let origin = crate::gateway::log_origin(&store, &credentials).await?;
    let keys = credentials.journal_keys()?;
    let current = named(&origin, &keys)?;
    let mut trusted = vec![credentials.root().clone()];
    if let Some(external) = External::open(&config.timestamp)? {
        trusted.extend(external.anchors());
    }
    let anchors = TrustAnchors::new(trusted)?;
    let mut report = store.verify_log(|checkpoint, _root| judge(checkpoint, &current, &anchors)).await?;
    // Rows first: they say what was done, the tree only that something was.
    let mut findings = store.verify_rows().await?;
    findings.extend(report.findings.into_iter().filter(|f| !matches!(f, Finding::Missing(..))));
    report.findings = findings;
    report.findings.extend(outside(&store, &anchors).await?);
    let former = store.verify_former_logs(|log, checkpoint| match named(log, &keys) {
        Ok(keys) => judge(checkpoint, &keys, &anchors),
        Err(error) => Some(error.to_string()),
    });
    let (former, findings) = former.await?;
    report.checkpoints += former;
    report.findings.extend(findings);
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

/// External timestamps: each over its checkpoint, times ascending with sizes.
async fn outside(store: &Store, anchors: &TrustAnchors) -> Result<Vec<Finding>> {
    const PAGE: u32 = 256;
    let (mut findings, mut after, mut newest) = (Vec::new(), 0, None);
    loop {
        let page = store.anchors(after, PAGE).await?;
        for anchor in &page {
            let checkpoint = store.checkpoint(anchor.size).await?;
            let judged = checkpoint
                .ok_or_else(|| "it is over a checkpoint that is missing".to_owned())
                .and_then(|c| {
                    verify_timestamp(&anchor.token, &Sha256Digest::of(&c.note), anchors)
                        .map_err(|e| e.to_string())
                });
            let wrong = match judged {
                Err(why) => Some(why),
                Ok(token) if token.gen_time() != anchor.time => {
                    Some("its time is not the one kept beside it".into())
                }
                // Two authorities' clocks may differ by their accuracies.
                Ok(token)
                    if newest.is_some_and(|n: jiff::Timestamp| {
                        n.duration_since(token.gen_time()).as_secs() > 120
                    }) =>
                {
                    Some("it is earlier than the one before".into())
                }
                Ok(token) => {
                    newest = newest.max(Some(token.gen_time()));
                    None
                }
            };
            findings.extend(
                wrong.map(|why| Finding::Note(anchor.size, format!("its external timestamp: {why}"))),
            );
            after = anchor.size;
        }
        if page.len() < PAGE as usize {
            return Ok(findings);
        }
    }
}

/// The keys under a log's name.
fn named(origin: &str, keys: &[Vec<u8>]) -> Result<Vec<LogKey>> {
    Ok(keys.iter().map(|key| LogKey::new(origin, key)).collect::<Result<_, _>>()?)
}

/// A checkpoint's signature (by the key of today or an earlier one), stamp and seal.
fn judge(checkpoint: &Checkpoint, keys: &[LogKey], anchors: &TrustAnchors) -> Option<String> {
    let note = match SignedCheckpoint::parse(&checkpoint.note) {
        Ok(note) => note,
        Err(error) => return Some(error.to_string()),
    };
    let mut verdicts = keys.iter().map(|key| note.verify(key).map(drop));
    let first = verdicts.next().unwrap_or(Err(NoteError::NotSigned));
    if let Err(error) = first
        && !verdicts.any(|v| v.is_ok())
    {
        return Some(error.to_string());
    }
    let digest = Sha256Digest::of(&checkpoint.note);
    if let Some(token) = &checkpoint.tst
        && let Err(error) = verify_timestamp(token, &digest, anchors)
    {
        return Some(format!("its timestamp: {error}"));
    }
    if let Some(seal) = &checkpoint.p7s
        && let Err(error) = verify_detached(seal, &digest, anchors, Purpose::Seal, Level::T)
    {
        return Some(format!("its seal: {error}"));
    }
    None
}
