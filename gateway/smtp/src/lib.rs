//! SMTP sessions, server and client, as state machines over bytes.
//!
//! **Job.** [`server::Session`] turns what a client sent into [`server::Action`]s and answers it;
//! [`client::Session`] hands one message after another to a remote server. Neither owns a socket, a
//! timer or a thread: the caller moves bytes, performs TLS handshakes and keeps the clock.
//!
//! **Exposure.** Everything here reads strangers' bytes, before any authentication. Every buffer is
//! bounded; nothing is repaired: what breaks a rule is refused with the code that names it.
//!
//! **Standards.** RFC 5321 (SMTP), 6409 (submission), 2034/3463/5248 (enhanced codes), 1870 (SIZE), 2920
//! (PIPELINING), 6152 (8BITMIME), 3030 (CHUNKING), 6531 (SMTPUTF8), 3461 (DSN), 3207 (STARTTLS), 4954
//! (AUTH), 4616 (PLAIN). BINARYMIME is not offered.
//!
//! **Failure modes.** A server session never fails: it refuses, and closes when refusing no longer
//! helps. A client session ends in [`client::Failure`], which says at which step and whether trying
//! again makes sense.

pub mod client;
pub mod data;
pub mod reply;
pub mod server;

mod text;

pub use reply::{Enhanced, Reply};
