//! Bearer tokens in place of a password: OAUTHBEARER (RFC 7628) and XOAUTH2, its forerunner.
//!
//! Both put a login name and `Bearer <token>` between octets of value one. A token that is refused is explained in
//! JSON, which the client acknowledges before the exchange fails (RFC 7628 §3.2.3).

use crate::{Mechanism, SaslError};
use sealpost_envelope::Secret;

/// Divides the fields (RFC 7628 §3.1, `kvsep`).
const SEPARATOR: char = '\u{1}';

/// What a client shows.
pub(crate) struct Shown {
    /// Login name; OAUTHBEARER may leave it out.
    pub login: String,
    pub token: Secret<String>,
}

/// Reads a client's message.
pub(crate) fn read(mechanism: Mechanism, text: &str) -> Result<Shown, SaslError> {
    let malformed = SaslError::Malformed("Malformed bearer message");
    // Both end in an empty field.
    let body = text.strip_suffix("\u{1}\u{1}").ok_or(malformed)?;
    let mut fields = body.split(SEPARATOR);
    let first = fields.next().unwrap_or_default();
    let login = match mechanism {
        Mechanism::XOAuth2 => first.strip_prefix("user=").ok_or(malformed)?.to_owned(),
        _ => authzid(first)?,
    };
    let token = fields.find_map(|f| f.strip_prefix("auth=")).ok_or(malformed)?;
    let (scheme, token) = token.split_once(' ').ok_or(malformed)?;
    // RFC 6750 §2.1: `b64token`.
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !token.bytes().all(fits) {
        return Err(SaslError::Denied);
    }
    Ok(Shown { login, token: Secret::new(token.to_owned()) })
}

/// `gs2-header = ("n" / "y") "," [ "a=" saslname ] ","` (RFC 7628 §3.1, RFC 5801 §4).
fn authzid(header: &str) -> Result<String, SaslError> {
    let malformed = SaslError::Malformed("Malformed bearer message");
    let rest = header.strip_prefix("n,").or_else(|| header.strip_prefix("y,")).ok_or(malformed)?;
    let name = rest.strip_suffix(',').ok_or(malformed)?;
    if name.is_empty() {
        return Ok(String::new());
    }
    let name = name.strip_prefix("a=").ok_or(malformed)?;
    if name.contains(',') {
        return Err(malformed);
    }
    // RFC 5801 §4: `=2C` and `=3D` stand for the characters that divide.
    Ok(name.replace("=2C", ",").replace("=3D", "="))
}

/// Why a token was refused, in the mechanism's own words.
pub(crate) fn refusal(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::XOAuth2 => r#"{"status":"401","schemes":"bearer","scope":"mail"}"#,
        _ => r#"{"status":"invalid_token","scope":"mail"}"#,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        use Mechanism::{OAuthBearer as O, XOAuth2 as X};
        let malformed = Err(SaslError::Malformed("Malformed bearer message"));
        let alice = || Ok(("alice@example.fr".to_owned(), "abc.DEF_1".to_owned()));
        for (mechanism, message, want) in [
            (O, "n,a=alice@example.fr,^host=mail^port=587^auth=Bearer abc.DEF_1^^", alice()),
            (O, "y,a=alice@example.fr,^auth=bearer abc.DEF_1^^", alice()),
            (O, "n,,^auth=Bearer t^^", Ok((String::new(), "t".to_owned()))),
            (O, "n,a=a=2Cb=3D,^auth=Bearer t^^", Ok(("a,b=".to_owned(), "t".to_owned()))),
            (O, "p=tls-exporter,,^auth=Bearer t^^", malformed.clone()),
            (O, "n,a=alice,^auth=Bearer t^", malformed.clone()),
            (O, "n,a=alice,^^", malformed.clone()),
            (O, "n,a=alice,^auth=Basic t^^", Err(SaslError::Denied)),
            (O, "n,a=alice,^auth=Bearer t\n^^", Err(SaslError::Denied)),
            (O, "", malformed.clone()),
            (X, "user=alice@example.fr^auth=Bearer abc.DEF_1^^", alice()),
            (X, "n,a=alice,^auth=Bearer t^^", malformed.clone()),
            (X, "user=alice^^", malformed),
        ] {
            let read = read(mechanism, &message.replace('^', "\u{1}"));
            let read = read.map(|s| (s.login, s.token.expose().clone()));
            assert_eq!(read, want, "{message}");
        }
    }
}
