//! One exchange, from the client's first message to a claim that can be judged.

use crate::scram::{First, Opened, RecordId, ScramSecrets};
use crate::{ChannelBindings, Mechanism, bearer};
use base64_simd::STANDARD;
use sealpost_envelope::Secret;
use zeroize::Zeroizing;

/// Why an exchange ended without a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The client sent `*` (RFC 4954 §4).
    #[error("Authentication cancelled")]
    Cancelled,
    /// Not base64, or not what the mechanism says.
    #[error("{0}")]
    Malformed(&'static str),
    /// Readable, and refused: acting for another, or over another connection. To be answered like a wrong
    /// password.
    #[error("Authentication credentials invalid")]
    Denied,
}

/// What a client claims when it logs in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// How.
    pub mechanism: Mechanism,
    /// Login name.
    pub authcid: String,
    /// With what.
    pub proof: Proof,
}

/// What a claim rests on.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A password, still to be compared.
    Password(Secret<String>),
    /// A SCRAM proof that has been computed: the record it fits, or none.
    Scram(Option<RecordId>),
    /// A bearer token, still to be looked up. The login name beside it may be empty: the token says whose it is.
    Bearer(Secret<String>),
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Send this, in base64, and give the client's answer to [`Exchange::step`].
    Challenge(Exchange, Vec<u8>),
    /// *Question*: what is kept for this login? Answer with [`Asked::answer`].
    LookUp(Asked),
    /// *Question*: is this claim good? If so, go on with [`Claim::accepted`].
    Judge(Claim),
    /// The client, already accepted, has seen the server's own proof.
    Done,
}

/// A SCRAM exchange that waits for what is kept of a login.
#[derive(Debug)]
pub struct Asked {
    first: First,
}

impl Asked {
    /// The login name the client gave.
    pub fn login(&self) -> &str {
        self.first.login()
    }
    /// Goes on with what is kept; for an unknown login, with a salt of the same kind and no record.
    pub fn answer(self, secrets: ScramSecrets) -> Step {
        let (opened, challenge) = self.first.open(secrets);
        Step::Challenge(Exchange(State::ScramFinal(Box::new(opened))), challenge.into_bytes())
    }
}

/// A claim to be judged.
#[derive(Debug)]
pub struct Claim {
    credentials: Credentials,
    /// What the server proves in turn (RFC 5802 §3, `ServerSignature`).
    confirmation: Option<String>,
}

impl Claim {
    /// What is claimed.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }
    /// The claim was found good: what is still to be said, if anything.
    pub fn accepted(self) -> Step {
        match self.confirmation {
            Some(text) => Step::Challenge(Exchange(State::Confirmed), text.into_bytes()),
            None => Step::Done,
        }
    }
    /// The claim was refused: what the client is told before the exchange fails, if anything.
    pub fn refused(self) -> Option<Step> {
        let mechanism = self.credentials.mechanism;
        let told = matches!(self.credentials.proof, Proof::Bearer(_)).then(|| bearer::refusal(mechanism));
        told.map(|text| Step::Challenge(Exchange(State::Refused), text.into()))
    }
}

/// An exchange that waits for the client's next message.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    Plain,
    LoginName,
    LoginPassword(String),
    ScramFirst(Mechanism, ChannelBindings),
    ScramFinal(Box<Opened>),
    Confirmed,
    Bearer(Mechanism),
    /// The client acknowledges why its token was refused.
    Refused,
}

/// Undoes the base64 of a client's line; `*` cancels (RFC 4954 §4, RFC 9051 §6.2.2).
pub fn decode(line: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
    if line == b"*" {
        return Err(SaslError::Cancelled);
    }
    STANDARD.decode_to_vec(line).map(Secret::new).map_err(|_| SaslError::Malformed("Not base64"))
}

impl Exchange {
    /// Begins; `initial` is the initial response, decoded. `bindings` are those of the connection.
    pub fn begin(
        mechanism: Mechanism,
        initial: Option<Secret<Vec<u8>>>,
        bindings: &ChannelBindings,
    ) -> Result<Step, SaslError> {
        let (state, prompt) = match mechanism {
            Mechanism::Plain => (State::Plain, ""),
            Mechanism::Login => (State::LoginName, "Username:"),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                (State::ScramFirst(mechanism, bindings.clone()), "")
            }
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => (State::Bearer(mechanism), ""),
        };
        match initial {
            Some(message) => Self(state).step(&message),
            None => Ok(Step::Challenge(Self(state), prompt.into())),
        }
    }

    /// Takes the client's next message, decoded.
    pub fn step(self, message: &Secret<Vec<u8>>) -> Result<Step, SaslError> {
        let text = std::str::from_utf8(message.expose()).map_err(|_| SaslError::Malformed("Not UTF-8"))?;
        match self.0 {
            State::Plain => plain(text),
            State::LoginName => {
                Ok(Step::Challenge(Self(State::LoginPassword(text.to_owned())), "Password:".into()))
            }
            State::LoginPassword(authcid) => password(Mechanism::Login, &authcid, text),
            State::ScramFirst(mechanism, bindings) => {
                let first = First::read(text, mechanism, &bindings, &crate::scram::nonce())?;
                Ok(Step::LookUp(Asked { first }))
            }
            State::ScramFinal(opened) => {
                let proven = opened.prove(text)?;
                let credentials = Credentials {
                    mechanism: proven.mechanism,
                    authcid: proven.login,
                    proof: Proof::Scram(proven.record),
                };
                Ok(Step::Judge(Claim { credentials, confirmation: Some(proven.confirmation) }))
            }
            State::Bearer(mechanism) => {
                let shown = bearer::read(mechanism, text)?;
                let proof = Proof::Bearer(shown.token);
                let credentials = Credentials { mechanism, authcid: shown.login, proof };
                Ok(Step::Judge(Claim { credentials, confirmation: None }))
            }
            // Whatever it says, the exchange has failed (RFC 7628 §3.2.3).
            State::Refused => Err(SaslError::Denied),
            State::Confirmed if text.is_empty() => Ok(Step::Done),
            State::Confirmed => Err(SaslError::Malformed("Nothing more belongs here")),
        }
    }
}

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2).
fn plain(text: &str) -> Result<Step, SaslError> {
    let mut fields = text.split('\0');
    let (Some(authzid), Some(authcid), Some(secret), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(SaslError::Malformed("Malformed PLAIN response"));
    };
    if !authzid.is_empty() && authzid != authcid {
        // Acting for another is decided on the From field, never here.
        return Err(SaslError::Denied);
    }
    password(Mechanism::Plain, authcid, secret)
}

