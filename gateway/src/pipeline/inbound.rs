//! Inbound: mail from the outside for addresses of ours, put into their INBOX, and what comes back.
//!
//! **Job.** Mail for people goes into their mailboxes; mail for a return address is matched to the consignment
//! it came back from (`returned`, after `reading` has looked for a report in it).
//!
//! **Exposure.** Any server on the Internet. Only addresses that exist are accepted, nothing is relayed, no
//! login is offered; size and recipients are bounded by the session's limits.
//!
//! **Standards.** RFC 5321 §3.7 (no relaying), §4.4 (Return-Path and Received at final delivery).
//!
//! **Failure.** Until `250` nothing is in any mailbox; a delivery that fails half way answers `451`, and the
//! sender's retry reaches the remaining mailboxes without doubling the others.

pub mod answers;
mod reading;
mod returned;
pub mod verification;

pub(super) use returned::FORWARDED;

use super::returns::{self, RETURN};
use super::submission::ours;
use crate::gateway::Gateway;
use crate::listeners::smtp::{Reception, Receptionist};
use bytes::Bytes;
use reading::{Read, Reading};
use returned::{Arrived, BY_ADDRESS, BY_MESSAGE_ID, Keeping, Target};
use sealpost_envelope::{EmailAddress, EntityId, Envelope, EnvelopeRecipient, Sha256Digest};
use sealpost_relay::report::Report;
use sealpost_smtp::Reply;
use sealpost_smtp::server::{AuthResult, Credentials, EndResult, MailFrom, ScramResult};
use sealpost_store::account::Account;
use sealpost_store::mailbox::{MailWriter, MailboxError, NewMail};
use std::net::SocketAddr;
use std::sync::Arc;
use verification::Question;

/// Welcomes other servers.
#[derive(Debug, Clone)]
pub struct InboundDesk {
    /// The gateway.
    pub gateway: Arc<Gateway>,
}

impl Receptionist for InboundDesk {
    type Reception = Arrival;
    fn is_full(&self) -> bool {
        super::space::memory_is_short(&self.gateway.config)
    }
    fn welcome(&self, peer: SocketAddr) -> Arrival {
        let (owners, targets) = (Vec::new(), Vec::new());
        let answers = Vec::new();
        Arrival { gateway: self.gateway.clone(), peer, owners, targets, answers, asked: None, message: None }
    }
}

/// One server's conversation.
pub struct Arrival {
    gateway: Arc<Gateway>,
    peer: SocketAddr,
    owners: Vec<(Account, EmailAddress)>,
    targets: Vec<Target>,
    /// Questions that are answered.
    answers: Vec<answers::Asked>,
    /// The organisation that is asked to verify a proof.
    asked: Option<EntityId>,
    message: Option<Message>,
}

/// A message on its way into mailboxes.
struct Message {
    /// Names the delivery for each mailbox: the same message sent again is not doubled.
    digest: aws_lc_rs::digest::Context,
    copies: Vec<(Account, EmailAddress, MailWriter)>,
    kept: Vec<Keeping>,
    answers: Vec<answers::Asked>,
    reading: Reading,
    question: Option<Question>,
    reverse_path: Option<EmailAddress>,
}

/// A message that has passed so many servers goes in circles (RFC 5321 §6.3).
const MAX_HOPS: usize = 50;

impl Reception for Arrival {
    async fn scram(&mut self, _: &str) -> ScramResult {
        ScramResult::Unavailable
    }

    async fn authenticate(&mut self, _: Credentials) -> AuthResult {
        AuthResult::Denied
    }

    async fn mail(&mut self, from: MailFrom) -> Result<(), Reply> {
        self.owners.clear();
        self.targets.clear();
        self.answers.clear();
        self.asked = None;
        super::space::enough_for(&self.gateway.config, from.declared_size.unwrap_or(0))
    }

    async fn rcpt(&mut self, to: EnvelopeRecipient) -> Result<(), Reply> {
        if let Some(at) =
            answers::asked(&self.gateway, &to.address).map_err(|e| ours("reading an address", &e))?
        {
            self.answers.push(at);
            return Ok(());
        }
        if returns::is_shaped(RETURN, &to.address) {
            return self.returning(&to.address).await;
        }
        match super::postmaster::owner_of(&self.gateway, &to.address).await {
            Ok(Some(owner)) if owner.role != sealpost_store::account::Role::Demo => {
                if self.owners.iter().all(|(o, _)| o.id != owner.id) {
                    self.owners.push((owner, to.address));
                }
                Ok(())
            }
            Ok(_) => match verification::asked(&self.gateway, &to.address) {
                Some(entity) => {
                    verification::welcome(&self.gateway, self.peer.ip()).await?;
                    self.asked = Some(entity);
                    Ok(())
                }
                None => Err(unknown(&to.address)),
            },
            Err(error) => Err(ours("looking up a recipient", &error)),
        }
    }

