//! One message: MAIL, RCPT, DATA or BDAT, and what the replies mean for each recipient.

use super::{Capabilities, ContentError, Failure, Outcome, Phase, Recipient, Transaction, WrongStep};
use crate::data::Stuffer;
use crate::{Reply, text};
use bytes::BytesMut;
use sealpost_envelope::{BodyType, EmailAddress};
use std::collections::VecDeque;
use std::fmt::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Mail,
    Rcpt(usize),
    Data,
}

#[derive(Debug)]
enum Content {
    Dot(Stuffer),
    /// BDAT: octets still owed.
    Counted(u64),
}

/// The state of a message under way.
#[derive(Debug)]
pub(super) struct Exchange {
    transaction: Transaction,
    /// What the server offers of the parameters we may add.
    dsn: bool,
    size: bool,
    /// Commands not yet sent, one at a time unless the server takes pipelines.
    unsent: VecDeque<Step>,
    awaiting: VecDeque<Step>,
    decided: Vec<Option<Outcome>>,
    content: Option<Content>,
    phase: Phase,
    /// BDAT instead of DATA.
    chunking: bool,
    /// The server holds an envelope that no content followed.
    dirty: bool,
    /// The server said 421: it closes.
    closing: bool,
}

/// What a refusal means. `None` for what is neither 4yz nor 5yz.
fn refused(reply: &Reply) -> Option<Outcome> {
    if reply.is_temporary() {
        Some(Outcome::Temporary { reply: reply.clone() })
    } else if reply.is_permanent() {
        Some(Outcome::Permanent { reply: reply.clone() })
    } else {
        None
    }
}

impl Exchange {
    /// Queues the first commands onto `out`, or decides at once that this server cannot take the message.
    pub(super) fn begin(transaction: Transaction, server: &Capabilities, out: &mut BytesMut) -> Self {
        let recipients = transaction.recipients.len();
        let chunking = server.chunking && transaction.size.is_some();
        let mut unsent: VecDeque<Step> =
            std::iter::once(Step::Mail).chain((0..recipients).map(Step::Rcpt)).collect();
        if !chunking {
            unsent.push_back(Step::Data);
        }
        let mut exchange = Self {
            dsn: server.dsn,
            size: server.size.is_some(),
            unsent,
            awaiting: VecDeque::new(),
            decided: vec![None; recipients],
            content: None,
            phase: Phase::Mail,
            chunking,
            dirty: false,
            closing: false,
            transaction,
        };
        match exchange.unfit(server) {
            Some(reply) => {
                exchange.unsent.clear();
                exchange.decide_rest(&Outcome::Permanent { reply });
            }
            // RFC 2920 §3.1: MAIL, RCPT and DATA may travel together, DATA last.
            None if server.pipelining => while exchange.send_one(out) {},
            None => {
                exchange.send_one(out);
            }
        }
        exchange
    }

    /// Why this server cannot take the message, in the words of our own reply.
    fn unfit(&self, server: &Capabilities) -> Option<Reply> {
        let t = &self.transaction;
        if self.needs_utf8() && !server.smtputf8 {
            // RFC 6531 §3.5
            return Some(Reply::new(553, 6, 7, "The receiving server does not support SMTPUTF8"));
        }
        if t.body == BodyType::EightBitMime && !server.eight_bit {
            // RFC 6152 §3
            return Some(Reply::new(554, 6, 3, "The receiving server does not take 8-bit content"));
        }
        let limit = server.size.flatten().unwrap_or(u64::MAX);
        if t.size.is_some_and(|size| size > limit) {
            // RFC 1870 §6.1
            return Some(Reply::new(552, 3, 4, format!("The receiving server takes {limit} octets at most")));
        }
        None
    }

    fn needs_utf8(&self) -> bool {
        let t = &self.transaction;
        let mut addresses = t.recipients.iter().map(|r| &r.address).chain(&t.reverse_path);
        t.smtputf8 || addresses.any(EmailAddress::needs_smtputf8)
    }

    /// Sends the next command; false when there is none.
    fn send_one(&mut self, out: &mut BytesMut) -> bool {
        let Some(step) = self.unsent.pop_front() else { return false };
        let line = match step {
            Step::Mail => self.mail_command(),
            Step::Rcpt(n) => rcpt_command(&self.transaction.recipients[n], self.dsn),
            Step::Data => "DATA".to_owned(),
        };
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.awaiting.push_back(step);
        true
    }

    fn mail_command(&self) -> String {
        let t = &self.transaction;
        let mut line = format!("MAIL FROM:<{}>", t.reverse_path.as_ref().map_or("", EmailAddress::as_str));
        if let Some(size) = t.size.filter(|_| self.size) {
            // Writing to a String cannot fail.
            let _ = write!(line, " SIZE={size}");
        }
        if t.body == BodyType::EightBitMime {
            line.push_str(" BODY=8BITMIME");
        }
        if self.needs_utf8() {
            line.push_str(" SMTPUTF8");
        }
        if self.dsn {
            match t.ret_full {
                Some(true) => line.push_str(" RET=FULL"),
                Some(false) => line.push_str(" RET=HDRS"),
                None => {}
            }
            if let Some(envid) = t.envid.as_ref().map(|e| text::to_xtext(e)).filter(|e| e.len() <= 100) {
                let _ = write!(line, " ENVID={envid}");
            }
        }
        line
    }

    /// What is being waited for.
    pub(super) fn phase(&self) -> Phase {
        match self.awaiting.front() {
            Some(Step::Mail) => Phase::Mail,
            Some(Step::Rcpt(_)) => Phase::Rcpt,
            Some(Step::Data) => Phase::Data,
            None => self.phase,
        }
    }

