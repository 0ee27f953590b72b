//! A person's own account: password, second factor, mail programs, sessions; and the ways back in.
//!
//! **Job.** [`page`] is the page "Sécurité", [`change`], [`number`] and [`devices`] what is changed there, [`service`]
//! an application or copier the person answers for, [`recover`] the forgotten password and the first connection.
//!
//! **Exposure.** The page is for people who have logged in; every change that could lock its owner out asks for the
//! current password, and is told by mail. The ways back in are for strangers: [`recover`] says what that means.
//!
//! **Standards.** OWASP ASVS 5.0 6.2 to 6.4 and 7.5; RFC 6238 and the `otpauth:` addresses of authenticator apps;
//! F39 to F53.

mod change;
mod devices;
pub(crate) mod mail;
mod number;
mod page;
mod recover;
mod request;
mod service;

pub(crate) use change::confirmed;
pub(crate) use page::Word as Said;

use crate::state::WebState;
use axum::Router;
use axum::routing::{get, post};

/// The pages of accounts.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/account", get(page::security))
        .route("/account/password", post(change::password))
        .route("/account/app", post(change::begin_app))
        .route("/account/app/confirm", post(change::confirm_app))
        .route("/account/app/remove", post(change::remove_app))
        .route("/account/codes", post(change::backup_codes))
        .route("/account/number", get(number::start).post(number::ask))
        .route("/account/number/confirm", post(number::confirm))
        .route("/account/number/remove", post(number::remove))
        .route("/account/programs", post(devices::add_program))
        .route("/account/programs/revoke", post(devices::revoke_program))
        .route("/account/services/{id}", get(service::show))
        .route("/account/services/{id}/programs", post(service::add_program))
        .route("/account/services/{id}/revoke", post(service::revoke_program))
        .route("/account/sessions/end", post(devices::end_sessions))
        .route("/password/forgotten", get(recover::forgotten).post(recover::ask_forgotten))
        .route("/password/first", get(recover::first).post(recover::ask_first))
        .route("/password/set/{token}", get(recover::open_link).post(recover::use_link))
        .route("/password/unknown", get(request::start).post(request::ask))
        .route("/admin/approvals", get(request::list).post(request::decide))
}
