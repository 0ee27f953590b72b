//! The blob store over files: streams in and out, ranges, damage, what is left behind.

use futures_util::TryStreamExt;
use sealpost_envelope::{BlobId, Timestamp};
use sealpost_store::blob::{BlobError, Blobs, StoredBlob};
use sealpost_store::crypto::{CHUNK, CryptoError, sealed_len};
use sealpost_store::keys::{DepositKey, KeyStore};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

struct Place {
    dir: tempfile::TempDir,
    blobs: Blobs,
    key: DepositKey,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyStore::open(dir.path().join("keys")).unwrap();
    let (key, _, _) = keys.new_deposit_key("2027-01-01T00:00:00Z".parse().unwrap()).unwrap();
    let blobs = Blobs::open(&format!("file:{}", dir.path().join("blobs").display()), None).unwrap();
    Place { dir, blobs, key }
}

impl Place {
    async fn put(&self, plain: &[u8], piece: usize) -> StoredBlob {
        let mut writer = self.blobs.writer(&self.key);
        for bytes in plain.chunks(piece) {
            writer.write(bytes).await.unwrap();
        }
        writer.finish().await.unwrap()
    }
    async fn get(&self, blob: &StoredBlob, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let pieces: Vec<_> =
            self.blobs.read_range(&self.key, blob.id, blob.size, range).try_collect().await?;
        Ok(pieces.concat())
    }
    fn path(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.dir.path().join("blobs").join(&name[..4]).join(&name[4..6]).join(name)
    }
    fn files(&self) -> Vec<PathBuf> {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
                if entry.is_dir() { walk(&entry, found) } else { found.push(entry) }
            }
        }
        let mut found = Vec::new();
        walk(&self.dir.path().join("blobs"), &mut found);
        found
    }
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 131 % 253) as u8).collect()
}

