//! The end of three recipients' message, minute by minute, down to a proof without content.
#![allow(clippy::unwrap_used, reason = "a failure stops the test")]

use super::{Housekeeping, clock};
use crate::config::{Profile, parse, template};
use crate::gateway::Gateway;
use crate::pipeline::content::{ContentError, OpenDeposit};
use crate::pipeline::deposit::{Submission, deposit};
use crate::pipeline::intake::Intake;
use crate::pipeline::seal;
use crate::pipeline::verdict::Verdicts;
use crate::proofs::{self, Options};
use futures_util::StreamExt;
use jiff::SignedDuration;
use sealpost_certs::TrustAnchors;
use sealpost_envelope::{
    BodyType, Clock, DepositId, EmailAddress, Envelope, EnvelopeRecipient, FixedClock, Gate, Language,
    Submitter, Treatment, Verdict,
};
use sealpost_evidence::EventName;
use sealpost_policy::Decision;
use sealpost_proof::Verdict as Judgement;
use sealpost_store::Change;
use sealpost_store::account::{NewAccount, Role};
use sealpost_store::mailbox::{FolderId, NewMail};
use sealpost_store::queue::{Filter, State};
use std::path::Path;
use std::sync::Arc;

const RECIPIENTS: [&str; 3] = ["bob@example.test", "dora@example.test", "emil@example.test"];

