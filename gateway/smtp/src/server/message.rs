//! Message content: DATA and BDAT, refusals in mid-stream, the final answer.

use super::{AbortReason, Action, Framing, Question, Session, Stage};
use crate::Reply;
use crate::data::{Fault, Piece, Unstuffer};
use bytes::BytesMut;
use sealpost_envelope::Envelope;

impl Session {
    /// The envelope, if a message may begin now.
    pub(super) fn ready_envelope(&self) -> Result<Box<Envelope>, Reply> {
        let Some(envelope) = &self.transaction else {
            return Err(Reply::new(503, 5, 1, "MAIL and RCPT come first"));
        };
        if envelope.recipients.is_empty() {
            return Err(Reply::new(554, 5, 1, "No valid recipients"));
        }
        Ok(Box::new(envelope.clone()))
    }

    pub(super) fn bdat(&mut self, octets: u64, last: bool) -> Option<Action> {
        let framing = Framing::Chunk { octets, last };
        if let Some(message) = &mut self.message {
            message.chunk(octets);
            self.stage = Stage::Receiving(framing);
            return None;
        }
        match self.ready_envelope() {
            Ok(envelope) => {
                self.stage = Stage::Asked(Question::Begin(framing));
                Some(Action::BeginData(envelope))
            }
            Err(reply) => {
                self.stage = Stage::SkipChunk(octets, reply);
                None
            }
        }
    }

    /// The caller has judged a message that begins.
    pub(super) fn begin_message(&mut self, framing: Framing, result: Result<(), Reply>) {
        let limits = &self.config.limits;
        let bare_lf = self.config.bare_lf;
        match (result, framing) {
            (Ok(()), Framing::Dot) => {
                self.message = Some(Unstuffer::data(limits.header, limits.message).with_bare_lf(bare_lf));
                self.say(&Reply::bare(354, "End data with <CR><LF>.<CR><LF>"));
                self.stage = Stage::Receiving(framing);
            }
            (Ok(()), Framing::Chunk { octets, .. }) => {
                let mut message = Unstuffer::chunked(limits.header, limits.message).with_bare_lf(bare_lf);
                message.chunk(octets);
                self.message = Some(message);
                self.stage = Stage::Receiving(framing);
            }
            (Err(reply), Framing::Dot) => {
                self.transaction = None;
                self.refuse(reply);
            }
            (Err(reply), Framing::Chunk { octets, .. }) => {
                self.transaction = None;
                self.stage = Stage::SkipChunk(octets, reply);
            }
        }
    }

    pub(super) fn receive(&mut self, framing: Framing, input: &mut BytesMut) -> Option<Action> {
        self.stage = Stage::Receiving(framing);
        let limit = self.config.limits.drain;
        let Some(message) = self.message.as_mut() else {
            self.end(Reply::new(421, 3, 0, "Internal error, closing"));
            return None;
        };
        let piece = message.next(input);
        let too_long = message.drained() > limit;
        match piece {
            _ if too_long => {
                let reply = self.refusal.clone().unwrap_or_else(|| Fault::TooLarge.reply());
                self.end(reply);
                None
            }
            Piece::Data(bytes) => Some(Action::Data(bytes)),
            Piece::NeedInput => Some(Action::NeedInput),
            Piece::Fault(fault) => self.fault(fault),
            Piece::End => self.end_of_piece(framing),
        }
    }

    /// The message breaks a rule. The caller drops it now; the client hears of it at the end.
    fn fault(&mut self, fault: Fault) -> Option<Action> {
        let reply = fault.reply();
        if self.refusal.is_some() {
            return None;
        }
        self.refusal = Some(reply.clone());
        Some(Action::Abort(AbortReason::Malformed(reply)))
    }

    fn end_of_piece(&mut self, framing: Framing) -> Option<Action> {
        let whole = match framing {
            Framing::Dot => true,
            Framing::Chunk { last, .. } => last,
        };
        if self.refusal.is_none() && whole && self.message.as_ref().is_some_and(Unstuffer::ends_in_cr) {
            self.stage = Stage::Receiving(framing);
            return self.fault(Fault::BareCr);
        }
        if let Some(reply) = self.refusal.clone() {
            // RFC 3030 §2: a refused chunk ends the message; later chunks find none.
            self.finish_message(reply);
            return None;
        }
        match framing {
            Framing::Chunk { octets, last: false } => {
                self.stage = Stage::Command;
                self.say(&Reply::new(250, 0, 0, format!("{octets} octets received")));
                None
            }
            _ => {
                self.message = None;
                self.stage = Stage::Asked(Question::End);
                Some(Action::EndData)
            }
        }
    }

    /// Answers the client at the end of its message, and starts afresh.
    pub(super) fn finish_message(&mut self, reply: Reply) {
        self.stage = Stage::Command;
        self.message = None;
        self.refusal = None;
        if reply.is_positive() {
            self.say(&reply);
        } else {
            self.refuse(reply);
        }
        self.transaction = None;
    }

    /// Reads past a chunk that belongs to no message.
    pub(super) fn skip_chunk(&mut self, left: u64, reply: Reply, input: &mut BytesMut) -> Option<Action> {
        if left > self.config.limits.drain {
            self.end(reply);
            return None;
        }
        let here = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        drop(input.split_to(here));
        let left = left - here as u64;
        if left > 0 {
            self.stage = Stage::SkipChunk(left, reply);
            return Some(Action::NeedInput);
        }
        self.refuse(reply);
        None
    }
}
