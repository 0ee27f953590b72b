//! Submission: one client's conversation, from login to `250 2.0.0 Deposited <id>`.
//!
//! **Job.** Answers the SMTP session's questions for people's mail programs and for trusted servers, and
//! strings intake, verdict and deposit together at the end of the data.
//!
//! **Exposure.** Every answer here is read by a stranger: texts say what to do and reveal nothing else.
//!
//! **Standards.** RFC 6409 §6 (what a submission server may demand), RFC 4954.
//!
//! **Failure.** The author's mistakes are 5yz with what to change; ours are 4yz and logged with their cause.

use super::deposit::{DepositFailure, Submission, deposit};
use super::intake::{Intake, IntakeError, Received};
use super::rejection;
use super::standing::Standing;
use super::submitter::Client;
use super::tolerance::{self, Overlooked};
use super::verdict::{self, Verdicts};
use crate::config::Tolerance;
use crate::gateway::{Gateway, Organisation};
use crate::listeners::smtp::{Reception, Receptionist};
use bytes::Bytes;
use sealpost_envelope::{DepositId, EmailAddress, Envelope, EnvelopeRecipient, Sha256Digest, Timestamp};
use sealpost_message::Mailbox;
use sealpost_smtp::Reply;
use sealpost_smtp::server::{AuthResult, Credentials, EndResult, MailFrom, ScramResult, ServerConfig};
use sealpost_store::account::Role;
use std::net::SocketAddr;
use std::sync::Arc;

/// Welcomes mail programs, or servers of the configuration.
#[derive(Debug, Clone)]
pub struct SubmissionDesk {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// The listener for `[[trusted]]` servers.
    pub servers: bool,
}

impl Receptionist for SubmissionDesk {
    type Reception = Conversation;
    fn is_full(&self) -> bool {
        super::space::memory_is_short(&self.gateway.config)
    }
    fn session(&self, peer: SocketAddr, usual: ServerConfig) -> ServerConfig {
        match self.gateway.trusted_from(peer.ip()).filter(|_| self.servers) {
            Some(server) => ServerConfig {
                require_tls: !server.tolerates(Tolerance::NoTls),
                bare_lf: server.tolerates(Tolerance::BareLf),
                ..usual
            },
            None => usual,
        }
    }
    fn welcome(&self, peer: SocketAddr) -> Conversation {
        let server = self.gateway.trusted_from(peer.ip()).filter(|_| self.servers);
        Conversation {
            gateway: self.gateway.clone(),
            peer,
            client: server.map(|s| Client::Server(Arc::new(s))),
            servers: self.servers,
            standing: None,
            message: None,
        }
    }
}

/// One client.
#[derive(Debug)]
pub struct Conversation {
    gateway: Arc<Gateway>,
    peer: SocketAddr,
    client: Option<Client>,
    servers: bool,
    /// What let the client in, when it has logged in.
    standing: Option<Standing>,
    message: Option<Message>,
}

/// A message under way.
#[derive(Debug)]
struct Message {
    envelope: Envelope,
    intake: Intake,
    helo: String,
    protocol: &'static str,
}

impl Reception for Conversation {
    async fn scram(&mut self, login: &str) -> ScramResult {
        match super::login::scram(&self.gateway, login, self.peer.ip()).await {
            Ok(Some(secrets)) => ScramResult::Secrets(secrets),
            Ok(None) => ScramResult::Throttled,
            Err(error) => {
                tracing::error!(%error, "accounts cannot be asked");
                ScramResult::Unavailable
            }
        }
    }

    async fn authenticate(&mut self, credentials: Credentials) -> AuthResult {
        let mechanism = credentials.mechanism.name();
        match super::login::check(&self.gateway, &credentials, self.peer.ip(), "smtp").await {
            Ok(super::login::Outcome::Accepted(entry)) if entry.account.role != Role::Demo => {
                let account = entry.account;
                let Some(organisation) = self.gateway.organisation(account.entity) else {
                    tracing::error!(login = %account.login, "the account's entity is not configured");
                    return AuthResult::Unavailable;
                };
                let at = self.gateway.clock.now();
                let organisation = organisation.clone();
                self.client = Some(Client::Account { account, mechanism, at, organisation });
                self.standing = Some(entry.standing);
                AuthResult::Accepted
            }
            // Mailboxes of outside recipients never send.
            Ok(super::login::Outcome::Accepted(_) | super::login::Outcome::Denied) => AuthResult::Denied,
            Ok(super::login::Outcome::Throttled) => AuthResult::Throttled,
            Err(error) => {
                tracing::error!(%error, "accounts cannot be asked");
                AuthResult::Unavailable
            }
        }
    }

