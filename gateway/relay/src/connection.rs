//! One connection to a server: the SMTP client session over TCP and TLS.
//!
//! **Exposure.** The remote server. Every wait has an end: RFC 5321 §4.5.3.2's, or the configured one if
//! that is shorter.
//!
//! **Failure modes.** [`Broken`] names what happened and whether content was already on its way, for only
//! before that may a stale connection be replaced without a trace.

use crate::config::{Smarthost, TlsMode};
use crate::delivery::{Content, DeliveryError, Remote};
use crate::tls::Tls;
use crate::tlsrpt::{TlsFault, TlsResults, fault_of};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use rustls::pki_types::ServerName;
use sealpost_smtp::Reply;
use sealpost_smtp::client::{Action, ClientConfig, Failure, Outcome, Phase, Session, StartTls, Transaction};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

/// Content is written in pieces of about this size.
const WRITE: usize = 128 << 10;
/// Room for replies.
const READ: usize = 4 << 10;
/// RFC 5321 sets no time for the TCP connection; longer is not worth waiting for one address.
const CONNECT: Duration = Duration::from_secs(30);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why a connection is of no more use.
#[derive(Debug)]
pub(crate) struct Broken {
    /// For people.
    pub text: String,
    /// The server's words, where it had any.
    pub reply: Option<Reply>,
    /// Where it got to.
    pub remote: Remote,
    /// Content had begun to flow: the server may have the message.
    pub content_begun: bool,
    /// It failed for its TLS.
    pub tls_fault: Option<TlsFault>,
}

/// How one message ended.
pub(crate) enum Ended {
    /// The server decided.
    Outcome(Outcome),
    /// The content could not be produced; the connection is gone with it.
    Content(DeliveryError),
}

/// What a session settles into.
enum Stop {
    Ready,
    Content,
    Done(Vec<Outcome>),
    Closed,
}

/// An open connection.
pub(crate) struct Connection {
    session: Session,
    stream: Box<dyn Stream>,
    input: BytesMut,
    pub remote: Remote,
    longest_wait: Duration,
    content_begun: bool,
    /// Messages sent on it.
    pub messages: u32,
    /// When it was last used.
    pub used: Instant,
}

/// What connecting needs besides the server.
pub(crate) struct Dialer<'a> {
    pub tls: &'a Tls,
    pub hostname: &'a str,
    pub longest_wait: Duration,
    pub results: Option<&'a TlsResults>,
}

impl Dialer<'_> {
    /// Connects and greets. Opportunistic TLS that fails is given up in favour of a second connection in
    /// the clear (RFC 7435 §3).
    pub(crate) async fn open(&self, host: &Smarthost) -> Result<Connection, Box<Broken>> {
        let opened = self.open_with(host, host.tls).await;
        self.count(host, &opened);
        match opened {
            Err(broken) if broken.tls_fault.is_some() && host.tls == TlsMode::Opportunistic => {
                tracing::warn!(host = host.host, error = broken.text, "TLS failed; continuing in the clear");
                self.open_with(host, TlsMode::None).await
            }
            other => other,
        }
    }

    /// For the domain's report: sessions that came about, and those that failed for their TLS.
    fn count(&self, host: &Smarthost, opened: &Result<Connection, Box<Broken>>) {
        let (Some(results), Some(audience)) = (self.results, &host.audience) else { return };
        let (fault, remote) = match opened {
            Ok(connection) => {
                (fault_of(&audience.policy, connection.remote.tls.as_ref()), &connection.remote)
            }
            Err(broken) if broken.tls_fault.is_some() => (broken.tls_fault, &broken.remote),
            Err(_) => return,
        };
        results.count(audience, fault, Some(&remote.host), remote.ip);
    }

    async fn open_with(&self, host: &Smarthost, mode: TlsMode) -> Result<Connection, Box<Broken>> {
        let mut remote = Remote { host: host.host.clone(), ip: None, port: host.port, tls: None, dsn: false };
        let broken = |text: String, remote: &Remote| {
            Box::new(Broken {
                text,
                reply: None,
                remote: remote.clone(),
                content_begun: false,
                tls_fault: None,
            })
        };
        let stream = match self.connect(host).await {
            Ok(stream) => stream,
            Err(e) => {
                return Err(broken(format!("no connection to {}:{}: {e}", host.host, host.port), &remote));
            }
        };
        remote.ip = stream.peer_addr().ok().map(|a| a.ip().to_canonical());
        let starttls = match mode {
            TlsMode::None | TlsMode::Implicit => StartTls::Never,
            TlsMode::Opportunistic => StartTls::WhenOffered,
            TlsMode::Encrypted | TlsMode::Required | TlsMode::Dane => StartTls::Required,
        };
        let session = Session::new(ClientConfig {
            hostname: self.hostname.to_owned(),
            starttls,
            tls_active: mode == TlsMode::Implicit,
            credentials: host.credentials.clone(),
        });
        let mut connection = Connection {
            session,
            // Replaced by the socket when the greeting is over: the handshake needs the bare one.
            stream: Box::new(tokio::io::empty()),
            input: BytesMut::with_capacity(READ),
            remote,
            longest_wait: self.longest_wait,
            content_begun: false,
            messages: 0,
            used: Instant::now(),
        };
        connection.greet(stream, host, mode, host.own_tls.as_deref().unwrap_or(self.tls)).await?;
        connection.remote.dsn = connection.session.capabilities().dsn;
        Ok(connection)
    }

    async fn connect(&self, host: &Smarthost) -> io::Result<TcpStream> {
        let wait = CONNECT.min(self.longest_wait);
        let slow = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
        let addresses: Vec<SocketAddr> = if host.addresses.is_empty() {
            let found = timeout(wait, lookup_host((host.host.as_str(), host.port))).await;
            found.map_err(|_| slow())??.collect()
        } else {
            host.addresses.iter().map(|ip| SocketAddr::new(*ip, host.port)).collect()
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(wait, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(e)) => last = e,
                Err(_) => last = slow(),
            }
        }
        Err(last)
    }
}

