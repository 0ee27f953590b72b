//! Strangers' proofs, judged in a process of their own.
//!
//! **Job.** Starts `sealpost proof verify - --confined --json` with the file as standard input, waits, and reads its
//! report. The page `/verify` goes through here.
//!
//! **Exposure.** The file comes from anybody. This process never parses it: the child has no configuration, no
//! environment, no other open file, and gives up on itself the right to open any (`commands::proof`), so that a fault
//! in a parser reaches neither keys nor store. Two at a time; memory and time are bounded.
//!
//! **Failure.** A child that dies, hangs or says nothing readable is an answer of its own, never a verdict.

use crate::config::Config;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sealpost_web::{JudgeError, ProofJudge, ProofReport};
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Children at the same time.
const TOGETHER: usize = 2;
/// How long to wait for a place.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest life of a child; its processor time is bounded more tightly by itself.
const LIFE: Duration = Duration::from_secs(120);
/// Longest report.
const REPORT: u64 = 16 * 1024 * 1024;

/// Judges by child processes.
#[derive(Debug)]
pub struct ChildJudge {
    places: Semaphore,
    trust: Vec<PathBuf>,
}

impl ChildJudge {
    /// Trusts this installation's own root and the authorities that date its checkpoints.
    pub fn new(config: &Config) -> Self {
        let mut trust = vec![config.store.keys.join("authority").join("root.pem")];
        trust.extend(config.timestamp.ca.clone());
        trust.extend(config.timestamp.fallback_ca.clone());
        Self { places: Semaphore::new(TOGETHER), trust }
    }

    async fn run(&self, file: File) -> Result<ProofReport, JudgeError> {
        let place = tokio::time::timeout(PATIENCE, self.places.acquire()).await;
        let _place = place.map_err(|_| JudgeError::Busy)?.map_err(|_| JudgeError::Busy)?;
        match tokio::time::timeout(LIFE, self.child(file)).await {
            Ok(answer) => answer,
            // Dropped with its handle, the child is killed.
            Err(_) => Err(JudgeError::TooHeavy),
        }
    }

    async fn child(&self, file: File) -> Result<ProofReport, JudgeError> {
        let failed = |e: std::io::Error| JudgeError::Failed(e.to_string());
        // The program that runs, even after an upgrade has put another file in its place.
        let mut command = Command::new("/proc/self/exe");
        command.args(["--json", "proof", "verify", "-", "--confined"]);
        for path in &self.trust {
            command.arg("--trust").arg(path);
        }
        let mut child = command
            .current_dir("/")
            .env_clear()
            // Each thread of the runtime costs address space; one is enough.
            .env("TOKIO_WORKER_THREADS", "1")
            .env("SEALPOST_LOG", "off")
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut said = Vec::new();
        if let Some(out) = child.stdout.take() {
            out.take(REPORT).read_to_end(&mut said).await.map_err(failed)?;
        }
        let status = child.wait().await.map_err(failed)?;
        match status.code() {
            Some(0 | 1) => serde_json::from_slice(&said)
                .map_err(|e| JudgeError::Failed(format!("the report cannot be read: {e}"))),
            Some(2) => Err(JudgeError::NotProof),
            // Killed: out of memory or of time.
            _ => Err(JudgeError::TooHeavy),
        }
    }
}

impl ProofJudge for ChildJudge {
    fn judge(&self, file: File) -> BoxFuture<'_, Result<ProofReport, JudgeError>> {
        self.run(file).boxed()
    }
}
