//! `/api/v1`: what programs do with deposits, described by `/api/openapi.json`.
//!
//! **Job.** Thin handlers over the same functions as the pages: [`crate::actions`] for what changes, the store for
//! what is read. Every answer is described; a test compares routes, statuses and problems with the description.
//!
//! **Exposure.** Programs of people, by bearer token with scopes; never by cookie, so that no page elsewhere can
//! call it in somebody's name (uploads alone also know the sessions of our own pages). Rows of others do not exist.
//!
//! **Standards.** RFC 6750 (bearer tokens), RFC 9457 (problems), OpenAPI 3.1, draft-ietf-httpapi-idempotency-key-header,
//! RFC 4180 (CSV).
//!
//! **Failure.** [`problem`]s.

pub(crate) mod caller;
mod create;
mod deposits;
mod description;
mod journal;
mod me;
pub(crate) mod problem;
pub(crate) mod request;

use crate::state::WebState;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use problem::{Kind, Problem};

/// The API, its description and the page about it.
pub(crate) fn routes(state: &WebState) -> Router<WebState> {
    let v1 = Router::new()
        .route("/me", get(me::me))
        .route("/deposits", get(deposits::list).post(create::create))
        .route("/deposits/{id}", get(deposits::show))
        .route("/deposits/{id}/proof", get(deposits::proof))
        .route("/deposits/{id}/{action}", post(deposits::act))
        .route("/journal", get(journal::journal))
        .route("/statistics", get(me::statistics))
        .merge(crate::uploads::routes(""))
        .fallback(nothing)
        .method_not_allowed_fallback(no_method)
        .layer(axum::middleware::from_fn_with_state(state.clone(), request::whole));
    Router::new()
        .nest("/api/v1", v1)
        .route("/api/openapi.json", get(description::json))
        .route("/api/docs", get(description::page))
}

async fn nothing() -> axum::response::Response {
    Problem::new(Kind::NotFound).into_response()
}

async fn no_method() -> axum::response::Response {
    Problem::new(Kind::MethodNotAllowed).into_response()
}
