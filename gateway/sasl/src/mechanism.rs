//! The mechanisms and their names.

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// The two-prompt form some clients still insist on; never an RFC.
    Login,
    /// RFC 7677, without channel binding.
    ScramSha256,
    /// RFC 7677, bound to the TLS connection (RFC 5802 §6): nobody in the middle can pass it on.
    ScramSha256Plus,
    /// RFC 7628: a bearer token.
    OAuthBearer,
    /// What came before it and some clients still speak; never an RFC.
    XOAuth2,
}

impl Mechanism {
    /// All that are known, in the order in which they are offered.
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Login,
        Self::ScramSha256,
        Self::ScramSha256Plus,
        Self::OAuthBearer,
        Self::XOAuth2,
    ];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// The mechanism of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(name))
    }

    /// Whether it works only over a connection whose channel bindings are known.
    pub fn needs_binding(self) -> bool {
        self == Self::ScramSha256Plus
    }
}
