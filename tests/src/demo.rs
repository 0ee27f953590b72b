//! One running demonstration: its process, its ports and its accounts as `demo.json` tells them.

use crate::tools::must;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How to start it.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// Deposit the 64 MiB sample at the start.
    pub sample: bool,
    /// `--smarthost`.
    pub smarthost: Option<String>,
    /// Variables of its environment, for every start and every command.
    pub env: Vec<(String, String)>,
    /// Where its log goes; `demo.log` in its directory when absent.
    pub log: Option<PathBuf>,
}

/// An account or mailbox of the demonstration.
#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    /// Login, a mail address.
    pub login: String,
    /// Role; absent for outside mailboxes.
    #[serde(default)]
    pub role: String,
    /// Password.
    pub password: String,
    /// Password for mail clients; absent for outside mailboxes.
    #[serde(default)]
    pub app_password: String,
    /// Secret of the authenticator app, base 32; absent for outside mailboxes.
    #[serde(default)]
    pub totp_secret: String,
}

/// The port numbers in `demo.json`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Ports {
    pub submission: u16,
    pub submissions: u16,
    pub inbound: u16,
    pub relay: u16,
    pub imap: u16,
    pub imaps: u16,
    pub https: u16,
    pub card: u16,
    pub admin: u16,
}

/// A card of somebody who does not exist.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Card {
    pub name: String,
    pub holder: String,
    pub identity: String,
    pub pkcs12: PathBuf,
    pub pem: PathBuf,
    pub password: String,
}

/// The sample deposit.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Sample {
    pub deposit: String,
    pub reference: String,
}

/// Contents of `demo.json`.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Description {
    pub ca: PathBuf,
    pub host: String,
    pub ports: Ports,
    pub accounts: Vec<Account>,
    pub mailboxes: Vec<Account>,
    pub cards: Vec<Card>,
    pub sample: Option<Sample>,
}

/// A running demonstration; killed when dropped.
pub struct Demo {
    /// Its directory.
    pub dir: PathBuf,
    /// What it says of itself.
    pub about: Description,
    options: DemoOptions,
    offset: u16,
    child: Child,
    _temporary: Option<tempfile::TempDir>,
}

impl Demo {
    /// Starts one in a new directory.
    pub fn start(options: DemoOptions) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let mut demo = Self::start_in(temporary.path(), options)?;
        demo._temporary = Some(temporary);
        Ok(demo)
    }

    /// Starts one in `dir`, which may hold an earlier one.
    pub fn start_in(dir: &Path, options: DemoOptions) -> Result<Self> {
        // Another scenario may take a port between our look and the start: then other ports serve.
        for _ in 0..3 {
            let offset = free_offset()?;
            match launch(dir, &options, offset) {
                Ok((child, about)) => {
                    return Ok(Self { dir: dir.to_owned(), about, options, offset, child, _temporary: None });
                }
                Err(error) if error.to_string().contains("listen.") => {}
                Err(error) => return Err(error),
            }
        }
        bail!("three demonstrations in turn found their ports taken")
    }

    /// Starts one in a new directory after `edit` has changed its configuration.
    pub fn start_edited(options: DemoOptions, edit: impl FnOnce(String) -> String) -> Result<Self> {
        let mut demo = Self::start(options)?;
        demo.terminate()?;
        demo.edit(edit)?;
        demo.restart()?;
        Ok(demo)
    }

    /// Changes `sealpost.toml`, for the next start.
    pub fn edit(&self, edit: impl FnOnce(String) -> String) -> Result<()> {
        let file = self.dir.join("sealpost.toml");
        std::fs::write(&file, edit(std::fs::read_to_string(&file)?))?;
        Ok(())
    }

    /// The account whose login begins with `name`.
    pub fn account(&self, name: &str) -> &Account {
        self.known(name).expect("an account of the demonstration")
    }

    /// The account or mailbox whose login begins with `name`, if `demo.json` tells of it.
    pub fn known(&self, name: &str) -> Option<&Account> {
        self.about.accounts.iter().chain(&self.about.mailboxes).find(|a| a.login.starts_with(name))
    }

    /// A card of the demonstration.
    pub fn card(&self, name: &str) -> &Card {
        self.about.cards.iter().find(|c| c.name == name).expect("a card of the demonstration")
    }

    /// Sends SIGKILL and waits.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and waits; fails after ten seconds.
    pub fn terminate(&mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(asked.success(), "kill failed");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("still running ten seconds after SIGTERM")
    }

    /// Starts it again on the same ports and directory, after [`Demo::kill`] or [`Demo::terminate`].
    pub fn restart(&mut self) -> Result<()> {
        let (child, about) = launch(&self.dir, &self.options, self.offset)?;
        self.child = child;
        self.about = about;
        Ok(())
    }

    /// Sets a variable of its environment, or takes it away, for the next start and later commands.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.options.env.retain(|(n, _)| n != name);
        self.options.env.extend(value.map(|v| (name.to_owned(), v.to_owned())));
    }

    /// Ends it and moves the clock for every later start and command, by libfaketime: `+110d`.
    pub fn move_clock(&mut self, by: &str) -> Result<()> {
        self.terminate()?;
        let preload = must("faketime", &["-m", "-f", "+0d", "printenv", "LD_PRELOAD"])?;
        for (name, value) in
            [("LD_PRELOAD", preload.trim()), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
        {
            self.set_env(name, Some(value));
        }
        Ok(())
    }

    /// Says that the clock is right, as an operator does after a long standstill.
    pub fn confirm_clock(&self) -> Result<()> {
        let by = self.options.env.iter().find(|(name, _)| name == "FAKETIME").map_or("+0d", |(_, by)| by);
        let today = must("faketime", &["-f", by, "date", "-u", "+%F"])?;
        self.sealpost(&["clock", "--confirm", today.trim()]).map(drop)
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Runs another `sealpost` command on this demonstration and returns its standard output.
    pub fn sealpost(&self, args: &[&str]) -> Result<String> {
        let output = self.sealpost_raw(args)?;
        ensure!(
            output.status.success(),
            "sealpost {args:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The same, whatever the exit status.
    pub fn sealpost_raw(&self, args: &[&str]) -> Result<std::process::Output> {
        let mut command = Command::new(binary()?);
        command.envs(self.options.env.iter().map(|(n, v)| (n, v)));
        Ok(command.arg("--config").arg(self.dir.join("sealpost.toml")).args(args).output()?)
    }

    /// Process id, to read its memory from `/proc`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.about.host, self.about.ports.https)
    }

    /// What it has printed to its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.dir, &self.options)).unwrap_or_default()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- demo.log ---\n{}", self.log());
        }
    }
}

