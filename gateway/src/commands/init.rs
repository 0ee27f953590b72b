//! `sealpost init`: a commented configuration, keys, directories, and the recovery sheet.
//!
//! **Failure.** Nothing that exists is overwritten: a directory that holds a configuration is refused.

use super::{Answer, Unusable, clock};
use crate::cli::InitArgs;
use crate::config::{self, Profile};
use crate::credentials::Credentials;
use anyhow::{Context, Result};
use sealpost_certs::files::write_atomic;
use std::path::Path;

/// Prepares a directory for `serve`.
pub fn run(args: InitArgs, json: bool) -> Result<Answer> {
    let hostname = args.hostname.unwrap_or_else(|| format!("sealpost.{}", args.domain));
    let profile: Profile = args.profile.parse().map_err(|e| Unusable(format!("--profile: {e}")))?;
    let text = config::template(profile, &args.domain, &hostname);
    // Judged before anything is made: a domain or host name that cannot be one is the command line's mistake.
    for (argument, given) in [("--domain", &args.domain), ("--hostname", &hostname)] {
        given.parse::<config::DomainName>().map_err(|e| Unusable(format!("{argument}: {e}")))?;
    }
    prepare(&args.dir, &text, &args.domain, &[hostname])?;
    match json {
        true => say!("{}", described(&args.dir)),
        false => say!("{}", sheet(&args.dir)),
    }
    Ok(Answer::Done)
}

/// Writes the configuration and makes keys and certificates. Also used by the demonstration.
pub fn prepare(dir: &Path, text: &str, organisation: &str, hosts: &[String]) -> Result<Credentials> {
    let file = dir.join("sealpost.toml");
    if file.exists() {
        return Err(Unusable(format!("{} exists already: nothing was changed", file.display())).into());
    }
    // Judged before anything is written.
    let config = config::parse(text, &file).map_err(|e| Unusable(e.to_string()))?;
    std::fs::create_dir_all(dir.join("tls")).with_context(|| format!("create {}", dir.display()))?;
    std::fs::create_dir_all(dir.join("data")).with_context(|| format!("create {}", dir.display()))?;
    let keys = sealpost_store::keys::KeyStore::open(&config.store.keys)?;
    let now = clock().now();
    let credentials = Credentials::open(&keys.dir().join("authority"), organisation, now)?;
    credentials.issue_tls(hosts, &config.tls.cert, &config.tls.key, now)?;
    for entity in &config.entity {
        crate::dkim::create(entity)?;
    }
    write_atomic(&dir.join("ca.pem"), credentials.root().to_pem().as_bytes(), 0o644)
        .context("write ca.pem")?;
    write_atomic(&file, text.as_bytes(), 0o640).with_context(|| format!("write {}", file.display()))?;
    Ok(credentials)
}

/// Where everything is, for a program.
fn described(dir: &Path) -> serde_json::Value {
    serde_json::json!({
        "config": dir.join("sealpost.toml"), "ca": dir.join("ca.pem"), "keys": dir.join("keys"),
        "authority": dir.join("keys").join("authority"), "data": dir.join("data"), "tls": dir.join("tls"),
        "dkim": dir.join("dkim"),
    })
}

/// What must be kept apart from the server, and why.
fn sheet(dir: &Path) -> String {
    let keys = dir.join("keys");
    format!(
        "Sealpost is prepared in {dir}.\n\n\
         RECOVERY SHEET — print it, keep it away from this server\n\
         {line}\n\
         Keys        {keys}\n\
         \u{20} week-*.key      open the content of deposits that end in that week. Without them no content\n\
         \u{20}                 can be read again, from any backup. Copy them to a safe place every week.\n\
         \u{20} authority/      root.key issues every certificate and signs for {dir}/ca.pem;\n\
         \u{20}                 journal.key signs the journal's checkpoints.\n\
         \u{20} purpose-*.key   codes and app passwords.\n\
         DKIM        {dkim}\n\
         \u{20} rsa.key, ed25519.key  sign your mail for its domain; `check` prints the DNS records.\n\
         Never put the keys into the same backup as the database: who holds both holds the content, and\n\
         content that was destroyed would come back.\n\
         {line}\n\
         Next: edit {file}, then\n\
         \u{20} sealpost --config {file} check\n\
         \u{20} sealpost --config {file} user add NAME@DOMAIN\n\
         \u{20} sealpost --config {file} serve\n",
        dir = dir.display(),
        keys = keys.display(),
        dkim = dir.join("dkim").display(),
        file = dir.join("sealpost.toml").display(),
        line = "─".repeat(76),
    )
}