impl Connection {
    /// From the greeting to `Ready`.
    async fn greet(
        &mut self,
        mut tcp: TcpStream,
        host: &Smarthost,
        mode: TlsMode,
        tls: &Tls,
    ) -> Result<(), Box<Broken>> {
        if mode == TlsMode::Implicit {
            self.handshake(tcp, host, mode, tls).await?;
            return self.until_ready().await;
        }
        loop {
            match self.session.next(&mut self.input) {
                Action::StartTls => break,
                Action::NeedInput(phase) => {
                    let wait = self.patience(phase);
                    let read = read(&mut tcp, &mut self.input, wait).await;
                    read.map_err(|e| self.broken_io(phase, &e))?;
                }
                Action::Send(bytes) => {
                    let sent = write(&mut tcp, &bytes, self.patience(Phase::Hello)).await;
                    sent.map_err(|e| self.broken_io(Phase::Hello, &e))?;
                }
                Action::Failed(failure) => return Err(self.failed(&failure)),
                Action::Ready => {
                    self.stream = Box::new(tcp);
                    return Ok(());
                }
                Action::Content | Action::Done(_) | Action::Closed => {
                    return Err(self.broken("the connection ended before it was of use".into()));
                }
            }
        }
        self.handshake(tcp, host, mode, tls).await?;
        self.session.tls_started().map_err(|e| self.broken(e.to_string()))?;
        self.until_ready().await
    }

    async fn until_ready(&mut self) -> Result<(), Box<Broken>> {
        match self.drive().await? {
            Stop::Ready => Ok(()),
            _ => Err(self.broken("the connection ended before it was of use".into())),
        }
    }

