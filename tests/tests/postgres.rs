//! The whole path over PostgreSQL: deposit, notification, restart of the database, proof, journal.

use anyhow::{Context, Result, ensure};
use sealpost_tests::{Demo, DemoOptions, tools};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A private server on loopback; stopped when dropped.
struct Postgres {
    data: PathBuf,
    port: u16,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Postgres {
    fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("sealpost-pg").tempdir_in("/tmp")?;
        tools::must("chown", &["postgres", &dir.path().to_string_lossy()])?;
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

    fn url(&self) -> String {
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

    fn stop(&mut self) {
        let data = self.data.to_string_lossy().into_owned();
        let _ = as_postgres(&[&format!("{BIN}/pg_ctl"), "-D", &data, "-m", "fast", "-w", "stop"]).output();
        let _ = self.child.wait();
    }

    fn restart(&mut self) -> Result<()> {
        self.stop();
        self.child = Self::launch(&self.data, self.port)?;
        self.wait()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// PostgreSQL refuses to run as root.
fn as_postgres(args: &[&str]) -> Command {
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).args(args).current_dir("/");
    command
}

/// A demonstration whose metadata live in that server.
fn demo_over(postgres: &Postgres, dir: &Path) -> Result<Demo> {
    let mut demo = Demo::start_in(dir, DemoOptions::default())?;
    demo.terminate()?;
    let file = dir.join("sealpost.toml");
    let text = std::fs::read_to_string(&file)?;
    let sqlite = text.lines().find(|l| l.starts_with("database = ")).context("no database in the file")?;
    std::fs::write(&file, text.replace(sqlite, &format!("database = {:?}", postgres.url())))?;
    // The accounts are made anew in the other database.
    std::fs::remove_file(dir.join("demo-secrets.json"))?;
    demo.restart()?;
    Ok(demo)
}

fn message(dir: &Path, name: &str) -> Result<PathBuf> {
    let path = dir.join(format!("{name}.eml"));
    let text = format!(
        "From: alice@sealpost.test\r\nTo: bob@example.test\r\nSubject: [secure] {name}\r\n\
         Message-ID: <{name}@sealpost.test>\r\n\r\nBonjour.\r\n"
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

#[test]
fn the_path_runs_over_postgresql() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let dir = tempfile::tempdir()?;
    let demo = demo_over(&postgres, dir.path())?;

    let first = tools::send_by_curl(&demo, &["bob@example.test"], &message(dir.path(), "avant")?)?;
    tools::link_in(&tools::wait_for_mail(&demo, "bob", &|m| m.contains(&first))?)?;

    // The database goes away and comes back; what was acknowledged is there, and work goes on.
    postgres.restart()?;
    let again = message(dir.path(), "apres")?;
    let begun = Instant::now();
    let second = loop {
        match tools::send_by_curl(&demo, &["bob@example.test"], &again) {
            Ok(id) => break id,
            Err(error) => ensure!(begun.elapsed() < Duration::from_secs(30), "{error:#}"),
        }
    };
    tools::wait_for_mail(&demo, "bob", &|m| m.contains(&second))?;

    let trust = demo.about.ca.to_string_lossy().into_owned();
    for id in [&first, &second] {
        let proof = dir.path().join("proof.asice").to_string_lossy().into_owned();
        demo.sealpost(&["proof", "export", id, "--wait", "-o", &proof])?;
        let verdict = demo.sealpost(&["proof", "verify", &proof, "--trust", &trust])?;
        ensure!(verdict.trim_end().ends_with("VALID"), "{verdict}");
    }
    let journal = demo.sealpost(&["journal", "verify"])?;
    ensure!(journal.trim_end().ends_with("VALID"), "{journal}");
    Ok(())
}
