//! A submitting client: STARTTLS, AUTH where asked, pipelined envelopes, streamed messages.
//!
//! **Standards.** RFC 5321, RFC 3207, RFC 2920.

use crate::message::Large;
use crate::tls::{self, Secured};
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// Where and as whom to submit.
#[derive(Clone)]
pub struct Target {
    /// The submission port.
    pub addr: SocketAddr,
    /// Our side of TLS.
    pub tls: TlsConnector,
    /// Login and password, for a server that wants them.
    pub login: Option<(String, String)>,
    /// Envelope and header sender.
    pub from: String,
}

/// A session.
pub struct Client {
    stream: Secured,
    input: Vec<u8>,
}

impl Client {
    /// Connects, secures and logs in.
    pub async fn connect(target: &Target) -> Result<Self> {
        let mut clear = tls::clear(target.addr).await?;
        let mut input = Vec::new();
        expect(&mut clear, &mut input, 220).await?;
        clear.write_all(b"EHLO load.sealpost.test\r\n").await?;
        expect(&mut clear, &mut input, 250).await?;
        clear.write_all(b"STARTTLS\r\n").await?;
        expect(&mut clear, &mut input, 220).await?;
        let mut this = Self { stream: tls::secure(&target.tls, clear).await?, input };
        this.command("EHLO load.sealpost.test\r\n", 250).await?;
        if let Some((login, password)) = &target.login {
            let plain = base64_simd::STANDARD.encode_to_string(format!("\0{login}\0{password}"));
            this.command(&format!("AUTH PLAIN {plain}\r\n"), 235).await?;
        }
        Ok(this)
    }

    async fn command(&mut self, line: &str, code: u16) -> Result<String> {
        self.write(line.as_bytes()).await?;
        self.expect(code).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    async fn expect(&mut self, code: u16) -> Result<String> {
        expect(&mut self.stream, &mut self.input, code).await
    }

    async fn envelope(&mut self, from: &str, to: &str) -> Result<()> {
        self.write(format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n").as_bytes()).await?;
        self.expect(250).await?;
        self.expect(250).await?;
        self.expect(354).await.map(drop)
    }

    /// Submits a message that ends with CRLF and has no line beginning with a dot; answers the server's text.
    pub async fn send(&mut self, from: &str, to: &str, message: &[u8]) -> Result<String> {
        self.envelope(from, to).await?;
        self.stream.write_all(message).await?;
        self.write(b".\r\n").await?;
        self.expect(250).await
    }

    /// Submits a large message; answers the server's text.
    pub async fn send_large(&mut self, from: &str, to: &str, large: &Large) -> Result<String> {
        self.envelope(from, to).await?;
        self.stream.write_all(large.head(from, to).as_bytes()).await?;
        for piece in large.pieces() {
            self.stream.write_all(piece).await?;
        }
        self.stream.write_all(large.tail().as_bytes()).await?;
        self.write(b".\r\n").await?;
        self.expect(250).await
    }

    /// Ends the session.
    pub async fn quit(mut self) -> Result<()> {
        self.command("QUIT\r\n", 221).await.map(drop)
    }
}

/// Reads one reply, of several lines perhaps, and answers its last line's text.
async fn expect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    input: &mut Vec<u8>,
    code: u16,
) -> Result<String> {
    loop {
        while let Some(end) = memchr::memchr(b'\n', input) {
            let line: Vec<u8> = input.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            ensure!(line.len() >= 3, "no SMTP reply: {line:?}");
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            let got: u16 = line[..3].parse().with_context(|| format!("no SMTP reply: {line:?}"))?;
            ensure!(got == code, "expected {code}, the server answered: {line}");
            return Ok(line.get(4..).unwrap_or_default().to_owned());
        }
        if stream.read_buf(input).await? == 0 {
            bail!("the server closed the connection");
        }
    }
}
