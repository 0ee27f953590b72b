//! tiqr: a telephone that answers QR codes, at the recipient's door and at the login.
//!
//! **Job.** [`phone`] speaks with the apps; [`door`] shows the QR code of a challenge, and goes on when the phone has
//! answered, or when its code was typed ([`offline`]); [`enrol`] associates a phone with a recipient who has passed the gate;
//! [`staff`] does both for people of ours.
//!
//! **Exposure.** The phones' addresses are reached by anybody. Keys have 128 bits and serve once; what is wrong is
//! counted on the phone's row (a four-digit PIN stands behind it), by source, and over all sources.
//!
//! **Standards.** The protocol of the tiqr apps, versions 1 and 2; RFC 6287. One GET changes something: fetching the
//! metadata uses their key up, as the protocol demands.

mod door;
mod enrol;
mod keys;
mod offline;
pub(crate) mod page;
mod phone;
pub(crate) mod staff;

pub(crate) use door::begin;

use crate::state::WebState;
use axum::Router;
use axum::routing::{get, post};

/// The routes.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/tiqr/metadata", get(phone::metadata))
        .route("/tiqr/enroll", post(phone::enrol))
        .route("/tiqr/auth", post(phone::authenticate))
        .route("/tiqr/logo.png", get(phone::logo))
        .route("/m/{token}/tiqr", get(door::show))
        .route("/m/{token}/tiqr/status", get(door::status))
        .route("/m/{token}/tiqr/done", post(door::done))
        .route("/m/{token}/tiqr/code", post(door::code))
        .route("/m/{token}/phone", get(enrol::show).post(enrol::start))
        .route("/m/{token}/phone/status", get(enrol::status))
        .route("/login/tiqr", get(staff::login_page).post(staff::begin))
        .route("/login/tiqr/status", get(staff::login_status))
        .route("/login/tiqr/done", post(staff::done))
        .route("/login/tiqr/code", post(staff::code))
        .route("/account/phone", get(staff::show).post(staff::start))
        .route("/account/phone/status", get(staff::status))
        .route("/account/phone/remove", post(staff::remove))
}
