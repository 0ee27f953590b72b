//! Who hands mail over, and whose addresses they may write as.
//!
//! An account has logged in; a `[[trusted]]` server is known by its network address and only asserts who
//! the author is; a guest holds a link that went to their address. Evidence keeps the three apart.

use crate::config::Trusted;
use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::{EmailAddress, GateMethod, Submitter, Timestamp};
use sealpost_store::account::{Account, AccountError, Accounts};
use std::sync::Arc;

/// A client that may submit.
#[derive(Debug, Clone)]
pub enum Client {
    /// Logged in.
    Account {
        /// The account.
        account: Account,
        /// SASL mechanism, lower case.
        mechanism: &'static str,
        /// When.
        at: Timestamp,
        /// Its organisation.
        organisation: Arc<Organisation>,
    },
    /// A server of the configuration.
    Server(Arc<Trusted>),
    /// Somebody outside, on a page of ours.
    Guest {
        /// Their address, to which the link had gone.
        address: EmailAddress,
        /// Gate methods passed, in order.
        methods: Vec<GateMethod>,
        /// When.
        at: Timestamp,
        /// The organisation for which they deposit.
        organisation: Arc<Organisation>,
    },
}

impl Client {
    /// Whether it may write as this author, or use this reverse path, now: a delegation may be withdrawn while a
    /// connection is open, so the store is asked each time. The login alone stays an account's for ever.
    pub async fn may_use(&self, accounts: &Accounts, address: &EmailAddress) -> Result<bool, AccountError> {
        match self {
            Self::Account { account, .. } => Ok(account.login.key() == address.key()
                || accounts.standing(account.id, address).await?.is_some()),
            Self::Server(server) => Ok(server.may_send_as(address)),
            Self::Guest { address: own, .. } => Ok(own.key() == address.key()),
        }
    }

    /// The organisation whose mail this is: the account's, or the one that owns the author's domain.
    pub fn organisation(&self, gateway: &Gateway, author: &EmailAddress) -> Option<Arc<Organisation>> {
        match self {
            Self::Account { organisation, .. } | Self::Guest { organisation, .. } => {
                Some(organisation.clone())
            }
            Self::Server(_) => gateway.organisation_of(author).cloned(),
        }
    }

    /// As evidence names it.
    pub fn submitter(&self) -> Submitter {
        match self {
            Self::Account { account, .. } => {
                Submitter::Account { id: account.id, login: account.login.clone() }
            }
            Self::Server(server) => Submitter::Asserted { server: server.name.clone() },
            Self::Guest { address, methods, .. } => {
                Submitter::Guest { address: address.clone(), methods: methods.clone() }
            }
        }
    }

    /// How and when it proved who it is; a server never did.
    pub fn authentication(&self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::Account { mechanism, at, .. } => (mechanism, Some(*at)),
            Self::Server(_) => ("", None),
            Self::Guest { at, .. } => ("", Some(*at)),
        }
    }
}
