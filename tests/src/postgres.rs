//! A PostgreSQL server of its own on loopback.

use crate::tools::must;
use crate::{Demo, DemoOptions};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// The server; stopped when dropped.
pub struct Postgres {
    data: PathBuf,
    port: u16,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Postgres {
    /// Makes and starts one.
    pub fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("sealpost-pg").tempdir_in("/tmp")?;
        must("chown", &["postgres", &dir.path().to_string_lossy()])?;
        let data = dir.path().join("data");
        let text = data.to_string_lossy().into_owned();
        as_postgres(&[&format!("{BIN}/initdb"), "-D", &text, "-A", "trust", "-U", "postgres", "--no-sync"])
            .output()
            .context("initdb")?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Self::launch(&data, port)?;
        let server = Self { data, port, child, _dir: dir };
        server.wait()?;
        Ok(server)
    }

    fn launch(data: &Path, port: u16) -> Result<Child> {
        let (data, port) = (data.to_string_lossy().into_owned(), port.to_string());
        let program = format!("{BIN}/postgres");
        let args = [program.as_str(), "-D", &data, "-p", &port, "-c", "listen_addresses=127.0.0.1", "-k", ""];
        Ok(as_postgres(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(30), "PostgreSQL did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Stops it: `fast` ends transactions in order, `immediate` is a crash, after which it repairs itself.
    pub fn stop(&mut self, mode: &str) {
        let data = self.data.to_string_lossy().into_owned();
        let _ = as_postgres(&[&format!("{BIN}/pg_ctl"), "-D", &data, "-m", mode, "-w", "stop"]).output();
        let _ = self.child.wait();
    }

    /// Starts it again after [`Postgres::stop`].
    pub fn back(&mut self) -> Result<()> {
        self.child = Self::launch(&self.data, self.port)?;
        self.wait()
    }

    /// A demonstration in `dir` whose metadata live in this server.
    pub fn demo(&self, dir: &Path, options: DemoOptions) -> Result<Demo> {
        let mut demo = Demo::start_in(dir, options)?;
        demo.terminate()?;
        demo.edit(|text| {
            let sqlite = text.lines().find(|l| l.starts_with("database = ")).unwrap_or_default();
            text.replace(sqlite, &format!("database = {:?}", self.url()))
        })?;
        // The accounts are made anew in the other database.
        std::fs::remove_file(dir.join("demo-secrets.json"))?;
        demo.restart()?;
        Ok(demo)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop("fast");
    }
}

/// PostgreSQL refuses to run as root.
fn as_postgres(args: &[&str]) -> Command {
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).args(args).current_dir("/");
    command
}
