//! Three organisations, two of which have lost their key: the third and the log do not notice.
#![allow(clippy::unwrap_used, reason = "a failure stops the test")]

use super::round;
use crate::config::{Profile as Kind, parse, template};
use crate::gateway::Gateway;
use jiff::Timestamp;
use sealpost_certs::{Authority, KeyKind, Profile, Signer, Subject};
use sealpost_envelope::{EntityId, EntryId, SystemClock};
use sealpost_evidence::{BuiltEvent, EventName, merkle};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A key and its certificate as an organisation brings them.
fn brought(dir: &Path) {
    let now = Timestamp::now();
    let root = Authority::create_root(&Subject::named("Another authority"), now).unwrap();
    let profile = Profile::EvidenceSeal;
    let made = root.issue_with_key(KeyKind::P256, &profile, &Subject::named("Seal"), now).unwrap();
    made.key().save(&dir.join("seal.key")).unwrap();
    std::fs::write(dir.join("seal.pem"), made.certificate().to_pem()).unwrap();
}

async fn opened(dir: &Path) -> anyhow::Result<Arc<Gateway>> {
    let place = dir.display();
    let others = format!(
        "\n[[entity]]\nname = \"File\"\ndomains = [\"file.test\"]\nhostname = \"localhost\"\n\
         [entity.seal]\nkey = \"{place}/seal.key\"\ncertificate = \"{place}/seal.pem\"\n\
         [[entity]]\nname = \"Token\"\ndomains = [\"token.test\"]\nhostname = \"localhost\"\n\
         [entity.seal]\nkey = \"pkcs11:token=T;object=o?module-path={place}/none.so\"\ncertificate = \"{place}/seal.pem\"\n"
    );
    let text = template(Kind::General, "sealpost.test", "localhost") + &others;
    let mut config = parse(&text, &dir.join("sealpost.toml")).unwrap();
    config.settings.entity[0].dkim.keys.clear();
    Gateway::open(config, Arc::new(SystemClock)).await
}

/// Entries with evidence that wait for their seals.
async fn happened(gateway: &Gateway, entity: EntityId, count: usize) {
    let event = |n: usize| {
        let bytes = format!("{{\"n\":{n}}}").into_bytes();
        BuiltEvent {
            id: EntryId::generate(),
            time: Timestamp::now(),
            name: EventName::RelayToNonERDS,
            entity,
            deposit: None,
            recipient: None,
            leaf: merkle::leaf_hash(&bytes),
            bytes,
            openings: b"{}".to_vec(),
            evidence: Some(format!("<n>{n}</n>").into_bytes()),
        }
    };
    gateway.store.record((0..count).map(event).collect()).await.unwrap();
}

async fn waits(gateway: &Gateway, entity: EntityId) -> usize {
    gateway.store.pending_evidence(entity, 10_000).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_organisations_lost_key_keeps_nobody_else_waiting() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    brought(dir.path());
    let (key, away) = (dir.path().join("seal.key"), dir.path().join("away.key"));
    std::fs::rename(&key, &away).unwrap();
    let gateway = opened(dir.path()).await.unwrap();
    let [own, file, token] = [0, 1, 2].map(|n| gateway.organisations[n].id);
    // More than one batch of those that fail stands before the others.
    happened(&gateway, file, 600).await;
    happened(&gateway, token, 600).await;
    happened(&gateway, own, 5).await;
    round(&gateway, "node").await.unwrap();
    assert_eq!(waits(&gateway, own).await, 0);
    assert_eq!((waits(&gateway, file).await, waits(&gateway, token).await), (600, 600));
    assert_eq!(gateway.store.log_head().await.unwrap().size, 1205, "the log has them all");
    assert_eq!(gateway.store.latest_stamped().await.unwrap().unwrap().size, 1205);
    let why = |n: usize| gateway.organisations[n].sealing.trouble().map(|t| t.why);
    assert!(why(0).is_none() && why(1).unwrap().contains("seal.key"), "{:?}", why(1));
    assert!(why(2).unwrap().contains("none.so"), "{:?}", why(2));

    // The file is back: all is made up for, without a restart.
    std::fs::rename(&away, &key).unwrap();
    for _ in 0..100 {
        round(&gateway, "node").await.unwrap();
        if waits(&gateway, file).await == 0 && why(1).is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((waits(&gateway, file).await, why(1)), (0, None));
    assert_eq!(waits(&gateway, token).await, 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_without_any_key_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    brought(dir.path());
    drop(opened(dir.path()).await.unwrap());
    for name in ["seal.key", "seal.pem", "keys/authority/evidence-sealpost.test.key"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    let error = opened(dir.path()).await.unwrap_err();
    assert!(format!("{error:#}").contains("seal"), "{error:#}");
}
