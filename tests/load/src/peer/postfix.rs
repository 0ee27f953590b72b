//! Debian's Postfix with its own configuration, queue and certificate, relaying to the sink; on request it
//! signs DKIM by OpenDKIM over a unix socket.
//!
//! Settings are Postfix's defaults but for what loopback asks, and `in_flow_delay = 0`, which only helps it.

use super::{local, wait_ready};
use crate::process::{Server, run};
use crate::sink::Sink;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running Postfix; stopped when dropped.
pub struct Postfix {
    config: PathBuf,
    /// Its submission port.
    pub addr: SocketAddr,
    _signer: Option<Server>,
}

const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// Starts it; `cert` and `key` are the gateway's own, so that handshakes cost the same.
    pub async fn start(
        dir: &Path,
        port: u16,
        sink: &Sink,
        cert: &Path,
        key: &Path,
        dkim: bool,
    ) -> Result<Self> {
        let dir = dir.join(if dkim { "postfix-dkim" } else { "postfix" });
        let (config, queue, data) = (dir.join("etc"), dir.join("queue"), dir.join("data"));
        for made in [&config, &queue, &data] {
            std::fs::create_dir_all(made)?;
        }
        run(Command::new("chown").arg("postfix").arg(&data))?;
        let signer = if dkim { Some(opendkim(&dir)?) } else { None };
        let milter = signer.as_ref().map_or(String::new(), |_| format!("unix:{}/dkim.sock", dir.display()));
        let (cert, key) = (cert.display(), key.display());
        let (queue, data, sink) = (queue.display(), data.display(), sink.addr.port());
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = localhost\nmydestination =\nlocal_recipient_maps =\n\
             mynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             relayhost = [127.0.0.1]:{sink}\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
             alias_maps =\nalias_database =\nqueue_directory = {queue}\ndata_directory = {data}\n\
             smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\n\
             message_size_limit = 0\nmailbox_size_limit = 0\nin_flow_delay = 0\nmaillog_file = {queue}/../maillog\n\
             maillog_file_prefixes = /\nsmtpd_milters = {milter}\nnon_smtpd_milters =\n"
        );
        std::fs::write(config.join("main.cf"), main)?;
        let master = format!("127.0.0.1:{port} inet n - n - - smtpd\n{SERVICES}");
        std::fs::write(config.join("master.cf"), master)?;
        let this = Self { config, addr: local(port), _signer: signer };
        this.control("start")?;
        wait_ready(this.addr, true).await?;
        Ok(this)
    }

    fn control(&self, verb: &str) -> Result<()> {
        let mut command = Command::new("/usr/sbin/postfix");
        run(command.arg("-c").arg(&self.config).arg(verb)).map(drop)
    }

    /// Ends it and waits for that.
    pub fn stop(self) {}
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if let Err(error) = self.control("stop") {
            eprintln!("stopping Postfix: {error:#}");
        }
    }
}

fn opendkim(dir: &Path) -> Result<Server> {
    let key = dir.join("dkim.key");
    run(Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048"))?;
    let at = dir.display();
    let conf = format!(
        "Domain sealpost.test\nSelector load\nKeyFile {at}/dkim.key\nSocket local:{at}/dkim.sock\nMode s\n\
         UMask 000\nUserID root\nBackground no\nSyslog no\nRequireSafeKeys no\nInternalHosts 127.0.0.1\n\
         Canonicalization relaxed/simple\n"
    );
    let file = dir.join("opendkim.conf");
    std::fs::write(&file, conf)?;
    let mut command = Command::new("/usr/sbin/opendkim");
    let server = Server::start(command.arg("-f").arg("-x").arg(&file), &dir.join("opendkim.log"))?;
    let socket = dir.join("dkim.sock");
    for _ in 0..500 {
        if socket.exists() {
            return Ok(server);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    None.with_context(|| format!("OpenDKIM did not start, see {at}/opendkim.log"))
}
