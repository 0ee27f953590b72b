//! The relay against a real server on loopback.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::sink::Sink;
use common::{Bench, digest, is_retry, smarthost};
use jiff::SignedDuration;
use sealpost_envelope::{Clock, Secret, Sha256Digest};
use sealpost_relay::{Decision, Relay, Route, Target, TlsError, TlsMode};
use sealpost_smtp::server::TlsState;
use sealpost_store::queue::{Priority, State};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn with_sink(tls: TlsState, mode: TlsMode) -> (Sink, Bench) {
    let sink = Sink::start(tls).await;
    let bench = Bench::new(vec![smarthost(sink.address.port(), mode)]).await;
    (sink, bench)
}

#[tokio::test]
async fn hands_over_byte_for_byte_on_few_connections() {
    let (sink, mut bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    bench.config.per_host = 2;
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.push(bench.mail(&format!("r{n}@example.net"), "3").await);
    }
    let relay = bench.start();
    let reports = bench.reports(30).await;
    relay.stop().await;
    for id in ids {
        assert_eq!(bench.state(id).await, State::Sent);
    }
    let received = sink.received();
    assert_eq!(received.len(), 30);
    assert!(
        received.iter().all(|r| r.sha256 == digest(3) && r.from.as_deref() == Some("bounce@example.org"))
    );
    assert!(sink.state.connections.load(Ordering::SeqCst) <= 2);
    let report = &reports[0].1;
    assert_eq!((report.decision.clone(), report.attempt), (Decision::Sent, 1));
    assert_eq!(report.text, "250 2.0.0 Accepted");
    let remote = report.remote.as_ref().unwrap();
    assert_eq!((remote.host.as_str(), remote.port), ("localhost", sink.address.port()));
    assert!(remote.ip.unwrap().is_loopback() && remote.tls.is_none());
}

#[tokio::test]
async fn large_content_streams_through() {
    let (sink, bench) = with_sink(TlsState::Offered, TlsMode::Opportunistic).await;
    // 40 MiB in pieces of 87 octets.
    bench.mail("big@example.net", "500000").await;
    let relay = bench.start();
    bench.report().await;
    relay.stop().await;
    let received = &sink.received()[0];
    assert_eq!((received.size, received.sha256), (500_000 * common::ROW.len() as u64, digest(500_000)));
}

#[tokio::test]
async fn opportunistic_tls_takes_and_records_any_certificate() {
    let (sink, bench) = with_sink(TlsState::Offered, TlsMode::Opportunistic).await;
    bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    let tls = bench.report().await.remote.unwrap().tls.unwrap();
    relay.stop().await;
    assert!(sink.received()[0].tls);
    assert_eq!((tls.version.as_str(), tls.verified), ("TLSv1.3", false));
    assert_eq!(tls.certificate, Some(Sha256Digest::of(&sink.certificate)));
    assert!(tls.cipher.starts_with("TLS13_"), "{}", tls.cipher);
}

#[tokio::test]
async fn required_tls_verifies() {
    let (sink, mut bench) = with_sink(TlsState::Offered, TlsMode::Required).await;
    // Without any authority the configuration is refused, not every message.
    let clock: Arc<dyn Clock> = bench.clock.clone();
    let refused = Relay::new(bench.config.clone(), bench.queue.clone(), bench.gateway.clone(), clock);
    assert!(matches!(refused, Err(TlsError::NoTrust)));

    let stranger = Sink::start(TlsState::Offered).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(stranger.certificate.clone()).unwrap();
    bench.config.roots = Arc::new(roots.clone());
    let id = bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert!(is_retry(&report) && report.text.contains("certificate"), "{report:?}");
    assert!(sink.received().is_empty());

    roots.add(sink.certificate.clone()).unwrap();
    bench.config.roots = Arc::new(roots);
    bench.queue.retry_now(id, bench.clock.now()).await.unwrap();
    let relay = bench.start();
    let reports = bench.reports(2).await;
    relay.stop().await;
    assert!(reports[1].1.remote.as_ref().unwrap().tls.as_ref().unwrap().verified);
}

#[tokio::test]
async fn required_tls_that_is_not_offered_sends_nothing() {
    let (sink, mut bench) = with_sink(TlsState::Unavailable, TlsMode::Required).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(sink.certificate.clone()).unwrap();
    bench.config.roots = Arc::new(roots);
    bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert!(is_retry(&report) && report.text.contains("STARTTLS"), "{report:?}");
    assert!(sink.received().is_empty());
}

