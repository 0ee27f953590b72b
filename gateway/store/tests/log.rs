//! The Merkle log: sequencing, paths, checkpoints, seals, and what verification finds.

use crate::common::{TestStore, count, event, new_deposit, on_both_engines};
use futures_util::TryStreamExt;
use sealpost_evidence::merkle::{Frontier, TILE_WIDTH, TileId, verify_consistency, verify_inclusion};
use sealpost_store::log::SEQUENCER;
use sealpost_store::{Anchor, Fence, Finding, JournalFilter, KeptRevocation, Store, StoreError, args};
use std::time::Duration;

on_both_engines!(
    entries_get_their_indexes,
    concurrent_appends_are_all_sequenced,
    paths_lead_to_the_root,
    an_overtaken_sequencer_changes_nothing,
    checkpoints_are_written_once,
    anchors_ascend_and_are_written_once,
    evidence_is_sealed_once,
    the_newest_word_on_a_certificate_is_kept,
    damage_is_named,
    jobs_have_one_holder,
    the_journal_is_searched,
);

async fn append(store: &Store, t: &TestStore, n: usize) {
    let events = (0..n).map(|_| event(t.entity, t.now(), None)).collect();
    store.record(events).await.unwrap();
}

async fn sequence_all(store: &Store, fence: Fence) -> u64 {
    loop {
        let done = store.sequence_batch(fence).await.unwrap();
        if !done.more {
            return done.head.size;
        }
    }
}

