//! Uploads in pieces, and requests that are sent twice.

use crate::common::{TestStore, on_both_engines};
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, Sha256Digest, Timestamp};
use sealpost_store::upload::{Segment, Upload, UploadError, UploadMeta};
use sealpost_store::{Begun, KeptAnswer, RequestKey};

on_both_engines!(
    pieces_come_together_after_a_restart,
    an_upload_is_its_owners,
    expired_uploads_go_with_their_blobs,
    a_request_is_answered_once,
);

const ALICE: AccountId = AccountId(1);

async fn piece(t: &TestStore, upload: &Upload, bytes: &[u8]) -> Segment {
    let mut writer = t.blobs().writer(&upload.key);
    writer.write(bytes).await.unwrap();
    let done = writer.finish().await.unwrap();
    Segment { size: bytes.len() as u64, blob: done.id }
}

fn tomorrow(t: &TestStore) -> Timestamp {
    t.now() + SignedDuration::from_hours(24)
}

async fn pieces_come_together_after_a_restart(t: TestStore) {
    let meta = UploadMeta { name: Some("scan é.pdf".into()), media_type: None };
    let new = t.create_upload(t.entity, ALICE, 10, meta.clone(), tomorrow(&t)).await.unwrap();
    let (a, b) = (piece(&t, &new, b"0123").await, piece(&t, &new, b"45").await);
    assert_eq!(t.extend_upload(new.id, 0, vec![a, b]).await.unwrap(), 6);
    let again = t.again().await;
    let found = again.upload(ALICE, new.id).await.unwrap();
    assert_eq!((found.received, found.length, &found.meta, found.is_complete()), (6, 10, &meta, false));
    // Not the next octet, or more than was announced: nothing changes.
    let c = piece(&t, &found, b"6789").await;
    assert!(matches!(again.extend_upload(new.id, 5, vec![c]).await, Err(UploadError::Offset(6))));
    let long = piece(&t, &found, b"6789+").await;
    assert!(matches!(again.extend_upload(new.id, 6, vec![long]).await, Err(UploadError::Offset(6))));
    assert_eq!(again.extend_upload(new.id, 6, vec![c]).await.unwrap(), 10);
    let whole = t.upload(ALICE, new.id).await.unwrap();
    assert!(whole.is_complete());
    let read = t.read_upload(&whole).await.unwrap();
    let bytes: Vec<u8> = read.map_ok(|b| b.to_vec()).try_concat().await.unwrap();
    assert_eq!(bytes, b"0123456789");
    // Not an orphan while a row names it, and gone with the upload.
    let later = t.now() + SignedDuration::from_hours(1);
    t.remove_orphans(later).await.unwrap();
    assert!(t.read_upload(&whole).await.unwrap().try_collect::<Vec<_>>().await.is_ok());
    assert!(t.end_upload(ALICE, new.id).await.unwrap());
    assert!(!t.end_upload(ALICE, new.id).await.unwrap());
    let gone: Result<Vec<_>, _> = t.blobs().read(&whole.key, a.blob, 4).try_collect().await;
    assert!(gone.is_err());
}

async fn an_upload_is_its_owners(t: TestStore) {
    let new = t.create_upload(t.entity, ALICE, 1, UploadMeta::default(), tomorrow(&t)).await.unwrap();
    assert!(matches!(t.upload(AccountId(2), new.id).await, Err(UploadError::Unknown)));
    assert!(!t.end_upload(AccountId(2), new.id).await.unwrap());
    assert!(t.upload(ALICE, new.id).await.is_ok());
}

async fn expired_uploads_go_with_their_blobs(t: TestStore) {
    let new = t.create_upload(t.entity, ALICE, 4, UploadMeta::default(), tomorrow(&t)).await.unwrap();
    let segment = piece(&t, &new, b"0123").await;
    t.extend_upload(new.id, 0, vec![segment]).await.unwrap();
    assert_eq!(t.sweep_uploads().await.unwrap(), 0);
    t.clock.advance(SignedDuration::from_hours(25));
    assert!(matches!(t.upload(ALICE, new.id).await, Err(UploadError::Unknown)));
    assert_eq!(t.sweep_uploads().await.unwrap(), 1);
    let gone: Result<Vec<_>, _> = t.blobs().read(&new.key, segment.blob, 4).try_collect().await;
    assert!(gone.is_err());
}

async fn a_request_is_answered_once(t: TestStore) {
    let key = RequestKey { account: ALICE, entity: t.entity, key: Sha256Digest::of(b"key") };
    let request = Sha256Digest::of(b"request");
    assert_eq!(t.begin_request(key, request).await.unwrap(), Begun::New);
    assert_eq!(t.begin_request(key, request).await.unwrap(), Begun::Running);
    assert_eq!(t.begin_request(key, Sha256Digest::of(b"other")).await.unwrap(), Begun::Other);
    let elsewhere = RequestKey { account: AccountId(2), ..key };
    assert_eq!(t.begin_request(elsewhere, request).await.unwrap(), Begun::New);
    t.end_request(elsewhere, None).await.unwrap();
    assert_eq!(t.begin_request(elsewhere, request).await.unwrap(), Begun::New);
    let answer = KeptAnswer { status: 201, body: "{}".into() };
    t.end_request(key, Some(answer.clone())).await.unwrap();
    assert_eq!(t.begin_request(key, request).await.unwrap(), Begun::Answered(answer));
    assert_eq!(t.begin_request(key, Sha256Digest::of(b"other")).await.unwrap(), Begun::Other);
    // Whoever began has died.
    t.clock.advance(SignedDuration::from_mins(3));
    assert_eq!(t.begin_request(elsewhere, request).await.unwrap(), Begun::New);
    t.clock.advance(SignedDuration::from_hours(25));
    assert_eq!(t.begin_request(key, Sha256Digest::of(b"other")).await.unwrap(), Begun::New);
}
