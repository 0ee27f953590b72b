//! The home page, and the page for addresses that lead nowhere.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::pages::{Frame, Home, html, show};
use crate::state::WebState;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

/// `GET /`
pub(crate) async fn home(State(state): State<WebState>, ctx: Ctx) -> Response {
    let title = ctx.language.pick("Courrier sécurisé", "Secure mail");
    let mut frame = Frame::new(&state, &ctx, title, state.only_entity());
    frame.wide = true;
    let page = html(&Home { f: &frame, url: &state.url, demo: state.demo });
    show(&state, &ctx, page)
}

/// Anything else.
pub(crate) async fn nothing_here(State(state): State<WebState>, ctx: Ctx) -> Response {
    show(&state, &ctx, Err(Fault::Unknown))
}

/// `GET /robots.txt`
pub(crate) async fn robots() -> Response {
    "User-agent: *\nDisallow: /\n".into_response()
}
