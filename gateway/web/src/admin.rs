//! The listener for operators: alive, ready, measured. No TLS, loopback by default.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use std::fmt::{self, Write};
use std::sync::Arc;

/// Named numbers at one moment. Counters end in `_total`, as Prometheus wants it.
#[derive(Debug, Default, Clone)]
pub struct Metrics(Vec<(&'static str, &'static str, f64)>);

impl Metrics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds a number with a help text. The name must be `[a-z_]+`, without the common prefix.
    pub fn set(mut self, name: &'static str, help: &'static str, value: f64) -> Self {
        self.0.push((name, help, value));
        self
    }
    /// Prometheus text format 0.0.4.
    fn text(&self) -> String {
        let mut out = String::new();
        for (name, help, value) in &self.0 {
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "# HELP sealpost_{name} {help}\n# TYPE sealpost_{name} {kind}\nsealpost_{name} {value}"
            );
        }
        out
    }
}

/// What the admin listener asks the gateway.
#[derive(Clone)]
pub struct AdminState {
    /// Why the node is not ready to serve; `Ok` when it is.
    pub ready: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
    /// Numbers of now.
    pub metrics: Arc<dyn Fn() -> BoxFuture<'static, Metrics> + Send + Sync>,
}
impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminState(…)")
    }
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn admin_router(state: AdminState) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn ready(State(state): State<AdminState>) -> Response {
    match (state.ready)().await {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(state): State<AdminState>) -> Response {
    let text = (state.metrics)().await.text();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn prometheus_text() {
        let text = super::Metrics::new().set("deposits_total", "Messages accepted.", 3.0).text();
        assert_eq!(
            text,
            "# HELP sealpost_deposits_total Messages accepted.\n# TYPE sealpost_deposits_total counter\n\
             sealpost_deposits_total 3\n"
        );
    }
}
