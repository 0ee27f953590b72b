//! Why a page cannot be shown, by who is at fault; made into a page at the edge ([`crate::pages`]).

use crate::view::Door;
use sealpost_store::blob::BlobError;
use sealpost_store::crypto::CryptoError;
use sealpost_store::keys::KeyError;
use sealpost_store::{EndError, StoreError};
use std::fmt::Display;

/// Why access has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its time is over.
    Expired,
    /// The sender withdrew it.
    Revoked,
    /// The recipient refused it.
    Declined,
    /// A newer link took its place.
    Replaced,
    /// The content was destroyed.
    Destroyed,
}

/// What a handler may end with instead of its page.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No such link, page or file: one neutral page for all of them.
    Unknown,
    /// The link was good once.
    Ended(Ended, Box<Door>),
    /// The session is missing or over; the way back is the landing page.
    NoSession(Box<Door>),
    /// What is stored of the message cannot be read.
    Damaged(Box<Door>),
    /// The form is not one of ours, or too old.
    Forged(Box<Door>),
    /// The body is no form.
    BadForm,
    /// The body is larger than any form of ours.
    TooLarge,
    /// Too many requests of this kind from there.
    TooMany,
    /// Our fault; the cause has been logged.
    Internal,
    /// Our fault for the moment.
    Busy,
    /// The server that knows the password gives no answer; the cause has been logged.
    LoginElsewhere,
}

impl Fault {
    /// Logs the cause and hides it.
    pub(crate) fn internal(what: &str, cause: impl Display) -> Self {
        tracing::error!(%cause, "{what}");
        Self::Internal
    }
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Busy | StoreError::NotCommitted(_) | StoreError::Closed => {
                tracing::warn!(cause = %e, "store");
                Self::Busy
            }
            StoreError::NotFound(_) => Self::Unknown,
            e => Self::internal("store", e),
        }
    }
}
impl From<EndError> for Fault {
    fn from(e: EndError) -> Self {
        match e {
            EndError::Store(e) => e.into(),
            e => Self::internal("journal", e),
        }
    }
}
impl From<KeyError> for Fault {
    fn from(e: KeyError) -> Self {
        Self::internal("key store", e)
    }
}
impl From<CryptoError> for Fault {
    fn from(e: CryptoError) -> Self {
        Self::internal("content", e)
    }
}
impl From<BlobError> for Fault {
    fn from(e: BlobError) -> Self {
        Self::internal("blob", e)
    }
}
impl From<askama::Error> for Fault {
    fn from(e: askama::Error) -> Self {
        Self::internal("template", e)
    }
}
impl From<sealpost_evidence::EventError> for Fault {
    fn from(e: sealpost_evidence::EventError) -> Self {
        Self::internal("event", e)
    }
}
