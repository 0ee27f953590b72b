//! Sockets for the three SMTP listeners: moves bytes between clients, the session and the pipeline.
//!
//! **Job.** Accepts, performs TLS, keeps the time limits, and answers the session's questions by asking a
//! [`Reception`]. What a command means is decided in the `smtp` crate, what to do with mail in `pipeline`.
//!
//! **Exposure.** Strangers' bytes pass through; memory per connection is one read buffer.
//!
//! **Failure.** A client that is silent too long, or sends data too slowly, gets `421`; a connection that
//! breaks leaves nothing behind.

use super::limits::Connections;
use super::proxy::Balancers;
use super::tls::{Identity, bindings};
use bytes::BytesMut;
use sealpost_envelope::{Envelope, EnvelopeRecipient};
use sealpost_smtp::server::{
    Action, AuthResult, Credentials, EndResult, MailFrom, ScramResult, ServerConfig, Session, TlsState,
};
use sealpost_smtp::{Reply, server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Size of one read: large enough that bulk data passes in few system calls.
const READ: usize = 256 * 1024;

/// Time to take the last answer when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Time limits of a session (RFC 5321 §4.5.3.2.7 asks for five minutes per command).
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// For the next command.
    pub command: Duration,
    /// For the next bytes of a message.
    pub data: Duration,
    /// Octets of data that must come in every minute.
    pub per_minute: u64,
}

/// One listener's configuration.
pub struct SmtpListener<R> {
    /// What sessions are told.
    pub session: ServerConfig,
    /// TLS from the first byte.
    pub implicit_tls: bool,
    /// TLS.
    pub tls: TlsAcceptor,
    /// Its certificate.
    pub identity: Arc<Identity>,
    /// Balancers that tell whom they speak for.
    pub balancers: Balancers,
    /// Time limits.
    pub times: Times,
    /// Connection limits.
    pub connections: Arc<Connections>,
    /// Makes the receiving end of one conversation.
    pub desk: R,
}

/// Makes conversations.
pub trait Receptionist: Send + Sync + 'static {
    /// What answers one client.
    type Reception: Reception;
    /// Whether nobody can be welcomed at the moment.
    fn is_full(&self) -> bool;
    /// What the session with `peer` is told, of what all are.
    fn session(&self, _peer: SocketAddr, usual: ServerConfig) -> ServerConfig {
        usual
    }
    /// A client has connected from `peer`.
    fn welcome(&self, peer: SocketAddr) -> Self::Reception;
}

/// Answers the questions of one client's session.
#[allow(async_fn_in_trait)] // used in this binary only, always with Send futures
pub trait Reception: Send + 'static {
    /// What does SCRAM need for this login?
    fn scram(&mut self, login: &str) -> impl Future<Output = ScramResult> + Send;
    /// Are these credentials good?
    fn authenticate(&mut self, credentials: Credentials) -> impl Future<Output = AuthResult> + Send;
    /// May this sender send?
    fn mail(&mut self, from: MailFrom) -> impl Future<Output = Result<(), Reply>> + Send;
    /// May this recipient be written to?
    fn rcpt(&mut self, to: EnvelopeRecipient) -> impl Future<Output = Result<(), Reply>> + Send;
    /// A message begins. `protocol` and `helo` are for its Received field.
    fn begin(
        &mut self,
        envelope: Envelope,
        protocol: &'static str,
        helo: &str,
    ) -> impl Future<Output = Result<(), Reply>> + Send;
    /// Its next bytes.
    fn data(&mut self, bytes: bytes::Bytes) -> impl Future<Output = Result<(), Reply>> + Send;
    /// It is whole.
    fn end(&mut self) -> impl Future<Output = EndResult> + Send;
    /// It will never be whole.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