#[tokio::test]
async fn a_password_never_travels_in_the_clear() {
    let (sink, mut bench) = with_sink(TlsState::Unavailable, TlsMode::Opportunistic).await;
    if let Target::Smarthost(host) = &mut bench.config.routes[0].target {
        host.credentials = Some(("us".into(), Secret::new("secret".into())));
    }
    bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert!(is_retry(&report) && report.text.contains("log in"), "{report:?}");
    assert!(sink.received().is_empty());
}

#[tokio::test]
async fn each_refusal_has_its_consequence() {
    let (sink, bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    for (rcpt, state, text) in [
        ("refuse@example.net", State::Failed, "550 5.1.1 No such person"),
        ("rejected@example.net", State::Failed, "554 5.7.1 Spam"),
        ("defer@example.net", State::Ready, "451 4.7.1 Come back later"),
    ] {
        let id = bench.mail(rcpt, "1").await;
        bench.gateway.reports.lock().unwrap().clear();
        let relay = bench.start();
        let report = bench.report().await;
        relay.stop().await;
        assert_eq!((report.text.as_str(), bench.state(id).await), (text, state));
        assert_eq!(report.reply.unwrap().to_string(), text);
    }
    assert!(sink.received().is_empty());
}

#[tokio::test]
async fn a_deferred_row_comes_back_and_is_given_up_in_the_end() {
    let (_sink, mut bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    bench.config.retry.waits = vec![Duration::from_secs(60)];
    bench.config.retry.give_up = Duration::from_secs(100);
    let id = bench.mail("defer@example.net", "1").await;
    let relay = bench.start();
    assert!(is_retry(&bench.report().await));
    bench.queue.wake_ready();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.gateway.reports.lock().unwrap().len(), 1, "not before its time");
    bench.clock.advance(SignedDuration::from_secs(70));
    bench.queue.wake_ready();
    assert!(is_retry(&bench.reports(2).await[1].1));
    bench.clock.advance(SignedDuration::from_secs(30));
    bench.queue.wake_ready();
    let last = bench.reports(3).await.pop().unwrap().1;
    relay.stop().await;
    assert_eq!((last.decision, last.attempt), (Decision::Failed, 3));
    assert_eq!(last.text, "given up: 451 4.7.1 Come back later");
    assert_eq!(bench.state(id).await, State::Failed);
}

#[tokio::test]
async fn without_a_route_mail_is_held() {
    let bench = Bench::new(vec![]).await;
    let id = bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert_eq!((report.decision, report.remote), (Decision::Held, None));
    assert_eq!(report.text, "there is no route for mail to example.net");
    assert_eq!(bench.state(id).await, State::Held);
}

#[tokio::test]
async fn local_mail_stays_here() {
    let route = Route { domains: vec!["*".into()], target: Target::Local };
    let bench = Bench::new(vec![route]).await;
    let good = bench.mail("a@example.net", "1").await;
    let bad = bench.mail("nobody@example.net", "1").await;
    let relay = bench.start();
    bench.reports(2).await;
    relay.stop().await;
    assert_eq!((bench.state(good).await, bench.state(bad).await), (State::Sent, State::Failed));
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again() {
    let sink = Sink::start(TlsState::Unavailable).await;
    let port = sink.address.port();
    drop(sink);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let bench = Bench::new(vec![smarthost(port, TlsMode::None)]).await;
    bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert!(is_retry(&report) && report.text.contains("refused"), "{report:?}");
    assert_eq!(report.remote.unwrap().ip, None);
}

#[tokio::test]
async fn a_silent_server_does_not_hold_the_relay() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut bench = Bench::new(vec![smarthost(listener.local_addr().unwrap().port(), TlsMode::None)]).await;
    bench.config.longest_wait = Duration::from_millis(200);
    bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert!(is_retry(&report) && report.text.contains("Greeting"), "{report:?}");
}

#[tokio::test]
async fn a_connection_lost_in_the_content_is_tried_again() {
    let (_sink, bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    bench.mail("cut@example.net", "100000").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert!(is_retry(&report) && report.reply.is_none(), "{report:?}");
}

#[tokio::test]
async fn a_reason_given_before_hanging_up_is_read() {
    // Accepts everything, reads a little, answers 552 in the middle of the content and closes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bench = Bench::new(vec![smarthost(listener.local_addr().unwrap().port(), TlsMode::None)]).await;
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut buf = vec![0; 65536];
        for reply in ["220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
            tcp.write_all(reply.as_bytes()).await.unwrap();
            let _ = tcp.read(&mut buf).await.unwrap();
        }
        tcp.write_all(b"552 5.3.4 too much of it\r\n").await.unwrap();
        // Half-closed, so that the reply is not lost to a reset.
        tcp.shutdown().await.unwrap();
        for _ in 0..20 {
            let _ = tcp.read(&mut buf).await;
        }
    });
    let id = bench.mail("a@example.net", "2000000").await;
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert_eq!(report.text, "552 5.3.4 too much of it");
    assert_eq!(bench.state(id).await, State::Failed);
}

