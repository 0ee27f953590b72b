//! Mailboxes on both engines: delivery, reading, flags, moves, destruction.

use crate::common::{TestStore, address, count, on_both_engines};
use futures_util::{StreamExt, TryStreamExt};
use sealpost_envelope::{DepositId, Timestamp};
use sealpost_store::account::{Account, Accounts, NewAccount, Role};
use sealpost_store::deposit::NewDeposit;
use sealpost_store::keys::{KeyError, week};
use sealpost_store::mailbox::{
    FlagOp, Flags, Folder, FolderId, HEADER_PAGE, HeaderCollector, MailBody, MailSource, MailboxError,
    Mailboxes, NewMail, Uid,
};
use std::ops::Range;

on_both_engines!(
    delivery_and_reading,
    flags_and_changes,
    expunge_and_blobs,
    copy_and_move,
    folders,
    delivered_once,
    paging,
    destroyed_weeks,
    sent_copies,
    copies_of_deposits,
    followers,
);

struct Mailbox {
    t: TestStore,
    boxes: Mailboxes,
    account: Account,
    inbox: Folder,
}

impl Mailbox {
    async fn new(t: TestStore) -> Self {
        let accounts = Accounts::new(&t.store).unwrap();
        let new = NewAccount {
            entity: t.entity,
            login: address("alice@martin.example"),
            role: Role::Sender,
            name: "Alice".into(),
            password: None,
        };
        let account = accounts.create(new, vec![]).await.unwrap();
        let boxes = Mailboxes::new(&t.store);
        let inbox = boxes.ensure_folder(account.id, "Inbox", None).await.unwrap();
        Self { t, boxes, account, inbox }
    }
    fn retention() -> Timestamp {
        "2027-03-01T00:00:00Z".parse().unwrap()
    }
    async fn body(&self, text: &[u8]) -> MailBody {
        let mut writer = self.boxes.writer(Self::retention()).unwrap();
        for piece in text.chunks(5000) {
            writer.write(piece).await.unwrap();
        }
        writer.finish().await.unwrap()
    }
    async fn put(&self, folder: FolderId, text: &[u8]) -> Uid {
        let mail = NewMail::plain(folder, self.body(text).await, self.t.now());
        self.boxes.deliver(mail, vec![]).await.unwrap()
    }
    async fn read(&self, folder: FolderId, uid: Uid, range: Range<u64>) -> Vec<u8> {
        let MailSource::Stream(stream) = self.boxes.open(folder, uid, range).await.unwrap() else {
            panic!("a copy of a deposit")
        };
        stream.try_collect::<Vec<_>>().await.unwrap().concat()
    }
    fn blob_files(&self) -> usize {
        fn walk(dir: &std::path::Path) -> usize {
            std::fs::read_dir(dir)
                .unwrap()
                .map(|e| e.unwrap().path())
                .map(|p| if p.is_dir() { walk(&p) } else { 1 })
                .sum()
        }
        walk(std::path::Path::new(self.t.config.blobs.strip_prefix("file:").unwrap()))
    }
}

fn flags(text: &str) -> Flags {
    Flags::new(text.split_whitespace()).unwrap()
}

fn small(n: usize) -> Vec<u8> {
    format!("Subject: no {n}\r\nX: y\r\n\r\nBonjour {n}\r\n").into_bytes()
}

fn large() -> Vec<u8> {
    [b"Subject: large\r\n\r\n".to_vec(), (0..300_000).map(|n| (n % 251) as u8).collect()].concat()
}