fn is_damaged<T: std::fmt::Debug>(result: Result<T, BlobError>) -> bool {
    matches!(result, Err(BlobError::Damaged { cause: CryptoError::Damaged, .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_around_chunks_and_batches() {
    let p = place();
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 4 * CHUNK + 1, 8 * CHUNK, 9 * CHUNK + 17] {
        let plain = sample(len);
        let blob = p.put(&plain, 70_001).await;
        assert_eq!(blob.size, len as u64);
        assert_eq!(fs::metadata(p.path(blob.id)).unwrap().len(), sealed_len(len as u64));
        assert_eq!(p.get(&blob, 0..u64::MAX).await.unwrap(), plain, "{len}");
        let pieces: Vec<_> = p.blobs.read(&p.key, blob.id, blob.size).try_collect().await.unwrap();
        assert!(pieces.iter().all(|b: &bytes::Bytes| !b.is_empty() && b.len() <= CHUNK));
    }
    assert!(p.files().iter().all(|f| f.extension().is_none()), "nothing unfinished stays");
}

#[tokio::test]
async fn ranges() {
    let p = place();
    let (c, plain) = (CHUNK as u64, sample(5 * CHUNK + 100));
    let blob = p.put(&plain, plain.len()).await;
    let end = plain.len() as u64;
    for range in [
        0..1,
        0..c,
        c - 1..c + 1,
        c..2 * c,
        3 * c + 7..5 * c + 99,
        end - 1..end,
        end..end,
        7..7,
        end..end + 9,
        end - 5..u64::MAX,
    ] {
        let cut = range.start.min(end) as usize..range.end.min(end) as usize;
        assert_eq!(p.get(&blob, range.clone()).await.unwrap(), &plain[cut], "{range:?}");
    }
    // A reader that stops early harms nothing.
    let mut stream = p.blobs.read(&p.key, blob.id, blob.size);
    assert_eq!(stream.try_next().await.unwrap().unwrap(), &plain[..CHUNK]);
}

#[tokio::test]
async fn damage_is_noticed_before_a_wrong_octet_leaves() {
    let p = place();
    let plain = sample(2 * CHUNK + 50);
    let blob = p.put(&plain, 9999).await;
    let path = p.path(blob.id);
    let good = fs::read(&path).unwrap();
    let stored = good.len();
    for at in [0, 9, 15, 16, 17, CHUNK, CHUNK + 31, CHUNK + 32, stored - 17, stored - 1] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&path, &bad).unwrap();
        assert!(p.get(&blob, 0..blob.size).await.is_err(), "octet {at}");
    }
    for len in [0, 15, 16, CHUNK + 32, stored - 1] {
        fs::write(&path, &good[..len]).unwrap();
        assert!(is_damaged(p.get(&blob, 0..1).await), "cut to {len}");
    }
    fs::write(&path, [&good[..], b"x"].concat()).unwrap();
    assert!(is_damaged(p.get(&blob, 0..1).await), "longer");
    fs::write(&path, &good).unwrap();
    assert!(is_damaged(p.get(&StoredBlob { size: blob.size - 1, ..blob }, 0..1).await), "another length");
    // The same bytes under another blob's name, and another deposit's key.
    let other = p.put(&plain, 9999).await;
    fs::copy(&path, p.path(other.id)).unwrap();
    assert!(is_damaged(p.get(&other, 0..1).await));
    let stranger = Place { key: place().key, dir: tempfile::tempdir().unwrap(), blobs: p.blobs.clone() };
    assert!(is_damaged(stranger.get(&blob, 0..1).await));
    assert_eq!(p.get(&blob, 0..blob.size).await.unwrap(), plain);
}

#[tokio::test]
async fn what_is_given_up_is_gone() {
    let p = place();
    let mut writer = p.blobs.writer(&p.key);
    writer.write(&sample(6 * CHUNK)).await.unwrap();
    writer.abort().await;
    assert!(p.files().is_empty());
    let mut writer = p.blobs.writer(&p.key);
    writer.write(&sample(6 * CHUNK)).await.unwrap();
    drop(writer);
    // The batch under way ends in the background.
    for _ in 0..200 {
        if p.files().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(p.files().is_empty());
}

#[tokio::test]
async fn delete_and_list() {
    let p = place();
    let (a, b) = (p.put(b"a", 1).await, p.put(&sample(CHUNK + 1), 99).await);
    let part = p.path(a.id).with_extension("part");
    fs::write(&part, b"left by a crash").unwrap();
    let (past, future) = ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    let at = |t: &str| t.parse::<Timestamp>().unwrap();
    let listed = |t: &str| p.blobs.list(at(t)).map_ok(|e| (e.id, e.stored)).try_collect::<Vec<_>>();
    assert_eq!(listed(past).await.unwrap(), []);
    let mut all = listed(future).await.unwrap();
    all.sort();
    assert_eq!(all, [(a.id, sealed_len(1)), (b.id, sealed_len(CHUNK as u64 + 1))]);
    assert_eq!(p.blobs.remove_unfinished(at(past)).await.unwrap(), 0);
    assert_eq!(p.blobs.remove_unfinished(at(future)).await.unwrap(), 1);
    assert!(!part.exists());
    p.blobs.delete(a.id).await.unwrap();
    p.blobs.delete(a.id).await.unwrap();
    assert!(matches!(p.get(&a, 0..1).await, Err(BlobError::NotFound(id)) if id == a.id));
    assert_eq!(listed(future).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    let p = place();
    let plain = sample(300_000);
    let one = async |n: usize| {
        let blob = p.put(&plain[n..], 10_000 + n).await;
        assert_eq!(p.get(&blob, 0..blob.size).await.unwrap(), &plain[n..]);
    };
    futures_util::future::join_all((0..16).map(one)).await;
    assert_eq!(p.files().len(), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushed_in_the_background() {
    let p = place();
    let piece = sample(1 << 20);
    let mut writer = p.blobs.writer(&p.key);
    for _ in 0..70 {
        writer.write(&piece).await.unwrap();
    }
    let blob = writer.finish().await.unwrap();
    assert_eq!(blob.size, 70 << 20);
    assert_eq!(p.get(&blob, blob.size - 9..blob.size).await.unwrap(), &piece[piece.len() - 9..]);
}

/// Sessions hold writers across awaits and share them by reference.
#[test]
fn writers_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<sealpost_store::blob::BlobWriter>();
    check::<sealpost_store::mailbox::MailWriter>();
}

#[test]
fn addresses() {
    for bad in ["file:", "/var/blobs", "s3:", "s3://b?endpoint=http://example.org", "gs://b"] {
        assert!(matches!(Blobs::open(bad, None), Err(BlobError::BadUrl { .. })), "{bad}");
    }
}
