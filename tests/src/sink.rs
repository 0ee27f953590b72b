//! An SMTP server that takes mail from Sealpost: what a smarthost sees, byte for byte.

use crate::mail::sha256;
use crate::tools::wait_until;
use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A message that was handed over, accepted or not.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Reverse path.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// The message after removal of transparency dots; its first [`HEAD`] octets in a sink that forgets.
    pub message: Vec<u8>,
    /// SHA-256 of the whole message.
    pub sha256: String,
    /// Whether TLS was on.
    pub tls: bool,
    /// What we answered.
    pub answer: String,
}

/// What a sink that forgets keeps of each message: its header and the first lines.
pub const HEAD: usize = 8192;

#[derive(Debug, Default)]
struct State {
    attempts: Vec<Attempt>,
    answers: Vec<String>,
    forgets: bool,
}

/// The server; ends with the process.
#[derive(Debug, Clone)]
pub struct Sink {
    state: Arc<Mutex<State>>,
    /// `HOST:PORT`.
    pub address: String,
}

impl Sink {
    /// Listens on a port of its own. With a directory it offers STARTTLS with `cert.pem` and `key.pem` there.
    pub fn start(tls: Option<&Path>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("localhost:{}", listener.local_addr()?.port());
        let config = tls.map(identity).transpose()?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().filter_map(Result::ok) {
                let (config, state) = (config.clone(), shared.clone());
                std::thread::spawn(move || {
                    // A client that leaves in the middle is its own affair.
                    let _ = serve(socket, config, &state);
                });
            }
        });
        Ok(Self { state, address })
    }
    /// One for thousands of messages: keeps the beginning and the digest of each.
    pub fn forgetful() -> Result<Self> {
        let sink = Self::start(None)?;
        sink.state().forgets = true;
        Ok(sink)
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Answers to the ends of the next messages; afterwards all are accepted.
    pub fn answer(&self, answers: &[&str]) {
        self.state().answers = answers.iter().map(|a| (*a).to_owned()).collect();
    }
    /// Everything that was handed over so far.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.state().attempts.clone()
    }
    /// Waits for an accepted message that fits; answers its text.
    pub fn wait_for(&self, fits: &dyn Fn(&str) -> bool) -> Result<String> {
        let mut found = None;
        wait_until("a message at the smarthost", || {
            let texts = self.accepted().into_iter().map(|a| String::from_utf8_lossy(&a.message).into_owned());
            found = texts.into_iter().find(|text| fits(text));
            Ok(found.is_some())
        })?;
        found.context("a message at the smarthost")
    }
    /// What was accepted so far.
    pub fn accepted(&self) -> Vec<Attempt> {
        self.attempts().into_iter().filter(|a| a.answer.starts_with('2')).collect()
    }
}

fn identity(dir: &Path) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(dir.join("cert.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

fn serve(socket: TcpStream, config: Option<Arc<ServerConfig>>, state: &Mutex<State>) -> Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut clear = BufReader::new(socket);
    clear.get_mut().write_all(b"220 sink.test ESMTP\r\n")?;
    if !session(&mut clear, config.is_some(), false, state)? {
        return Ok(());
    }
    let Some(config) = config else { return Ok(()) };
    let secured = StreamOwned::new(ServerConnection::new(config)?, clear.into_inner());
    session(&mut BufReader::new(secured), false, true, state)?;
    Ok(())
}

/// Answers `true` when the client wants TLS now.
fn session<S: Read + Write>(
    stream: &mut BufReader<S>,
    offer: bool,
    tls: bool,
    state: &Mutex<State>,
) -> Result<bool> {
    let (mut from, mut to) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => format!(
                "250-sink.test\r\n250-8BITMIME\r\n250-PIPELINING{}\r\n250 SIZE",
                if offer { "\r\n250-STARTTLS" } else { "" }
            ),
            "STAR" => {
                stream.get_mut().write_all(b"220 go ahead\r\n")?;
                return Ok(true);
            }
            "MAIL" => {
                from = path(&line);
                to.clear();
                "250 ok".to_owned()
            }
            "RCPT" => {
                to.push(path(&line));
                "250 ok".to_owned()
            }
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                let mut message = data(stream)?;
                let sha256 = sha256(&message);
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = match state.answers.is_empty() {
                    true => "250 2.0.0 taken".to_owned(),
                    false => state.answers.remove(0),
                };
                if state.forgets {
                    message.truncate(HEAD);
                    message.shrink_to_fit();
                }
                let (from, to, answer_given) = (from.clone(), to.clone(), answer.clone());
                state.attempts.push(Attempt { from, to, message, sha256, tls, answer: answer_given });
                answer
            }
            "QUIT" => {
                stream.get_mut().write_all(b"221 bye\r\n")?;
                return Ok(false);
            }
            _ => "250 ok".to_owned(),
        };
        stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
    }
}

fn path(line: &str) -> String {
    let inner = line.split_once('<').map_or("", |(_, rest)| rest);
    inner.split('>').next().unwrap_or_default().to_owned()
}

fn data<S: Read>(stream: &mut BufReader<S>) -> Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let start = message.len();
        if stream.read_until(b'\n', &mut message)? == 0 {
            anyhow::bail!("the message has no end");
        }
        if message[start..] == *b".\r\n" {
            message.truncate(start);
            return Ok(message);
        }
        if message[start] == b'.' {
            message.remove(start);
        }
    }
}
