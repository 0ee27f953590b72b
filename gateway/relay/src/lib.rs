//! Outgoing mail: takes what is ready from the queue and hands it to the next server, or to a mailbox here.
//!
//! **Job.** [`Relay::run`] claims rows, finds each recipient's [`Route`], speaks SMTP over TCP and TLS with
//! connections reused per host, and reports every attempt to the [`Delivery`] it was given, which keeps the
//! outcome together with its events.
//!
//! **Exposure.** Remote servers: their replies are bounded and parsed by `sealpost_smtp`, their certificates
//! are verified where the route says so and recorded where it does not.
//!
//! **Standards.** RFC 5321 §4.5.3.2 (patience), §4.5.4.1 (retries), RFC 3207 (STARTTLS), RFC 7435
//! (opportunistic TLS), RFC 7505, RFC 7672 (DANE), RFC 8461 (MTA-STS), RFC 8460 (what is
//! reported about TLS).
//!
//! **Failure modes.** A remote that is away, slow or refuses for now: the row waits by the schedule, then
//! fails. A crash: claims lapse or are released at the next start, and the message is sent again unless its
//! outcome was stored. A recipient without a route is held with the reason; nothing waits silently.
//!
//! **Absent on purpose.** No message formats, no events, no seals.

mod attempt;
mod config;
mod connection;
mod dane;
mod delivery;
pub mod dns;
mod mx;
mod pool;
pub mod report;
pub mod sts;
mod tls;
pub mod tlsrpt;
mod worker;

pub use config::{RelayConfig, RetrySchedule, Route, Smarthost, Target, TlsMode};
pub use dane::Pin;
pub use delivery::{Content, Decision, Delivery, DeliveryError, LocalOutcome, Remote, Report, TlsFacts};
pub use dns::{Dns, DnsConfig};
pub use tls::{ClientIdentity, Tls, TlsError};
pub use worker::Relay;
