//! Backchannel requests: the person confirms on a telephone, the browser stays where it is.
//!
//! **Exposure.** Anybody can type somebody's identifier and make their telephone ring: the caller limits requests by
//! identifier and by address. The binding message, shown on both screens, keeps a request from being taken for
//! another.
//!
//! **Standards.** OpenID Connect CIBA Core 1.0 §7 (request), §10.1 and §11 (poll mode).

use crate::OidcError;
use crate::client::SignIn;
use sealpost_envelope::{Secret, random};
use serde::Deserialize;

/// Pause between two polls where the provider names none (CIBA Core §7.3).
const INTERVAL: u32 = 5;
/// What "slow down" adds (CIBA Core §11).
pub(crate) const SLOWER: u32 = 5;
/// Bounds of what a provider may ask for.
const LONGEST: u32 = 600;

/// A request that waits for its person.
#[derive(Debug, Clone)]
pub struct BackchannelRequest {
    /// Its name at the provider.
    pub id: Secret<String>,
    /// Seconds until it is over.
    pub expires_in: u32,
    /// Seconds between two polls.
    pub interval: u32,
}

/// What a poll found.
#[derive(Debug)]
pub enum Poll {
    /// Not confirmed yet; ask again after so many seconds more than before.
    Pending {
        /// Seconds to add to the pause.
        slower: u32,
    },
    /// Confirmed.
    Done(Box<SignIn>),
}

#[derive(Deserialize)]
struct Raw {
    auth_req_id: String,
    expires_in: u32,
    interval: Option<u32>,
}

impl BackchannelRequest {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, OidcError> {
        let raw: Raw = serde_json::from_slice(json).map_err(|_| OidcError::Malformed("auth_req_id"))?;
        if raw.auth_req_id.is_empty() || raw.auth_req_id.len() > 2048 {
            return Err(OidcError::Malformed("auth_req_id"));
        }
        Ok(Self {
            id: Secret::new(raw.auth_req_id),
            expires_in: raw.expires_in.clamp(1, LONGEST),
            interval: raw.interval.unwrap_or(INTERVAL).clamp(1, 60),
        })
    }
}

/// What the token endpoint's error means for a poll.
pub(crate) fn pending(error: &str) -> Option<u32> {
    match error {
        "authorization_pending" => Some(0),
        "slow_down" => Some(SLOWER),
        _ => None,
    }
}

/// Two digits for both screens.
pub fn binding_message() -> String {
    format!("{:02}", u64::from_be_bytes(random::octets()) % 100)
}

/// Whether a text can be a national identifier of a professional: RPPS with its type digit, or one of the others.
pub fn is_login_hint(text: &str) -> bool {
    (3..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let read =
            BackchannelRequest::parse(br#"{"auth_req_id":"x","expires_in":120,"interval":2}"#).unwrap();
        assert_eq!((read.expires_in, read.interval), (120, 2));
        let read = BackchannelRequest::parse(br#"{"auth_req_id":"x","expires_in":99999}"#).unwrap();
        assert_eq!((read.expires_in, read.interval), (LONGEST, INTERVAL));
        for bad in [&b"{}"[..], b"", br#"{"auth_req_id":"","expires_in":1}"#] {
            assert!(BackchannelRequest::parse(bad).is_err());
        }
    }

    #[test]
    fn words() {
        assert_eq!(pending("authorization_pending"), Some(0));
        assert_eq!(pending("slow_down"), Some(SLOWER));
        assert_eq!(pending("access_denied"), None);
        for _ in 0..50 {
            let message = binding_message();
            assert!(message.len() == 2 && message.bytes().all(|b| b.is_ascii_digit()));
        }
        for (text, good) in [
            ("899700218896", true),
            ("3760021832/000000018", true),
            ("00B6087510", true),
            ("", false),
            ("a b", false),
            ("x&y=z", false),
            ("<script>", false),
        ] {
            assert_eq!(is_login_hint(text), good, "{text}");
        }
    }
}
