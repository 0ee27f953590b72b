//! Cards: the listener that asks browsers for a certificate, and the way there and back.
//!
//! **Job.** [`handoff`] (on the main listener) begins a way with a ticket and shows what to do; [`listener`] (on
//! the card listener) reads the certificate of the TLS session and sends the browser back with a second ticket;
//! [`handoff`] uses that one up on a POST. Both are bound to the browser that began. [`staff`] is the same way for the
//! login of people of ours.
//!
//! **Exposure.** The card listener takes any certificate in the handshake, whose key the client must hold; whether
//! it is believed is judged here ([`CardJudge`]), so that people read a page and not an error of their browser.
//! It sets no session, and answers for no other name than the one TLS was asked for (RFC 9110 §15.5.20).
//!
//! **Standards.** RFC 8446 §4.4.2.4, RFC 8740 (no certificate asked for in the middle of HTTP/2: a listener of its
//! own, HTTP/1.1 only).
//!
//! **Failure.** Closed: without a judge, without a list, without a ticket, nobody passes.

mod facts;
mod handoff;
mod listener;
mod page;
pub(crate) mod staff;

pub(crate) use handoff::begin;
pub use listener::card_router;

use crate::state::WebState;
use axum::Router;
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use sealpost_certs::card::{Holder, Refusal};
use sealpost_envelope::Timestamp;
use std::fmt;
use std::time::Duration;

/// Says whether a card may be believed.
pub trait CardJudge: Send + Sync + fmt::Debug {
    /// Judges what a client presented, its own certificate first; may ask the issuer's responder.
    fn judge<'a>(&'a self, chain: &'a [Vec<u8>], now: Timestamp) -> BoxFuture<'a, Result<Holder, Refusal>>;
}

/// Inserting a card, typing its PIN, finding the reader: people take their time.
const THERE: Duration = Duration::from_secs(600);
/// The browser comes back by itself; a person presses one button.
const BACK: Duration = Duration::from_secs(120);
/// Refused cards on one way; each is an entry in the journal.
const REFUSALS: u32 = 10;
/// Longest ticket looked at; ours have 43 characters.
const MAX_TICKET: usize = 64;

/// The pages on the main listener.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/card/{ticket}", get(handoff::arrived).post(handoff::enter))
        .route("/login/card", get(staff::login_page).post(staff::login))
        .route("/account/card", get(staff::cards).post(staff::bind))
        .route("/account/card/remove", post(staff::remove))
}
