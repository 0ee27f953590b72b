//! The demonstration's mailboxes on a page.

use crate::bench::{Bench, Browser};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use sealpost_web::{DemoMail, DemoMailbox, DemoMessage, DemoState, demo_router};
use std::sync::Arc;

const MAIL: &[u8] = b"From: =?utf-8?q?Alice_Lef=C3=A8vre_via_Les_Lilas?= <seal@lilas.example>\r\n\
    To: bob@example.test\r\nSubject: =?utf-8?q?Un_message_s=C3=A9curis=C3=A9?=\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    Bonjour,\r\n\r\nOuvrez votre lien :\r\nhttps://localhost:8443/m/AbC_-123\r\n<b>pas du HTML</b>\r\n";

struct Mail;

impl DemoMail for Mail {
    fn mailboxes(&self) -> BoxFuture<'_, Result<Vec<DemoMailbox>, String>> {
        let received = "2026-11-22T10:00:00Z".parse().unwrap();
        let messages = vec![DemoMessage { uid: 7, received, head: MAIL.to_vec() }];
        let empty = DemoMailbox { login: "dora@example.test".into(), password: "p".into(), messages: vec![] };
        let bob = DemoMailbox { login: "bob@example.test".into(), password: "demo-1234".into(), messages };
        async move { Ok(vec![bob, empty]) }.boxed()
    }
    fn message<'a>(
        &'a self,
        login: &'a str,
        uid: u32,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        let found =
            (login == "bob@example.test" && uid == 7).then(|| MAIL[..MAIL.len().min(at_most)].to_vec());
        async move { Ok(found) }.boxed()
    }
}

#[tokio::test]
async fn a_newcomer_reads_the_mail() {
    let mut bench = Bench::new().await;
    let demo = DemoState {
        web: bench.state.clone(),
        mail: Arc::new(Mail),
        imap_host: "localhost".into(),
        imap_port: 2143,
        imaps_port: 2993,
    };
    bench.router = bench.router.clone().merge(demo_router(demo));
    let mut browser = Browser::new(&bench);
    let list = browser.get("/demo").await;
    assert!(list.header("content-security-policy").contains("default-src 'none'"));
    let text = list.text();
    for shown in [
        "bob@example.test",
        "Un message sécurisé",
        "Alice Lefèvre via Les Lilas",
        "demo-1234",
        "2993",
        "Aucun message",
    ] {
        assert!(text.contains(shown), "{shown}");
    }
    let mail = browser.get("/demo/bob@example.test/7").await.text();
    assert!(
        mail.contains("<a href=\"https://localhost:8443/m/AbC_-123\">https://localhost:8443/m/AbC_-123</a>")
    );
    assert!(mail.contains("&#60;b&#62;pas du HTML"), "{mail}");
    for missing in ["/demo/bob@example.test/8", "/demo/eve@example.test/7", "/demo/bob@example.test/x"] {
        let status = browser.get(missing).await.status;
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST, "{missing}");
    }
}

#[tokio::test]
async fn there_is_no_demo_page_otherwise() {
    let bench = Bench::new().await;
    assert_eq!(Browser::new(&bench).get("/demo").await.status, StatusCode::NOT_FOUND);
}
