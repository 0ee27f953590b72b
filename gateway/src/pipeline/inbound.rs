//! Inbound: mail from the outside for addresses of ours, put into their INBOX.
//!
//! **Exposure.** Any server on the Internet. Only addresses that exist are accepted, nothing is relayed, no
//! login is offered; size and recipients are bounded by the session's limits.
//!
//! **Standards.** RFC 5321 §3.7 (no relaying), §4.4 (Return-Path and Received at final delivery).
//!
//! **Failure.** Until `250` nothing is in any mailbox; a delivery that fails half way answers `451`, and the
//! sender's retry reaches the remaining mailboxes without doubling the others.

use super::submission::ours;
use crate::gateway::Gateway;
use crate::listeners::smtp::{Reception, Receptionist};
use bytes::Bytes;
use sealpost_envelope::{Envelope, EnvelopeRecipient, Sha256Digest};
use sealpost_smtp::Reply;
use sealpost_smtp::server::{AuthResult, Credentials, EndResult, MailFrom, ScramResult};
use sealpost_store::account::Account;
use sealpost_store::mailbox::{MailWriter, MailboxError, NewMail};
use std::net::SocketAddr;
use std::sync::Arc;

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
        Arrival { gateway: self.gateway.clone(), peer, owners: Vec::new(), message: None }
    }
}

/// One server's conversation.
pub struct Arrival {
    gateway: Arc<Gateway>,
    peer: SocketAddr,
    owners: Vec<Account>,
    message: Option<Message>,
}

/// A message on its way into mailboxes.
struct Message {
    /// Names the delivery for each mailbox: the same message sent again is not doubled.
    digest: aws_lc_rs::digest::Context,
    copies: Vec<(Account, MailWriter)>,
}

impl Reception for Arrival {
    async fn scram(&mut self, _: &str) -> ScramResult {
        ScramResult::Unavailable
    }

    async fn authenticate(&mut self, _: Credentials) -> AuthResult {
        AuthResult::Denied
    }

    async fn mail(&mut self, from: MailFrom) -> Result<(), Reply> {
        self.owners.clear();
        super::space::enough_for(&self.gateway.config, from.declared_size.unwrap_or(0))
    }

    async fn rcpt(&mut self, to: EnvelopeRecipient) -> Result<(), Reply> {
        match self.gateway.accounts.owner_of(&to.address).await {
            Ok(Some(owner)) if owner.role != sealpost_store::account::Role::Demo => {
                if self.owners.iter().all(|o| o.id != owner.id) {
                    self.owners.push(owner);
                }
                Ok(())
            }
            Ok(_) => Err(Reply::new(550, 1, 1, format!("{} is not an address of this server", to.address))),
            Err(error) => Err(ours("looking up a recipient", &error)),
        }
    }

    async fn begin(&mut self, envelope: Envelope, protocol: &'static str, helo: &str) -> Result<(), Reply> {
        let now = self.gateway.clock.now();
        let trace = trace(&envelope, protocol, helo, self.peer, self.gateway.hostname(), now);
        let mut copies = Vec::new();
        for owner in self.owners.drain(..) {
            let organisation = self.gateway.organisation(owner.entity);
            let organisation =
                organisation.ok_or_else(|| ours("inbound mail", &"its organisation is not configured"))?;
            let keep = organisation.settings.retention.evidence.after(now);
            let mut writer = self.gateway.mailboxes.writer(keep).map_err(refused)?;
            writer.write(trace.as_bytes()).await.map_err(refused)?;
            copies.push((owner, writer));
        }
        let digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        self.message = Some(Message { digest, copies });
        Ok(())
    }

    async fn data(&mut self, bytes: Bytes) -> Result<(), Reply> {
        let Some(message) = &mut self.message else { return Err(ours("data", &"no message has begun")) };
        message.digest.update(&bytes);
        for (_, writer) in &mut message.copies {
            writer.write(&bytes).await.map_err(refused)?;
        }
        Ok(())
    }

    async fn end(&mut self) -> EndResult {
        let Some(message) = self.message.take() else {
            return EndResult::Refused(ours("end of data", &"no message has begun"));
        };
        match deliver(&self.gateway, message).await {
            Ok(()) => EndResult::Accepted,
            Err(error) => EndResult::Refused(refused(error)),
        }
    }

    async fn abort(&mut self) {
        self.message = None;
    }
}

async fn deliver(gateway: &Gateway, message: Message) -> Result<(), MailboxError> {
    let now = gateway.clock.now();
    let origin = Sha256Digest::from_slice(message.digest.finish().as_ref()).map(|d| d.to_hex());
    for (owner, writer) in message.copies {
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
