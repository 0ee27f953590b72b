//! Scripts for Chromium, in `tests/browser`: each gets one JSON object and answers with one.

use crate::Demo;
use crate::tools::must;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs a script on a demonstration. It learns where the pages and mailboxes are, and what `more` says.
pub fn script(demo: &Demo, name: &str, more: Value) -> Result<Value> {
    run(name, &task(demo, more)?)
}

/// What a script is told; see [`script`].
pub fn task(demo: &Demo, more: Value) -> Result<Value> {
    let mut task = serde_json::json!({
        "base": demo.url(),
        "spki": public_key(demo)?,
        "ca": demo.about.ca,
        "imaps": demo.about.ports.imaps,
        "accounts": passwords(demo),
    });
    if let (Some(task), Value::Object(more)) = (task.as_object_mut(), more) {
        task.extend(more);
    }
    Ok(task)
}

/// Runs a script that was told its task.
pub fn run(name: &str, task: &Value) -> Result<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser").join(name);
    let output = Command::new("python3").arg(&file).arg(task.to_string()).output().context("python3")?;
    ensure!(
        output.status.success(),
        "{name}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("the answer of {name}"))
}

fn passwords(demo: &Demo) -> Value {
    let all = demo.about.accounts.iter().chain(&demo.about.mailboxes);
    let pairs = all.map(|a| {
        let password = if a.app_password.is_empty() { &a.password } else { &a.app_password };
        (a.login.clone(), Value::from(password.as_str()))
    });
    Value::Object(pairs.collect())
}

/// The server's public key as Chromium wants to be told it: base64 of the SHA-256 of its SubjectPublicKeyInfo.
fn public_key(demo: &Demo) -> Result<String> {
    let cert = demo.dir.join("tls/cert.pem");
    let pem = must("openssl", &["x509", "-in", &cert.to_string_lossy(), "-noout", "-pubkey"])?;
    let body: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
    let der = base64_simd::STANDARD.decode_to_vec(body)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    Ok(base64_simd::STANDARD.encode_to_string(digest))
}
