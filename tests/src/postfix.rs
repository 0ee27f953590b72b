//! Debian's Postfix with a configuration, queue and log of its own, on loopback, touching nothing of the system's.

use anyhow::{Context, Result, ensure};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A running Postfix; stopped when dropped.
pub struct Postfix {
    config: PathBuf,
    log: PathBuf,
    /// Ports of its SMTP services, in their order.
    pub ports: Vec<u16>,
    dir: tempfile::TempDir,
}

const SERVICES: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// Starts it in `dir` with these lines of `main.cf`, and one SMTP service for each entry of `services`, which
    /// holds its `-o` options.
    pub fn start(dir: tempfile::TempDir, settings: &str, services: &[&str]) -> Result<Self> {
        // Its processes give up root and must still come in.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
        let at = |name: &str| dir.path().join(name);
        let (config, queue, data, log) = (at("etc"), at("queue"), at("data"), at("maillog"));
        for made in [&config, &queue, &data] {
            std::fs::create_dir_all(made)?;
        }
        run(Command::new("chown").arg("postfix").arg(&data))?;
        let main = format!(
            "compatibility_level = 3.6\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmydestination =\n\
             local_recipient_maps =\nalias_maps =\nalias_database =\nqueue_directory = {}\ndata_directory = {}\n\
             maillog_file = {}\nmaillog_file_prefixes = /\nsmtpd_client_connection_count_limit = 0\n{settings}",
            queue.display(),
            data.display(),
            log.display(),
        );
        std::fs::write(config.join("main.cf"), main)?;
        let ports = free_ports(services.len())?;
        let smtpd = ports.iter().zip(services).map(|(port, options)| {
            let options = options.trim();
            format!("127.0.0.1:{port} inet n - n - - smtpd {options}\n")
        });
        let master = smtpd.chain([SERVICES.to_owned()]).collect::<String>();
        std::fs::write(config.join("master.cf"), master)?;
        let this = Self { config, log, ports, dir };
        this.control("start")?;
        let begun = Instant::now();
        while this.ports.iter().any(|p| TcpStream::connect(("127.0.0.1", *p)).is_err()) {
            ensure!(begun.elapsed() < Duration::from_secs(30), "Postfix does not listen:\n{}", this.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(this)
    }

    /// A place of its own that its processes can reach, for what its settings name.
    pub fn place() -> Result<tempfile::TempDir> {
        let dir = tempfile::tempdir()?;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
        Ok(dir)
    }

    /// `3.7`.
    pub fn version() -> Result<String> {
        let version = output(Command::new("/usr/sbin/postconf").args(["-d", "-h", "mail_version"]))?;
        Ok(version.trim().split('.').take(2).collect::<Vec<_>>().join("."))
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many messages wait in its queue.
    pub fn waiting(&self) -> Result<usize> {
        let listed = output(Command::new("/usr/sbin/postqueue").arg("-c").arg(&self.config).arg("-j"))?;
        Ok(listed.lines().count())
    }

    /// Has it try everything that waits now.
    pub fn flush(&self) -> Result<()> {
        run(Command::new("/usr/sbin/postqueue").arg("-c").arg(&self.config).arg("-f"))
    }

    fn control(&self, verb: &str) -> Result<()> {
        run(Command::new("/usr/sbin/postfix").arg("-c").arg(&self.config).arg(verb))
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if let Err(error) = self.control("stop") {
            eprintln!("stopping Postfix: {error:#}");
        }
        if std::thread::panicking() {
            eprintln!("--- maillog ---\n{}", self.log());
        }
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Below the range from which Linux takes the ports of outgoing connections.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let start = 26_000 + (std::process::id() % 1000) as u16 * 5;
    let ports: Vec<u16> =
        (start..32_000).filter(|p| TcpListener::bind(("127.0.0.1", *p)).is_ok()).take(count).collect();
    ensure!(ports.len() == count, "no free ports");
    Ok(ports)
}
