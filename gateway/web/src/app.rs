//! The staff's application: deposits, the journal, statistics and administration, as pages of one design.
//!
//! **Job.** Reading and showing; what a page changes goes through [`crate::actions`] and the store's own
//! functions, so that commands, API and pages do the same and write the same events.
//!
//! **Exposure.** People who have logged in, each within their organisation and role. Whatever they typed, and
//! whatever mail from outside brought, is shown escaped; a row of another organisation is "not found".
//!
//! **Standards.** WCAG 2.2 AA; CSP without anything inline; GET changes nothing; POST needs the session's `csrf`.
//!
//! **Failure.** A form that cannot be taken is shown again with what was typed and a word beside the field;
//! everything else is one of [`crate::fault`]'s pages.

mod act;
mod admin;
mod compose;
mod contacts;
mod deposit;
mod deposits;
pub(crate) mod frame;
pub(crate) mod icons;
mod invitations;
mod journal;
mod opened;
pub(crate) mod operations;
mod proofs;
mod statistics;
mod told;
pub(crate) mod typed;
mod viewer;
pub(crate) mod words;

use crate::state::WebState;
use axum::Router;
use axum::routing::{get, post};

/// The application's addresses.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/deposits", get(deposits::list))
        .route("/deposits/proofs", get(proofs::collection))
        .route("/deposits/{id}", get(deposit::show_one))
        .route("/deposits/{id}/proof", get(act::proof))
        .route("/deposits/{id}/{what}", post(act::act).get(act::back))
        .route("/compose", get(compose::form).post(compose::post))
        .route("/compose/preview", get(compose::preview::page))
        .route("/compose/preview/mail", get(compose::preview::mail))
        .route("/compose/preview/page", get(compose::preview::seen))
        .route("/contacts", get(contacts::list).post(contacts::change))
        .route("/contacts/find", get(contacts::find))
        .route("/contacts/import", get(contacts::import_page).post(contacts::import))
        .route("/invitations", get(invitations::list).post(invitations::invite))
        .route("/invitations/{id}/withdraw", post(invitations::withdraw))
        .route("/journal", get(journal::list))
        .route("/journal/export", get(journal::export))
        .route("/journal/verify", get(journal::verify_page).post(journal::verify))
        .route("/statistics", get(statistics::statistics))
        .merge(admin::routes())
}