    async fn mail(&mut self, from: MailFrom) -> Result<(), Reply> {
        if !self.stands().await {
            return Err(Reply::new(535, 7, 8, "This login was revoked: log in again"));
        }
        let who = self.client()?;
        if let Client::Account { organisation, .. } = who {
            signing(&self.gateway, organisation)?;
        }
        if let Some(address) = &from.reverse_path {
            allowed(&self.gateway, who, address).await?;
        }
        super::space::enough_for(&self.gateway.config, from.declared_size.unwrap_or(0))
    }

    async fn rcpt(&mut self, to: EnvelopeRecipient) -> Result<(), Reply> {
        recipient(&self.gateway, &to.address).await
    }

    async fn begin(&mut self, envelope: Envelope, protocol: &'static str, helo: &str) -> Result<(), Reply> {
        let client = self.client()?;
        let mend = matches!(client, Client::Server(server) if server.tolerates(Tolerance::BareLf));
        let mut intake = Intake::begin(&self.gateway, likely_end(&self.gateway)).map_err(intake_reply)?;
        if mend {
            intake.mend_line_ends();
        }
        self.message = Some(Message { envelope, intake, helo: helo.to_owned(), protocol });
        Ok(())
    }

    async fn data(&mut self, bytes: Bytes) -> Result<(), Reply> {
        match &mut self.message {
            Some(message) => message.intake.push(&bytes).await.map_err(intake_reply),
            None => Err(ours("data", &"no message has begun")),
        }
    }

    async fn end(&mut self) -> EndResult {
        let Some(message) = self.message.take() else {
            return EndResult::Refused(ours("end of data", &"no message has begun"));
        };
        match self.complete(message).await {
            Ok(id) => EndResult::Deposited(id),
            Err(reply) => EndResult::Refused(reply),
        }
    }

    async fn abort(&mut self) {
        self.message = None;
    }
}

impl Conversation {
    fn client(&self) -> Result<&Client, Reply> {
        self.client.as_ref().ok_or_else(|| match self.servers {
            true => Reply::new(550, 7, 1, "This server is not among those that may relay here"),
            false => Reply::new(530, 7, 0, "Log in first"),
        })
    }

    /// What let the client in may have been revoked since, even while a message was on its way.
    async fn stands(&mut self) -> bool {
        match &mut self.standing {
            Some(standing) => standing.stands().await,
            None => true,
        }
    }

    /// Intake is over: sender, verdict, deposit.
    async fn complete(&mut self, message: Message) -> Result<DepositId, Reply> {
        if !self.stands().await {
            let text = "This login was revoked while the message arrived: nothing was accepted";
            return Err(Reply::new(550, 7, 1, text));
        }
        let client = self.client()?.clone();
        let Message { envelope, intake, helo, protocol } = message;
        let received = intake.finish().await.map_err(intake_reply)?;
        accept(&self.gateway, &client, received, Arrival { envelope: &envelope, helo, protocol, once: None })
            .await
    }
}

/// How a message came.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// What the client called itself.
    pub helo: String,
    /// How it spoke (RFC 3848).
    pub protocol: &'static str,
    /// What makes it the same submission, where that is not its content.
    pub once: Option<Sha256Digest>,
}

/// Sender, verdict, deposit of a message that is in, whichever way it came.
pub async fn accept(
    gateway: &Gateway,
    client: &Client,
    received: Received,
    arrival: Arrival<'_>,
) -> Result<DepositId, Reply> {
    let sender = author(gateway, &received, client).await?;
    let organisation = client.organisation(gateway, &sender).ok_or_else(|| not_yours(&sender))?;
    signing(gateway, &organisation)?;
    tolerance::in_circles(&received.meta.structure.top, &organisation.settings.hostname)?;
    let overlooked = match client {
        Client::Server(server) => tolerance::overlook(server, &received, arrival.protocol)?,
        _ => Overlooked::default(),
    };
    let (mechanism, authenticated) = client.authentication();
    let submission = Submission {
        organisation: &organisation,
        sender,
        submitter: client.submitter(),
        mechanism,
        authenticated,
        envelope: arrival.envelope,
        helo: arrival.helo,
        protocol: arrival.protocol,
        once: arrival.once,
        overlooked,
        now: gateway.clock.now(),
    };
    let verdicts = verdicts(gateway, &submission, &received).await?;
    deposit(gateway, &submission, received, &verdicts).await.map_err(|e| deposit_reply(&e))
}

async fn verdicts(
    gateway: &Gateway,
    submission: &Submission<'_>,
    received: &Received,
) -> Result<Verdicts, Reply> {
    let verdicts =
        verdict::decide(gateway, submission, received).await.map_err(|e| ours("asking policy", &e))?;
    let refused = verdicts.refused(submission.envelope);
    if refused.is_empty() {
        return Ok(verdicts);
    }
    let reply = rejection::reply(&refused);
    rejection::record(gateway, submission, received, &refused)
        .await
        .map_err(|e| ours("recording a rejection", &e))?;
    Err(reply)
}

