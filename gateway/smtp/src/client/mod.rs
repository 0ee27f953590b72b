//! The client side of a session: greeting, EHLO, STARTTLS, AUTH, then one message after another.
//!
//! ```text
//! loop {
//!     match session.next(&mut input) {
//!         NeedInput(phase) => read more into input, waiting phase.timeout() at most
//!         Send(b)          => write b
//!         StartTls         => handshake; session.tls_started()
//!         Ready            => session.send(transaction), or session.quit()
//!         Content          => for each chunk: session.content(chunk, &mut out), write out;
//!                             then session.content_end(&mut out), write out
//!         Done(outcomes)   => one outcome per recipient; next comes Ready
//!         Closed           => break
//!     }
//! }
//! ```
//! When content cannot be completed, drop the connection: neither DATA nor BDAT has a way to say so.

mod capabilities;
mod session;
mod transaction;
mod types;

pub use capabilities::Capabilities;
pub use session::Session;
pub use types::{
    Action, ClientConfig, ContentError, Failure, Outcome, Phase, Recipient, StartTls, Transaction, WrongStep,
};