    async fn begin(&mut self, envelope: Envelope, protocol: &'static str, helo: &str) -> Result<(), Reply> {
        let now = self.gateway.clock.now();
        let trace = trace(&envelope, protocol, helo, self.peer, self.gateway.hostname(), now);
        let mut copies = Vec::new();
        for (owner, address) in self.owners.drain(..) {
            let organisation = self.gateway.organisation(owner.entity);
            let organisation =
                organisation.ok_or_else(|| ours("inbound mail", &"its organisation is not configured"))?;
            let keep = organisation.settings.retention.evidence.after(now);
            let mut writer = self.gateway.mailboxes.writer(keep).map_err(refused)?;
            writer.write(trace.as_bytes()).await.map_err(refused)?;
            copies.push((owner, address, writer));
        }
        let digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let kept = self.targets.drain(..).map(Keeping::begin).collect();
        let question = self.asked.take().map(|entity| Question::new(&self.gateway, entity));
        let (reading, reverse_path) = (Reading::new(), envelope.reverse_path);
        let answers = std::mem::take(&mut self.answers);
        self.message = Some(Message { digest, copies, kept, answers, reading, question, reverse_path });
        Ok(())
    }

    async fn data(&mut self, bytes: Bytes) -> Result<(), Reply> {
        let Some(message) = &mut self.message else { return Err(ours("data", &"no message has begun")) };
        message.digest.update(&bytes);
        message.reading.push(&bytes);
        if let Some(question) = &mut message.question {
            question.push(&bytes)?;
        }
        for (_, _, writer) in &mut message.copies {
            writer.write(&bytes).await.map_err(refused)?;
        }
        for kept in &mut message.kept {
            kept.write(&self.gateway, &bytes).await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> EndResult {
        let Some(message) = self.message.take() else {
            return EndResult::Refused(ours("end of data", &"no message has begun"));
        };
        match accept(&self.gateway, message, self.peer).await {
            Ok(()) => EndResult::Accepted,
            Err(reply) => EndResult::Refused(reply),
        }
    }

    async fn abort(&mut self) {
        self.message = None;
    }
}

impl InboundDesk {
    /// Whether the address has the shape of one that only we make; what it says is read by [`Arrival::returned_to`].
    pub(super) fn may_be_ours(address: &EmailAddress) -> bool {
        returns::is_shaped(RETURN, address) || answers::is_shaped(address)
    }
}

impl Arrival {
    /// Takes what came to an address that only we make, as [`Reception::rcpt`] does, and nothing for anybody's mailbox.
    pub(super) async fn returned_to(&mut self, to: EnvelopeRecipient) -> Result<bool, Reply> {
        match InboundDesk::may_be_ours(&to.address) {
            true => self.rcpt(to).await.map(|()| true),
            false => Ok(false),
        }
    }

    /// Is this an address that something may come back to?
    async fn returning(&mut self, address: &EmailAddress) -> Result<(), Reply> {
        let fault = |error: &dyn std::fmt::Display| ours("looking up a return address", error);
        // A wrong MAC is an address that was never made.
        let at = returns::read(RETURN, &self.gateway, address).map_err(|e| fault(&e))?;
        let Some(at) = at else { return Err(unknown(address)) };
        match Target::find(&self.gateway, &at).await.map_err(|e| fault(&e))? {
            Some(target) => {
                if !self.targets.iter().any(|t| t.is(&target)) {
                    self.targets.push(target);
                }
                Ok(())
            }
            None => Err(unknown(address)),
        }
    }
}

fn unknown(address: &EmailAddress) -> Reply {
    Reply::new(550, 1, 1, format!("{address} is not an address of this server"))
}

async fn accept(gateway: &Arc<Gateway>, message: Message, peer: SocketAddr) -> Result<(), Reply> {
    let read = message.reading.finish();
    if read.hops > MAX_HOPS {
        return Err(Reply::new(554, 4, 6, "This message goes in circles"));
    }
    let sha256 = Sha256Digest::from_slice(message.digest.finish().as_ref()).expect("SHA-256 has 32 octets");
    let (at, peer, asker) = (gateway.clock.now(), peer.ip().to_canonical(), message.reverse_path);
    let arrived = Arrived { null_path: asker.is_none(), sha256, peer, at, basis: BY_ADDRESS };
    // First, since it alone may refuse the message for good.
    if let Some(question) = message.question {
        question.answer(gateway, asker.as_ref()).await?;
    }
    for at in &message.answers {
        answers::take(gateway, at, &read, arrived.null_path).await?;
    }
    for kept in message.kept {
        kept.finish(gateway, &read, arrived).await?;
    }
    let owners: Vec<_> = message.copies.iter().map(|(o, a, _)| (o.entity, a.clone())).collect();
    deliver(gateway, message.copies, sha256).await.map_err(refused)?;
    for (entity, author) in owners {
        // The mail is delivered: what cannot be learned from it is lost to the journal only.
        if let Err(error) = read_receipt(gateway, entity, &author, &read, arrived).await {
            tracing::warn!(%error, "a read receipt could not be kept");
        }
    }
    Ok(())
}

/// A read receipt that came to the author's own address belongs to the deposit with that Message-ID, if its
/// author and its recipient are the ones.
async fn read_receipt(
    gateway: &Arc<Gateway>,
    entity: EntityId,
    author: &EmailAddress,
    read: &Read,
    arrived: Arrived,
) -> anyhow::Result<()> {
    let Report::Read(receipt) = read.about(author, arrived.null_path) else { return Ok(()) };
    let (Some(id), Some(recipient), Some(raw)) = (&receipt.message_id, &receipt.recipient, &read.raw) else {
        return Ok(());
    };
    // Whoever writes in another's name proves nothing.
    if read.author().is_none_or(|a| !a.eq_ignore_ascii_case(recipient)) {
        return Ok(());
    }
    let Some(deposit) = gateway.store.deposit_by_message_id(entity, author, id).await? else { return Ok(()) };
    let consignments = gateway.store.consignments(deposit).await?;
    let Some(found) = consignments.iter().find(|c| c.address.key() == *recipient) else { return Ok(()) };
    let Some(target) = Target::of(gateway, deposit, found.n).await? else { return Ok(()) };
    let mut kept = Keeping::begin(target);
    let failed = |reply: Reply| anyhow::anyhow!("{reply}");
    kept.write(gateway, raw).await.map_err(failed)?;
    kept.finish(gateway, read, Arrived { basis: BY_MESSAGE_ID, ..arrived }).await.map_err(failed)
}

async fn deliver(
    gateway: &Gateway,
    copies: Vec<(Account, EmailAddress, MailWriter)>,
    sha256: Sha256Digest,
) -> Result<(), MailboxError> {
    let now = gateway.clock.now();
    let origin = Some(sha256.to_hex());
    for (owner, _, writer) in copies {
        let inbox = gateway.mailboxes.ensure_folder(owner.id, "INBOX", None).await?;
        let body = writer.finish().await?;
        let mail = NewMail { origin: origin.clone(), ..NewMail::plain(inbox.id, body, now) };
        gateway.mailboxes.deliver(mail, Vec::new()).await?;
    }
    Ok(())
}

fn refused(error: MailboxError) -> Reply {
    ours("delivering inbound mail", &error)
}

/// Return-Path and Received, as the final server adds them. The client's name is its claim.
fn trace(
    envelope: &Envelope,
    protocol: &str,
    helo: &str,
    peer: SocketAddr,
    host: &str,
    now: jiff::Timestamp,
) -> String {
    let from = envelope.reverse_path.as_ref().map_or("", |a| a.as_str());
    let helo: String =
        helo.chars().filter(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(*c)).take(255).collect();
    let helo = if helo.is_empty() { "unknown" } else { &helo };
    // RFC 5321 §4.1.3: an IPv6 literal carries its tag.
    let tag = if peer.ip().to_canonical().is_ipv6() { "IPv6:" } else { "" };
    let ip = peer.ip().to_canonical();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "Return-Path: <{from}>\r\nReceived: from {helo} ([{tag}{ip}])\r\n by {host} with {protocol};\r\n {date}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_lines_cannot_be_forged() {
        let envelope = Envelope {
            reverse_path: None,
            recipients: Vec::new(),
            body: sealpost_envelope::BodyType::SevenBit,
            smtputf8: false,
            declared_size: None,
            envid: None,
            ret_full: None,
        };
        let now = jiff::Timestamp::from_second(1_795_305_600).unwrap();
        let peer = "[2001:db8::1]:9".parse().unwrap();
        assert_eq!(
            trace(&envelope, "ESMTP", "x\r\nBcc: y", peer, "mail.example", now),
            "Return-Path: <>\r\nReceived: from xBcc:y ([IPv6:2001:db8::1])\r\n by mail.example with ESMTP;\r\n \
             Sun, 22 Nov 2026 00:00:00 +0000\r\n"
        );
    }
}
