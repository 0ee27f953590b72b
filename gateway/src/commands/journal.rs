//! `sealpost journal …`: search, export, and verification of the whole log.

use super::{Answer, Unusable, load, store};
use crate::cli::{JournalCommand, JournalFilter as Wanted};
use crate::credentials::Credentials;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use sealpost_certs::{Level, Purpose, TrustAnchors, verify_detached, verify_timestamp};
use sealpost_envelope::{Clock, Sha256Digest, SystemClock};
use sealpost_evidence::checkpoint::{LogKey, SignedCheckpoint};
use sealpost_store::{Checkpoint, JournalEntry, JournalFilter, Store};
use std::io::Write;
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
    let key = LogKey::new(&crate::gateway::log_origin(&credentials), credentials.journal.key().public_key())?;
    let anchors = TrustAnchors::new(vec![credentials.root().clone()])?;
    let report = store.verify_log(|checkpoint, _root| judge(checkpoint, &key, &anchors)).await?;
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

/// A checkpoint's signature, stamp and seal.
fn judge(checkpoint: &Checkpoint, key: &LogKey, anchors: &TrustAnchors) -> Option<String> {
    let note = match SignedCheckpoint::parse(&checkpoint.note) {
        Ok(note) => note,
        Err(error) => return Some(error.to_string()),
    };
    if let Err(error) = note.verify(key) {
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
