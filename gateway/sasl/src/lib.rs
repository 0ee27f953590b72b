//! SASL as the mail protocols use it, server side: what a client says about itself becomes [`Credentials`].
//!
//! **Job.** [`Exchange`] takes the client's messages one after another and answers with a [`Step`]: a
//! challenge to send, a question for whoever keeps the accounts, or the end. SMTP (RFC 4954) and IMAP
//! (RFC 9051 §6.2.2) wrap it in their own lines. It owns no socket, no clock and no store.
//!
//! **Exposure.** Strangers before login. Messages are bounded by the lines that carry them; what was
//! decoded is wiped; a name that is unknown goes the same way, with the same work, as one that is known.
//!
//! **Standards.** RFC 4422 (SASL), 4616 (PLAIN), 5802 and 7677 (SCRAM-SHA-256), 9266 (`tls-exporter`), 5929
//! (`tls-server-end-point`), 7628 (OAUTHBEARER). XOAUTH2 is its forerunner. LOGIN never became a standard; mail programs still ask for it.
//!
//! **Failure modes.** [`SaslError`] says whether the client gave up, wrote nonsense, or claims what it may
//! not: the last is answered like a wrong password.

mod bearer;
mod binding;
mod exchange;
mod mechanism;
mod scram;

pub use binding::ChannelBindings;
pub use exchange::{Asked, Claim, Credentials, Exchange, Proof, SaslError, Step, decode};
pub use mechanism::Mechanism;
pub use scram::{RecordId, ScramRecord, ScramSecrets};
