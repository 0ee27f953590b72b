//! A recipient withdrawn between claim and hand-over gets no mail, and nobody is told of a failure.
#![allow(clippy::unwrap_used, reason = "a failure stops the test")]

use super::Handover;
use crate::config::{Profile, parse, template};
use crate::gateway::Gateway;
use crate::pipeline::composition;
use crate::pipeline::deposit::{Submission, deposit};
use crate::pipeline::intake::Intake;
use crate::pipeline::verdict::Verdicts;
use jiff::SignedDuration;
use sealpost_envelope::{
    BodyType, DepositId, EmailAddress, Envelope, EnvelopeRecipient, Gate, Submitter, SystemClock, Treatment,
    Verdict,
};
use sealpost_policy::Decision as Decided;
use sealpost_relay::{Decision, Delivery, DeliveryError, Report};
use sealpost_store::Change;
use sealpost_store::queue::{Filter, Outbound, State};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

async fn gateway(dir: &std::path::Path) -> Arc<Gateway> {
    std::fs::create_dir(dir.join("data")).unwrap();
    let text = template(Profile::General, "sealpost.test", "localhost");
    let mut config = parse(&text, &dir.join("sealpost.toml")).unwrap();
    // Its keys would be made by `init`.
    config.settings.entity[0].dkim.keys.clear();
    Gateway::open(config, Arc::new(SystemClock)).await.unwrap()
}

async fn deposited(gateway: &Gateway) -> DepositId {
    let now = gateway.clock.now();
    let envelope = Envelope {
        reverse_path: Some(address("alice@sealpost.test")),
        recipients: vec![EnvelopeRecipient::plain(address("bob@example.test"))],
        body: BodyType::SevenBit,
        smtputf8: false,
        declared_size: None,
        envid: None,
        ret_full: None,
    };
    let days = |n: i64| now + SignedDuration::from_hours(24 * n);
    let mut intake = Intake::begin(gateway, days(90)).unwrap();
    intake.push(b"From: alice@sealpost.test\r\nMessage-ID: <1@x>\r\n\r\nBonjour\r\n").await.unwrap();
    let verdict = Verdict {
        treatment: Treatment::Notify,
        gate: Gate::otp_mail(),
        expires: days(30),
        retention: days(90),
        rule: "test".into(),
        phone: None,
        identity: None,
        hold: None,
    };
    let decision =
        Decided { verdict, explanation: Vec::new(), hold: None, remind: Vec::new(), observed: None };
    let submission = Submission {
        organisation: &gateway.organisations[0],
        submitter: Submitter::Asserted { server: "exchange".into() },
        mechanism: "",
        authenticated: None,
        sender: address("alice@sealpost.test"),
        envelope: &envelope,
        helo: "x".into(),
        protocol: "ESMTP",
        once: None,
        overlooked: Default::default(),
        now,
    };
    let received = intake.finish().await.unwrap();
    deposit(gateway, &submission, received, &Verdicts(vec![decision])).await.unwrap()
}

/// The one row, composed and claimed by the relay.
async fn claimed(gateway: &Arc<Gateway>) -> Outbound {
    let stop = CancellationToken::new();
    let composer = tokio::spawn(composition::run(gateway.clone(), "node".into(), stop.clone()));
    let lease = Duration::from_secs(60);
    let mut rows = Vec::new();
    while rows.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        rows = gateway.queue.claim_ready("node", gateway.clock.now(), lease, 9).await.unwrap();
    }
    stop.cancel();
    composer.await.unwrap();
    rows.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_withdrawn_after_the_claim_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(dir.path()).await;
    let id = deposited(&gateway).await;
    let row = claimed(&gateway).await;
    let handover = Handover { gateway: gateway.clone() };
    assert!(handover.open(&row).await.is_ok());

    assert_eq!(gateway.store.revoke(id, Some(1), Change::default()).await.unwrap(), 1);
    assert_eq!(gateway.queue.get(row.id).await.unwrap().state, State::Ready, "the relay has it");
    let refused = handover.open(&row).await.unwrap_err();
    assert!(matches!(refused, DeliveryError::Gone(_)), "{refused}");
    assert!(matches!(handover.local(&row).await, Err(DeliveryError::Gone(_))));

    let report = Report {
        decision: Decision::Failed,
        remote: None,
        reply: None,
        text: refused.to_string(),
        attempt: 1,
        at: gateway.clock.now(),
    };
    handover.outcome(&row, &report).await.unwrap();
    assert_eq!(gateway.queue.get(row.id).await.unwrap().state, State::Dropped);
    assert_eq!(gateway.store.consignment(id, 1).await.unwrap().failed, None);
    let rows = futures_util::StreamExt::count(gateway.queue.list(&Filter::default())).await;
    assert_eq!(rows, 1, "no receipt");
}