    async fn handshake(
        &mut self,
        tcp: TcpStream,
        host: &Smarthost,
        mode: TlsMode,
        tls: &Tls,
    ) -> Result<(), Box<Broken>> {
        let refuse = |this: &Self, fault: TlsFault, text: String| {
            let mut broken = this.broken(text);
            broken.tls_fault = Some(fault);
            broken
        };
        let config =
            tls.towards(host, mode).map_err(|e| refuse(self, TlsFault::Validation, e.to_string()))?;
        let name = ServerName::try_from(self.remote.host.clone()).map_err(|_| {
            let text = format!("{:?} is no host name", self.remote.host);
            refuse(self, TlsFault::Validation, text)
        })?;
        let connector = tokio_rustls::TlsConnector::from(config);
        let wait = self.patience(Phase::StartTls);
        let stream = match timeout(wait, connector.connect(name.clone(), tcp)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(e)) => {
                return Err(refuse(self, TlsFault::of_handshake(&e), format!("TLS handshake: {e}")));
            }
            Err(_) => return Err(refuse(self, TlsFault::Validation, "TLS handshake: no answer".into())),
        };
        self.remote.tls = Some(tls.facts(stream.get_ref().1, &name, mode));
        self.stream = Box::new(stream);
        Ok(())
    }

    /// Sends one message to its one recipient.
    pub(crate) async fn send(
        &mut self,
        transaction: Transaction,
        content: Content,
    ) -> Result<Ended, Box<Broken>> {
        self.content_begun = false;
        self.used = Instant::now();
        match self.drive().await? {
            Stop::Ready => {}
            _ => return Err(self.broken("the server closed the connection".into())),
        }
        self.session.send(transaction).map_err(|e| self.broken(e.to_string()))?;
        match self.drive().await? {
            Stop::Content => {}
            decided => return self.ended(decided),
        }
        self.content_begun = true;
        if let Some(ended) = self.write_content(content).await? {
            return Ok(ended);
        }
        let decided = self.drive().await?;
        self.ended(decided)
    }

    /// The outcome of the one recipient.
    fn ended(&mut self, stop: Stop) -> Result<Ended, Box<Broken>> {
        let Stop::Done(mut outcomes) = stop else {
            return Err(self.broken("the server closed the connection".into()));
        };
        self.messages += 1;
        self.used = Instant::now();
        outcomes.pop().map(Ended::Outcome).ok_or_else(|| self.broken("the message had no recipient".into()))
    }

    async fn write_content(&mut self, mut content: Content) -> Result<Option<Ended>, Box<Broken>> {
        let mut out = BytesMut::with_capacity(WRITE + WRITE / 4);
        let mut left = content.size;
        let wrong_size =
            || Ended::Content(DeliveryError::Temporary("the content does not have its recorded size".into()));
        while let Some(chunk) = content.stream.next().await {
            let chunk: Bytes = match chunk {
                Ok(chunk) => chunk,
                Err(e) => return Ok(Some(Ended::Content(e))),
            };
            let Some(rest) = left.checked_sub(chunk.len() as u64) else { return Ok(Some(wrong_size())) };
            left = rest;
            for piece in chunk.chunks(WRITE) {
                if let Err(e) = self.session.content(piece, &mut out) {
                    return Ok(Some(Ended::Content(DeliveryError::Gone(e.to_string()))));
                }
                if out.len() >= WRITE
                    && let Some(ended) = self.write_piece(&mut out).await?
                {
                    return Ok(Some(ended));
                }
            }
        }
        if left > 0 {
            return Ok(Some(wrong_size()));
        }
        if let Err(e) = self.session.content_end(&mut out) {
            return Ok(Some(Ended::Content(DeliveryError::Gone(e.to_string()))));
        }
        self.write_piece(&mut out).await
    }

    /// Writes; when the server has hung up, looks for the reason it gave (RFC 5321 §4.2.4.2).
    async fn write_piece(&mut self, out: &mut BytesMut) -> Result<Option<Ended>, Box<Broken>> {
        let wait = self.patience(Phase::Content);
        let written = write(&mut self.stream, out, wait).await;
        out.clear();
        let Err(e) = written else { return Ok(None) };
        let glance = Duration::from_secs(1);
        while read(&mut self.stream, &mut self.input, glance).await.is_ok() {}
        match self.session.content_broken(&mut self.input).and_then(|mut o| o.pop()) {
            Some(outcome) => Ok(Some(Ended::Outcome(outcome))),
            None => Err(self.broken_io(Phase::Content, &e)),
        }
    }

    /// Moves bytes until the session settles.
    async fn drive(&mut self) -> Result<Stop, Box<Broken>> {
        let mut phase = Phase::Mail;
        loop {
            match self.session.next(&mut self.input) {
                Action::NeedInput(next) => {
                    phase = next;
                    let wait = self.patience(phase);
                    let got = read(&mut self.stream, &mut self.input, wait).await;
                    got.map_err(|e| self.broken_io(phase, &e))?;
                }
                Action::Send(bytes) => {
                    let wait = self.patience(Phase::Mail);
                    let sent = write(&mut self.stream, &bytes, wait).await;
                    sent.map_err(|e| self.broken_io(phase, &e))?;
                }
                Action::Ready => return Ok(Stop::Ready),
                Action::Content => return Ok(Stop::Content),
                Action::Done(outcomes) => return Ok(Stop::Done(outcomes)),
                Action::Closed => return Ok(Stop::Closed),
                Action::Failed(failure) => return Err(self.failed(&failure)),
                Action::StartTls => return Err(self.broken("TLS was asked for twice".into())),
            }
        }
    }

    /// Says QUIT and closes; nothing depends on it.
    pub(crate) async fn quit(mut self) {
        self.longest_wait = self.longest_wait.min(Duration::from_secs(2));
        if matches!(self.drive().await, Ok(Stop::Ready)) && self.session.quit().is_ok() {
            let _ = self.drive().await;
        }
        let _ = timeout(self.longest_wait, self.stream.shutdown()).await;
    }

    fn patience(&self, phase: Phase) -> Duration {
        phase.timeout().min(self.longest_wait)
    }

    fn broken(&self, text: String) -> Box<Broken> {
        let remote = self.remote.clone();
        Box::new(Broken { text, reply: None, remote, content_begun: self.content_begun, tls_fault: None })
    }
    fn broken_io(&self, phase: Phase, error: &io::Error) -> Box<Broken> {
        self.broken(format!("{}:{} at {phase:?}: {error}", self.remote.host, self.remote.port))
    }
    fn failed(&self, failure: &Failure) -> Box<Broken> {
        let mut broken = self.broken(failure.to_string());
        match failure {
            Failure::Refused { reply, .. } => broken.reply = Some(reply.clone()),
            Failure::NoTls => broken.tls_fault = Some(TlsFault::NotOffered),
            _ => {}
        }
        broken
    }
}

/// Reads something, or fails: at the end of the stream, or when nothing comes in time.
async fn read(stream: &mut (impl AsyncRead + Unpin), input: &mut BytesMut, wait: Duration) -> io::Result<()> {
    input.reserve(READ);
    match timeout(wait, stream.read_buf(input)).await {
        Ok(Ok(0)) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
        Ok(result) => result.map(drop),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the server did not answer in time")),
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], wait: Duration) -> io::Result<()> {
    let all = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match timeout(wait, all).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the server did not take data in time")),
    }
}
