//! A small SMTP client of our own, for what other clients cannot do: endless attachments, disconnects at a
//! chosen place, broken input, many senders at once. Implicit TLS, blocking, one session per thread.

use crate::Demo;
use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where and as whom to send.
#[derive(Debug, Clone)]
pub struct Place {
    config: Arc<ClientConfig>,
    port: u16,
    /// Login and default reverse path.
    pub login: String,
    password: String,
}

impl Place {
    /// The demonstration's TLS submission port, as one of its accounts.
    pub fn new(demo: &Demo, name: &str) -> Result<Self> {
        let account = demo.account(name);
        Ok(Self {
            config: trusting(&demo.about.ca)?,
            port: demo.about.ports.submissions,
            login: account.login.clone(),
            password: account.app_password.clone(),
        })
    }
    /// Becomes somebody else.
    pub fn act_as(&mut self, login: &str, password: &str) {
        (self.login, self.password) = (login.to_owned(), password.to_owned());
    }
    /// Connects and logs in.
    pub fn connect(&self) -> Result<Client> {
        let socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(Duration::from_secs(120)))?;
        socket.set_write_timeout(Some(Duration::from_secs(120)))?;
        let session = ClientConnection::new(self.config.clone(), ServerName::try_from("localhost")?)?;
        let mut client = Client { stream: BufReader::new(StreamOwned::new(session, socket)) };
        client.expect("220")?;
        client.command("EHLO scenario.sealpost.test", "250")?;
        let plain = format!("\0{}\0{}", self.login, self.password);
        client.command(&format!("AUTH PLAIN {}", base64_simd::STANDARD.encode_to_string(plain)), "235")?;
        Ok(client)
    }
    /// Sends one message in a session of its own; returns the deposit's id.
    pub fn send(&self, to: &[&str], message: &[u8]) -> Result<String> {
        let mut client = self.connect()?;
        client.begin(&self.login, to)?;
        client.data(message)?;
        let id = client.finish()?;
        client.command("QUIT", "221")?;
        Ok(id)
    }
}

/// TLS that trusts one authority only.
pub fn trusting(ca: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// One session.
pub struct Client {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Client {
    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()?;
        Ok(())
    }
    /// Reads one reply, all its lines.
    pub fn reply(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            ensure!(self.stream.read_line(&mut line)? > 0, "the server closed the connection after {text:?}");
            text.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(text);
            }
        }
    }
    /// Reads a reply that must begin so.
    pub fn expect(&mut self, code: &str) -> Result<String> {
        let reply = self.reply()?;
        ensure!(reply.starts_with(code), "expected {code}, got {reply}");
        Ok(reply)
    }
    /// Sends a line and reads a reply that must begin so.
    pub fn command(&mut self, line: &str, code: &str) -> Result<String> {
        self.raw(format!("{line}\r\n").as_bytes())?;
        self.expect(code).with_context(|| format!("after {line:.40}"))
    }
    /// Opens a transaction up to `354`.
    pub fn begin(&mut self, from: &str, to: &[&str]) -> Result<()> {
        self.command(&format!("MAIL FROM:<{from}>"), "250")?;
        for recipient in to {
            self.command(&format!("RCPT TO:<{recipient}>"), "250")?;
        }
        self.command("DATA", "354")?;
        Ok(())
    }
    /// Part of a message that has no line beginning with a dot.
    pub fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        Ok(())
    }
    /// Ends the message; returns the deposit's id.
    pub fn finish(&mut self) -> Result<String> {
        self.raw(b".\r\n")?;
        let reply = self.reply()?;
        match reply.strip_prefix("250 2.0.0 Deposited ") {
            Some(id) => Ok(id.trim().to_owned()),
            None => bail!("not deposited: {reply}"),
        }
    }
}
