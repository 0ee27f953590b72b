//! Debian's Postfix with its own configuration, queue and certificate, on loopback, touching nothing of the
//! system's. Settings are its defaults but for names, ports, and the pauses it makes before it answers an
//! error; mail it accepts is discarded. Logins are asked of us, by Dovecot's protocol over a unix socket.

use anyhow::Result;
use sealpost_tests::postfix;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// A running Postfix; stopped when dropped.
pub struct Postfix {
    server: postfix::Postfix,
    pub inbound: u16,
    pub submission: u16,
    pub submissions: u16,
    /// `3.7`.
    pub version: String,
}

impl Postfix {
    /// Starts it with the certificate of the gateway and one login.
    pub fn start(cert: &Path, key: &Path, login: &str, password: &str) -> Result<Self> {
        let dir = postfix::Postfix::place()?;
        let socket = dir.path().join("auth.sock");
        serve_logins(&socket, format!("\0{login}\0{password}"))?;
        let settings = format!(
            "myhostname = peer.example\nmynetworks = 192.0.2.0/24\n\
             relay_domains = sealpost.test\nrelay_recipient_maps = inline:{{ alice@sealpost.test=ok }}\n\
             smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n\
             default_transport = discard:\nrelay_transport = discard:\nlocal_transport = discard:\n\
             smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\n\
             smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {socket}\nsmtpd_tls_auth_only = yes\n\
             smtpd_error_sleep_time = 0\nsmtpd_client_port_logging = yes\n",
            cert = cert.display(),
            key = key.display(),
            socket = socket.display(),
        );
        let sasl =
            "-o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject";
        let services = [
            String::new(),
            format!("-o smtpd_tls_security_level=encrypt {sasl}"),
            format!("-o smtpd_tls_wrappermode=yes {sasl}"),
        ];
        let server = postfix::Postfix::start(dir, &settings, &services.each_ref().map(String::as_str))?;
        let (inbound, submission, submissions) = (server.ports[0], server.ports[1], server.ports[2]);
        Ok(Self { server, inbound, submission, submissions, version: postfix::Postfix::version()? })
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.server.log()
    }
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