async fn delivery_and_reading(t: TestStore) {
    let b = Mailbox::new(t).await;
    let mut news = b.boxes.watch();
    let (first, second) = (b.put(b.inbox.id, &small(1)).await, b.put(b.inbox.id, &large()).await);
    assert_eq!((first, second), (1, 2));
    let event = news.recv().await.unwrap();
    assert_eq!((event.account, event.folder), (b.account.id, b.inbox.id));
    let list = b.boxes.messages(b.inbox.id, 1..=Uid::MAX).await.unwrap();
    assert_eq!(
        list.iter().map(|m| m.size).collect::<Vec<_>>(),
        [small(1).len() as u64, large().len() as u64]
    );
    assert_eq!(b.boxes.header(b.inbox.id, 1).await.unwrap(), b"Subject: no 1\r\nX: y\r\n\r\n");
    assert_eq!(b.boxes.header(b.inbox.id, 2).await.unwrap(), b"Subject: large\r\n\r\n");
    for (uid, whole) in [(1, small(1)), (2, large())] {
        let end = whole.len() as u64;
        for range in [0..u64::MAX, 0..0, 5..20, end - 3..end + 5, end..end + 1, u64::MAX - 1..u64::MAX] {
            let cut = range.start.min(end) as usize..range.end.min(end) as usize;
            assert_eq!(b.read(b.inbox.id, uid, range.clone()).await, &whole[cut], "{uid} {range:?}");
        }
    }
    assert!(matches!(b.boxes.open(b.inbox.id, 3, 0..1).await, Err(MailboxError::NoMessage)));
    assert!(matches!(b.boxes.header(b.inbox.id, 3).await, Err(MailboxError::NoMessage)));
    let status = b.boxes.status(b.inbox.id).await.unwrap();
    assert_eq!((status.messages, status.unseen, status.deleted), (2, 2, 0));
    assert_eq!(status.size, (small(1).len() + large().len()) as u64);
    assert_eq!(b.boxes.refresh(b.inbox.id).await.unwrap().uidnext, 3);

    let structures = async || -> Vec<_> {
        let found = b.boxes.headers(b.inbox.id, &[2, 1, 7]).await.unwrap();
        found.into_iter().map(|h| (h.uid, h.structure)).collect()
    };
    assert_eq!(structures().await, [(1, None), (2, None)]);
    b.boxes.set_structure(b.inbox.id, 2, b"(\"text\" \"plain\")").await.unwrap();
    assert_eq!(structures().await[1], (2, Some(b"(\"text\" \"plain\")".to_vec())));
    // Nothing readable lies in the database.
    let clear = "SELECT COUNT(*) AS n FROM mail_headers h JOIN mail_bodies b ON b.folder = h.folder AND b.uid = h.uid \
                 WHERE CAST(h.header AS TEXT) LIKE '%Subject%' OR CAST(b.body AS TEXT) LIKE '%Bonjour%'";
    if b.t.db().engine() == sealpost_store::Engine::Sqlite {
        assert_eq!(count(&b.t.store, clear).await, 0);
    }
}

async fn flags_and_changes(t: TestStore) {
    let b = Mailbox::new(t).await;
    for n in 1..=3 {
        b.put(b.inbox.id, &small(n)).await;
    }
    let before = b.boxes.refresh(b.inbox.id).await.unwrap().modseq;
    assert!(b.boxes.changed(b.inbox.id, before, 0).await.unwrap().is_empty());
    let done =
        b.boxes.set_flags(b.inbox.id, &[3, 1, 9], FlagOp::Add, &flags("\\Seen $Read"), None).await.unwrap();
    assert_eq!(done.now.iter().map(|m| m.uid).collect::<Vec<_>>(), [1, 3]);
    let changed = b.boxes.changed(b.inbox.id, before, 0).await.unwrap();
    assert_eq!(
        changed.iter().map(|m| (m.uid, m.flags.to_string())).collect::<Vec<_>>(),
        [(1, "$Read \\Seen".into()), (3, "$Read \\Seen".into())]
    );
    assert_eq!(b.boxes.changed(b.inbox.id, before, 1).await.unwrap().len(), 1);
    assert_eq!(b.boxes.status(b.inbox.id).await.unwrap().unseen, 1);
    // RFC 7162 §3.1.3: UNCHANGEDSINCE.
    let now = b.boxes.refresh(b.inbox.id).await.unwrap().modseq;
    assert!(now > before);
    let done = b
        .boxes
        .set_flags(b.inbox.id, &[1, 2], FlagOp::Replace, &flags("\\Flagged"), Some(before))
        .await
        .unwrap();
    assert_eq!((done.modified.as_slice(), done.now.len()), (&[1][..], 1));
    // What changes nothing wakes nobody.
    let now = b.boxes.refresh(b.inbox.id).await.unwrap().modseq;
    b.boxes.set_flags(b.inbox.id, &[2], FlagOp::Add, &flags("\\flagged"), None).await.unwrap();
    assert_eq!(b.boxes.refresh(b.inbox.id).await.unwrap().modseq, now);
    let gone = b.boxes.set_flags(FolderId(999), &[1], FlagOp::Add, &flags("a"), None).await;
    assert!(matches!(gone, Err(MailboxError::NoFolder)));
}

