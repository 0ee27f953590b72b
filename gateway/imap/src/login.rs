//! LOGIN and AUTHENTICATE PLAIN: only under TLS, one answer for every wrong login.

use crate::backend::{Backend, LoginError};
use crate::output::{Output, Reply};
use crate::session::{Answer, Awaiting, Flow, Session, SessionError, Stop};
use sealpost_envelope::Secret;

impl<B: Backend> Session<B> {
    pub(crate) async fn authenticate<O: Output>(
        &mut self,
        tag: String,
        mechanism: &str,
        initial: Option<Vec<u8>>,
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        let refused = if self.mailboxes.is_some() {
            Some(Stop::Bad("already logged in".into()))
        } else if !self.tls {
            Some(Stop::No("[PRIVACYREQUIRED] start TLS first".into()))
        } else if !mechanism.eq_ignore_ascii_case("PLAIN") {
            Some(Stop::No("this mechanism is not offered".into()))
        } else {
            None
        };
        if let Some(stop) = refused {
            return self.answer(&tag, Err(stop), reply).await;
        }
        match initial {
            Some(bytes) => {
                let answer = self.plain(Secret::new(bytes)).await;
                self.answer(&tag, answer, reply).await
            }
            None => {
                self.begin_raw(Awaiting::Plain(tag));
                reply.line("+ ").await?;
                Ok(Flow::Continue)
            }
        }
    }

    /// RFC 4616: `[authzid] NUL authcid NUL passwd`.
    pub(crate) async fn plain(&mut self, message: Secret<Vec<u8>>) -> Answer {
        let fields: Vec<&[u8]> = message.expose().split(|b| *b == 0).collect();
        let [authorize, login, password] = fields[..] else {
            return Err(Stop::Bad("three fields belong into PLAIN".into()));
        };
        if !authorize.is_empty() && authorize != login {
            return Err(Stop::No("[AUTHORIZATIONFAILED] act as yourself only".into()));
        }
        self.log_in(login, password).await
    }

    pub(crate) async fn log_in(&mut self, login: &[u8], password: &[u8]) -> Answer {
        let refused = || Stop::No(format!("[AUTHENTICATIONFAILED] {}", LoginError::Refused));
        let login = std::str::from_utf8(login).map_err(|_| refused())?;
        let password = Secret::new(std::str::from_utf8(password).map_err(|_| refused())?.to_owned());
        match self.backend.login(login, password).await {
            Ok(mailboxes) => {
                self.mailboxes = Some(mailboxes);
                self.login = Some(login.to_owned());
                self.framer.set_limit(self.limits.command);
                Ok(format!("[CAPABILITY {}] logged in", self.capabilities()))
            }
            Err(LoginError::Refused) => {
                self.errors += 1;
                Err(refused())
            }
            Err(e @ LoginError::Throttled) => Err(Stop::No(format!("[LIMIT] {e}"))),
            Err(e @ LoginError::Unavailable) => Err(Stop::No(format!("[UNAVAILABLE] {e}"))),
        }
    }
}