    /// All recipients' outcomes, once each is decided and nothing more is due.
    pub(super) fn outcomes(&self) -> Option<Vec<Outcome>> {
        let idle = self.closing || (self.awaiting.is_empty() && self.phase != Phase::Final);
        if idle { self.decided.iter().cloned().collect() } else { None }
    }

    pub(super) fn closing(&self) -> bool {
        self.closing
    }
    pub(super) fn needs_reset(&self) -> bool {
        self.dirty
    }

    fn decide_rest(&mut self, outcome: &Outcome) {
        self.decided.iter_mut().filter(|d| d.is_none()).for_each(|d| *d = Some(outcome.clone()));
    }

    /// Takes the reply that is due.
    pub(super) fn reply(&mut self, reply: Reply, out: &mut BytesMut) -> Result<(), Failure> {
        let phase = self.phase();
        if reply.code == 421 {
            // RFC 5321 §3.8: the server closes, whatever was asked.
            self.closing = true;
            self.decide_rest(&Outcome::Temporary { reply });
            return Ok(());
        }
        let unexpected =
            |reply: &Reply| Failure::Protocol { phase, what: format!("unexpected reply {reply}") };
        match self.awaiting.pop_front() {
            Some(Step::Mail) if reply.is_positive() => self.dirty = true,
            Some(Step::Mail) => {
                self.decide_rest(&refused(&reply).ok_or_else(|| unexpected(&reply))?);
                self.unsent.clear();
            }
            Some(Step::Rcpt(_)) if reply.is_positive() => {}
            Some(Step::Rcpt(n)) => {
                let outcome = refused(&reply).ok_or_else(|| unexpected(&reply))?;
                // After a refused MAIL, RCPT is refused for that reason only: the first answer counts.
                self.decided[n].get_or_insert(outcome);
                self.skip_data_for_nobody();
            }
            Some(Step::Data) if reply.code == 354 => return self.begin_data(out),
            Some(Step::Data) => {
                self.decide_rest(&refused(&reply).ok_or_else(|| unexpected(&reply))?);
            }
            None => return self.final_reply(reply, &unexpected),
        }
        self.advance(out);
        Ok(())
    }

    /// Without pipelining there is no need to ask for DATA when every recipient was refused.
    fn skip_data_for_nobody(&mut self) {
        if self.unsent.front() == Some(&Step::Data) && self.decided.iter().all(Option::is_some) {
            self.unsent.clear();
        }
    }

    fn advance(&mut self, out: &mut BytesMut) {
        if !self.awaiting.is_empty() || self.send_one(out) {
            return;
        }
        let wanted = self.decided.iter().any(Option::is_none);
        if let Some(size) = self.transaction.size.filter(|_| self.chunking && wanted) {
            // RFC 3030 §2: the size is known, one chunk carries it all.
            let _ = write!(out, "BDAT {size} LAST\r\n");
            self.content = Some(Content::Counted(size));
            self.phase = Phase::Content;
        }
    }

    fn begin_data(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        if self.decided.iter().all(Option::is_some) {
            // RFC 2920 §3.1: DATA was pipelined, accepted, and nobody is left to write to: end it empty.
            out.extend_from_slice(b".\r\n");
            self.phase = Phase::Final;
        } else {
            self.content = Some(Content::Dot(Stuffer::new()));
            self.phase = Phase::Content;
        }
        Ok(())
    }

    fn final_reply(&mut self, reply: Reply, unexpected: &dyn Fn(&Reply) -> Failure) -> Result<(), Failure> {
        if self.phase != Phase::Final {
            return Err(unexpected(&reply));
        }
        // RFC 3030 §2: a refused chunk leaves the transaction undecided until RSET.
        self.dirty = self.chunking && !reply.is_positive();
        let outcome = match refused(&reply) {
            Some(outcome) => outcome,
            None if reply.is_positive() => Outcome::Delivered { reply },
            None => return Err(unexpected(&reply)),
        };
        self.decide_rest(&outcome);
        self.phase = Phase::Mail;
        Ok(())
    }

    /// A reply that came before the content was through.
    pub(super) fn early(&mut self, reply: Reply) {
        if let Some(outcome) = refused(&reply) {
            self.closing = true;
            self.decide_rest(&outcome);
        }
    }

    pub(super) fn content(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), ContentError> {
        match self.content.as_mut().ok_or(WrongStep)? {
            Content::Dot(stuffer) => stuffer.encode(chunk, out)?,
            Content::Counted(left) => {
                *left = left.checked_sub(chunk.len() as u64).ok_or(ContentError::Size)?;
                out.extend_from_slice(chunk);
            }
        }
        Ok(())
    }

    pub(super) fn content_end(&mut self, out: &mut BytesMut) -> Result<(), ContentError> {
        match self.content.take().ok_or(WrongStep)? {
            Content::Dot(stuffer) => stuffer.finish(out)?,
            Content::Counted(0) => {}
            Content::Counted(_) => return Err(ContentError::Size),
        }
        self.phase = Phase::Final;
        Ok(())
    }
}

fn rcpt_command(recipient: &Recipient, dsn: bool) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.address);
    if !dsn {
        return line;
    }
    let n = recipient.notify;
    let words = [(n.never, "NEVER"), (n.success, "SUCCESS"), (n.failure, "FAILURE"), (n.delay, "DELAY")];
    let notify: Vec<_> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
    if !notify.is_empty() {
        let _ = write!(line, " NOTIFY={}", notify.join(","));
    }
    if let Some((kind, address)) = recipient.orcpt.as_ref().and_then(|o| o.split_once(';')) {
        let _ = write!(line, " ORCPT={kind};{}", text::to_xtext(address));
    }
    line
}
