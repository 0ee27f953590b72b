//! A service that takes codes by SMS over HTTP, as `[gate.sms]` with `provider = "http"` speaks to it.

use crate::tools::wait_until;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// The service: takes what is posted, answers as the settings expect.
pub struct Service {
    url: String,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/send", listener.local_addr()?);
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = Self::one(stream, &kept);
            }
        });
        Ok(Self { url, taken })
    }
    fn one(mut stream: std::net::TcpStream, kept: &Mutex<Vec<Value>>) -> Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut length, mut authorised) = (0, false);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let lower = line.trim().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(value) = lower.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
            authorised |= lower == "x-key: key-1";
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = if authorised {
            kept.lock().expect("no panic").push(serde_json::from_slice(&body)?);
            "{\"status\":\"queued\",\"messages\":[{\"id\":\"m-1\"}]}"
        } else {
            "{\"status\":\"denied\"}"
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
        Ok(())
    }
    /// The n-th message, once it is there.
    pub fn message(&self, n: usize) -> Result<Value> {
        let taken = || self.taken.lock().expect("no panic").get(n).cloned();
        wait_until("a text message", || Ok(taken().is_some()))?;
        taken().context("a text message")
    }
    /// How many messages it has taken.
    pub fn count(&self) -> usize {
        self.taken.lock().expect("no panic").len()
    }
    /// The demonstration's configuration with this service. Its file has every section, with settings as comments.
    pub fn settings(&self, config: String) -> String {
        let section = format!(
            "[gate.sms]\nprovider = \"http\"\nurl = \"{}\"\nsecret = \"key-1\"\nheaders = [\"X-Key: {{secret}}\"]\n\
             body = '{{\"to\":\"{{to}}\",\"text\":\"{{text}}\",\"callback\":\"{{callback}}\"}}'\n\
             success = \"status=queued\"\nid = \"messages.0.id\"\n",
            self.url
        );
        config.replacen("[gate.sms]\n", &section, 1)
    }
}

/// The code of a text, from its line for browsers (WebOTP).
pub fn code_of(text: &str) -> Result<String> {
    let last = text.lines().last().context("the text is empty")?;
    let (host, code) = last.split_once(" #").with_context(|| format!("no WebOTP line: {text:?}"))?;
    ensure!(host == "@localhost" && code.len() == 6, "{last:?}");
    Ok(code.to_owned())
}
