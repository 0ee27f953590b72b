//! Who provisions: a token of an administrator with the scope `scim`.

use super::error::ScimError;
use crate::actions::actor;
use crate::api::caller::Caller;
use crate::api::problem::{Kind, Problem};
use crate::state::{EntitySite, WebState};
use axum::extract::FromRequestParts;
use http::request::Parts;
use sealpost_envelope::EntityId;
use sealpost_evidence::{BuiltEvent, Detail, Event, EventName, render};
use sealpost_store::account::{Account, Role, TokenScope};
use std::sync::Arc;

/// A program that may provision one organisation.
#[derive(Debug, Clone)]
pub(super) struct Provisioner {
    account: Account,
    pub(super) site: Arc<EntitySite>,
}

impl FromRequestParts<WebState> for Provisioner {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, ScimError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.needs(TokenScope::Scim)?;
        if !caller.account.role.administers() {
            return Err(Problem::new(Kind::Forbidden).into());
        }
        let site = state.entity(caller.account.entity).ok_or(Problem::new(Kind::Unauthorized))?;
        Ok(Self { account: caller.account, site })
    }
}

impl Provisioner {
    pub(super) fn entity(&self) -> EntityId {
        self.account.entity
    }
    /// Whether SCIM may change this account.
    pub(super) fn may_change(&self, account: &Account) -> Result<(), ScimError> {
        match account.role {
            Role::Operator => Err(ScimError::Fixed("an operator's account is not changed by SCIM")),
            _ if account.id == self.account.id => {
                Err(ScimError::Fixed("the account whose token this is cannot change itself"))
            }
            _ => Ok(()),
        }
    }
    /// AccountChanged, in the name of the token's account.
    pub(super) fn event(
        &self,
        state: &WebState,
        what: &str,
        detail: impl FnOnce(Detail) -> Detail,
    ) -> Result<BuiltEvent, ScimError> {
        let detail = detail(Detail::new().text("change", what).text("protocol", "scim"));
        let event = Event::new(EventName::AccountChanged, self.entity(), state.clock.now())
            .actor(actor(&self.account))
            .detail(detail);
        Ok(render(&self.site.issuer, event, None)?)
    }
}
