//! A real clamd with one signature of our own, so that it starts in a moment and downloads nothing.

use crate::tools::wait_until;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The harmless file by which antivirus programs are tried out (EICAR), in two pieces: this file is none.
const EICAR: [&str; 2] = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
/// Name under which it is found.
pub const SIGNATURE: &str = "Local.Eicar.UNOFFICIAL";

/// That file.
pub fn eicar() -> Vec<u8> {
    EICAR.concat().into_bytes()
}

/// The daemon; ends when dropped.
pub struct Clamd {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Clamd {
    /// Prepares it; it does not run yet.
    pub fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("db"))?;
        let hex: String = eicar().iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(dir.path().join("db/local.ndb"), format!("Local.Eicar:0:*:{hex}\n"))?;
        let place = dir.path().display();
        let settings = format!(
            "Foreground yes\nDatabaseDirectory {place}/db\nLocalSocket {place}/socket\nLogFile {place}/log\n\
             TemporaryDirectory {place}\nAlertEncrypted yes\nAlertExceedsMax yes\nStreamMaxLength 2M\n"
        );
        std::fs::write(dir.path().join("clamd.conf"), settings)?;
        Ok(Self { dir, child: None })
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Starts it.
    pub fn start(&mut self) -> Result<()> {
        let program =
            ["/usr/sbin/clamd", "clamd"].into_iter().find(|p| *p == "clamd" || PathBuf::from(p).exists());
        let mut command = Command::new(program.context("clamd")?);
        command.arg("-c").arg(self.dir.path().join("clamd.conf"));
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(quiet.spawn().context("start clamd")?);
        wait_until("clamd", || Ok(std::os::unix::net::UnixStream::connect(self.socket()).is_ok()))
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        let _ = std::fs::remove_file(self.socket());
        ensure!(!self.socket().exists(), "the socket stays");
        Ok(())
    }

    /// The demonstration's configuration with it, and `more` lines. The file has every section, with settings as comments.
    pub fn settings(&self, config: &str, more: &str) -> String {
        let section = format!("[antivirus]\nclamd = \"unix:{}\"\n{more}\n", self.socket().display());
        config.replacen("[antivirus]\n", &section, 1)
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}
