//! LOGIN and AUTHENTICATE: only under TLS, one answer for every wrong login.

use crate::backend::{Backend, LoginError};
use crate::output::{Output, Reply};
use crate::session::{Answer, Awaiting, Flow, Session, SessionError, Stop};
use base64_simd::STANDARD;
use sealpost_envelope::Secret;
use sealpost_sasl::{ChannelBindings, Credentials, Exchange, Mechanism, Proof, SaslError, Step};

impl<B: Backend> Session<B> {
    /// Tells what binds a login to this connection, once it is under TLS (RFC 5802 §6).
    pub fn bind(&mut self, bindings: ChannelBindings) {
        self.bindings = bindings;
    }

    /// Whether the mechanism can be used on this connection.
    fn offers(&self, mechanism: Mechanism) -> bool {
        !mechanism.needs_binding() || self.bindings.is_known()
    }

    /// `AUTH=…` for each mechanism, for the list of capabilities.
    pub(crate) fn mechanisms(&self) -> String {
        let offered = Mechanism::ALL.into_iter().filter(|m| self.offers(*m));
        offered.map(|m| format!("AUTH={}", m.name())).collect::<Vec<_>>().join(" ")
    }

    pub(crate) async fn authenticate<O: Output>(
        &mut self,
        tag: String,
        mechanism: &str,
        initial: Option<Vec<u8>>,
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        let mechanism = Mechanism::named(mechanism).filter(|m| self.offers(*m));
        let refused = if self.mailboxes.is_some() {
            Stop::Bad("already logged in".into())
        } else if !self.tls {
            Stop::No("[PRIVACYREQUIRED] start TLS first".into())
        } else if let Some(mechanism) = mechanism {
            let step = Exchange::begin(mechanism, initial.map(Secret::new), &self.bindings);
            return self.advance(tag, step, reply).await;
        } else {
            Stop::No("this mechanism is not offered".into())
        };
        self.answer(&tag, Err(refused), reply).await
    }

    /// Takes the client's next line of an exchange.
    pub(crate) async fn respond<O: Output>(
        &mut self,
        tag: String,
        exchange: Exchange,
        line: &[u8],
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        let step = sealpost_sasl::decode(line).and_then(|message| exchange.step(&message));
        self.advance(tag, step, reply).await
    }

    async fn advance<O: Output>(
        &mut self,
        tag: String,
        mut step: Result<Step, SaslError>,
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        loop {
            let answer = match step {
                Ok(Step::Challenge(exchange, challenge)) => {
                    self.begin_raw(Awaiting::Sasl(tag, exchange));
                    reply.line(&format!("+ {}", STANDARD.encode_to_string(challenge))).await?;
                    return Ok(Flow::Continue);
                }
                Ok(Step::LookUp(asked)) => match self.backend.scram(asked.login()).await {
                    Ok(secrets) => {
                        step = Ok(asked.answer(secrets));
                        continue;
                    }
                    Err(error) => Err(self.refused(error)),
                },
                Ok(Step::Judge(claim)) => match self.backend.login(claim.credentials()).await {
                    Ok(mailboxes) => {
                        // Not logged in before the exchange is over.
                        self.judged = Some((mailboxes, claim.credentials().authcid.clone()));
                        step = Ok(claim.accepted());
                        continue;
                    }
                    Err(LoginError::Refused) => match claim.refused() {
                        Some(told) => {
                            step = Ok(told);
                            continue;
                        }
                        None => Err(self.refused(LoginError::Refused)),
                    },
                    Err(error) => Err(self.refused(error)),
                },
                Ok(Step::Done) => self.enter(),
                Err(SaslError::Denied) => Err(self.refused(LoginError::Refused)),
                Err(SaslError::Cancelled) => Err(Stop::Bad("AUTHENTICATE cancelled".into())),
                Err(SaslError::Malformed(why)) => Err(Stop::Bad(why.into())),
            };
            self.judged = None;
            return self.answer(&tag, answer, reply).await;
        }
    }

    /// LOGIN (RFC 3501 §6.2.3).
    pub(crate) async fn log_in(&mut self, login: &[u8], password: &[u8]) -> Answer {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned);
        let (Ok(authcid), Ok(password)) = (text(login), text(password)) else {
            return Err(self.refused(LoginError::Refused));
        };
        let proof = Proof::Password(Secret::new(password));
        let credentials = Credentials { mechanism: Mechanism::Login, authcid, proof };
        match self.backend.login(&credentials).await {
            Ok(mailboxes) => {
                self.judged = Some((mailboxes, credentials.authcid));
                self.enter()
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Who was judged is in.
    fn enter(&mut self) -> Answer {
        let Some((mailboxes, login)) = self.judged.take() else {
            return Err(Stop::Fault("an exchange ended without a judgement".into()));
        };
        self.mailboxes = Some(mailboxes);
        self.login = Some(login);
        self.framer.set_limit(self.limits.command);
        Ok(format!("[CAPABILITY {}] logged in", self.capabilities()))
    }

    /// RFC 5530 §3; wrong passwords count as errors of the session.
    fn refused(&mut self, error: LoginError) -> Stop {
        let code = match error {
            LoginError::Refused => {
                self.errors += 1;
                "AUTHENTICATIONFAILED"
            }
            LoginError::Throttled => "LIMIT",
            LoginError::Unavailable => "UNAVAILABLE",
        };
        Stop::No(format!("[{code}] {error}"))
    }
}