#[tokio::test]
async fn a_stale_connection_is_replaced_without_an_attempt() {
    let (sink, mut bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    bench.config.per_host = 1;
    bench.mail("hangup@example.net", "1").await;
    let relay = bench.start();
    bench.reports(1).await;
    bench.mail("b@example.net", "1").await;
    let reports = bench.reports(2).await;
    relay.stop().await;
    assert_eq!((&reports[1].1.decision, reports[1].1.attempt), (&Decision::Sent, 1));
    assert_eq!(sink.received().len(), 2);
    assert_eq!(sink.received()[1].connection, 2);
}

#[tokio::test]
async fn content_that_is_gone_fails_and_content_that_breaks_waits() {
    let (sink, bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    let gone = bench.mail("a@example.net", "gone").await;
    let relay = bench.start();
    assert_eq!(bench.report().await.text, "the content is gone: revoked");
    assert_eq!(bench.state(gone).await, State::Failed);
    bench.mail("b@example.net", "10 breaks").await;
    let report = bench.reports(2).await.pop().unwrap().1;
    relay.stop().await;
    assert!(is_retry(&report) && report.text.contains("blob store"), "{report:?}");
    assert!(sink.received().is_empty(), "half a message is none");
}

#[tokio::test]
async fn what_a_dead_process_had_claimed_is_sent_at_once() {
    let (sink, bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    bench.mail("a@example.net", "10 drips").await;
    let relay = bench.start();
    while sink.state.connections.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    relay.kill();
    assert!(
        bench
            .queue
            .claim_ready("other", bench.clock.now(), Duration::from_secs(9), 9)
            .await
            .unwrap()
            .is_empty()
    );
    let relay = bench.start();
    let report = bench.report().await;
    relay.stop().await;
    assert_eq!(report.decision, Decision::Sent);
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn stopping_breaks_off_what_takes_too_long_and_gives_it_back() {
    let (sink, bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    let id = bench.mail("a@example.net", "500 drips").await;
    let relay = bench.start();
    while sink.state.connections.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    relay.stop().await;
    let row = bench.queue.get(id).await.unwrap();
    assert_eq!((row.state, row.attempts, row.claimed_by), (State::Ready, 0, None));
    assert!(sink.received().is_empty());
}

#[tokio::test]
async fn codes_overtake_slow_mail() {
    let (sink, mut bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    bench.config.concurrency = 2;
    bench.config.per_host = 2;
    for n in 0..4 {
        bench.mail(&format!("slow{n}@example.net"), "15 drips").await;
    }
    let relay = bench.start();
    while sink.state.connections.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.add("code@example.net", "1", Priority::Code).await;
    let reports = bench.reports(1).await;
    assert_eq!(reports[0].0, "code@example.net");
    relay.stop().await;
}

#[tokio::test]
async fn a_slow_server_does_not_hold_up_the_others() {
    // Accepts connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = Sink::start(TlsState::Unavailable).await;
    let route =
        |domain: &str, port| Route { domains: vec![domain.to_owned()], ..smarthost(port, TlsMode::None) };
    let routes = vec![
        route("slow.example", silent.local_addr().unwrap().port()),
        route("example.net", sink.address.port()),
    ];
    let mut bench = Bench::new(routes).await;
    (bench.config.concurrency, bench.config.per_host) = (4, 2);
    for n in 0..12 {
        bench.mail(&format!("r{n}@slow.example"), "3").await;
    }
    let quick = bench.mail("r@example.net", "3").await;
    let relay = bench.start();
    let report = bench.report().await;
    assert_eq!(report.decision, Decision::Sent, "{}", report.text);
    relay.stop().await;
    assert_eq!(bench.state(quick).await, State::Sent);
}

#[tokio::test]
async fn an_outcome_is_stored_in_the_end() {
    let (sink, bench) = with_sink(TlsState::Unavailable, TlsMode::None).await;
    bench.gateway.unstored.store(2, Ordering::SeqCst);
    let id = bench.mail("a@example.net", "1").await;
    let relay = bench.start();
    bench.report().await;
    relay.stop().await;
    assert_eq!((bench.state(id).await, sink.received().len()), (State::Sent, 1));
}
