//! Programs, and whoever pretends to be one: of whose bodies nothing is kept before their token is known to be good.

use crate::bench::Bench;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use sealpost_envelope::EmailAddress;
use sealpost_store::account::{NewAccount, Role, TokenScope};
use sealpost_web::WebLimits;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::ServiceExt;

const PIECE: usize = 64 * 1024;

/// Posts `pieces` pieces of JSON; answers the status, the body, and how many pieces were taken.
async fn post(bench: &Bench, path: &str, token: &str, pieces: usize) -> (StatusCode, String, usize) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let body = stream::iter(0..pieces).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; PIECE]))
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 40_000))))
        .body(Body::from_stream(body))
        .unwrap();
    let response = bench.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&text).into_owned(), taken.load(Ordering::Relaxed))
}

#[tokio::test]
async fn bodies_of_strangers_are_not_kept() {
    let bench = Bench::new().await;
    for path in ["/api/v1/deposits", "/api/v1/nothing", "/scim/v2/Users"] {
        let (status, text, taken) = post(&bench, path, "wrong", 1000).await;
        let expected =
            if path.ends_with("nothing") { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, expected, "{path}: {text}");
        assert!(taken * PIECE <= 2 * 1024 * 1024, "{path}: {taken} pieces were read");
        // A small one is read to its end, so that its connection can be used again.
        assert_eq!(post(&bench, path, "wrong", 3).await.2, 3);
    }
}

#[tokio::test]
async fn programs_are_bounded_by_the_setting() {
    let limits = WebLimits { program_body: 2 * PIECE, ..WebLimits::default() };
    let bench = Bench::with_limits(limits).await;
    let new = NewAccount {
        entity: bench.entity,
        login: EmailAddress::parse("alice@lilas.example").unwrap(),
        role: Role::Sender,
        name: "Alice".into(),
        password: None,
    };
    let account = bench.accounts.create(new, vec![]).await.unwrap();
    let scopes = [TokenScope::DepositsWrite];
    let made = bench.accounts.add_api_token(&account, "a program", &scopes, None, vec![]).await.unwrap();
    let small = post(&bench, "/api/v1/deposits", made.token.expose(), 2).await;
    assert_eq!(small.0, StatusCode::BAD_REQUEST, "read, and no JSON: {}", small.1);
    let large = post(&bench, "/api/v1/deposits", made.token.expose(), 3).await;
    assert_eq!(large.0, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.1);
}
