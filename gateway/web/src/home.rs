//! The page for addresses that lead nowhere.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::pages::show;
use crate::state::WebState;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

/// Anything else.
pub(crate) async fn nothing_here(State(state): State<WebState>, ctx: Ctx) -> Response {
    show(&state, &ctx, Err(Fault::Unknown))
}

/// `GET /robots.txt`
pub(crate) async fn robots() -> Response {
    "User-agent: *\nDisallow: /\n".into_response()
}
