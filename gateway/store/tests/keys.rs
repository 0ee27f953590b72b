//! The key store: sharing, damage, destruction that outlives a restored file.

use sealpost_envelope::{BlobId, DepositId, Timestamp};
use sealpost_store::keys::{KeyError, KeyStore, TombstoneSubject, week};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const WEEK: &str = "2026-W48";

fn retention() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}
fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
fn temp() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("a/keys");
    (dir, keys)
}

#[test]
fn deposit_keys_come_back() {
    let (_guard, dir) = temp();
    let store = KeyStore::open(&dir).unwrap();
    let (key, wrapped, name) = store.new_deposit_key(retention()).unwrap();
    assert_eq!(name, WEEK);
    assert_eq!(wrapped.bytes.len(), 61);
    let again = KeyStore::open(&dir).unwrap().unwrap(WEEK, &wrapped.bytes).unwrap();
    assert_eq!(again.link_token(3, 1).expose(), key.link_token(3, 1).expose());
    let sealed = key.seal("text", b"1", b"Bonjour").unwrap();
    assert_eq!(again.open("text", b"1", &sealed).unwrap(), b"Bonjour");
    assert_eq!((mode(&dir), mode(&dir.join("week-2026-W48.key"))), (0o700, 0o600));
    assert_eq!(store.weeks().unwrap(), [WEEK]);
    let due = |at: &str| store.due_weeks(at.parse().unwrap()).unwrap();
    assert_eq!(due("2026-11-29T23:59:59Z"), [] as [String; 0]);
    assert_eq!(due("2026-11-30T00:00:00Z"), [WEEK]);
    // No half-made files stay.
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}

#[test]
fn wrapped_keys_bear_no_change() {
    let (_guard, dir) = temp();
    let store = KeyStore::open(&dir).unwrap();
    let (_, wrapped, _) = store.new_deposit_key(retention()).unwrap();
    for at in 0..wrapped.bytes.len() {
        let mut bad = wrapped.bytes.clone();
        bad[at] ^= 1;
        assert!(matches!(store.unwrap(WEEK, &bad), Err(KeyError::Damaged(_))), "octet {at}");
    }
    let (_, other, week) = store.new_deposit_key("2027-01-10T00:00:00Z".parse().unwrap()).unwrap();
    assert!(matches!(store.unwrap(WEEK, &other.bytes), Err(KeyError::Damaged(_))), "another week's");
    assert!(store.unwrap(&week, &other.bytes).is_ok());
    assert!(matches!(store.unwrap("2026-W50", &other.bytes), Err(KeyError::Missing(_))));
    assert!(matches!(store.unwrap("../2026-W50", &other.bytes), Err(KeyError::BadName(_))));
}

#[test]
fn destruction_is_final_for_everyone() {
    let (_guard, dir) = temp();
    let (store, neighbour) = (KeyStore::open(&dir).unwrap(), KeyStore::open(&dir).unwrap());
    let (_, wrapped, _) = store.new_deposit_key(retention()).unwrap();
    let file = dir.join("week-2026-W48.key");
    let saved = fs::read(&file).unwrap();
    neighbour.unwrap(WEEK, &wrapped.bytes).unwrap();

    store.destroy_week(WEEK, now()).unwrap();
    assert!(!file.exists());
    for (who, s) in [("destroyer", &store), ("neighbour with the key in memory", &neighbour)] {
        assert!(matches!(s.unwrap(WEEK, &wrapped.bytes), Err(KeyError::Destroyed(_))), "{who}");
        assert!(matches!(s.new_deposit_key(retention()), Err(KeyError::Destroyed(_))), "{who}");
    }
    // The file comes back from a backup: it is not used, and goes at the next start.
    fs::write(&file, &saved).unwrap();
    assert!(matches!(store.unwrap(WEEK, &wrapped.bytes), Err(KeyError::Destroyed(_))));
    let restarted = KeyStore::open(&dir).unwrap();
    assert!(!file.exists());
    assert!(matches!(restarted.unwrap(WEEK, &wrapped.bytes), Err(KeyError::Destroyed(_))));
    store.destroy_week(WEEK, now()).unwrap();
    let deposit = DepositId::generate();
    store.note_destroyed(deposit, now()).unwrap();
    let stones = restarted.tombstones().unwrap();
    let subjects: Vec<_> = stones.iter().map(|s| s.subject.clone()).collect();
    assert_eq!(subjects, [TombstoneSubject::Week(WEEK.into()), TombstoneSubject::Deposit(deposit)]);
    assert_eq!(stones[0].time, now());
}

