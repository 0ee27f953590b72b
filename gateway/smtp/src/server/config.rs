//! What a server session is told when it starts.

use sealpost_sasl::Mechanism;

/// Which listener the session belongs to; decides what a client must do before MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mail clients (RFC 6409): TLS, then AUTH, then MAIL.
    Submission,
    /// Other servers, for our own addresses only: nothing is demanded, TLS is offered.
    Inbound,
    /// Named servers that relay through us: TLS is demanded unless `require_tls` is off.
    TrustedRelay,
}

/// Where the connection stands with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsState {
    /// No certificate: STARTTLS is not offered.
    Unavailable,
    /// Clear; STARTTLS is offered (RFC 3207).
    Offered,
    /// Under TLS, from the start (RFC 8314 §3.3) or after STARTTLS.
    Active,
}

/// Limits a stranger meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one command line, CRLF included. RFC 5321 §4.5.3.1.4 asks for 512 and each extension
    /// for more; AUTH lines have the 12,288 of RFC 4954 §4 always.
    pub command_line: usize,
    /// Recipients of one message; RFC 5321 §4.5.3.1.8 asks for 100 at least.
    pub recipients: usize,
    /// Octets of one message; none means no limit, said as `SIZE 0` (RFC 1870 §4).
    pub message: Option<u64>,
    /// Octets of the message's header section.
    pub header: u64,
    /// Refusals before the session ends with 421.
    pub errors: u32,
    /// Commands without a message in between before the session ends with 421.
    pub idle_commands: u32,
    /// Octets of a message that is already refused that are still read, to answer politely.
    pub drain: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 4096,
            recipients: 1000,
            message: None,
            header: 1 << 20,
            errors: 20,
            idle_commands: 500,
            drain: 256 << 20,
        }
    }
}

/// Everything a session is told.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The listener.
    pub kind: Kind,
    /// Our name in the greeting and the EHLO reply.
    pub hostname: String,
    /// TLS when the session starts.
    pub tls: TlsState,
    /// Whether MAIL needs TLS. Submission needs it whatever stands here.
    pub require_tls: bool,
    /// Whether an LF without CR may stand in a message: within a line as far as the end of the message goes, which is
    /// CRLF.CRLF always. Its reader decides what it is.
    pub bare_lf: bool,
    /// SASL mechanisms, offered on submission under TLS only; those that bind to the connection once
    /// [`super::Session::bind`] has told its data.
    pub mechanisms: Vec<Mechanism>,
    /// Limits.
    pub limits: Limits,
}

impl ServerConfig {
    /// The listener's usual settings.
    pub fn new(kind: Kind, hostname: impl Into<String>, tls: TlsState) -> Self {
        let submission = kind == Kind::Submission;
        Self {
            kind,
            hostname: hostname.into(),
            tls,
            require_tls: kind != Kind::Inbound,
            bare_lf: false,
            mechanisms: if submission { Mechanism::ALL.to_vec() } else { Vec::new() },
            limits: Limits::default(),
        }
    }
}
