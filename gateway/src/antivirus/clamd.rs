//! One conversation with clamd for each file.

use super::Finding;
use crate::config::{AntivirusSettings, ClamdAddress};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// The daemon, as configured.
#[derive(Debug, Clone)]
pub struct Clamd {
    address: ClamdAddress,
    /// Longest silence.
    timeout: Duration,
    /// Larger files are not sent.
    largest: u64,
}

/// The daemon gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the antivirus does not answer: {0}")]
pub struct Silent(String);

/// Why a file has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ScanError<E> {
    /// The daemon's fault.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// The file cannot be read.
    #[error("{0}")]
    Content(E),
}

/// Longest answer read.
const ANSWER: u64 = 4096;
/// Longest frame sent.
const FRAME: usize = 64 << 10;
/// What we say of a file over the limit.
const TOO_LARGE: &str = "too large";

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Clamd {
    /// As configured; `None` where no antivirus is.
    pub fn open(settings: &AntivirusSettings) -> Option<Self> {
        let address = settings.clamd.clone()?;
        Some(Self { address, timeout: settings.timeout.duration(), largest: settings.largest.0 })
    }

    /// Files over this size are not sent.
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// Whether somebody answers.
    pub async fn ping(&self) -> Result<(), Silent> {
        let mut wire = self.connect().await?;
        self.within(wire.write_all(b"zPING\0")).await?;
        match self.answer(&mut *wire).await?.as_str() {
            "PONG" => Ok(()),
            other => Err(Silent(format!("{other:?} instead of PONG"))),
        }
    }

    /// Has `content` looked at. Memory is one chunk, whatever its size.
    pub async fn scan<E>(
        &self,
        size: u64,
        mut content: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Finding, ScanError<E>> {
        if size > self.largest {
            return Ok(Finding::Unscannable(TOO_LARGE.to_owned()));
        }
        let mut wire = self.connect().await?;
        let mut sent = self.within(wire.write_all(b"zINSTREAM\0")).await;
        while sent.is_ok()
            && let Some(bytes) = content.next().await
        {
            sent = self.frames(&mut *wire, &bytes.map_err(ScanError::Content)?).await;
        }
        if sent.is_ok() {
            sent = self.within(wire.write_all(&[0; 4])).await;
        }
        if sent.is_ok() {
            sent = self.within(wire.flush()).await;
        }
        // A daemon that has had enough answers and closes while we still send: what it said counts.
        match (self.answer(&mut *wire).await, sent) {
            (Ok(answer), _) => Ok(judged(&answer)?),
            (Err(_), Err(broken)) => Err(broken.into()),
            (Err(silent), Ok(())) => Err(silent.into()),
        }
    }

    async fn frames(&self, wire: &mut dyn Wire, bytes: &[u8]) -> Result<(), Silent> {
        for frame in bytes.chunks(FRAME) {
            let length = u32::try_from(frame.len()).expect("a frame is at most FRAME octets");
            self.within(wire.write_all(&length.to_be_bytes())).await?;
            self.within(wire.write_all(frame)).await?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Box<dyn Wire>, Silent> {
        Ok(match &self.address {
            ClamdAddress::Unix(path) => Box::new(self.within(UnixStream::connect(path)).await?),
            ClamdAddress::Tcp(address) => Box::new(self.within(TcpStream::connect(address)).await?),
        })
    }

    async fn answer(&self, wire: &mut dyn Wire) -> Result<String, Silent> {
        let mut answer = Vec::new();
        // The daemon ends its answer with NUL, and then the conversation.
        self.within(wire.take(ANSWER).read_to_end(&mut answer)).await?;
        let text = answer.split(|b| *b == 0).next().unwrap_or_default();
        match String::from_utf8_lossy(text).trim() {
            "" => Err(Silent("it closed the connection".to_owned())),
            text => Ok(text.to_owned()),
        }
    }

    async fn within<T>(&self, work: impl Future<Output = std::io::Result<T>>) -> Result<T, Silent> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(done) => done.map_err(|e| Silent(e.to_string())),
            Err(_) => Err(Silent(format!("nothing for {} s", self.timeout.as_secs()))),
        }
    }
}

impl fmt::Display for Clamd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// Reads `stream: OK`, `stream: NAME FOUND` or `… ERROR`.
pub(super) fn judged(answer: &str) -> Result<Finding, Silent> {
    if answer == "stream: OK" {
        return Ok(Finding::Clean);
    }
    if let Some(name) = answer.strip_prefix("stream: ").and_then(|rest| rest.strip_suffix(" FOUND")) {
        let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
        // With AlertEncrypted and AlertExceedsMax the daemon says so as if it were a signature.
        return Ok(match name.as_str() {
            n if n.starts_with("Heuristics.Encrypted") => Finding::Encrypted(name),
            n if n.starts_with("Heuristics.Limits.Exceeded") => Finding::Unscannable(name),
            _ => Finding::Infected(name),
        });
    }
    if answer.contains("size limit exceeded") {
        return Ok(Finding::Unscannable(TOO_LARGE.to_owned()));
    }
    // "Can't allocate memory ERROR" and the like say nothing about the file.
    Err(Silent(answer.chars().filter(|c| !c.is_control()).take(200).collect()))
}
