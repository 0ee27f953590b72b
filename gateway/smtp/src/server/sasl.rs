//! SASL exchanges, reduced to credentials (RFC 4954, RFC 4616).
//!
//! **Exposure.** Reads base64 from clients that are not yet known. What was decoded is wiped.

use super::{Credentials, Mechanism};
use crate::Reply;
use base64_simd::STANDARD;
use sealpost_envelope::Secret;
use zeroize::Zeroizing;

/// An exchange that waits for the client's next line.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    LoginName,
    LoginPassword(String),
}

/// What comes next.
pub(super) enum Next {
    /// Send `334` with this challenge and go on.
    Challenge(Exchange, &'static str),
    /// Done.
    Credentials(Credentials),
}

impl Exchange {
    /// Begins; `initial` is the initial response, `=` an empty one (RFC 4954 §4).
    pub(super) fn begin(mechanism: Mechanism, initial: Option<&str>) -> Result<Next, Reply> {
        let initial = initial.map(|i| if i == "=" { "" } else { i });
        match (mechanism, initial) {
            (Mechanism::Plain, None) => Ok(Next::Challenge(Self::Plain, "")),
            (Mechanism::Plain, Some(response)) => Self::Plain.step(response.as_bytes()),
            // "Username:" and "Password:" in base64, as every client of this mechanism expects.
            (Mechanism::Login, None) => Ok(Next::Challenge(Self::LoginName, "VXNlcm5hbWU6")),
            (Mechanism::Login, Some(response)) => Self::LoginName.step(response.as_bytes()),
        }
    }

    /// Takes the client's line, without its CRLF.
    pub(super) fn step(self, line: &[u8]) -> Result<Next, Reply> {
        if line == b"*" {
            // RFC 4954 §4: the client gives up.
            return Err(Reply::new(501, 7, 0, "Authentication cancelled"));
        }
        let text = decode(line)?;
        match self {
            Self::Plain => plain(&text),
            Self::LoginName => Ok(Next::Challenge(Self::LoginPassword(text.to_string()), "UGFzc3dvcmQ6")),
            Self::LoginPassword(authcid) => credentials(Mechanism::Login, &authcid, &text),
        }
    }
}

fn decode(line: &[u8]) -> Result<Zeroizing<String>, Reply> {
    let malformed = || Reply::new(501, 5, 2, "Not base64 of UTF-8 text");
    let bytes = Zeroizing::new(STANDARD.decode_to_vec(line).map_err(|_| malformed())?);
    std::str::from_utf8(&bytes).map(|s| Zeroizing::new(s.to_owned())).map_err(|_| malformed())
}

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2).
fn plain(text: &str) -> Result<Next, Reply> {
    let mut fields = text.split('\0');
    let (Some(authzid), Some(authcid), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Reply::new(501, 5, 2, "Malformed PLAIN response"));
    };
    if !authzid.is_empty() && authzid != authcid {
        // Acting for another is decided on the From field, never here.
        return Err(super::denied());
    }
    credentials(Mechanism::Plain, authcid, password)
}

fn credentials(mechanism: Mechanism, authcid: &str, password: &str) -> Result<Next, Reply> {
    let usable = |s: &str| !s.is_empty() && !s.contains('\0');
    if !usable(authcid) || !usable(password) {
        return Err(super::denied());
    }
    let password = Secret::new(password.to_owned());
    Ok(Next::Credentials(Credentials { mechanism, authcid: authcid.to_owned(), password }))
}