async fn expunge_and_blobs(t: TestStore) {
    let b = Mailbox::new(t).await;
    for n in 0..4 {
        b.put(b.inbox.id, &if n % 2 == 0 { large() } else { small(n) }).await;
    }
    assert_eq!(b.blob_files(), 2);
    let before = b.boxes.refresh(b.inbox.id).await.unwrap().modseq;
    b.boxes.set_flags(b.inbox.id, &[1, 2, 3], FlagOp::Add, &flags("\\Deleted"), None).await.unwrap();
    let status = b.boxes.status(b.inbox.id).await.unwrap();
    assert_eq!(status.deleted, 3);
    let (two_small, two_large) = (2 * small(1).len() as u64, 2 * large().len() as u64);
    assert_eq!(status.deleted_size, small(1).len() as u64 + two_large);
    assert_eq!(b.boxes.usage(b.account.id).await.unwrap(), two_small + two_large);
    assert_eq!(b.boxes.expunge(b.inbox.id, Some(&[2, 4])).await.unwrap(), [2]);
    assert_eq!(b.boxes.expunge(b.inbox.id, None).await.unwrap(), [1, 3]);
    assert_eq!(b.boxes.expunge(b.inbox.id, None).await.unwrap(), [] as [Uid; 0]);
    assert_eq!(b.blob_files(), 0);
    assert_eq!(b.boxes.uids(b.inbox.id, 0).await.unwrap(), [4]);
    assert_eq!(b.boxes.expunged(b.inbox.id, before, 0).await.unwrap(), [1, 2, 3]);
    assert_eq!(b.boxes.expunged(b.inbox.id, before, 2).await.unwrap(), [3]);
    assert_eq!(b.put(b.inbox.id, &small(9)).await, 5, "UIDs are never used again");
    assert_eq!(b.boxes.usage(b.account.id).await.unwrap(), two_small);
    for table in ["SELECT COUNT(*) AS n FROM mail_bodies", "SELECT COUNT(*) AS n FROM mail_headers"] {
        assert_eq!(count(&b.t.store, table).await, 2);
    }
}

async fn copy_and_move(t: TestStore) {
    let b = Mailbox::new(t).await;
    let kept = b.boxes.create_folder(b.account.id, "Gardés", None).await.unwrap();
    b.put(b.inbox.id, &small(1)).await;
    b.put(b.inbox.id, &large()).await;
    b.boxes.set_flags(b.inbox.id, &[2], FlagOp::Add, &flags("\\Flagged"), None).await.unwrap();
    assert_eq!(b.boxes.copy(b.inbox.id, &[2, 1, 7], kept.id, false).await.unwrap(), [(1, 1), (2, 2)]);
    assert_eq!(b.read(kept.id, 2, 0..u64::MAX).await, large());
    assert!(b.boxes.messages(kept.id, 2..=2).await.unwrap()[0].flags.contains("\\Flagged"));
    assert_eq!(b.boxes.copy(b.inbox.id, &[2], kept.id, true).await.unwrap(), [(2, 3)]);
    assert_eq!(b.boxes.uids(b.inbox.id, 0).await.unwrap(), [1]);
    let (one, two) = (small(1).len() as u64, large().len() as u64);
    assert_eq!(b.boxes.usage(b.account.id).await.unwrap(), 2 * one + 2 * two);
    assert_eq!(b.boxes.own_octets(kept.id, &[1, 2, 9]).await.unwrap(), one + two);
    // One blob, two messages: it goes with the last.
    assert_eq!(b.blob_files(), 1);
    b.boxes.remove(kept.id, &[2]).await.unwrap();
    assert_eq!(b.read(kept.id, 3, 0..u64::MAX).await, large());
    b.boxes.remove(kept.id, &[3]).await.unwrap();
    assert_eq!(b.blob_files(), 0);
    let accounts = Accounts::new(&b.t.store).unwrap();
    let stranger = accounts
        .ensure_demo(b.t.entity, &address("bob@example.test"), &String::from("x").into())
        .await
        .unwrap();
    let foreign = b.boxes.ensure_folder(stranger.id, "INBOX", None).await.unwrap();
    assert!(matches!(b.boxes.copy(b.inbox.id, &[1], foreign.id, false).await, Err(MailboxError::NoFolder)));
}