#[test]
fn extension_moves_to_a_later_week() {
    let (_guard, dir) = temp();
    let store = KeyStore::open(&dir).unwrap();
    let (key, wrapped, first) = store.new_deposit_key(retention()).unwrap();
    let later = "2027-02-01T00:00:00Z".parse().unwrap();
    let (moved, second) = store.rewrap(&first, &wrapped.bytes, later).unwrap();
    store.destroy_week(&first, now()).unwrap();
    let kept = store.unwrap(&second, &moved.bytes).unwrap();
    assert_eq!(kept.link_token(1, 0).expose(), key.link_token(1, 0).expose());
    assert!(week::end(&second).unwrap() > later);
    assert_eq!(store.weeks().unwrap(), [second]);
}

#[test]
fn half_a_tombstone_is_dropped_a_strange_one_is_not() {
    let (_guard, dir) = temp();
    let store = KeyStore::open(&dir).unwrap();
    let list = dir.join("tombstones");
    store.destroy_week("2026-W40", now()).unwrap();
    let whole = fs::read_to_string(&list).unwrap();
    for cut in 1..whole.len() {
        fs::write(&list, format!("{whole}{}", &whole[..cut])).unwrap();
        assert_eq!(KeyStore::open(&dir).unwrap().tombstones().unwrap().len(), 1, "cut at {cut}");
    }
    store.destroy_week("2026-W41", now()).unwrap();
    assert_eq!(store.tombstones().unwrap().len(), 2);
    fs::write(&list, format!("{whole}weak 2026-W40 now\n")).unwrap();
    assert!(matches!(KeyStore::open(&dir), Err(KeyError::Damaged(_))));
}

#[test]
fn key_files_bear_no_change() {
    let (_guard, dir) = temp();
    let first = *KeyStore::open(&dir).unwrap().purpose("codes").unwrap().expose();
    let file = dir.join("purpose-codes.key");
    let good = fs::read(&file).unwrap();
    assert_eq!(*KeyStore::open(&dir).unwrap().purpose("codes").unwrap().expose(), first);
    let fails = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let again = KeyStore::open(&dir).unwrap().purpose("codes");
        assert!(matches!(again, Err(KeyError::Damaged(_))), "{what}");
    };
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 2;
        fails(&bad, &format!("octet {at}"));
        fails(&good[..at], &format!("cut at {at}"));
    }
    fails(&[&good[..], b"x"].concat(), "longer");
    // A purpose's key under a week's name does not pass.
    fs::rename(&file, dir.join("week-2026-W48.key")).unwrap();
    assert!(matches!(KeyStore::open(&dir).unwrap().new_deposit_key(retention()), Err(KeyError::Damaged(_))));
    assert!(matches!(KeyStore::open(&dir).unwrap().purpose("../x"), Err(KeyError::BadName(_))));
}

#[test]
fn first_use_by_many_at_once() {
    let (_guard, dir) = temp();
    KeyStore::open(&dir).unwrap();
    let keys: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            // A store each, as processes have.
            .map(|_| scope.spawn(|| *KeyStore::open(&dir).unwrap().purpose("peppers").unwrap().expose()))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(keys.windows(2).all(|w| w[0] == w[1]));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}

#[test]
fn others_must_not_read() {
    let (_guard, dir) = temp();
    KeyStore::open(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(KeyStore::open(&dir), Err(KeyError::Exposed(_))));
}

#[test]
fn purposes_do_not_meet() {
    let (_guard, dir) = temp();
    let store = KeyStore::open(&dir).unwrap();
    let (a, b) = (store.purpose("codes").unwrap(), store.purpose("peppers").unwrap());
    assert_ne!(a.hmac(&[b"x"]), b.hmac(&[b"x"]));
    assert_ne!(a.hmac(&[b"ab", b"c"]), a.hmac(&[b"a", b"bc"]));
    let (key, _, _) = store.new_deposit_key(retention()).unwrap();
    assert_eq!(format!("{key:?} {a:?}"), "DepositKey(Secret(…)) PurposeKey(Secret(…))");
    assert_eq!(format!("{:?}", key.blob_key(BlobId::generate())), "BlobKey(…)");
}