/// Accepts until `shutdown`, then lets running sessions finish their message.
pub async fn serve<R: Receptionist>(
    listener: TcpListener,
    config: SmtpListener<R>,
    shutdown: CancellationToken,
) {
    let config = Arc::new(config);
    let sessions = tokio_util::task::TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(pair) => pair,
            Err(error) => {
                // Out of file descriptors, usually: waiting lets sessions end.
                tracing::warn!(%error, "accepting an SMTP connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (config, shutdown) = (config.clone(), shutdown.clone());
        sessions.spawn(async move {
            if let Err(error) = connection(&config, socket, peer, shutdown).await {
                tracing::debug!(%peer, %error, "SMTP connection ended");
            }
        });
    }
    drop(listener);
    sessions.close();
    sessions.wait().await;
}

async fn connection<R: Receptionist>(
    config: &SmtpListener<R>,
    mut socket: TcpStream,
    peer: SocketAddr,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let Some(peer) = config.balancers.client(&mut socket, peer).await? else { return Ok(()) };
    let Some(_place) = config.connections.enter(peer.ip()) else {
        if !config.implicit_tls {
            socket.write_all(b"421 4.7.0 Too many connections, try again later\r\n").await?;
        }
        return Ok(());
    };
    if config.desk.is_full() {
        if !config.implicit_tls {
            socket.write_all(b"421 4.3.2 Memory is short at the moment, try again later\r\n").await?;
        }
        return Ok(());
    }
    let mut conversation = Conversation {
        session: Session::new(ServerConfig {
            tls: if config.implicit_tls { TlsState::Active } else { TlsState::Offered },
            ..config.desk.session(peer, config.session.clone())
        }),
        reception: config.desk.welcome(peer),
        times: config.times,
        shutdown,
        input: BytesMut::new(),
        in_data: false,
        cut: false,
        receiving: false,
        command_until: None,
        pace: (Instant::now(), 0),
    };
    let served = talk(config, &mut conversation, socket).await;
    let session = &conversation.session;
    if !session.remarks().is_empty() {
        // Once for a session, however much it did wrong.
        let said = session.remarks().join("; ");
        tracing::warn!(%peer, errors = session.errors(), "SMTP client was told: {said}");
    }
    if conversation.cut {
        tracing::warn!(%peer, "SMTP client left within a message, which was not accepted");
    }
    served
}

/// One connection, in the clear where it begins so, then under TLS.
async fn talk<R: Receptionist>(
    config: &SmtpListener<R>,
    conversation: &mut Conversation<R::Reception>,
    mut socket: TcpStream,
) -> std::io::Result<()> {
    if !config.implicit_tls {
        match conversation.run(&mut socket).await? {
            Next::Closed => return Ok(()),
            Next::StartTls => {}
        }
    }
    let deadline = Instant::now() + config.times.command.min(super::HANDSHAKE);
    let mut secured = tokio::select! {
        () = conversation.shutdown.cancelled() => return Ok(()),
        accepted = timeout_at(deadline, config.tls.accept(socket)) => accepted??,
    };
    if !config.implicit_tls && conversation.session.tls_started().is_err() {
        return Ok(());
    }
    conversation.session.bind(bindings(secured.get_ref().1, &config.identity));
    conversation.run(&mut secured).await?;
    secured.shutdown().await
}

/// Writes and flushes. A client that sends commands and never reads the answers is given up, and soon when
/// the server ends.
async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
    patience: Duration,
    shutdown: &CancellationToken,
) -> std::io::Result<()> {
    let all = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    let ending = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        biased;
        written = timeout_at(Instant::now() + patience, all) => written?,
        () = ending => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

enum Next {
    Closed,
    StartTls,
}

struct Conversation<R> {
    session: server::Session,
    reception: R,
    times: Times,
    shutdown: CancellationToken,
    input: BytesMut,
    in_data: bool,
    /// The client left within a message.
    cut: bool,
    /// Bytes of a message, or of a refused one, were awaited at the last read.
    receiving: bool,
    /// Until when the command that is awaited must be whole.
    command_until: Option<Instant>,
    /// Data since when, and how much.
    pace: (Instant, u64),
}

impl<R: Reception> Conversation<R> {
    /// Serves until the session closes or asks for TLS.
    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &mut self,
        stream: &mut S,
    ) -> std::io::Result<Next> {
        let patience = self.times.command.min(super::STALL);
        loop {
            let action = self.session.next(&mut self.input);
            if !matches!(action, Action::NeedInput) {
                self.command_until = None;
            }
            match action {
                Action::NeedInput => {
                    write(stream, &[], patience, &self.shutdown).await?;
                    if !self.read(stream).await? {
                        self.cut = self.in_data || self.session.is_receiving();
                        self.reception.abort().await;
                        return Ok(Next::Closed);
                    }
                }
                Action::Reply(bytes) => write(stream, &bytes, patience, &self.shutdown).await?,
                Action::StartTls => {
                    write(stream, &[], patience, &self.shutdown).await?;
                    return Ok(Next::StartTls);
                }
                Action::Close => {
                    write(stream, &[], patience, &self.shutdown).await?;
                    return Ok(Next::Closed);
                }
                question => self.answer(question).await?,
            }
        }
    }

    /// Reads once; `false` at the end of the stream. Time-outs and shutdown become a polite end.
    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> std::io::Result<bool> {
        // While a message comes (or the rest of a refused one) each piece has its time; a command has one
        // time as a whole, so that letters sent now and then hold no place.
        let receiving = self.session.is_receiving();
        // A message has one pace, however many chunks it comes in.
        if receiving && !self.receiving && !self.in_data {
            self.pace = (Instant::now(), 0);
        }
        self.receiving = receiving;
        let until = match receiving {
            true => Instant::now() + self.times.data,
            false => *self.command_until.get_or_insert_with(|| Instant::now() + self.times.command),
        };
        self.input.reserve(if self.in_data { READ } else { 4096 });
        let shutdown = self.shutdown.clone();
        tokio::select! {
            biased;
            // A message under way is finished; between messages the session ends (RFC 5321 §3.8).
            () = shutdown.cancelled(), if !self.in_data => {
                self.session.end(Reply::new(421, 3, 2, "Server is shutting down, try again in a moment"));
                Ok(true)
            }
            read = timeout_at(until, stream.read_buf(&mut self.input)) => match read {
                Ok(read) => {
                    let read = read?;
                    if receiving && self.is_too_slow(read as u64) {
                        self.session.end(Reply::new(421, 4, 2, "The message comes too slowly, closing"));
                        return Ok(true);
                    }
                    Ok(read > 0)
                }
                Err(_) => {
                    self.session.end(Reply::new(421, 4, 2, "Nothing heard for too long, closing"));
                    Ok(true)
                }
            }
        }
    }

    /// Counts bytes of data; a client that sends some now and then only holds a place for others.
    fn is_too_slow(&mut self, read: u64) -> bool {
        let (since, bytes) = &mut self.pace;
        *bytes += read;
        if since.elapsed() < Duration::from_secs(60) {
            return false;
        }
        let slow = *bytes < self.times.per_minute;
        self.pace = (Instant::now(), 0);
        slow
    }

    async fn answer(&mut self, question: Action) -> std::io::Result<()> {
        let session = &mut self.session;
        let answered = match question {
            Action::Scram(login) => {
                let result = self.reception.scram(&login).await;
                session.scram_result(result)
            }
            Action::Authenticate(credentials) => {
                let result = self.reception.authenticate(credentials).await;
                session.auth_result(result)
            }
            Action::Mail(from) => session.mail_result(self.reception.mail(from).await),
            Action::Rcpt(to) => session.rcpt_result(self.reception.rcpt(to).await),
            Action::BeginData(envelope) => {
                let (protocol, helo) = (session.protocol(), session.client_name().to_owned());
                let result = self.reception.begin(*envelope, protocol, &helo).await;
                self.in_data = result.is_ok();
                self.pace = (Instant::now(), 0);
                session.begin_result(result)
            }
            Action::Data(bytes) => match self.reception.data(bytes).await {
                Ok(()) => Ok(()),
                Err(reply) => {
                    self.reception.abort().await;
                    session.refuse_data(reply)
                }
            },
            Action::EndData => {
                self.in_data = false;
                session.end_result(self.reception.end().await)
            }
            Action::Abort(_) => {
                self.in_data = false;
                self.reception.abort().await;
                Ok(())
            }
            Action::Reply(_) | Action::NeedInput | Action::StartTls | Action::Close => Ok(()),
        };
        answered.map_err(std::io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealpost_smtp::server::Kind;

    /// Takes nothing.
    struct Nobody;

    impl Reception for Nobody {
        async fn scram(&mut self, _: &str) -> ScramResult {
            ScramResult::Unavailable
        }
        async fn authenticate(&mut self, _: Credentials) -> AuthResult {
            AuthResult::Denied
        }
        async fn mail(&mut self, _: MailFrom) -> Result<(), Reply> {
            Err(Reply::new(550, 7, 1, "no"))
        }
        async fn rcpt(&mut self, _: EnvelopeRecipient) -> Result<(), Reply> {
            Err(Reply::new(550, 7, 1, "no"))
        }
        async fn begin(&mut self, _: Envelope, _: &'static str, _: &str) -> Result<(), Reply> {
            Err(Reply::new(550, 7, 1, "no"))
        }
        async fn data(&mut self, _: bytes::Bytes) -> Result<(), Reply> {
            Ok(())
        }
        async fn end(&mut self) -> EndResult {
            EndResult::Refused(Reply::new(550, 7, 1, "no"))
        }
        async fn abort(&mut self) {}
    }

    fn conversation(command: Duration) -> Conversation<Nobody> {
        let config = ServerConfig::new(Kind::Inbound, "mail.example", TlsState::Unavailable);
        Conversation {
            session: Session::new(config),
            reception: Nobody,
            times: Times { command, data: command, per_minute: 0 },
            shutdown: CancellationToken::new(),
            input: BytesMut::new(),
            in_data: false,
            cut: false,
            receiving: false,
            command_until: None,
            pace: (Instant::now(), 0),
        }
    }

    /// What the client reads until the end, while it sends a letter now and then.
    async fn trickle(letters: &'static str, command: Duration) -> String {
        let (near, mut far) = tokio::io::duplex(4096);
        let served = tokio::spawn(async move {
            let mut near = near;
            conversation(command).run(&mut near).await.map(drop)
        });
        for letter in letters.bytes() {
            tokio::time::sleep(Duration::from_millis(30)).await;
            if far.write_all(&[letter]).await.is_err() {
                break;
            }
        }
        let mut said = String::new();
        far.read_to_string(&mut said).await.unwrap();
        served.await.unwrap().unwrap();
        said
    }

    #[tokio::test]
    async fn a_command_has_one_time_as_a_whole() {
        let limit = Duration::from_millis(600);
        let said =
            trickle("NOOP 12345678901234567890123456789012345678901234567890\r\nQUIT\r\n", limit).await;
        assert!(said.ends_with("421 4.4.2 Nothing heard for too long, closing\r\n"), "{said}");
        let said = trickle("NOOP\r\nNOOP\r\nQUIT\r\n", limit).await;
        assert!(said.ends_with("221 2.0.0 Bye\r\n"), "{said}");
    }
}
