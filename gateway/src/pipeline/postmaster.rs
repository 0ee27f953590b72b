//! Who reads mail for Postmaster.
//!
//! **Job.** RFC 5321 §4.5.1: every server has a Postmaster, with a domain of its own or without any. Where no
//! account has the address, it is the organisation's first administrator.
//!
//! **Exposure.** Strangers write to it; they learn nothing but that it exists.
//!
//! **Failure.** Without an administrator nobody reads it, and it is refused like any unknown address.

use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::EmailAddress;
use sealpost_store::account::{Account, AccountError};
use std::sync::Arc;

/// The account that mail for this address goes to.
pub async fn owner_of(gateway: &Gateway, address: &EmailAddress) -> Result<Option<Account>, AccountError> {
    let owner = gateway.accounts.owner_of(address).await?;
    if owner.is_some() || !address.local().eq_ignore_ascii_case("postmaster") {
        return Ok(owner);
    }
    // The session completes `<Postmaster>` by the name of the server.
    let here = |o: &&Arc<Organisation>| o.settings.hostname.eq_ignore_ascii_case(address.domain());
    let organisation = gateway.organisation_of(address).or_else(|| gateway.organisations.iter().find(here));
    match organisation {
        Some(organisation) => gateway.accounts.postmaster(organisation.id).await,
        None => Ok(None),
    }
}
