//! A client that reads a mailbox: one command at a time, answers counted and thrown away.
//!
//! **Standards.** RFC 3501, RFC 7888.

use crate::tls::{self, Secured};
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// Where and as whom to log in, under TLS from the first byte.
#[derive(Clone)]
pub struct Target {
    /// The port for implicit TLS.
    pub addr: SocketAddr,
    /// Our side of TLS.
    pub tls: TlsConnector,
    /// Login.
    pub login: String,
    /// Password.
    pub password: String,
}

/// What a command was answered.
#[derive(Debug, Default, Clone, Copy)]
pub struct Answer {
    /// FETCH responses.
    pub fetched: u64,
    /// Octets in all.
    pub octets: u64,
}

/// A session.
pub struct Client {
    stream: Secured,
    input: Vec<u8>,
    at: usize,
}

impl Client {
    /// Connects, secures and logs in.
    pub async fn connect(target: &Target) -> Result<Self> {
        let clear = tls::clear(target.addr).await?;
        let stream = tls::secure(&target.tls, clear).await?;
        let mut this = Self { stream, input: Vec::with_capacity(64 * 1024), at: 0 };
        this.line().await?;
        this.command(&format!("LOGIN {} {}", target.login, target.password)).await?;
        Ok(this)
    }

    /// A command that must succeed.
    pub async fn command(&mut self, text: &str) -> Result<Answer> {
        self.write(format!("a {text}\r\n").as_bytes()).await?;
        self.done().await
    }

    /// Puts a message into a folder, once the server has asked for it.
    pub async fn append(&mut self, folder: &str, message: &[u8]) -> Result<()> {
        self.write(format!("a APPEND {folder} {{{}}}\r\n", message.len()).as_bytes()).await?;
        let asked = self.line().await?;
        ensure!(asked.starts_with(b"+"), "APPEND: {}", String::from_utf8_lossy(&asked));
        self.stream.write_all(message).await?;
        self.write(b"\r\n").await?;
        self.done().await.map(drop)
    }

    /// Ends the session.
    pub async fn logout(mut self) -> Result<()> {
        self.command("LOGOUT").await.map(drop)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads up to the end of the command that was sent.
    async fn done(&mut self) -> Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let line = self.line().await?;
            answer.octets += line.len() as u64;
            if line.starts_with(b"a ") {
                ensure!(line.starts_with(b"a OK"), "{}", String::from_utf8_lossy(&line));
                return Ok(answer);
            }
            answer.fetched += u64::from(memchr::memmem::find(&line, b" FETCH (").is_some());
        }
    }

    /// The next response, its literals included.
    async fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let end = loop {
                match memchr::memchr(b'\n', &self.input[self.at..]) {
                    Some(end) => break self.at + end + 1,
                    None => self.read().await?,
                }
            };
            line.extend_from_slice(&self.input[self.at..end]);
            self.at = end;
            let Some(mut left) = literal(&line) else { return Ok(line) };
            while left > 0 {
                if self.at == self.input.len() {
                    self.read().await?;
                }
                let take = left.min(self.input.len() - self.at);
                line.extend_from_slice(&self.input[self.at..self.at + take]);
                self.at += take;
                left -= take;
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        self.input.drain(..self.at);
        self.at = 0;
        if self.stream.read_buf(&mut self.input).await.context("reading an answer")? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// Octets of the literal that a line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let at = memchr::memrchr(b'{', inner)?;
    std::str::from_utf8(&inner[at + 1..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn literals() {
        for (line, size) in [("* 1 FETCH ({12}\r\n", Some(12)), ("a OK done\r\n", None), ("x}\r\n", None)] {
            assert_eq!(super::literal(line.as_bytes()), size, "{line}");
        }
    }
}
