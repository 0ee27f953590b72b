//! Receipts as `accounts.receipts` wants them, and together where there are many recipients.
#![allow(clippy::unwrap_used, reason = "a failure stops the test")]

use super::*;
use crate::config::{Profile, parse, template};
use crate::gateway::Gateway;
use crate::pipeline::content::OpenDeposit;
use crate::pipeline::deposit::{Submission, deposit};
use crate::pipeline::handover::receipt_row;
use crate::pipeline::intake::Intake;
use crate::pipeline::verdict::Verdicts;
use jiff::SignedDuration;
use sealpost_envelope::{
    BodyType, DepositId, Envelope, EnvelopeRecipient, Gate, Submitter, SystemClock, Verdict,
};
use sealpost_policy::Decision;
use sealpost_store::Change;
use sealpost_store::queue::{OutboundId, insert};
use std::sync::Arc;

const ALICE: &str = "alice@sealpost.test";

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

struct Scene {
    gateway: Arc<Gateway>,
    deposit: DepositId,
    _dir: tempfile::TempDir,
}

impl Scene {
    /// A message of Alice's to so many recipients.
    async fn new(receipts: Receipts, recipients: usize, header: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let text = template(Profile::General, "sealpost.test", "localhost");
        let mut config = parse(&text, &dir.path().join("sealpost.toml")).unwrap();
        // Its keys would be made by `init`.
        config.settings.entity[0].dkim.keys.clear();
        config.settings.accounts.receipts = receipts;
        let gateway = Gateway::open(config, Arc::new(SystemClock)).await.unwrap();
        let now = gateway.clock.now();
        let days = |n: i64| now + SignedDuration::from_hours(24 * n);
        let plain = |n| EnvelopeRecipient::plain(address(&format!("r{n}@example.test")));
        let envelope = Envelope {
            reverse_path: Some(address(ALICE)),
            recipients: (1..=recipients).map(plain).collect(),
            body: BodyType::SevenBit,
            smtputf8: false,
            declared_size: None,
            envid: None,
            ret_full: None,
        };
        let mut intake = Intake::begin(&gateway, days(90)).unwrap();
        let message =
            format!("From: {ALICE}\r\nSubject: Bilan\r\nMessage-ID: <1@x>\r\n{header}\r\nBonjour\r\n");
        intake.push(message.as_bytes()).await.unwrap();
        let decision = Decision {
            verdict: Verdict {
                treatment: Treatment::Notify,
                gate: Gate::otp_mail(),
                expires: days(30),
                retention: days(90),
                rule: "test".into(),
                phone: None,
                identity: None,
                hold: None,
            },
            explanation: Vec::new(),
            hold: None,
            remind: Vec::new(),
            observed: None,
        };
        let submission = Submission {
            organisation: &gateway.organisations[0],
            submitter: Submitter::Asserted { server: "exchange".into() },
            mechanism: "",
            authenticated: None,
            sender: address(ALICE),
            envelope: &envelope,
            helo: "x".into(),
            protocol: "ESMTP",
            once: None,
            overlooked: Default::default(),
            now,
        };
        let received = intake.finish().await.unwrap();
        let verdicts = Verdicts(vec![decision; recipients]);
        let deposit = deposit(&gateway, &submission, received, &verdicts).await.unwrap();
        Self { gateway, deposit, _dir: dir }
    }

    /// A recipient opens; the row of the receipt about it.
    async fn opened(&self, n: u32) -> OutboundId {
        let store = &self.gateway.store;
        let now = self.gateway.clock.now();
        store.mark_opened(self.deposit, n, None, now, |_| Ok(Change::default())).await.unwrap();
        self.told(Some(n), ReceiptEvent::OpenedByOne).await
    }

    async fn told(&self, n: Option<u32>, event: ReceiptEvent) -> OutboundId {
        let entity = self.gateway.organisations[0].id;
        let row = receipt_row(address(ALICE), entity, self.deposit, n, event, &self.gateway);
        let id = row.id;
        self.gateway.store.db().write(async move |tx| insert(tx, &row).await).await.unwrap();
        id
    }

    /// What is mailed for a row: its subject and text, the report that a program asked for, or nothing.
    async fn mailed(&self, id: OutboundId, event: ReceiptEvent) -> Result<String, &'static str> {
        let row = self.gateway.queue.get(id).await.unwrap();
        let open = OpenDeposit::open(&self.gateway.store, self.deposit).await.unwrap();
        let organisation = &self.gateway.organisations[0];
        let desk = Desk { gateway: &self.gateway, organisation, row: &row, open: &open };
        let recipe = match receipt(&desk, event).await {
            Ok(Told::Letter(draft)) => draft.plain().unwrap(),
            Ok(Told::Report(_)) => return Ok("report".to_owned()),
            Err(ComposeError::Unneeded(why)) => return Err(why),
            Err(other) => panic!("{other}"),
        };
        let mut stream = crate::pipeline::handover::wire(None, recipe);
        let mut bytes = Vec::new();
        while let Some(next) = stream.next().await {
            bytes.extend_from_slice(&next.unwrap());
        }
        Ok(String::from_utf8(bytes).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openings_are_mailed_unless_imap_alone_shows_them() {
    for (receipts, mailed) in [(Receipts::Mail, true), (Receipts::Both, true), (Receipts::Imap, false)] {
        let scene = Scene::new(receipts, 1, "").await;
        let opened = scene.opened(1).await;
        let letter = scene.mailed(opened, ReceiptEvent::OpenedByOne).await;
        assert_eq!(letter.is_ok(), mailed, "{receipts:?}");
        // What needs the sender's hand is mailed in any case.
        for event in [ReceiptEvent::Failed, ReceiptEvent::Held, ReceiptEvent::StillHeld] {
            let row = scene.told(None, event).await;
            assert!(scene.mailed(row, event).await.is_ok(), "{receipts:?} {event:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_five_recipients_the_last_of_several_openings_tells_of_all() {
    let scene = Scene::new(Receipts::Both, 6, "").await;
    let rows = [scene.opened(1).await, scene.opened(4).await, scene.opened(2).await];
    for early in &rows[..2] {
        assert!(scene.mailed(*early, ReceiptEvent::OpenedByOne).await.is_err(), "a later one tells it");
    }
    let letter = scene.mailed(rows[2], ReceiptEvent::OpenedByOne).await.unwrap();
    assert!(letter.contains("3 sur 6"), "{letter}");
    assert!(["r1@", "r2@", "r4@"].iter().all(|who| letter.contains(who)), "{letter}");

    // Up to five each is told by itself.
    let scene = Scene::new(Receipts::Both, 5, "").await;
    let rows = [scene.opened(1).await, scene.opened(4).await];
    for row in rows {
        assert!(scene.mailed(row, ReceiptEvent::OpenedByOne).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasons_are_told_in_the_language_of_the_message() {
    for (header, said) in [
        ("Content-Language: fr\r\n", "retenu par l"),
        ("Content-Language: en\r\n", "held by the administrator"),
    ] {
        let scene = Scene::new(Receipts::Both, 1, header).await;
        let why = "held by the administrator".to_owned();
        scene.gateway.store.hold(scene.deposit, 1, why, Change::default()).await.unwrap();
        let row = scene.told(None, ReceiptEvent::Held).await;
        let letter = scene.mailed(row, ReceiptEvent::Held).await.unwrap();
        let text = letter.replace("=\r\n", "");
        assert!(text.contains(said), "{text}");
    }
}
