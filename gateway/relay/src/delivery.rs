//! What the relay needs from the rest of Sealpost.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use sealpost_envelope::{BodyType, DsnNotify, EmailAddress, Sha256Digest, Timestamp};
use sealpost_smtp::Reply;
use sealpost_store::queue::{Outbound, Settlement};
use std::future::Future;
use std::net::IpAddr;

/// A message on its way out, as a stream.
pub struct Content {
    /// The wire bytes, CRLF line ends, without dot-stuffing. An error means the message cannot be
    /// produced now; the attempt is dropped and made again later.
    pub stream: BoxStream<'static, Result<Bytes, DeliveryError>>,
    /// Exact length.
    pub size: u64,
    /// Whether octets over 127 occur.
    pub body: BodyType,
    /// Whether the header holds UTF-8.
    pub smtputf8: bool,
    /// Reverse path; `None` is `<>`.
    pub reverse_path: Option<EmailAddress>,
    /// `NOTIFY` to ask for.
    pub notify: DsnNotify,
    /// `ORCPT`, `rfc822;…`.
    pub orcpt: Option<String>,
    /// `ENVID`.
    pub envid: Option<String>,
    /// `RET`: the whole message, or its header.
    pub ret_full: Option<bool>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Why the gateway could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The content is gone: revoked, or its key destroyed. The row fails.
    #[error("the content is gone: {0}")]
    Gone(String),
    /// Anything that may be different later.
    #[error("{0}")]
    Temporary(String),
}

/// What became of a local delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalOutcome {
    /// In the mailbox, durably.
    Delivered,
    /// No such mailbox, or it refuses; says why.
    Refused(String),
}

/// TLS of a connection, as evidence names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// SHA-256 of the server's certificate (DER).
    pub certificate: Option<Sha256Digest>,
    /// Whether the certificate verifies for the host name by the authorities we trust.
    pub verified: bool,
    /// What was asked of it: `opportunistic`, `encrypted`, `required`, `implicit` or `dane`.
    pub policy: &'static str,
}

/// The server spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Host name of the route.
    pub host: String,
    /// Address connected to; none when no connection came about.
    pub ip: Option<IpAddr>,
    /// Port.
    pub port: u16,
    /// TLS; none in the clear.
    pub tls: Option<TlsFacts>,
    /// Whether it takes over the duty to report (DSN, RFC 3461).
    pub dsn: bool,
}

/// What the relay concludes from an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The next server, or the local mailbox, has it.
    Sent,
    /// Another attempt at that time.
    Retry(Timestamp),
    /// No further attempt.
    Failed,
    /// Waits for a person: there is no route.
    Held,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Conclusion.
    pub decision: Decision,
    /// The server; none for local delivery and for rows that have no route.
    pub remote: Option<Remote>,
    /// The remote's reply, when the conclusion rests on one.
    pub reply: Option<Reply>,
    /// One line for people: the reply, or what went wrong on our side.
    pub text: String,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
}

impl Report {
    /// What to store for the row; pass it to [`sealpost_store::queue::settle`] in the transaction that
    /// writes the events.
    pub fn settlement(&self) -> Settlement {
        let reply = self.text.clone();
        match self.decision {
            Decision::Sent => Settlement::Sent { reply },
            Decision::Retry(next_at) => Settlement::Retry { reply, next_at },
            Decision::Failed => Settlement::Failed { reply },
            Decision::Held => Settlement::Held { reason: reply, at: self.at },
        }
    }
}

/// The gateway's side of the relay. Methods are called from several tasks at once.
pub trait Delivery: Send + Sync + 'static {
    /// Opens a row's content for one attempt; every attempt yields the same bytes.
    fn open(&self, item: &Outbound) -> impl Future<Output = Result<Content, DeliveryError>> + Send;
    /// Puts a row's content into a mailbox here. Must do nothing when it has been done before.
    fn local(&self, item: &Outbound) -> impl Future<Output = Result<LocalOutcome, DeliveryError>> + Send;
    /// Whether a row's mail leaves even where TLS is not as DNS or policy wants it (RFC 8460 §3: reports on such
    /// failures must not fail for them).
    fn waives_tls(&self, _item: &Outbound) -> bool {
        false
    }
    /// Keeps an attempt's outcome: `report.settlement()` for the row, with the events it makes, in one
    /// transaction.
    fn outcome(
        &self,
        item: &Outbound,
        report: &Report,
    ) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}

impl<D: Delivery> Delivery for std::sync::Arc<D> {
    fn waives_tls(&self, item: &Outbound) -> bool {
        D::waives_tls(self, item)
    }
    fn open(&self, item: &Outbound) -> impl Future<Output = Result<Content, DeliveryError>> + Send {
        D::open(self, item)
    }
    fn local(&self, item: &Outbound) -> impl Future<Output = Result<LocalOutcome, DeliveryError>> + Send {
        D::local(self, item)
    }
    fn outcome(
        &self,
        item: &Outbound,
        report: &Report,
    ) -> impl Future<Output = Result<(), DeliveryError>> + Send {
        D::outcome(self, item, report)
    }
}