async fn folders(t: TestStore) {
    let b = Mailbox::new(t).await;
    assert_eq!((b.inbox.name.as_str(), b.inbox.uidnext, b.inbox.subscribed), ("INBOX", 1, true));
    assert_eq!(b.boxes.ensure_folder(b.account.id, "INBOX", None).await.unwrap().id, b.inbox.id);
    b.boxes.create_folder(b.account.id, "Sent", Some("\\Sent")).await.unwrap();
    b.boxes.create_folder(b.account.id, "Clients", None).await.unwrap();
    b.boxes.create_folder(b.account.id, "Clients/Durand", None).await.unwrap();
    assert!(matches!(
        b.boxes.create_folder(b.account.id, "Sent", None).await,
        Err(MailboxError::FolderExists)
    ));
    b.boxes.rename_folder(b.account.id, "Clients", "Dossiers").await.unwrap();
    let names = async || -> Vec<String> {
        b.boxes.list_folders(b.account.id).await.unwrap().into_iter().map(|f| f.name).collect()
    };
    let mut now = names().await;
    now.sort();
    assert_eq!(now, ["Dossiers", "Dossiers/Durand", "INBOX", "Sent"]);
    for (from, to) in [("INBOX", "x"), ("Sent", "inbox"), ("Dossiers", "Dossiers/x")] {
        assert!(
            matches!(b.boxes.rename_folder(b.account.id, from, to).await, Err(MailboxError::BadFolder)),
            "{from}"
        );
    }
    let taken = b.boxes.rename_folder(b.account.id, "Dossiers", "Sent").await;
    assert!(matches!(taken, Err(MailboxError::FolderExists)));
    let folder = b.boxes.folder(b.account.id, "Dossiers").await.unwrap().unwrap();
    b.put(folder.id, &large()).await;
    b.boxes.delete_folder(b.account.id, "Dossiers").await.unwrap();
    let again = b.boxes.create_folder(b.account.id, "Dossiers", None).await.unwrap();
    assert!(
        again.uidvalidity > folder.uidvalidity,
        "made anew in the same second, its UIDs mean something else"
    );
    b.boxes.delete_folder(b.account.id, "Dossiers").await.unwrap();
    assert_eq!(b.blob_files(), 0);
    assert!(matches!(b.boxes.delete_folder(b.account.id, "INBOX").await, Err(MailboxError::BadFolder)));
    assert!(matches!(b.boxes.delete_folder(b.account.id, "Sent").await, Err(MailboxError::BadFolder)));
    b.boxes.set_subscribed(b.inbox.id, false).await.unwrap();
    assert!(!b.boxes.refresh(b.inbox.id).await.unwrap().subscribed);
    assert_eq!(names().await.len(), 3);
}

async fn delivered_once(t: TestStore) {
    let b = Mailbox::new(t).await;
    let make = async |origin: &str| {
        let body = b.body(&large()).await;
        let mail = NewMail { origin: Some(origin.into()), ..NewMail::plain(b.inbox.id, body, b.t.now()) };
        b.boxes.deliver(mail, vec![]).await.unwrap()
    };
    assert_eq!((make("o1").await, make("o1").await), (1, 1));
    let second = make("o2").await;
    assert!(second > 1);
    assert_eq!(b.boxes.uids(b.inbox.id, 0).await.unwrap(), [1, second]);
    assert_eq!(b.blob_files(), 2);
    assert_eq!(b.boxes.usage(b.account.id).await.unwrap(), 2 * large().len() as u64);
}

