//! Mailboxes elsewhere: where port 25 cannot be opened, what comes back is fetched from there by IMAP.
//!
//! **Job.** On the node that holds the job, each `[[returns_mailbox]]` is read from where it was left: the header tells
//! whether a message came to a return address, or to the address of a question, that we made; then its bytes go the way that
//! mail on port 25 goes ([`super::inbound`]), and the message there is marked, moved or deleted. Others are left alone.
//!
//! **Exposure.** Strangers' messages, by way of a server that may lie about them: sizes are bounded, nothing is held whole,
//! and an address counts for its MAC only. Which of its header's addresses a message really came to, its writer can
//! forge: no more than who knows a return address could do by writing to it.
//!
//! **Standards.** RFC 5321 §4.4 (Return-Path tells the reverse path of what was delivered).
//!
//! **Failure.** What is done is remembered by UIDVALIDITY and UID, after it is kept; the same bytes again count once. A
//! fault of ours, or of the server's, ends the connection; the pauses double up to fifteen minutes, and the administrator
//! hears of it. What is refused for good stays in the mailbox.

use super::inbound::InboundDesk;
use super::space;
use crate::backends;
use crate::config::{ReturnsMailbox, Settled};
use crate::gateway::Gateway;
use crate::listeners::smtp::{Reception, Receptionist};
use anyhow::{Context, Result};
use bytes::Bytes;
use sealpost_directory::Trouble;
use sealpost_directory::mailbox::{Login, Mailbox, Session, Settle, Waiting};
use sealpost_envelope::{BodyType, EmailAddress, Envelope, EnvelopeRecipient};
use sealpost_message::{Limits, TopHeaders, Walker};
use sealpost_smtp::Reply;
use sealpost_smtp::server::EndResult;
use sealpost_store::StoreError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A node that does not come back in this time after it should have is taken for dead.
const LEASE: Duration = Duration::from_secs(300);
/// Time between two looks whether another node has given up the job.
const LOOK: Duration = Duration::from_secs(30);
/// The longest pause after failures.
const LONGEST: Duration = Duration::from_secs(900);
/// Messages listed at a time.
const AT_ONCE: usize = 200;
/// Addresses of ours that one message is looked at for.
const ADDRESSES: usize = 10;
/// Fields that say whom a message came to, the surest first.
const CAME_TO: [&str; 7] =
    ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To", "Cc"];

/// One task for each mailbox.
pub fn start(
    gateway: &Arc<Gateway>,
    shutdown: &CancellationToken,
) -> Result<Vec<impl Future<Output = ()> + Send + use<>>> {
    let mut tasks = Vec::new();
    for settings in &gateway.config.returns_mailbox {
        // Whatever is wrong with its settings is told now, and not when something has come back.
        mailbox(settings).with_context(|| format!("`returns_mailbox` {}", settings.name()))?;
        let poller = Poller { gateway: gateway.clone(), settings: settings.clone(), name: settings.name() };
        let shutdown = shutdown.clone();
        tasks.push(async move {
            // Dropped anywhere, a message is fetched again after the next start.
            let _: Option<()> = shutdown.run_until_cancelled(poller.run()).await;
        });
    }
    Ok(tasks)
}

/// The mailbox of the settings, with its secret as it is now.
fn mailbox(settings: &ReturnsMailbox) -> Result<Mailbox> {
    let login = match (&settings.password, &settings.token) {
        (Some(password), _) => Login::Password(password.read().context("`password`")?),
        (None, Some(token)) => Login::Token(token.read().context("`token`")?),
        (None, None) => anyhow::bail!("either `password` or `token` is needed"),
    };
    Ok(Mailbox {
        place: backends::place(&settings.server, settings.tls, settings.ca.as_deref())?,
        user: settings.user.clone(),
        login,
        folder: settings.folder.clone(),
        patience: settings.timeout.duration(),
    })
}

/// Logs in and opens the folder, for `check`.
pub async fn probe(settings: &ReturnsMailbox) -> Result<()> {
    mailbox(settings)?.open().await?.log_out().await;
    Ok(())
}

/// Why a mailbox is not read on.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("{0:#}")]
    Settings(anyhow::Error),
    #[error("the mail server {0}")]
    Server(#[from] Trouble),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own fault for the moment.
    #[error("{0}")]
    Later(Reply),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Kept.
    Taken,
    /// It came to no address of ours, or is gone.
    NotOurs,
    /// It never will be.
    Refused,
}

struct Poller {
    gateway: Arc<Gateway>,
    settings: ReturnsMailbox,
    name: String,
}

