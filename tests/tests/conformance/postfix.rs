//! Debian's Postfix with its own configuration, queue and certificate, on loopback, touching nothing of the
//! system's. Settings are its defaults but for names, ports, and the pauses it makes before it answers an
//! error; mail it accepts is discarded. Logins are asked of us, by Dovecot's protocol over a unix socket.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A running Postfix; stopped when dropped.
pub struct Postfix {
    config: PathBuf,
    log: PathBuf,
    pub inbound: u16,
    pub submission: u16,
    pub submissions: u16,
    /// `3.7`.
    pub version: String,
    _dir: tempfile::TempDir,
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
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// Starts it with the certificate of the gateway and one login.
    pub fn start(cert: &Path, key: &Path, login: &str, password: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        // Its processes give up root and must still come in.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
        let (config, queue, data) =
            (dir.path().join("etc"), dir.path().join("queue"), dir.path().join("data"));
        for made in [&config, &queue, &data] {
            std::fs::create_dir_all(made)?;
        }
        run(Command::new("chown").arg("postfix").arg(&data))?;
        let socket = dir.path().join("auth.sock");
        serve_logins(&socket, format!("\0{login}\0{password}"))?;
        let log = dir.path().join("maillog");
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = peer.example\nmydestination =\nlocal_recipient_maps =\n\
             mynetworks = 192.0.2.0/24\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             relay_domains = sealpost.test\nrelay_recipient_maps = inline:{{ alice@sealpost.test=ok }}\n\
             smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n\
             default_transport = discard:\nrelay_transport = discard:\nlocal_transport = discard:\n\
             alias_maps =\nalias_database =\nqueue_directory = {queue}\ndata_directory = {data}\n\
             smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\n\
             smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {socket}\nsmtpd_tls_auth_only = yes\n\
             smtpd_error_sleep_time = 0\nsmtpd_client_connection_count_limit = 0\nsmtpd_client_port_logging = yes\n\
             maillog_file = {log}\nmaillog_file_prefixes = /\n",
            queue = queue.display(),
            data = data.display(),
            cert = cert.display(),
            key = key.display(),
            socket = socket.display(),
            log = log.display(),
        );
        std::fs::write(config.join("main.cf"), main)?;
        let [inbound, submission, submissions] = free_ports()?;
        let sasl =
            "-o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject";
        let master = format!(
            "127.0.0.1:{inbound} inet n - n - - smtpd\n\
             127.0.0.1:{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt {sasl}\n\
             127.0.0.1:{submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes {sasl}\n{SERVICES}"
        );
        std::fs::write(config.join("master.cf"), master)?;
        let version = output(Command::new("/usr/sbin/postconf").args(["-d", "-h", "mail_version"]))?;
        let version = version.trim().split('.').take(2).collect::<Vec<_>>().join(".");
        let this = Self { config, log, inbound, submission, submissions, version, _dir: dir };
        this.control("start")?;
        let begun = Instant::now();
        while [inbound, submission, submissions]
            .iter()
            .any(|p| TcpStream::connect(("127.0.0.1", *p)).is_err())
        {
            ensure!(begun.elapsed() < Duration::from_secs(30), "Postfix does not listen:\n{}", this.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(this)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
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
fn free_ports() -> Result<[u16; 3]> {
    let start = 26_000 + (std::process::id() % 1000) as u16 * 5;
    let mut free = (start..32_000).filter(|p| TcpListener::bind(("127.0.0.1", *p)).is_ok());
    let mut next = || free.next().context("no free port");
    Ok([next()?, next()?, next()?])
}

/// Answers Postfix's questions about logins: one PLAIN message is good.
fn serve_logins(socket: &Path, good: String) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let good = good.clone();
            std::thread::spawn(move || drop(answer_logins(stream, &good)));
        }
    });
    Ok(())
}

fn answer_logins(mut stream: UnixStream, good: &str) -> std::io::Result<()> {
    stream.write_all(
        b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\n\
          COOKIE\t0123456789abcdef0123456789abcdef\nDONE\n",
    )?;
    let mut name = String::new();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let fields: Vec<&str> = line.split('\t').collect();
        let (verb, id) = (fields[0], fields.get(1).copied().unwrap_or_default());
        let response = match verb {
            "AUTH" => fields.iter().find_map(|f| f.strip_prefix("resp=")),
            "CONT" => Some(fields.get(2).copied().unwrap_or_default()),
            _ => continue,
        };
        let login = verb == "AUTH" && fields.get(2) == Some(&"LOGIN");
        let reply = match response {
            None if login => format!("CONT\t{id}\tVXNlcm5hbWU6\n"),
            None => format!("CONT\t{id}\t\n"),
            Some(response) => {
                let text = base64_simd::STANDARD.decode_to_vec(response).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                if text == good {
                    name = text.split('\0').nth(1).unwrap_or_default().to_owned();
                    format!("OK\t{id}\tuser={name}\n")
                } else {
                    format!("FAIL\t{id}\tuser={name}\n")
                }
            }
        };
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}