async fn paging(t: TestStore) {
    let b = Mailbox::new(t).await;
    let total = HEADER_PAGE + 7;
    futures_util::stream::iter(0..total)
        .for_each_concurrent(32, |n| {
            let b = &b;
            async move {
                b.put(b.inbox.id, &small(n)).await;
            }
        })
        .await;
    let uids = b.boxes.uids(b.inbox.id, 0).await.unwrap();
    assert_eq!(uids, (1..=total as Uid).collect::<Vec<_>>());
    let first = b.boxes.headers(b.inbox.id, &uids).await.unwrap();
    assert_eq!(first.iter().map(|h| h.uid).collect::<Vec<_>>(), &uids[..HEADER_PAGE]);
    let rest = b.boxes.headers(b.inbox.id, &uids[HEADER_PAGE..]).await.unwrap();
    assert_eq!(rest.len(), 7);
    assert!(rest.iter().all(|h| h.header.starts_with(b"Subject: no ")));
    assert!(b.boxes.headers(b.inbox.id, &[]).await.unwrap().is_empty());
    // More than one unit of changes.
    let done = b.boxes.set_flags(b.inbox.id, &uids, FlagOp::Add, &flags("\\Seen"), None).await.unwrap();
    assert_eq!((done.now.len(), b.boxes.status(b.inbox.id).await.unwrap().unseen), (total, 0));
}

async fn destroyed_weeks(t: TestStore) {
    let b = Mailbox::new(t).await;
    b.put(b.inbox.id, &small(1)).await;
    let week = week::of(Mailbox::retention());
    assert_eq!(b.boxes.messages_of_week(&week).await.unwrap(), [(b.inbox.id, 1)]);
    b.t.keys().destroy_week(&week, b.t.now()).unwrap();
    let destroyed = |e: MailboxError| matches!(e, MailboxError::Key(KeyError::Destroyed(_)));
    assert!(b.boxes.open(b.inbox.id, 1, 0..1).await.err().is_some_and(destroyed));
    assert!(b.boxes.header(b.inbox.id, 1).await.err().is_some_and(destroyed));
    assert!(b.boxes.headers(b.inbox.id, &[1]).await.unwrap().is_empty());
    assert_eq!(b.boxes.messages(b.inbox.id, 1..=9).await.unwrap().len(), 1);
    assert!(matches!(b.boxes.writer(Mailbox::retention()), Err(MailboxError::Key(KeyError::Destroyed(_)))));
    assert_eq!(b.boxes.remove(b.inbox.id, &[1]).await.unwrap(), [1]);
}

async fn sent_copies(t: TestStore) {
    let b = Mailbox::new(t).await;
    let sent = b.boxes.ensure_folder(b.account.id, "Sent", Some("\\Sent")).await.unwrap();
    let deposit = DepositId::generate();
    let mail = NewMail {
        deposit: Some(deposit),
        structure: Some(b"(made before)".to_vec()),
        flags: flags("\\Seen $Sealed"),
        ..NewMail::plain(sent.id, b.body(&small(1)).await, b.t.now())
    };
    let uid = b.boxes.deliver(mail, vec![]).await.unwrap();
    let header = b.boxes.headers(sent.id, &[uid]).await.unwrap().remove(0);
    assert_eq!(header.structure.as_deref(), Some(&b"(made before)"[..]));
    assert_eq!(b.boxes.copies_of(b.account.id, deposit).await.unwrap(), [(sent.id, uid)]);
    assert_eq!(b.boxes.mark_copies(b.account.id, deposit, "$Read").await.unwrap(), 1);
    assert_eq!(b.boxes.mark_copies(b.account.id, DepositId::generate(), "$Read").await.unwrap(), 0);
    let meta = b.boxes.messages(sent.id, uid..=uid).await.unwrap().remove(0);
    assert_eq!((meta.flags.to_string().as_str(), meta.deposit), ("$Read $Sealed \\Seen", Some(deposit)));
    assert_eq!(b.boxes.status(sent.id).await.unwrap().unseen, 0);
}

