//! The gateway as a demonstration, with the sink as its smarthost and one rule for downloads without a code.

use super::{local, wait_ready};
use crate::imap;
use crate::process::{Server, run};
use crate::settings::Settings;
use crate::sink::Sink;
use crate::smtp::Target;
use crate::tls;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Recipients of links that open without a code, so that a program can follow them.
pub const LINKED: &str = "bob@files.test";

const RULE: &str = "
[[rule]]
name = \"downloads that a program can follow\"
when = 'recipient.domain == \"files.test\"'
treatment = \"link\"
gate = [\"link\"]
";

/// How the keys of DKIM stand in the prepared configuration, and how they are put out of use.
const KEYS: [&str; 2] = ["\nkeys = [\"sealpost-rsa", "\n#keys = [\"sealpost-rsa"];

/// A prepared installation, running or not.
pub struct Sealpost {
    program: PathBuf,
    /// Its directory.
    pub dir: PathBuf,
    offset: u16,
    sink: u16,
    server: Option<Server>,
}

impl Sealpost {
    /// Prepares a directory and leaves it stopped.
    pub async fn prepare(settings: &Settings, name: &str, offset: u16, sink: &Sink) -> Result<Self> {
        let dir = settings.dir.join(name);
        let program = std::path::absolute(&settings.sealpost)?;
        let mut this = Self { program, dir, offset, sink: sink.addr.port(), server: None };
        std::fs::create_dir_all(&this.dir)?;
        this.start().await?;
        this.stop()?;
        let config = this.config();
        let text = std::fs::read_to_string(&config)?;
        std::fs::write(&config, text + RULE)?;
        Ok(this)
    }

    /// Whether what leaves carries the domain's DKIM signatures, from the next start on.
    pub fn sign(&self, dkim: bool) -> Result<()> {
        let text = std::fs::read_to_string(self.config())?;
        let [with, without] = KEYS;
        let (from, to) = if dkim { (without, with) } else { (with, without) };
        ensure!(text.contains(with) || text.contains(without), "no DKIM keys in the configuration");
        Ok(std::fs::write(self.config(), text.replace(from, to))?)
    }

    /// Starts the demonstration and waits until it says that it is ready.
    pub async fn start(&mut self) -> Result<()> {
        let description = self.dir.join("demo.json");
        if description.exists() {
            std::fs::remove_file(&description)?;
        }
        let mut command = self.demo();
        self.spawn(&mut command)?;
        let begun = Instant::now();
        while !description.exists() {
            let ended = self.server.as_mut().map_or(Ok(true), Server::ended)?;
            ensure!(!ended, "Sealpost ended, see {}/log", self.dir.display());
            ensure!(begun.elapsed() < Duration::from_secs(60), "Sealpost is not ready after a minute");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Starts it and answers how long it took until submission greeted and HTTPS listened.
    pub async fn serve(&mut self) -> Result<Duration> {
        let mut command = self.demo();
        let begun = Instant::now();
        self.spawn(&mut command)?;
        wait_ready(self.submission(), true).await?;
        wait_ready(self.https(), false).await?;
        Ok(begun.elapsed())
    }

    fn demo(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["demo", "--no-sample", "--offset", &self.offset.to_string(), "--dir"]).arg(&self.dir);
        command.args(["--smarthost", &format!("127.0.0.1:{}", self.sink)]);
        command
    }

    fn spawn(&mut self, command: &mut Command) -> Result<()> {
        self.server = Some(Server::start(command, &self.dir.join("log"))?);
        Ok(())
    }

    /// SIGTERM.
    pub fn stop(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |mut s| s.terminate())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |mut s| s.kill())
    }

    /// Its process.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.server.as_ref().context("Sealpost is not running")?.pid())
    }

    fn config(&self) -> PathBuf {
        self.dir.join("sealpost.toml")
    }

    fn submission(&self) -> SocketAddr {
        local(2587 + self.offset)
    }

    /// Its pages.
    pub fn https(&self) -> SocketAddr {
        local(8443 + self.offset)
    }

    /// The demonstration's authority.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The certificate and key of its listeners, which the peers use too.
    pub fn identity(&self) -> (PathBuf, PathBuf) {
        (self.dir.join("tls/cert.pem"), self.dir.join("tls/key.pem"))
    }

    /// Alice's login and the password of her mail program.
    fn alice(&self) -> Result<(String, String)> {
        let text = std::fs::read_to_string(self.dir.join("demo-secrets.json"))?;
        let secrets: Value = serde_json::from_str(&text)?;
        let alice = &secrets["accounts"][0];
        let text = |name: &str| alice[name].as_str().map(str::to_owned).context("Alice's account");
        Ok((text("login")?, text("app_password")?))
    }

    /// Alice's folders over IMAP.
    pub fn mailbox(&self) -> Result<imap::Target> {
        let (login, password) = self.alice()?;
        Ok(imap::Target {
            addr: local(2993 + self.offset),
            tls: tls::connector(&self.ca())?,
            login,
            password,
        })
    }

    /// Submission as Alice.
    pub fn target(&self) -> Result<Target> {
        let (login, password) = self.alice()?;
        Ok(Target {
            addr: self.submission(),
            tls: tls::connector(&self.ca())?,
            from: login.clone(),
            login: Some((login, password)),
        })
    }

    /// Runs another command on the installation; answers its output and CPU seconds.
    pub fn command(&self, args: &[&str]) -> Result<(String, f64)> {
        run(Command::new(&self.program).arg("--config").arg(self.config()).args(args))
    }

    /// A path inside its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.dir).join(name)
    }
}