impl Poller {
    async fn run(self) {
        let (job, holder) = (format!("returns/{}", self.name), self.gateway.holder());
        let mut failures = 0u32;
        loop {
            let pause = match self.session(&job, &holder, &mut failures).await {
                // Another node reads it.
                Ok(()) => LOOK,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let pause = Duration::from_secs(1 << failures.min(10)).min(LONGEST);
                    tracing::error!(mailbox = self.name, %error, pause = pause.as_secs(), "not read");
                    let (now, why) = (self.gateway.clock.now(), error.to_string());
                    if let Err(error) = self.gateway.store.polling_failed(&self.name, now, &why).await {
                        tracing::error!(%error, "that a mailbox is not read could not be noted");
                    }
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One connection: reads what is there, and waits for more, for as long as it lasts.
    async fn session(&self, job: &str, holder: &str, failures: &mut u32) -> Result<(), PollError> {
        let store = &self.gateway.store;
        let lease = self.settings.every.duration() + LEASE;
        if store.claim(job, holder, lease).await?.is_none() {
            return Ok(());
        }
        let mut session = mailbox(&self.settings).map_err(PollError::Settings)?.open().await?;
        loop {
            if store.claim(job, holder, lease).await?.is_none() {
                session.log_out().await;
                return Ok(());
            }
            if !self.look(&mut session).await? {
                *failures = 0;
                store.polling_works(&self.name).await?;
                session.wait(self.settings.every.duration()).await?;
            }
        }
    }

    /// Deals with the next messages; answers whether there may be more.
    async fn look(&self, session: &mut Session) -> Result<bool, PollError> {
        let (store, validity) = (&self.gateway.store, session.uid_validity());
        let from = store.polled(&self.name, validity).await?;
        let waiting = session.newer(from, AT_ONCE).await?;
        for message in &waiting {
            let outcome = self.message(session, *message).await?;
            // Remembered first: a message without its mark is better than one that counts twice.
            store.set_polled(&self.name, validity, message.uid).await?;
            if outcome == Outcome::Taken {
                match session.settle(message.uid, &self.settled()).await {
                    Err(Trouble::Refused(why)) => {
                        tracing::warn!(
                            mailbox = self.name,
                            uid = message.uid,
                            why,
                            "taken, but not marked there"
                        );
                    }
                    other => other?,
                }
            }
        }
        Ok(waiting.len() == AT_ONCE)
    }

    fn settled(&self) -> Settle {
        match (self.settings.settled, &self.settings.archive) {
            (Settled::Delete, _) => Settle::Delete,
            (Settled::Move, Some(folder)) => Settle::Move(folder.clone()),
            (Settled::Seen | Settled::Move, _) => Settle::Seen,
        }
    }

    async fn message(&self, session: &mut Session, message: Waiting) -> Result<Outcome, PollError> {
        let peer = session.peer().unwrap_or(IpAddr::from([0; 4]));
        let Some(header) = session.header(message.uid).await? else { return Ok(Outcome::NotOurs) };
        let Some(top) = read_header(&header) else { return Ok(Outcome::NotOurs) };
        let desk = InboundDesk { gateway: self.gateway.clone() };
        let mut reception = desk.welcome(SocketAddr::new(peer, 0));
        let mut recipients = Vec::new();
        for address in candidates(&top) {
            let recipient = EnvelopeRecipient::plain(address);
            match reception.returned_to(recipient.clone()).await {
                Ok(true) => recipients.push(recipient),
                Ok(false) => {}
                Err(reply) if reply.is_permanent() => {}
                Err(reply) => return Err(PollError::Later(reply)),
            }
        }
        if recipients.is_empty() {
            return Ok(Outcome::NotOurs);
        }
        if message.size > self.settings.message_size.0 {
            let (uid, size) = (message.uid, message.size);
            tracing::warn!(mailbox = self.name, uid, size, "a message is too large and stays there");
            return Ok(Outcome::Refused);
        }
        space::enough_for(&self.gateway.config, message.size).map_err(PollError::Later)?;
        let handed = self.hand_over(session, message, envelope(&top, &header, recipients), reception).await?;
        Ok(match handed {
            None => Outcome::NotOurs,
            Some(Ok(())) => Outcome::Taken,
            Some(Err(reply)) if reply.is_permanent() => {
                tracing::warn!(mailbox = self.name, uid = message.uid, %reply, "a message stays there");
                Outcome::Refused
            }
            Some(Err(reply)) => return Err(PollError::Later(reply)),
        })
    }

    /// Gives the message to the inbound path while it comes; nothing when it is gone by now.
    async fn hand_over(
        &self,
        session: &mut Session,
        message: Waiting,
        envelope: Envelope,
        mut reception: impl Reception,
    ) -> Result<Option<Result<(), Reply>>, PollError> {
        // What is told of sizes may differ by what servers count as line ends.
        let limit = self.settings.message_size.0.saturating_mul(2);
        let Some(mut body) = session.body(message.uid, limit).await? else { return Ok(None) };
        let mut outcome = reception.begin(envelope, "IMAP", &self.settings.server.host).await;
        while let Some(bytes) = body.next().await? {
            if outcome.is_ok() {
                outcome = reception.data(Bytes::copy_from_slice(bytes)).await;
            }
        }
        if outcome.is_ok()
            && let EndResult::Refused(reply) = reception.end().await
        {
            outcome = Err(reply);
        }
        Ok(Some(outcome))
    }
}

/// The fields of a header, or of the beginning of a long one.
fn read_header(bytes: &[u8]) -> Option<TopHeaders> {
    let (mut walker, mut events) = (Walker::new(Limits::default()), Vec::new());
    walker.push(bytes, &mut events).ok()?;
    Some(walker.finish(&mut events).ok()?.top)
}

/// Addresses in the fields that say whom it came to. Which of them are ours, their MAC says.
fn candidates(top: &TopHeaders) -> Vec<EmailAddress> {
    let mut found: Vec<EmailAddress> = Vec::new();
    for name in CAME_TO {
        for (_, value) in top.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name)) {
            let words = value.split(|c: char| c.is_whitespace() || "<>,;:\"()".contains(c));
            let addresses = words.filter(|w| w.contains('@')).filter_map(|w| EmailAddress::parse(w).ok());
            for address in addresses.filter(InboundDesk::may_be_ours) {
                if found.len() < ADDRESSES && !found.contains(&address) {
                    found.push(address);
                }
            }
        }
    }
    found
}

/// The envelope that it must have come in.
fn envelope(top: &TopHeaders, header: &[u8], recipients: Vec<EnvelopeRecipient>) -> Envelope {
    let return_path = top.field("Return-Path").map(|path| path.trim_matches(['<', '>', ' ', '\t']));
    let reverse_path = match return_path {
        Some(path) => EmailAddress::parse(path).ok(),
        // Not every server writes the field. A report has no reverse path (RFC 3464 §2); others are their author's.
        None if is_report(top) => None,
        None => top.from.first().and_then(|author| EmailAddress::parse(&author.address).ok()),
    };
    Envelope {
        reverse_path,
        recipients,
        body: BodyType::EightBitMime,
        smtputf8: !header.is_ascii(),
        declared_size: None,
        envid: None,
        ret_full: None,
    }
}

fn is_report(top: &TopHeaders) -> bool {
    let content_type = top.field("Content-Type").unwrap_or_default().trim_start();
    content_type.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/report"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "return-k7m2q9xa-12-0123456789abcdef@lilas.test";
    const OTHER: &str = "return-k7m2q9xa-13-0123456789abcdef@lilas.test";

    fn header(text: &str) -> TopHeaders {
        read_header(format!("{}\r\n\r\n", text.replace('\n', "\r\n")).as_bytes()).unwrap()
    }

    #[test]
    fn addresses_of_ours_are_found_where_servers_write_them() {
        for (text, want) in [
            (format!("To: {OURS}"), &[OURS][..]),
            (format!("to: Undisclosed <{OURS}>, x@y.test"), &[OURS]),
            (
                format!("Delivered-To: <{OURS}>\nTo: {OTHER}\nDelivered-To: catchall@lilas.test"),
                &[OURS, OTHER],
            ),
            (format!("To: a@b.test\nX-Original-To: {OURS}\nTo: {OURS}"), &[OURS]),
            (format!("Envelope-To:\n {OURS}"), &[OURS]),
            (format!("Subject: {OURS}\nFrom: {OURS}\nReferences: <{OURS}>"), &[]),
            ("To: return-k7m2q9xa-12@lilas.test".to_owned(), &[]),
            ("To: @, <@>, return-@".to_owned(), &[]),
        ] {
            let found = candidates(&header(&text));
            assert_eq!(found.iter().map(EmailAddress::as_str).collect::<Vec<_>>(), want, "{text}");
        }
        let many: Vec<_> = (1..200).map(|n| OURS.replacen("12", &n.to_string(), 1)).collect();
        assert_eq!(candidates(&header(&format!("To: {}", many.join(",\n ")))).len(), ADDRESSES);
    }

    #[test]
    fn the_reverse_path_is_what_the_last_server_wrote() {
        for (text, want) in [
            ("Return-Path: <>\nFrom: a@b.test", None),
            ("Return-Path: <a@b.test>", Some("a@b.test")),
            ("Return-Path: nonsense\nFrom: a@b.test", None),
            ("From: A <a@b.test>", Some("a@b.test")),
            ("Content-Type: Multipart/Report; boundary=b\nFrom: mailer-daemon@b.test", None),
            ("Content-Type: multipart/mixed; boundary=b\nFrom: a@b.test", Some("a@b.test")),
            ("Subject: x", None),
        ] {
            let envelope = envelope(&header(text), b"", Vec::new());
            assert_eq!(envelope.reverse_path.as_ref().map(EmailAddress::as_str), want, "{text}");
        }
    }
}