fn password(mechanism: Mechanism, authcid: &str, secret: &str) -> Result<Step, SaslError> {
    let usable = |s: &str| !s.is_empty() && !s.contains('\0');
    if !usable(authcid) || !usable(secret) {
        return Err(SaslError::Denied);
    }
    let secret = Zeroizing::new(secret.to_owned());
    let proof = Proof::Password(Secret::new(String::clone(&secret)));
    let credentials = Credentials { mechanism, authcid: authcid.to_owned(), proof };
    Ok(Step::Judge(Claim { credentials, confirmation: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(step: Result<Step, SaslError>) -> Result<(String, String), SaslError> {
        match step? {
            Step::Judge(claim) => match &claim.credentials().proof {
                Proof::Password(p) => Ok((claim.credentials().authcid.clone(), p.expose().clone())),
                Proof::Scram(_) | Proof::Bearer(_) => panic!("no password was asked for"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn begin(mechanism: Mechanism, initial: &str) -> Result<Step, SaslError> {
        let initial = Some(Secret::new(initial.as_bytes().to_vec()));
        Exchange::begin(mechanism, initial, &ChannelBindings::default())
    }

    #[test]
    fn plain_messages() {
        let alice = Ok(("alice".to_owned(), "secret".to_owned()));
        for (message, want) in [
            ("\0alice\0secret", alice.clone()),
            ("alice\0alice\0secret", alice),
            ("bob\0alice\0secret", Err(SaslError::Denied)),
            ("\0alice\0", Err(SaslError::Denied)),
            ("\0\0secret", Err(SaslError::Denied)),
            ("alice\0secret", Err(SaslError::Malformed("Malformed PLAIN response"))),
            ("\0alice\0secret\0", Err(SaslError::Malformed("Malformed PLAIN response"))),
            ("", Err(SaslError::Malformed("Malformed PLAIN response"))),
        ] {
            assert_eq!(claimed(begin(Mechanism::Plain, message)), want, "{message:?}");
        }
    }

    #[test]
    fn login_asks_twice() {
        let none = ChannelBindings::default();
        let Ok(Step::Challenge(name, prompt)) = Exchange::begin(Mechanism::Login, None, &none) else {
            panic!("no prompt")
        };
        assert_eq!(prompt, b"Username:");
        let Ok(Step::Challenge(word, prompt)) = name.step(&Secret::new(b"alice".to_vec())) else {
            panic!("no second prompt")
        };
        assert_eq!(prompt, b"Password:");
        let claim = claimed(word.step(&Secret::new(b"secret".to_vec())));
        assert_eq!(claim, Ok(("alice".to_owned(), "secret".to_owned())));
    }

    #[test]
    fn a_refused_token_is_explained() {
        for (mechanism, message, answer, told) in [
            (Mechanism::OAuthBearer, "n,,\u{1}auth=Bearer t\u{1}\u{1}", "\u{1}", "invalid_token"),
            (Mechanism::XOAuth2, "user=a\u{1}auth=Bearer t\u{1}\u{1}", "", "401"),
        ] {
            let Ok(Step::Judge(claim)) = begin(mechanism, message) else { panic!("no claim") };
            let Some(Step::Challenge(exchange, json)) = claim.refused() else { panic!("nothing told") };
            assert!(String::from_utf8(json).unwrap().contains(told));
            let end = exchange.step(&Secret::new(answer.as_bytes().to_vec()));
            assert_eq!(end.unwrap_err(), SaslError::Denied);
        }
        let Ok(Step::Judge(claim)) = begin(Mechanism::Plain, "\0a\0b") else { panic!("no claim") };
        assert!(claim.refused().is_none());
    }

    #[test]
    fn lines_are_base64() {
        assert_eq!(decode(b"").unwrap().expose(), b"");
        assert_eq!(decode(b"*").unwrap_err(), SaslError::Cancelled);
        for bad in [&b"===="[..], b"YQ", b"Y Q=", b"**"] {
            assert_eq!(decode(bad).unwrap_err(), SaslError::Malformed("Not base64"), "{bad:?}");
        }
    }
}