struct Scene {
    gateway: Arc<Gateway>,
    clock: Arc<FixedClock>,
    keeper: Housekeeping,
    dir: tempfile::TempDir,
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let text = template(Profile::General, "sealpost.test", "localhost");
        let mut config = parse(&text, &dir.path().join("sealpost.toml")).unwrap();
        // Its keys would be made by `init`.
        config.settings.entity[0].dkim.keys.clear();
        let clock = Arc::new(FixedClock::new("2026-11-22T10:00:00Z".parse().unwrap()));
        let gateway = Gateway::open(config, clock.clone()).await.unwrap();
        let keeper = Housekeeping::new(gateway.clone(), "node".into());
        Self { gateway, clock, keeper, dir }
    }

    /// Time as a gateway that runs sees it pass.
    async fn lived(&self, span: SignedDuration) {
        let end = self.clock.now() + span;
        loop {
            let left = end.duration_since(self.clock.now());
            let settings = &self.gateway.config.timestamp;
            clock::look(&self.gateway.store, settings, self.clock.now()).await.unwrap();
            if left.is_zero() {
                return;
            }
            self.clock.advance(left.min(days(6)));
        }
    }

    /// One file that lies in a blob; access for thirty days, content for ninety.
    async fn deposited(&self, file: bool) -> DepositId {
        self.deposited_held(file, None).await
    }

    async fn deposited_held(&self, file: bool, hold: Option<&str>) -> DepositId {
        let now = self.clock.now();
        let envelope = Envelope {
            reverse_path: Some(address("alice@sealpost.test")),
            recipients: RECIPIENTS.iter().map(|r| EnvelopeRecipient::plain(address(r))).collect(),
            body: BodyType::SevenBit,
            smtputf8: false,
            declared_size: None,
            envid: None,
            ret_full: None,
        };
        let mut intake = Intake::begin(&self.gateway, now + days(90)).unwrap();
        let disposition = if file { "attachment; filename=\"a.txt\"" } else { "inline" };
        let message = format!(
            "From: Alice <alice@sealpost.test>\r\nSubject: Dossier\r\nMessage-ID: <1@x>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nBonjour\r\n\
             --b\r\nContent-Type: text/plain\r\nContent-Disposition: {disposition}\r\n\r\n{}--b--\r\n",
            "ligne\r\n".repeat(if file { 20_000 } else { 1 }),
        );
        intake.push(message.as_bytes()).await.unwrap();
        let verdict = Verdict {
            treatment: Treatment::Link,
            gate: Gate::otp_mail(),
            expires: now + days(30),
            retention: now + days(90),
            rule: "test".into(),
            phone: None,
            identity: None,
            hold: hold.map(str::to_owned),
        };
        let decision = |_: &&str| Decision {
            observed: None,
            verdict: verdict.clone(),
            explanation: Vec::new(),
            hold: None,
            remind: Vec::new(),
        };
        let submission = Submission {
            organisation: &self.gateway.organisations[0],
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
        let verdicts = Verdicts(RECIPIENTS.iter().map(decision).collect());
        deposit(&self.gateway, &submission, received, &verdicts).await.unwrap()
    }

    async fn events(&self, id: DepositId, name: EventName) -> Vec<Option<u32>> {
        let entries = self.gateway.store.entries_of_deposit(id).await.unwrap();
        entries.iter().filter(|e| e.event == name).map(|e| e.recipient).collect()
    }

    async fn opened(&self, id: DepositId, n: u32) {
        let store = &self.gateway.store;
        store.mark_opened(id, n, None, self.clock.now(), |_| Ok(Change::default())).await.unwrap();
    }

    fn blobs(&self) -> usize {
        fn walk(dir: &Path) -> usize {
            let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
            entries.map(|p| if p.is_dir() { walk(&p) } else { 1 }).sum()
        }
        walk(&self.dir.path().join("data/blobs"))
    }

    /// A mail in Alice's folder that is to go in the week of the deposit's end.
    async fn mail(&self, folder: FolderId, deposit: Option<DepositId>) {
        let mut writer = self.gateway.mailboxes.writer(self.clock.now() + days(90)).unwrap();
        writer.write(b"Subject: secret\r\n\r\nsecret\r\n").await.unwrap();
        let body = writer.finish().await.unwrap();
        let mail = NewMail { deposit, ..NewMail::plain(folder, body, self.clock.now()) };
        self.gateway.mailboxes.deliver(mail, Vec::new()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_mail_is_given_up_and_its_sender_told() {
    let mut s = Scene::new().await;
    let id = s.deposited_held(false, Some("a near-miss of the tag")).await;
    let rows = async |s: &Scene| {
        let mut rows = s.gateway.queue.list(&Filter { deposit: Some(id), ..Filter::default() });
        let mut found = Vec::new();
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            found.push((row.state, row.spec.contains("\"failed\""), row.spec.contains("\"held\"")));
        }
        found
    };
    s.keeper.round().await;
    let at_first = rows(&s).await;
    assert_eq!(at_first.iter().filter(|r| r.0 == State::Held).count(), 3, "{at_first:?}");
    assert_eq!(at_first.iter().filter(|r| r.2).count(), 1, "the sender is told once that it waits");

    s.clock.advance(SignedDuration::from_hours(35));
    s.keeper.round().await;
    assert_eq!(rows(&s).await.len(), at_first.len(), "there is time left");
    s.clock.advance(SignedDuration::from_hours(12));
    s.keeper.round().await;
    s.keeper.round().await;
    let reminded = rows(&s).await;
    assert_eq!(reminded.len(), at_first.len() + 1, "the sender is reminded, once: {reminded:?}");
    assert_eq!(reminded.iter().filter(|r| r.0 == State::Held).count(), 3, "not before 48 hours");

    s.clock.advance(SignedDuration::from_hours(2));
    s.keeper.round().await;
    let at_last = rows(&s).await;
    assert_eq!(at_last.iter().filter(|r| r.0 == State::Failed).count(), 3, "{at_last:?}");
    assert_eq!(at_last.iter().filter(|r| r.1).count(), 3, "one notice for each recipient");
    assert_eq!(s.events(id, EventName::NotificationForAcceptanceFailure).await.len(), 3);
    s.keeper.round().await;
    assert_eq!(rows(&s).await.len(), at_last.len(), "once only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_dies_and_proof_lives() {
    let mut s = Scene::new().await;
    let id = s.deposited(true).await;
    let new = NewAccount {
        entity: s.gateway.organisations[0].id,
        login: address("alice@sealpost.test"),
        role: Role::Sender,
        name: "Alice".into(),
        password: None,
    };
    let account = s.gateway.accounts.create(new, Vec::new()).await.unwrap();
    let sent = s.gateway.mailboxes.ensure_folder(account.id, "Sent", Some("\\Sent")).await.unwrap();
    s.mail(sent.id, Some(id)).await;
    s.mail(sent.id, None).await;
    s.opened(id, 2).await;
    s.opened(id, 3).await;
    s.gateway.store.mark_downloaded(id, 3, s.clock.now(), |_| Ok(Change::default())).await.unwrap();
    assert_eq!(s.blobs(), 1);

    // Access has just ended: an opening may be on its way.
    s.lived(days(30) + SignedDuration::from_secs(59)).await;
    s.keeper.round().await;
    assert!(s.events(id, EventName::AcceptanceRejectionExpiry).await.is_empty());
    // It ends for who never opened; a download may still be running.
    s.clock.advance(SignedDuration::from_secs(1));
    s.keeper.round().await;
    assert_eq!(s.events(id, EventName::AcceptanceRejectionExpiry).await, [Some(1)]);
    assert!(s.events(id, EventName::ContentHandoverFailure).await.is_empty());
    s.clock.advance(SignedDuration::from_hours(7));
    s.keeper.round().await;
    s.keeper.round().await;
    assert_eq!(s.events(id, EventName::AcceptanceRejectionExpiry).await, [Some(1)]);
    assert_eq!(s.events(id, EventName::ContentHandoverFailure).await, [Some(2)]);
    let evidence = s.gateway.store.evidence_of_deposit(id).await.unwrap();
    let negative = |e: &&sealpost_store::StoredEvidence| {
        matches!(e.event, EventName::AcceptanceRejectionExpiry | EventName::ContentHandoverFailure)
    };
    assert_eq!(evidence.iter().filter(negative).count(), 2, "both with evidence");
    assert!(s.gateway.store.consignments(id).await.unwrap().iter().all(|c| c.expired.is_some()));

    // The week of the end of retention, and its end.
    s.lived(days(60)).await;
    s.keeper.round().await;
    assert!(OpenDeposit::open(&s.gateway.store, id).await.is_ok());
    s.lived(days(7)).await;
    s.keeper.round().await;
    assert!(matches!(OpenDeposit::open(&s.gateway.store, id).await, Err(ContentError::Destroyed)));
    assert_eq!(s.events(id, EventName::ContentDestroyed).await, [None]);
    assert_eq!(s.blobs(), 0);
    assert!(s.gateway.store.keys().due_weeks(s.clock.now()).unwrap().is_empty());

    // The copy left a stub, the other mail nothing.
    let left = s.gateway.mailboxes.messages(sent.id, 1..=u32::MAX).await.unwrap();
    assert_eq!(left.iter().map(|m| (m.uid, m.deposit)).collect::<Vec<_>>(), [(3, None)]);
    let header = s.gateway.mailboxes.header(sent.id, 3).await.unwrap();
    assert!(String::from_utf8(header).unwrap().contains("In-Reply-To: <1@x>\r\nSubject: =?utf-8?B?"));

    // The proof is complete without content.
    seal::round(&s.gateway, "node").await.unwrap();
    let file = s.dir.path().join("proof.asice");
    let options = Options { recipient: None, content: true, language: Language::Fr };
    proofs::write(&s.gateway, id, &options, &file).await.unwrap();
    let anchors = TrustAnchors::new(vec![s.gateway.credentials.root().clone()]).unwrap();
    let read = std::io::BufReader::new(std::fs::File::open(&file).unwrap());
    let report = sealpost_proof::verify(read, &anchors, s.clock.now()).unwrap();
    assert_eq!(report.verdict, Judgement::Valid, "{:?}", report.checks);
    let names = std::process::Command::new("unzip").arg("-Z1").arg(&file).output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    assert!(names.contains("AcceptanceRejectionExpiry.xml") && !names.contains("message/"), "{names}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_holder_keeps_house_and_opening_is_enough_without_files() {
    let mut s = Scene::new().await;
    let id = s.deposited(false).await;
    s.opened(id, 1).await;
    s.lived(days(31)).await;
    let lease = std::time::Duration::from_secs(3600);
    let fence = s.gateway.store.claim(super::JOB, "another", lease).await.unwrap().unwrap();
    s.keeper.round().await;
    assert!(s.events(id, EventName::AcceptanceRejectionExpiry).await.is_empty());
    s.gateway.store.release(super::JOB, "another", fence).await.unwrap();
    s.keeper.round().await;
    assert_eq!(s.events(id, EventName::AcceptanceRejectionExpiry).await, [Some(2), Some(3)]);
    assert!(s.events(id, EventName::ContentHandoverFailure).await.is_empty());
    assert!(s.gateway.store.consignment(id, 1).await.unwrap().expired.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_far_ahead_ends_nothing_until_somebody_vouches_for_it() {
    let mut s = Scene::new().await;
    let id = s.deposited(true).await;
    s.keeper.round().await;
    let entries = s.gateway.store.entries_of_deposit(id).await.unwrap().len();

    s.clock.advance(days(11 * 365));
    for _ in 0..2 {
        s.keeper.round().await;
        s.clock.advance(SignedDuration::from_mins(1));
    }
    assert!(OpenDeposit::open(&s.gateway.store, id).await.is_ok(), "the content is there");
    assert_eq!(s.gateway.store.entries_of_deposit(id).await.unwrap().len(), entries, "nothing was ended");
    let (store, settings) = (&s.gateway.store, &s.gateway.config.timestamp);
    let doubt = clock::glance(store, settings, s.clock.now()).await.unwrap().unwrap();
    assert_eq!(doubt.days(), 11 * 365);
    // Not even a fresh process, or what a restore does, trusts it.
    let again = Housekeeping::new(s.gateway.clone(), "node".into());
    assert_eq!(again.destroy_again().await.unwrap(), 0);

    // Right again: nothing has happened.
    s.clock.advance(-days(11 * 365));
    assert_eq!(clock::glance(store, settings, s.clock.now()).await.unwrap(), None);

    // It was right after all, somebody says.
    s.clock.advance(days(11 * 365));
    store.believe_at_once(s.clock.now(), Vec::new()).await.unwrap();
    s.keeper.round().await;
    assert!(matches!(OpenDeposit::open(&s.gateway.store, id).await, Err(ContentError::Destroyed)));
    assert_eq!(s.events(id, EventName::ContentDestroyed).await, [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_outside_vouches_for_the_clock() {
    let s = Scene::new().await;
    let (store, settings) = (&s.gateway.store, &s.gateway.config.timestamp);
    let start = s.clock.now();
    assert_eq!(clock::look(store, settings, start).await.unwrap(), None);
    s.clock.advance(days(100));
    let now = s.clock.now();
    assert!(clock::look(store, settings, now).await.unwrap().is_some());
    assert_eq!(store.believe(now, days(7), Some(now - days(8))).await.unwrap(), now - days(8));
    assert_eq!(store.believe(now, days(7), Some(now - SignedDuration::from_mins(1))).await.unwrap(), now);
    assert_eq!(clock::look(store, settings, now).await.unwrap(), None);
}
