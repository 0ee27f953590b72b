//! The whole log judged: by command, or from the auditors' page.

use crate::credentials::Credentials;
use crate::timeserver::External;
use anyhow::Result;
use sealpost_certs::{Level, Purpose, TrustAnchors, verify_detached, verify_timestamp};
use sealpost_envelope::Sha256Digest;
use sealpost_evidence::checkpoint::{LogKey, NoteError, SignedCheckpoint};
use sealpost_store::{Checkpoint, Finding, LogReport, Store};

/// Recomputes everything from the raw entries; names what is missing or changed.
pub async fn whole(
    store: &Store,
    credentials: &Credentials,
    origin: &str,
    external: Option<&External>,
) -> Result<LogReport> {
    let keys = credentials.journal_keys()?;
    let current = named(origin, &keys)?;
    let mut trusted = vec![credentials.root().clone()];
    if let Some(external) = external {
        trusted.extend(external.anchors());
    }
    let anchors = TrustAnchors::new(trusted)?;
    let mut report = store.verify_log(|checkpoint, _root| judge(checkpoint, &current, &anchors)).await?;
    // Rows first: they say what was done, the tree only that something was.
    let mut findings = store.verify_rows().await?;
    findings.extend(report.findings.into_iter().filter(|f| !matches!(f, Finding::Missing(..))));
    report.findings = findings;
    report.findings.extend(outside(store, &anchors).await?);
    let former = store.verify_former_logs(|log, checkpoint| match named(log, &keys) {
        Ok(keys) => judge(checkpoint, &keys, &anchors),
        Err(error) => Some(error.to_string()),
    });
    let (former, findings) = former.await?;
    report.checkpoints += former;
    report.findings.extend(findings);
    Ok(report)
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
