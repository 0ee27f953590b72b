//! Why somebody is not signed in, by who is at fault.

/// Longest word of a provider that is repeated anywhere.
const MAX_WORD: usize = 40;

/// Why a sign-in came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The person, or the provider for them, said no.
    #[error("the provider says that access was denied")]
    Denied,
    /// The time to confirm is over.
    #[error("the request was not confirmed in time")]
    Expired,
    /// Another error that the provider names (RFC 6749 §4.1.2.1, §5.2).
    #[error("the provider answered with the error {0:?}")]
    Provider(String),
    /// The code was refused: used before, too old, or not ours.
    #[error("the provider refused the code")]
    Code,
    /// The national identifier is not known to the provider.
    #[error("the provider does not know this identifier")]
    UnknownUser,
    /// No answer, or none that can be read.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// Its description of itself does not fit the configuration.
    #[error("the provider's description does not fit: {0}")]
    Discovery(String),
    /// The callback names another issuer (RFC 9207), as in a mix-up of two providers.
    #[error("the answer comes from another provider than was asked")]
    MixedUp,
    /// The answer has no code, or fields that are too long.
    #[error("the answer cannot be read")]
    Answer,
    /// A token is no signed JWT.
    #[error("a token cannot be read: {0}")]
    Malformed(&'static str),
    /// A token is signed by an algorithm that is not allowed, or not at all.
    #[error("a token is signed by the algorithm {0:?}, which is not allowed")]
    Algorithm(String),
    /// A token names a key that the provider does not publish.
    #[error("a token is signed by a key that the provider does not publish")]
    Key,
    /// A signature does not verify.
    #[error("a token's signature is wrong")]
    Signature,
    /// `iss` is another.
    #[error("a token comes from another issuer")]
    Issuer,
    /// `aud` or `azp` is another.
    #[error("a token is for another service")]
    Audience,
    /// `exp` is over.
    #[error("a token has expired")]
    TokenExpired,
    /// `iat` or `nbf` lies in the future, or `iat` far in the past.
    #[error("a token's times do not fit")]
    Times,
    /// `nonce` is another.
    #[error("a token answers another request")]
    Nonce,
    /// `at_hash` is another.
    #[error("the access token does not belong to the identity token")]
    AccessToken,
    /// `acr` is weaker than was asked.
    #[error("the level of authentication {got:?} is below {asked:?}")]
    Level {
        /// What was asked.
        asked: String,
        /// What was given.
        got: String,
    },
    /// `auth_time` is older than was asked, or absent.
    #[error("the authentication is too old")]
    TooOld,
    /// userinfo speaks of somebody else.
    #[error("the provider speaks of two different people")]
    Subject,
    /// The claim that says who it is, is missing.
    #[error("the provider did not say who it is: {0} is missing")]
    Identity(String),
}

impl OidcError {
    /// The word for the journal, and for the page to choose its text by.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Provider(_) => "provider-error",
            Self::Code => "code",
            Self::UnknownUser => "unknown-user",
            Self::Unreachable(_) => "unreachable",
            Self::Discovery(_) => "discovery",
            Self::MixedUp => "mixed-up",
            Self::Answer => "answer",
            Self::Malformed(_) => "malformed-token",
            Self::Algorithm(_) => "algorithm",
            Self::Key => "unknown-key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::TokenExpired => "token-expired",
            Self::Times => "token-times",
            Self::Nonce => "nonce",
            Self::AccessToken => "access-token-hash",
            Self::Level { .. } => "level",
            Self::TooOld => "authentication-too-old",
            Self::Subject => "subject",
            Self::Identity(_) => "identity-missing",
        }
    }
    /// Whether trying again later can help, without anybody doing anything.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
    /// An `error` of RFC 6749 §4.1.2.1 or §5.2, OpenID Connect Core §3.1.2.6 or CIBA Core §13.
    pub fn from_code(code: &str) -> Self {
        match code {
            "access_denied" | "consent_required" | "interaction_required" | "login_required" => Self::Denied,
            "expired_token" | "expired_login_hint_token" => Self::Expired,
            "unknown_user_id" => Self::UnknownUser,
            "temporarily_unavailable" | "server_error" => Self::Unreachable(code.to_owned()),
            other => Self::Provider(plain(other)),
        }
    }
}

/// A stranger's word, fit for a log line.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
        .take(MAX_WORD)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_providers() {
        for (code, reason) in [
            ("access_denied", "denied"),
            ("expired_token", "expired"),
            ("unknown_user_id", "unknown-user"),
            ("server_error", "unreachable"),
            ("invalid_scope", "provider-error"),
        ] {
            assert_eq!(OidcError::from_code(code).reason(), reason, "{code}");
        }
        let long = OidcError::from_code(&"<script>\n".repeat(20));
        assert!(
            matches!(&long, OidcError::Provider(w) if w.len() == MAX_WORD && w.starts_with("scriptscript"))
        );
    }
}
