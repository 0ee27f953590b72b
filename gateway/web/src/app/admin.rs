//! The administrators' pages: accounts, organisations, queue, rules, certificates, health, configuration.
//!
//! What the configuration file rules is shown here and edited there.

mod accounts;
mod addresses;
mod queue;
mod recipients;
mod service;

use crate::state::WebState;
use axum::Router;
use axum::routing::{get, post};

pub(super) fn routes() -> Router<WebState> {
    Router::new()
        .route("/admin/accounts", get(accounts::list))
        .route("/admin/accounts/{id}", get(addresses::show).post(accounts::change))
        .route("/admin/accounts/{id}/owner", get(accounts::back).post(addresses::owner))
        .route("/admin/accounts/{id}/addresses", get(accounts::back).post(addresses::change))
        .route("/admin/recipients", get(recipients::list).post(recipients::change))
        .route("/admin/entities", get(service::entities))
        .route("/admin/queue", get(queue::list))
        .route("/admin/held", get(queue::held))
        .route("/admin/queue/{id}", get(queue::back).post(queue::act))
        .route("/admin/rules", get(service::rules))
        .route("/admin/certificates", get(service::certificates))
        .route("/admin/health", get(service::health))
        .route("/admin/settings", get(service::settings))
        .route("/admin", post(service::start).get(service::start))
}