/// A copy whose octets are the deposit's own is made once, marked once, moves with the deposit's key, and its
/// proof is replaced in one step.
async fn copies_of_deposits(t: TestStore) {
    let b = Mailbox::new(t).await;
    let sent = b.boxes.ensure_folder(b.account.id, "Sent", Some("\\Sent")).await.unwrap();
    let proofs = b.boxes.ensure_folder(b.account.id, "Proofs", Some("\\Proofs")).await.unwrap();
    let (_, wrapped, key_week) = b.t.store.keys().new_deposit_key(Mailbox::retention()).unwrap();
    let dull = crate::common::new_deposit(b.t.entity, b.t.now(), &["bob@example.org"]);
    let new = NewDeposit { account: Some(b.account.id), wrapped_key: wrapped.bytes, key_week, ..dull };
    let (id, week_of, size) = (new.id, new.key_week.clone(), new.size);
    b.t.store.deposit(new).await.unwrap();
    let of_account = async || b.boxes.uncopied(b.t.entity, b.account.id, 10).await.unwrap();
    assert_eq!(of_account().await, [id]);
    let copy = || {
        let mut header = HeaderCollector::default();
        header.push(b"Subject: x\r\n\r\nbody");
        let body = b.boxes.reference(header, size, &week_of).unwrap();
        NewMail { deposit: Some(id), flags: flags("\\Seen"), ..NewMail::plain(sent.id, body, b.t.now()) }
    };
    let known = Some("one@martin.example".to_owned());
    let uid = b.boxes.deliver_copy(copy(), id, known.clone()).await.unwrap().unwrap();
    assert_eq!(b.boxes.deliver_copy(copy(), id, known).await.unwrap(), None, "once");
    assert!(of_account().await.is_empty());
    assert_eq!(b.boxes.header(sent.id, uid).await.unwrap(), b"Subject: x\r\n\r\n");
    assert!(matches!(b.boxes.open(sent.id, uid, 0..1).await.unwrap(), MailSource::Deposit(d) if d == id));
    let found = b.boxes.copy_by_message_id(b.account.id, sent.id, "one@martin.example").await.unwrap();
    assert_eq!(found, Some(uid));
    // A keyword that the sender took away does not come back.
    assert!(b.boxes.announce(b.account.id, id, &flags("$Read")).await.unwrap());
    b.boxes.set_flags(sent.id, &[uid], FlagOp::Remove, &flags("$Read"), None).await.unwrap();
    assert!(!b.boxes.announce(b.account.id, id, &flags("$Read")).await.unwrap());
    assert!(b.boxes.announce(b.account.id, id, &flags("$Read $Expired")).await.unwrap());
    let shown = b.boxes.messages(sent.id, uid..=uid).await.unwrap().remove(0).flags.to_string();
    assert_eq!(shown, "$Expired \\Seen");
    // Its key goes where the deposit's goes.
    let later = "2028-01-01T00:00:00Z".parse().unwrap();
    assert!(b.t.store.move_key(id, later).await.unwrap());
    assert_eq!(b.boxes.messages_of_week(&week::of(later)).await.unwrap(), [(sent.id, uid)]);
    assert_eq!(b.boxes.header(sent.id, uid).await.unwrap(), b"Subject: x\r\n\r\n");
    let proof = async |origin: &str| {
        let body = b.body(&small(1)).await;
        let mail = NewMail { origin: Some(origin.to_owned()), ..NewMail::plain(proofs.id, body, b.t.now()) };
        b.boxes.replace_proof(mail, id).await.unwrap()
    };
    assert_eq!((proof("p/1").await, proof("p/1").await, proof("p/2").await), (Some(1), None, Some(2)));
    assert_eq!(b.boxes.uids(proofs.id, 0).await.unwrap(), [2]);
    // The copy takes no room of its own, the proof that is left does.
    assert_eq!(b.boxes.usage(b.account.id).await.unwrap(), small(1).len() as u64);
    // Deleted by the sender, it stays away.
    b.boxes.remove(sent.id, &[uid]).await.unwrap();
    assert_eq!(b.boxes.usage(b.account.id).await.unwrap(), small(1).len() as u64);
    assert!(of_account().await.is_empty());
    assert_eq!(b.boxes.deliver_copy(copy(), id, None).await.unwrap(), None);
}

async fn followers(t: TestStore) {
    let b = Mailbox::new(t).await;
    assert_eq!(b.boxes.followed_to().await.unwrap(), None);
    b.boxes.follow_from(3).await.unwrap();
    b.boxes.follow_from(7).await.unwrap();
    // A node that was slow notes what it did long ago.
    b.boxes.follow_from(5).await.unwrap();
    assert_eq!(b.boxes.followed_to().await.unwrap(), Some(7));
    assert_eq!(b.boxes.follow(0, 10).await.unwrap(), []);
}