/// The program under test: `SEALPOST_BIN`, or the debug build of this workspace.
pub fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("SEALPOST_BIN") {
        return Ok(given.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let path = target.join("debug/sealpost");
    ensure!(path.exists(), "{} is missing: run `cargo build --bin sealpost` first", path.display());
    Ok(path)
}

fn log_of(dir: &Path, options: &DemoOptions) -> PathBuf {
    options.log.clone().unwrap_or_else(|| dir.join("demo.log"))
}

fn launch(dir: &Path, options: &DemoOptions, offset: u16) -> Result<(Child, Description)> {
    std::fs::create_dir_all(dir)?;
    let description = dir.join("demo.json");
    let _ = std::fs::remove_file(&description);
    let log_file = log_of(dir, options);
    let log = std::fs::File::options().create(true).append(true).open(&log_file)?;
    let mut command = Command::new(binary()?);
    command.envs(options.env.iter().map(|(n, v)| (n, v)));
    command.arg("demo").arg("--dir").arg(dir).arg("--offset").arg(offset.to_string());
    if !options.sample {
        command.arg("--no-sample");
    }
    if let Some(smarthost) = &options.smarthost {
        command.arg("--smarthost").arg(smarthost);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("start sealpost")?;
    let begun = Instant::now();
    loop {
        if description.exists() {
            let about = serde_json::from_str(&std::fs::read_to_string(&description)?)?;
            return Ok((child, about));
        }
        if let Some(status) = child.try_wait()? {
            bail!("demo ended with {status}:\n{}", std::fs::read_to_string(&log_file)?);
        }
        if begun.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            bail!("demo not ready after a minute:\n{}", std::fs::read_to_string(&log_file)?);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An offset under which all the demonstration's ports are free at this moment. They stay below the range
/// from which Linux takes the local ports of outgoing connections (32768 on).
pub fn free_offset() -> Result<u16> {
    const PORTS: [u16; 9] = [2587, 2465, 2525, 2526, 2143, 2993, 8443, 8444, 9090];
    let start = (std::process::id() % 110) as u16 * 200;
    for step in 0..400 {
        let offset = 1000 + (start + step * 53) % 22_000;
        let free = PORTS.iter().all(|p| TcpListener::bind(("127.0.0.1", p + offset)).is_ok());
        if free {
            return Ok(offset);
        }
    }
    bail!("no free ports for a demonstration")
}