/// An address of our own that does not exist is better refused now than returned later.
pub async fn recipient(gateway: &Gateway, address: &EmailAddress) -> Result<(), Reply> {
    if gateway.organisation_of(address).is_none() {
        return Ok(());
    }
    match gateway.accounts.owner_of(address).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) if super::inbound::verification::asked(gateway, address).is_some() => Ok(()),
        Ok(None) if matches!(super::inbound::answers::asked(gateway, address), Ok(Some(_))) => Ok(()),
        Ok(None) if gateway.delivers_locally(address.domain()) => Err(Reply::new(
            550,
            1,
            1,
            format!("{address} is not an address of this organisation: check its spelling"),
        )),
        Ok(None) => Ok(()),
        Err(error) => Err(ours("looking up a recipient", &error)),
    }
}

/// When the content of a message accepted now is likely to end; the verdict has the last word.
pub fn likely_end(gateway: &Gateway) -> Timestamp {
    let now = gateway.clock.now();
    gateway.organisations.iter().map(|o| o.likely_retention(now)).max().unwrap_or(now)
}

/// The one address in From, which the account must be allowed to use.
async fn author(gateway: &Gateway, received: &Received, client: &Client) -> Result<EmailAddress, Reply> {
    let top = &received.meta.structure.top;
    // RFC 5322 §3.6: one From field. Two of them would be read differently by different programs.
    let twice = top.repeated.iter().any(|name| name == "from");
    let [mailbox] = top.from.as_slice() else {
        return Err(Reply::new(554, 6, 0, "The message needs exactly one address in its From field"));
    };
    if twice {
        return Err(Reply::new(554, 6, 0, "The message has more than one From field"));
    }
    let address = EmailAddress::parse(&mailbox.address)
        .map_err(|e| Reply::new(554, 6, 0, format!("The address in From cannot be used: {e}")))?;
    allowed(gateway, client, &address).await?;
    claimed_sender(gateway, top.sender.as_ref(), client).await?;
    Ok(address)
}

/// RFC 5322 §3.6.2: Sender says who sent it for the author. Mail programs show it ("on behalf of"), so an
/// account names nobody else there; a trusted server answers for its own.
async fn claimed_sender(gateway: &Gateway, sender: Option<&Mailbox>, client: &Client) -> Result<(), Reply> {
    let (Some(sender), Client::Account { .. }) = (sender, client) else { return Ok(()) };
    match EmailAddress::parse(&sender.address) {
        Ok(address) => allowed(gateway, client, &address).await,
        Err(e) => Err(Reply::new(554, 6, 0, format!("The address in Sender cannot be used: {e}"))),
    }
}

/// Without the keys that sign its mail an organisation promises nothing; others are not concerned.
pub fn signing(gateway: &Gateway, organisation: &Organisation) -> Result<(), Reply> {
    match organisation.signing(gateway.clock.now()) {
        Ok(_) => Ok(()),
        // RFC 3463 §3.4: X.3.5, the system is not configured so that it could. The log has the cause.
        Err(_) => Err(Reply::new(
            451,
            3,
            5,
            "A key that signs your organisation's mail is missing, nothing was accepted: \
             its administrator has to restore it; try again later",
        )),
    }
}

/// Whether the client may write as this address, as of now.
async fn allowed(gateway: &Gateway, client: &Client, address: &EmailAddress) -> Result<(), Reply> {
    match client.may_use(&gateway.accounts, address).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(not_yours(address)),
        Err(error) => Err(ours("looking up a sender's addresses", &error)),
    }
}

fn not_yours(address: &EmailAddress) -> Reply {
    let text = format!(
        "{address} is not one of your addresses: choose your own sender identity, or ask for delegation"
    );
    Reply::new(550, 7, 1, text)
}

/// What a client reads when its message cannot be taken in.
pub fn intake_reply(error: IntakeError) -> Reply {
    match &error {
        IntakeError::Message(fault) => {
            Reply::new(554, 6, 0, format!("This message cannot be accepted: {fault}"))
        }
        IntakeError::Full => super::space::full(),
        IntakeError::Blob(blob) if blob.is_full() => {
            tracing::error!(%error, "storage is full");
            super::space::full()
        }
        _ => ours("taking a message in", &error),
    }
}

fn deposit_reply(error: &DepositFailure) -> Reply {
    if matches!(error, DepositFailure::Store(store) if store.is_full()) {
        tracing::error!(%error, "storage is full");
        return super::space::full();
    }
    if let DepositFailure::Password(error) = error {
        return Reply::new(554, 6, 0, format!("X-Sealpost-Password: {error}"));
    }
    ours("making a deposit", error)
}

/// `451`: our fault, nothing was accepted; the cause goes to the log only.
pub fn ours(what: &str, cause: &dyn std::fmt::Display) -> Reply {
    tracing::error!(%cause, "{what}");
    Reply::new(451, 3, 0, "A temporary fault on our side, nothing was accepted: try again in a moment")
}