async fn entries_get_their_indexes(t: TestStore) {
    let empty = t.sequence_batch(Fence(1)).await.unwrap();
    assert_eq!((empty.before, empty.head.size, empty.more), (0, 0, false));
    let mut events: Vec<_> = (0..5).map(|_| event(t.entity, t.now(), None)).collect();
    events.rotate_left(2);
    t.record(events.clone()).await.unwrap();
    events.sort_by_key(|e| e.id);
    let done = t.sequence_batch(Fence(1)).await.unwrap();
    assert_eq!((done.before, done.head.size), (0, 5));
    let mut expected = Frontier::new();
    events.iter().for_each(|e| expected.push(e.leaf));
    assert_eq!(done.head.root, expected.root());
    assert_eq!(t.log_head().await.unwrap(), done.head);
    let stored: Vec<_> = t.entries(1, 4).try_collect().await.unwrap();
    assert_eq!(stored.iter().map(|e| e.index).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    for (n, event) in events.iter().enumerate() {
        let entry = t.entry_by_index(n as u64).await.unwrap().unwrap();
        assert_eq!((entry.id, entry.leaf, entry.bytes.as_ref()), (event.id, event.leaf, Some(&event.bytes)));
        assert_eq!(t.entry(event.id).await.unwrap().as_ref(), Some(&entry));
        assert_eq!(entry.openings.as_ref(), Some(&event.openings));
    }
    assert_eq!(t.entry_by_index(5).await.unwrap(), None);
    // An entry that is older than the last sequenced one, but committed later.
    let late = event(t.entity, t.now() - jiff::SignedDuration::from_hours(1), None);
    t.record(vec![late.clone()]).await.unwrap();
    assert_eq!(sequence_all(&t, Fence(1)).await, 6);
    assert_eq!(t.entry(late.id).await.unwrap().unwrap().index, Some(5));
}

async fn concurrent_appends_are_all_sequenced(t: TestStore) {
    let other = t.again().await;
    let mut writers = Vec::new();
    for n in 0..40 {
        let store = if n % 2 == 0 { t.store.clone() } else { other.clone() };
        let events: Vec<_> = (0..5).map(|_| event(t.entity, t.now(), None)).collect();
        writers.push(tokio::spawn(async move { store.record(events).await }));
    }
    let (a, b) = (t.store.clone(), other.clone());
    let sequencers = [a, b].map(|store| {
        tokio::spawn(async move {
            let mut size = 0;
            for _ in 0..20 {
                let done = store.sequence_batch(Fence(1)).await.unwrap();
                assert!(done.head.size >= size, "a log only grows");
                size = done.head.size;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    });
    for task in writers {
        task.await.unwrap().unwrap();
    }
    for task in sequencers {
        task.await.unwrap();
    }
    assert_eq!(sequence_all(&t, Fence(1)).await, 200);
    let report = t.verify_log(|_, _| None).await.unwrap();
    assert_eq!((report.head, report.findings), (t.log_head().await.unwrap(), vec![]));
}

async fn paths_lead_to_the_root(t: TestStore) {
    let mut heads = Vec::new();
    // Growth over the edge of a tile, by steps that leave partial ones.
    for n in [1, 2, 252, 1, 1, 300, 55] {
        append(&t, &t, n).await;
        sequence_all(&t, Fence(1)).await;
        heads.push(t.log_head().await.unwrap());
    }
    let last = *heads.last().unwrap();
    assert_eq!(last.size, 612);
    for head in &heads {
        assert_eq!(t.root_at(head.size).await.unwrap(), head.root, "{}", head.size);
        let path = t.consistency(head.size, last.size).await.unwrap();
        verify_consistency(head.size, last.size, &head.root, &last.root, &path).unwrap();
        for index in [0, 1, 200, 255, 256, 257, 511, 600].into_iter().filter(|i| *i < head.size) {
            let leaf = t.entry_by_index(index).await.unwrap().unwrap().leaf;
            let path = t.inclusion(index, head.size).await.unwrap();
            verify_inclusion(&leaf, index, head.size, &path, &head.root).unwrap();
            if head.size > 1 {
                let elsewhere =
                    verify_inclusion(&leaf, (index + 1) % head.size, head.size, &path, &head.root);
                assert!(elsewhere.is_err());
            }
        }
    }
    // Full tiles 0 and 1 and a partial third, one partial tile above: nothing narrower is kept.
    assert_eq!(t.tile_count().await.unwrap(), 4);
    assert_eq!(t.tile(TileId { level: 0, index: 2, width: 10 }).await.unwrap().len(), 320);
    assert!(t.tile(TileId { level: 0, index: 2, width: 101 }).await.is_err());
    assert!(matches!(t.inclusion(0, 613).await, Err(StoreError::NotFound(_))));
    assert_eq!(612 / TILE_WIDTH, 2);
}

async fn an_overtaken_sequencer_changes_nothing(t: TestStore) {
    append(&t, &t, 3).await;
    t.sequence_batch(Fence(5)).await.unwrap();
    append(&t, &t, 3).await;
    assert!(matches!(t.sequence_batch(Fence(4)).await, Err(StoreError::Conflict(_))));
    let head = t.log_head().await.unwrap();
    assert_eq!(head.size, 3);
    assert!(matches!(
        t.store_checkpoint(Fence(4), 3, head.root, vec![1]).await,
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(t.sequence_batch(Fence(6)).await.unwrap().head.size, 6);
}

async fn checkpoints_are_written_once(t: TestStore) {
    append(&t, &t, 300).await;
    sequence_all(&t, Fence(1)).await;
    let head = t.log_head().await.unwrap();
    assert!(t.store_checkpoint(Fence(1), 300, [0; 32], vec![1]).await.is_err(), "another root");
    assert!(t.store_checkpoint(Fence(1), 301, head.root, vec![1]).await.is_err(), "beyond the log");
    assert!(t.store_checkpoint(Fence(1), 300, head.root, vec![1]).await.unwrap());
    assert!(!t.store_checkpoint(Fence(1), 300, head.root, vec![2]).await.unwrap());
    assert_eq!(t.bare_checkpoints(10).await.unwrap().len(), 1);
    assert_eq!(t.checkpoint_covering(0).await.unwrap(), None, "not stamped yet");
    assert!(t.stamp_checkpoint(300, vec![3], Some(vec![4])).await.unwrap());
    assert!(!t.stamp_checkpoint(300, vec![5], None).await.unwrap());
    assert!(!t.stamp_checkpoint(299, vec![5], None).await.unwrap());
    let stored = t.checkpoint_covering(299).await.unwrap().unwrap();
    assert_eq!((stored.note, stored.tst, stored.p7s), (vec![1], Some(vec![3]), Some(vec![4])));
    assert_eq!(t.checkpoint_covering(300).await.unwrap(), None);
    assert_eq!(t.latest_checkpoint().await.unwrap().unwrap().size, 300);
}

async fn anchors_ascend_and_are_written_once(t: TestStore) {
    for size in [100, 200, 300] {
        append(&t, &t, 100).await;
        sequence_all(&t, Fence(1)).await;
        let root = t.log_head().await.unwrap().root;
        t.store_checkpoint(Fence(1), size, root, vec![1]).await.unwrap();
        assert_eq!(t.latest_stamped().await.unwrap().map(|c| c.size), (size > 100).then_some(size - 100));
        t.stamp_checkpoint(size, vec![2], None).await.unwrap();
    }
    let anchor = |size, token: u8| Anchor {
        size,
        time: t.now(),
        obtained: t.now(),
        authority: "CN=Outside".into(),
        token: vec![token],
    };
    assert_eq!(t.latest_anchor().await.unwrap(), None);
    assert!(!t.store_anchor(anchor(250, 1)).await.unwrap(), "no such checkpoint");
    assert!(t.store_anchor(anchor(200, 2)).await.unwrap());
    assert!(!t.store_anchor(anchor(200, 3)).await.unwrap(), "dated already");
    assert!(!t.store_anchor(anchor(100, 4)).await.unwrap(), "a later one is dated already");
    let (checkpoint, found) = t.anchor_covering(0).await.unwrap().unwrap();
    assert_eq!((checkpoint.size, found.token), (200, vec![2]));
    assert_eq!(t.anchor_covering(200).await.unwrap(), None, "pending");
    assert!(t.store_anchor(anchor(300, 5)).await.unwrap());
    assert_eq!(t.anchor_covering(200).await.unwrap().unwrap().1.token, vec![5]);
    assert_eq!(t.latest_anchor().await.unwrap().unwrap().size, 300);
    let sizes: Vec<u64> = t.anchors(0, 10).await.unwrap().iter().map(|a| a.size).collect();
    assert_eq!(sizes, [200, 300]);
    assert_eq!(t.anchors(200, 10).await.unwrap().len(), 1);
}

async fn evidence_is_sealed_once(t: TestStore) {
    let new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    let (id, xml) = (new.events[0].id, new.events[0].evidence.clone().unwrap());
    t.deposit(new.clone()).await.unwrap();
    let pending = t.pending_evidence(t.entity, 10).await.unwrap();
    assert_eq!((pending.len(), pending[0].id, &pending[0].xml), (1, id, &xml));
    assert_eq!(t.evidence_of_deposit(new.id).await.unwrap()[0].p7s, None);
    assert!(t.store_evidence_seal(t.entity, id, vec![1, 2, 3]).await.unwrap());
    assert!(!t.store_evidence_seal(t.entity, id, vec![9]).await.unwrap());
    assert!(!t.store_evidence_seal(t.entity, sealpost_envelope::EntryId::generate(), vec![9]).await.unwrap());
    assert_eq!(t.pending_evidence(t.entity, 10).await.unwrap(), vec![]);
    let stored = t.evidence(id).await.unwrap().unwrap();
    assert_eq!((stored.xml, stored.p7s), (xml, Some(vec![1, 2, 3])));
    assert_eq!(t.evidence_of_deposit(new.id).await.unwrap().len(), 1);
}

async fn the_newest_word_on_a_certificate_is_kept(t: TestStore) {
    let certificate = sealpost_envelope::Sha256Digest::of(b"certificate");
    let hour = Duration::from_secs(3600);
    let said = |value: u8, hours: u32| KeptRevocation {
        certificate,
        is_list: value.is_multiple_of(2),
        value: vec![value],
        this_update: t.now() + hour * hours,
        next_update: t.now() + hour * (hours + 24),
        fetched: t.now(),
    };
    assert_eq!(t.revocation(&certificate).await.unwrap(), None);
    for (value, hours, kept) in [(1, 0, true), (2, 5, true), (3, 4, false), (4, 5, true)] {
        assert_eq!(t.keep_revocation(said(value, hours)).await.unwrap(), kept, "{value}");
    }
    assert_eq!(t.revocation(&certificate).await.unwrap(), Some(said(4, 5)));
    let sql = "UPDATE revocation_values SET kind = 'rumour'";
    t.db().execute(sql, args![]).await.unwrap();
    assert!(matches!(t.revocation(&certificate).await, Err(StoreError::Damaged { .. })));
}

async fn damage_is_named(t: TestStore) {
    append(&t, &t, 400).await;
    sequence_all(&t, Fence(1)).await;
    let head = t.log_head().await.unwrap();
    t.store_checkpoint(Fence(1), 400, head.root, b"note".to_vec()).await.unwrap();
    append(&t, &t, 7).await;
    sequence_all(&t, Fence(1)).await;
    let verify =
        async || t.verify_log(|c, _| (c.note != b"note").then(|| "forged".to_owned())).await.unwrap();
    let clean = verify().await;
    assert_eq!((clean.findings.clone(), clean.checkpoints, clean.pruned), (vec![], 1, 0));

    let bytes = t.entry_by_index(77).await.unwrap().unwrap().bytes.unwrap();
    let set = |sql: &'static str, values| t.db().execute(sql, values);
    // One octet of one entry.
    let mut changed = bytes.clone();
    changed[20] ^= 1;
    set("UPDATE journal SET bytes = $1 WHERE idx = 77", args![changed]).await.unwrap();
    let findings = verify().await.findings;
    assert_eq!(findings[0], Finding::Changed(77));
    assert!(
        findings.contains(&Finding::Checkpoint(400)) && findings.contains(&Finding::Root(407)),
        "{findings:?}"
    );
    set("UPDATE journal SET bytes = $1 WHERE idx = 77", args![bytes]).await.unwrap();
    assert_eq!(verify().await, clean);
    // A pruned entry is no damage.
    set("UPDATE journal SET bytes = NULL, openings = NULL WHERE idx = 78", args![]).await.unwrap();
    assert_eq!((verify().await.findings, verify().await.pruned), (vec![], 1));
    // A forged note, a changed tile, a cut tile, a missing tile.
    set("UPDATE checkpoints SET note = $1", args![b"else"]).await.unwrap();
    assert_eq!(verify().await.findings, [Finding::Note(400, "forged".into())]);
    set("UPDATE checkpoints SET note = $1", args![b"note"]).await.unwrap();
    let full = TileId { level: 0, index: 0, width: 256 };
    let mut tile = t.tile(full).await.unwrap();
    let whole = tile.clone();
    tile[5000] ^= 0x80;
    for damaged in [tile, whole[..256 * 32 - 1].to_vec()] {
        set("UPDATE tiles SET hashes = $1 WHERE level = 0 AND n = 0", args![damaged]).await.unwrap();
        assert_eq!(verify().await.findings, [Finding::Tile(full)]);
    }
    set("UPDATE tiles SET hashes = $1 WHERE level = 0 AND n = 0", args![whole]).await.unwrap();
    set("DELETE FROM tiles WHERE level = 1", args![]).await.unwrap();
    assert_eq!(verify().await.findings, [Finding::Tile(TileId { level: 1, index: 0, width: 1 })]);
    // An entry taken out, the last one taken out, and state that does not fit itself.
    set("DELETE FROM journal WHERE idx = 100", args![]).await.unwrap();
    let findings = verify().await.findings;
    assert_eq!(findings[0], Finding::Missing(100, 101));
    set("UPDATE log_state SET root = $1", args![[0u8; 32]]).await.unwrap();
    assert!(matches!(t.sequence_batch(Fence(1)).await, Err(StoreError::Damaged { .. })));
}

async fn jobs_have_one_holder(t: TestStore) {
    let lease = Duration::from_secs(10);
    let first = t.claim(SEQUENCER, "node a", lease).await.unwrap().unwrap();
    assert_eq!(t.claim(SEQUENCER, "node b", lease).await.unwrap(), None);
    assert_eq!(
        t.claim(SEQUENCER, "node a", lease).await.unwrap(),
        Some(first),
        "the holder keeps its number"
    );
    assert!(t.claim("expiry", "node b", lease).await.unwrap().is_some(), "another job");
    t.clock.advance(jiff::SignedDuration::from_secs(8));
    assert!(t.renew(SEQUENCER, "node a", first, lease).await.unwrap());
    t.clock.advance(jiff::SignedDuration::from_secs(8));
    assert_eq!(t.claim(SEQUENCER, "node b", lease).await.unwrap(), None);
    t.clock.advance(jiff::SignedDuration::from_secs(8));
    let second = t.claim(SEQUENCER, "node b", lease).await.unwrap().unwrap();
    assert!(second > first);
    assert!(!t.renew(SEQUENCER, "node a", first, lease).await.unwrap());
    t.release(SEQUENCER, "node a", first).await.unwrap();
    assert_eq!(t.claim(SEQUENCER, "node a", lease).await.unwrap(), None);
    t.release(SEQUENCER, "node b", second).await.unwrap();
    let third = t.claim(SEQUENCER, "node a", lease).await.unwrap().unwrap();
    assert!(third > second);
    let (a, b) = tokio::join!(t.claim("race", "node a", lease), t.claim("race", "node b", lease));
    assert_eq!(a.unwrap().is_some() as u8 + b.unwrap().is_some() as u8, 1);
}

async fn the_journal_is_searched(t: TestStore) {
    let new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    t.deposit(new.clone()).await.unwrap();
    t.clock.advance(jiff::SignedDuration::from_hours(1));
    append(&t, &t, 3).await;
    let search = async |filter: JournalFilter| -> usize {
        t.search_journal(&filter).try_collect::<Vec<_>>().await.unwrap().len()
    };
    let all = JournalFilter::default();
    assert_eq!(search(all.clone()).await, 5);
    assert_eq!(search(JournalFilter { deposit: Some(new.id), ..all.clone() }).await, 2);
    assert_eq!(search(JournalFilter { event: Some(new.events[0].name), ..all.clone() }).await, 1);
    assert_eq!(search(JournalFilter { since: Some(t.now()), ..all.clone() }).await, 3);
    assert_eq!(search(JournalFilter { until: Some(t.now()), recipient: Some(1), ..all.clone() }).await, 0);
    assert_eq!(search(JournalFilter { limit: Some(4), entity: Some(t.entity), ..all }).await, 4);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM journal WHERE idx IS NULL").await, 5);
}
