//! `sealpost proof export` of a selection: all its proofs in one ZIP with an index, one proof at a time in memory, to be
//! continued by the same command after an interruption.
//!
//! The collection grows as `.FILE.part`, its index beside it; both become `FILE` at the end. Continuing keeps the
//! bound that the first run set (`--to`, or its own time), so that what came in meanwhile does not mix in.

use crate::cli::Selection;
use crate::commands::{Answer, Unusable};
use crate::gateway::Gateway;
use crate::proofs::Options;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use sealpost_envelope::{DepositId, EmailAddress, Sha256Digest, Timestamp};
use sealpost_proof::container::Collection;
use sealpost_store::{DepositFilter, DepositRow};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often progress is told.
const TELL: Duration = Duration::from_secs(2);
/// Name of the index in the collection.
const INDEX: &str = "index.jsonl";

/// Exports every deposit that fits.
pub async fn run(
    gateway: &Arc<Gateway>,
    select: &Selection,
    recipient: Option<&str>,
    options: &Options,
    output: &Path,
    json: bool,
) -> Result<Answer> {
    if !select.is_some() && recipient.is_none() {
        let text =
            "name a deposit, or select several by --from, --to, --sender, --recipient ADDRESS or --reference";
        return Err(Unusable(text.to_owned()).into());
    }
    let mut places = Places::of(output)?;
    let filter = places.filter(select, recipient, gateway.clock.now())?;
    let wanted: HashSet<String> = select.reference.iter().map(|r| r.to_uppercase()).collect();
    let fits = |row: &DepositRow| wanted.is_empty() || wanted.contains(row.reference.as_str());
    let total = count(gateway, &filter, fits).await?;
    let mut collection = places.collection()?;
    let mut index = places.index(&collection)?;
    let done: HashSet<String> = collection.names().map(str::to_owned).collect();
    let (mut number, mut told) = (0u64, Instant::now());
    let mut rows = gateway.store.list_deposits(&filter);
    while let Some(row) = rows.next().await {
        let row = row?;
        if !fits(&row) {
            continue;
        }
        number += 1;
        let name = format!("proofs/{}-{}.asice", row.reference, row.id);
        if !done.contains(&name) {
            one(gateway, row.id, options, &places.single).await?;
            let mut proof = File::open(&places.single)?;
            let line = line(&row, &name, &mut proof)?;
            collection.add(&name, &mut proof)?;
            writeln!(index, "{line}")?;
        }
        if told.elapsed() > TELL {
            eprintln!("{number} / {total}");
            told = Instant::now();
        }
    }
    index.rewind()?;
    collection.add(INDEX, index)?;
    collection.finish()?;
    places.done(output)?;
    match json {
        true => say!("{}", serde_json::json!({ "file": output, "proofs": number })),
        false => say!("{} ({number} proofs)", output.display()),
    }
    Ok(Answer::Done)
}

/// One proof into a file of its own, waiting for what is not stamped yet.
async fn one(gateway: &Arc<Gateway>, id: DepositId, options: &Options, file: &Path) -> Result<()> {
    super::export(gateway, id, options, file, true).await.map(drop)
}

async fn count(gateway: &Gateway, filter: &DepositFilter, fits: impl Fn(&DepositRow) -> bool) -> Result<u64> {
    let mut rows = gateway.store.list_deposits(filter);
    let mut total = 0;
    while let Some(row) = rows.next().await {
        total += u64::from(fits(&row?));
    }
    Ok(total)
}

fn line(row: &DepositRow, name: &str, proof: &mut File) -> Result<String> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0u64;
    loop {
        let n = proof.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        size += n as u64;
        context.update(&buffer[..n]);
    }
    let sha256 = Sha256Digest::from_slice(context.finish().as_ref()).context("SHA-256 has 32 octets")?;
    Ok(serde_json::json!({
        "file": name, "sha256": sha256.to_hex(), "size": size, "deposit": row.id, "reference": row.reference.as_str(),
        "sender": row.sender.as_str(), "deposited": row.created.to_string(),
    })
    .to_string())
}

/// Files on the way to the collection.
struct Places {
    part: PathBuf,
    index: PathBuf,
    /// The selection's upper bound, kept for continuing.
    bound: PathBuf,
    single: PathBuf,
}

impl Places {
    fn of(output: &Path) -> Result<Self> {
        let name = output.file_name().context("the output needs a file name")?.to_string_lossy();
        let beside = |end: &str| output.with_file_name(format!(".{name}.{end}"));
        Ok(Self {
            part: beside("part"),
            index: beside("index"),
            bound: beside("until"),
            single: beside("proof"),
        })
    }

    fn filter(
        &mut self,
        select: &Selection,
        recipient: Option<&str>,
        now: Timestamp,
    ) -> Result<DepositFilter> {
        let address = |flag: &str, text: &str| {
            EmailAddress::parse(text).map_err(|e| Unusable(format!("{flag} {text}: {e}")))
        };
        let until = match (select.to, std::fs::read_to_string(&self.bound)) {
            (Some(to), _) => to,
            (None, Ok(kept)) => kept.trim().parse().context("the bound of the interrupted export")?,
            (None, Err(_)) => now,
        };
        std::fs::write(&self.bound, until.to_string())
            .with_context(|| format!("write {}", self.bound.display()))?;
        Ok(DepositFilter {
            sender: select.sender.as_deref().map(|s| address("--sender", s)).transpose()?,
            recipient: recipient.map(|r| address("--recipient", r)).transpose()?,
            since: select.from,
            until: Some(until),
            ..DepositFilter::default()
        })
    }

    fn collection(&self) -> Result<Collection> {
        Ok(Collection::resume(open(&self.part)?)?)
    }

    /// The index as far as the collection goes: a line behind its last proof is dropped.
    fn index(&self, collection: &Collection) -> Result<File> {
        let held: HashSet<&str> = collection.names().collect();
        let kept = self.index.with_extension("kept");
        let mut out = open(&kept)?;
        out.set_len(0)?;
        for line in BufReader::new(open(&self.index)?).lines() {
            let line = line?;
            let said: Option<serde_json::Value> = serde_json::from_str(&line).ok();
            if said.is_some_and(|v| v["file"].as_str().is_some_and(|name| held.contains(name))) {
                writeln!(out, "{line}")?;
            }
        }
        std::fs::rename(&kept, &self.index)?;
        Ok(out)
    }

    fn done(&self, output: &Path) -> Result<()> {
        std::fs::rename(&self.part, output).with_context(|| format!("write {}", output.display()))?;
        for path in [&self.index, &self.bound, &self.single] {
            std::fs::remove_file(path).or_else(|e| match e.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(e),
            })?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).with_context(|| format!("open {}", path.display()))
}
