//! Every trouble on its real path: seen in the store or in files, told once, told again while it lasts, and over.
#![allow(clippy::unwrap_used, reason = "a failure stops the test")]

use super::{Alert, BACKUP_CHORE, Trouble, round};
use crate::config::{Profile, parse, template};
use crate::gateway::Gateway;
use crate::pipeline::notices;
use crate::pipeline::spec::Spec;
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use sealpost_envelope::{Clock, EmailAddress, FixedClock};
use sealpost_store::queue::{Filter, NewOutbound, OutboundId, Priority};
use std::sync::Arc;

const MAILBOX: &str =
    "\n[[returns_mailbox]]\nserver = \"imap.example:993\"\nuser = \"u\"\npassword = \"p\"\n";

struct Scene {
    gateway: Arc<Gateway>,
    clock: Arc<FixedClock>,
    to: EmailAddress,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let text = template(Profile::General, "sealpost.test", "localhost") + MAILBOX;
        let mut config = parse(&text, &dir.path().join("sealpost.toml")).unwrap();
        config.settings.entity[0].dkim.keys.clear();
        config.settings.limits.disk_reserve.0 = 0;
        let clock = Arc::new(FixedClock::new("2026-11-22T10:00:00Z".parse().unwrap()));
        let gateway = Gateway::open(config, clock.clone()).await.unwrap();
        Self { gateway, clock, to: EmailAddress::parse("it@sealpost.test").unwrap(), _dir: dir }
    }

    /// Looks, and reads what the administrator is told about a trouble by now, the latest last. Nobody takes the mail here,
    /// which is a trouble of its own.
    async fn told(&self, trouble: Trouble) -> Vec<Alert> {
        round(&self.gateway, "node", &self.to).await.unwrap();
        let filter = Filter { rcpt: Some(self.to.as_str().to_owned()), ..Filter::default() };
        let rows: Vec<_> = self.gateway.queue.list(&filter).try_collect().await.unwrap();
        let mut alerts = Vec::new();
        for row in rows {
            let Spec::Alert(alert) = Spec::read(&row.spec).unwrap() else { continue };
            if alert.trouble != trouble {
                continue;
            }
            // It can be written.
            notices::compose(&self.gateway, &self.gateway.organisations[0], &row).await.unwrap();
            alerts.push(alert);
        }
        alerts
    }

    fn later(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }
}

#[tokio::test]
async fn a_mailbox_that_is_not_read_is_told_of_once_a_day() {
    let scene = Scene::new().await;
    let (store, name) = (&scene.gateway.store, "u imap.example:993 INBOX");
    store.polling_failed(name, scene.clock.now(), "refuses: no").await.unwrap();
    store.polling_failed("another that is gone from the settings", scene.clock.now(), "x").await.unwrap();
    scene.later(20);
    assert_eq!(scene.told(Trouble::Returns).await, [], "a passing trouble");
    scene.later(20);
    let told = scene.told(Trouble::Returns).await;
    let [alert] = &told[..] else { panic!("{told:?}") };
    assert!(
        !alert.over && alert.facts.len() == 1 && alert.facts[0].ends_with("refuses: no"),
        "{:?}",
        alert.facts
    );
    scene.later(60);
    assert_eq!(scene.told(Trouble::Returns).await.len(), 1);
    scene.later(24 * 60);
    assert_eq!(scene.told(Trouble::Returns).await.len(), 2, "again after a day");
    store.polling_works(name).await.unwrap();
    let told = scene.told(Trouble::Returns).await;
    assert!(told.len() == 3 && told[2].over && told[2].facts.is_empty(), "{told:?}");
    assert_eq!(scene.told(Trouble::Returns).await.len(), 3);
}

#[tokio::test]
async fn a_backup_is_missed_once_there_was_one() {
    let scene = Scene::new().await;
    scene.later(5 * 24 * 60);
    assert_eq!(scene.told(Trouble::Backup).await, []);
    scene.gateway.store.chore_done(BACKUP_CHORE, scene.clock.now()).await.unwrap();
    scene.later(2 * 24 * 60);
    assert_eq!(scene.told(Trouble::Backup).await, []);
    scene.later(2 * 24 * 60);
    let told = scene.told(Trouble::Backup).await;
    assert!(told.len() == 1 && !told[0].over, "{told:?}");
    scene.gateway.store.chore_done(BACKUP_CHORE, scene.clock.now()).await.unwrap();
    assert!(scene.told(Trouble::Backup).await[1].over);
}

#[tokio::test]
async fn mail_that_nobody_takes_is_told_of() {
    let scene = Scene::new().await;
    let now = scene.clock.now();
    let row = NewOutbound {
        id: OutboundId::generate(),
        entity: scene.gateway.organisations[0].id,
        deposit: None,
        recipient: None,
        priority: Priority::Mail,
        spec: "{}".to_owned(),
        envelope_from: None,
        rcpt: EmailAddress::parse("bob@example.test").unwrap(),
        next_at: now,
        created: now,
        hold: None,
    };
    let id = row.id;
    scene.gateway.queue.enqueue(vec![row], Vec::new()).await.unwrap();
    scene.later(10);
    assert_eq!(scene.told(Trouble::Queue).await, []);
    scene.later(10);
    let told = scene.told(Trouble::Queue).await;
    assert!(told.len() == 1 && told[0].facts == ["1"], "{told:?}");
    scene.gateway.queue.hold(id, "by hand", scene.gateway.clock.now()).await.unwrap();
    scene.later(1);
    assert!(scene.told(Trouble::Queue).await[1].over);
}

#[tokio::test]
async fn certificates_are_told_of_before_they_end() {
    let scene = Scene::new().await;
    let organisation = &scene.gateway.organisations[0];
    let Some(sealing) = organisation.sealing.known() else {
        panic!("the built-in authority has certified it")
    };
    let left = sealing.certificate().not_after().duration_since(scene.clock.now());
    scene.clock.advance(left - SignedDuration::from_hours(24 * 30));
    assert_eq!(scene.told(Trouble::Certificate).await, []);
    scene.clock.advance(SignedDuration::from_hours(24 * 10));
    let told = scene.told(Trouble::Certificate).await;
    assert!(told[0].facts[0].starts_with(&organisation.settings.name), "{told:?}");
}
