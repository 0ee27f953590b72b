//! AUTH (RFC 4954): the SASL exchange in SMTP's lines.
//!
//! **Exposure.** Reads base64 from clients that are not yet known, in bounded lines. What was decoded is wiped.

use super::action::{AuthResult, NotAsked, ScramResult};
use super::command::{Line, out_of_order, take_line, too_long};
use super::{Action, Kind, Question, Session, Stage};
use crate::Reply;
use base64_simd::STANDARD;
use bytes::BytesMut;
use sealpost_sasl::{ChannelBindings, Exchange, Mechanism, SaslError, Step, decode};

/// Longest line of an exchange, CRLF included (RFC 4954 §4).
pub(super) const MAX_AUTH_LINE: usize = 12_288;

/// The one answer to credentials that are not good, whatever is wrong with them.
fn denied() -> Reply {
    Reply::new(535, 7, 8, "Authentication credentials invalid")
}

fn throttled() -> Reply {
    Reply::new(454, 7, 0, "Too many attempts, try again later")
}

fn unavailable() -> Reply {
    Reply::new(454, 7, 0, "Authentication is not available now, try again later")
}

/// RFC 4954 §4.
fn sasl_reply(error: SaslError) -> Reply {
    match error {
        SaslError::Cancelled => Reply::new(501, 7, 0, error.to_string()),
        SaslError::Malformed(_) => Reply::new(501, 5, 2, error.to_string()),
        SaslError::Denied => denied(),
    }
}

impl Session {
    /// Tells what binds a login to this connection, once it is under TLS.
    pub fn bind(&mut self, bindings: ChannelBindings) {
        self.bindings = bindings;
    }

    /// Passwords are taken on submission, under TLS, and nowhere else.
    pub(super) fn offers_auth(&self) -> bool {
        self.config.kind == Kind::Submission && self.is_tls() && !self.config.mechanisms.is_empty()
    }

    fn offers(&self, mechanism: Mechanism) -> bool {
        self.config.mechanisms.contains(&mechanism)
            && (!mechanism.needs_binding() || self.bindings.is_known())
    }

    /// Names of the mechanisms that can be used now.
    pub(super) fn mechanisms(&self) -> String {
        let offered = self.config.mechanisms.iter().filter(|m| self.offers(**m));
        offered.map(|m| m.name()).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Result<Option<Action>, Reply> {
        if self.config.kind != Kind::Submission || self.config.mechanisms.is_empty() {
            return Err(Reply::new(502, 5, 1, "AUTH is not available"));
        }
        if !self.is_tls() {
            return Err(Reply::new(530, 7, 0, "Must issue STARTTLS first"));
        }
        if !self.extended || self.transaction.is_some() {
            return Err(out_of_order("AUTH comes after EHLO and before MAIL"));
        }
        if self.authenticated {
            // RFC 4954 §4
            return Err(out_of_order("Already authenticated"));
        }
        let mechanism = Mechanism::named(mechanism)
            .filter(|m| self.offers(*m))
            .ok_or_else(|| Reply::new(504, 5, 4, "Mechanism not supported"))?;
        // RFC 4954 §4: `=` is an empty initial response.
        let initial = match initial {
            None => None,
            Some("*") => return Err(sasl_reply(SaslError::Malformed("Not base64"))),
            Some(text) => Some(decode(if text == "=" { b"" } else { text.as_bytes() }).map_err(sasl_reply)?),
        };
        Ok(self.advance(Exchange::begin(mechanism, initial, &self.bindings)))
    }

    pub(super) fn read_auth(&mut self, exchange: Exchange, input: &mut BytesMut) -> Option<Action> {
        match take_line(input, MAX_AUTH_LINE) {
            Line::NeedInput => {
                self.stage = Stage::Auth(exchange);
                Some(Action::NeedInput)
            }
            Line::TooLong => {
                self.stage = Stage::SkipLine(0, Some(too_long(true)));
                None
            }
            Line::BareCr => {
                self.refuse(Reply::new(501, 5, 2, "Lines end with CR LF only"));
                None
            }
            Line::BareLf => {
                self.bare_lf();
                None
            }
            Line::Whole(line) => self.advance(decode(&line).and_then(|message| exchange.step(&message))),
        }
    }

    fn advance(&mut self, step: Result<Step, SaslError>) -> Option<Action> {
        match step {
            Ok(Step::Challenge(exchange, challenge)) => {
                self.say(&Reply::bare(334, STANDARD.encode_to_string(challenge)));
                self.stage = Stage::Auth(exchange);
                None
            }
            Ok(Step::LookUp(asked)) => {
                let login = asked.login().to_owned();
                self.stage = Stage::Asked(Question::Scram(asked));
                Some(Action::Scram(login))
            }
            Ok(Step::Judge(claim)) => {
                let credentials = claim.credentials().clone();
                self.stage = Stage::Asked(Question::Auth(claim));
                Some(Action::Authenticate(credentials))
            }
            Ok(Step::Done) => {
                self.authenticated = true;
                self.say(&Reply::new(235, 7, 0, "Authentication successful"));
                None
            }
            Err(error) => {
                self.refuse(sasl_reply(error));
                None
            }
        }
    }

    /// Answers [`Action::Scram`].
    pub fn scram_result(&mut self, result: ScramResult) -> Result<(), NotAsked> {
        let Question::Scram(asked) = self.answer(|q| matches!(q, Question::Scram(_)))? else {
            return Err(NotAsked);
        };
        match result {
            ScramResult::Secrets(secrets) => {
                self.advance(Ok(asked.answer(secrets)));
            }
            ScramResult::Throttled => self.refuse(throttled()),
            ScramResult::Unavailable => self.refuse(unavailable()),
        }
        Ok(())
    }

    /// Answers [`Action::Authenticate`].
    pub fn auth_result(&mut self, result: AuthResult) -> Result<(), NotAsked> {
        let Question::Auth(claim) = self.answer(|q| matches!(q, Question::Auth(_)))? else {
            return Err(NotAsked);
        };
        match result {
            AuthResult::Accepted => {
                self.advance(Ok(claim.accepted()));
            }
            AuthResult::Denied => match claim.refused() {
                Some(told) => {
                    self.advance(Ok(told));
                }
                None => self.refuse(denied()),
            },
            AuthResult::Throttled => self.refuse(throttled()),
            AuthResult::Unavailable => self.refuse(unavailable()),
        }
        Ok(())
    }
}
