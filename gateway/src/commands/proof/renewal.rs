//! `sealpost proof renew`: one more timestamp over a proof that is VALID now.

use crate::commands::{Answer, Unusable, clock, load};
use crate::gateway::Gateway;
use anyhow::{Context, Result};
use sealpost_certs::TrustAnchors;
use sealpost_proof::{Verdict, renew, verify};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

/// Writes the renewed proof over `file`, or to `output`.
pub async fn run(config: &Path, file: &Path, output: Option<&Path>, json: bool) -> Result<Answer> {
    let gateway = Gateway::open(load(config)?, clock()).await?;
    let open = || {
        let opened = File::open(file).map_err(|e| Unusable(format!("open {}: {e}", file.display())))?;
        Ok::<_, Unusable>(BufReader::with_capacity(1 << 18, opened))
    };
    let mut trusted = vec![gateway.credentials.root().clone()];
    for path in [&gateway.config.timestamp.ca, &gateway.config.timestamp.fallback_ca].into_iter().flatten() {
        trusted.extend(sealpost_certs::Certificate::load(path)?);
    }
    let anchors = TrustAnchors::new(trusted)?;
    let report = verify(open()?, &anchors, gateway.clock.now())
        .map_err(|e| Unusable(format!("{}: {e}", file.display())))?;
    if report.verdict != Verdict::Valid {
        for check in report.checks.iter().filter(|c| !c.ok) {
            eprintln!("FAIL  {}: {}", check.subject, check.what);
        }
        let why = if report.aged { "it has aged already" } else { "it is not valid" };
        eprintln!("{} is not renewed: {why}; a timestamp would not mend that", file.display());
        return Ok(Answer::Negative);
    }
    let target = output.unwrap_or(file);
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = target.file_name().context("the output needs a file name")?;
    let partial = directory.join(format!(".{}.part", name.to_string_lossy()));
    let written = write(&gateway, open()?, &partial, target);
    if written.is_err() {
        // The proof itself is untouched; half a copy is worth nothing.
        let _ = std::fs::remove_file(&partial);
    }
    written?;
    match json {
        true => say!("{}", serde_json::json!({ "file": target })),
        false => say!("{}", target.display()),
    }
    Ok(Answer::Done)
}

fn write(gateway: &Gateway, proof: BufReader<File>, partial: &Path, target: &Path) -> Result<()> {
    let file = File::create(partial).with_context(|| format!("create {}", partial.display()))?;
    let out = BufWriter::with_capacity(1 << 18, file);
    let out = tokio::task::block_in_place(|| renew(proof, |imprint| gateway.time.stamp(imprint), out))?;
    out.into_inner().map_err(|e| e.into_error())?.sync_all()?;
    std::fs::rename(partial, target).with_context(|| format!("write {}", target.display()))
}
