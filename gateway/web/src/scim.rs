//! SCIM 2.0 below `/scim/v2`: another system keeps the accounts and groups of one organisation.
//!
//! **Job.** Users are accounts, `userName` is the login; groups give roles where `accounts.groups` says so. Deactivating
//! ends sessions and open mail connections at once. Deleting disables: who acted stays in the journal.
//!
//! **Exposure.** Programs with a bearer token of the scope `scim` that belongs to an administrator. They see and change
//! the organisation of that account and nothing else; an operator's account, the demonstration's and the token's own are
//! not changed. Bodies, filters, operations and pages are bounded.
//!
//! **Standards.** RFC 7643 (schema), RFC 7644 (protocol: create, replace, PATCH, filters with `eq` and `and`, pages,
//! ETags, discovery), RFC 6750. No bulk, no sorting, no passwords, no `/Me`.
//!
//! **Failure.** [`error::ScimError`] (RFC 7644 §3.12).

mod caller;
mod discovery;
mod error;
mod filter;
mod groups;
mod list;
mod patch;
mod users;

use crate::api::request::whole;
use crate::state::WebState;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

/// Where it is served.
const BASE: &str = "/scim/v2";
/// Schemas of the two kinds.
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// The addresses.
pub(crate) fn routes(state: &WebState) -> Router<WebState> {
    Router::new()
        .route("/scim/v2/ServiceProviderConfig", get(discovery::config))
        .route("/scim/v2/ResourceTypes", get(discovery::types))
        .route("/scim/v2/ResourceTypes/{id}", get(discovery::one_type))
        .route("/scim/v2/Schemas", get(discovery::schemas))
        .route("/scim/v2/Schemas/{id}", get(discovery::schema))
        .route("/scim/v2/Users", get(users::list).post(users::create))
        .route(
            "/scim/v2/Users/{id}",
            get(users::show).put(users::replace).patch(users::patch).delete(users::remove),
        )
        .route("/scim/v2/Groups", get(groups::list).post(groups::create))
        .route(
            "/scim/v2/Groups/{id}",
            get(groups::show).put(groups::replace).patch(groups::patch).delete(groups::remove),
        )
        .layer(from_fn_with_state(state.clone(), whole))
}
