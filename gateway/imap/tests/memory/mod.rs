//! Mailboxes in memory, for tests.
#![allow(missing_docs, clippy::unwrap_used, dead_code)]

use bytes::Bytes;
use sealpost_imap::{
    Append, AppendInfo, Appended, Backend, Body, Changes, Copied, FlagChange, Flags, Folder, FolderId,
    Header, LoginError, MailboxError, Mailboxes, Opened, Output, Quota, Row, Special, Status,
};
use sealpost_sasl::{Credentials, Proof, ScramSecrets};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone)]
pub struct Mail {
    pub row: Row,
    pub bytes: Bytes,
    pub structure: Option<Bytes>,
}

#[derive(Debug, Default)]
pub struct Box_ {
    pub folder: Option<Folder>,
    pub mails: Vec<Mail>,
    pub expunged: Vec<(u32, u64)>,
    pub uid_next: u32,
    pub modseq: u64,
}

pub type Shared = Arc<Mutex<BTreeMap<FolderId, Box_>>>;

#[derive(Debug, Default)]
pub struct Memory {
    pub boxes: Shared,
    /// Bytes that all folders together hold.
    pub quota: Option<u64>,
}

#[derive(Debug)]
pub struct View(Shared, Option<u64>);

impl Memory {
    pub fn new() -> Self {
        let memory = Self::default();
        for (id, name, special) in [
            (1, "INBOX", None),
            (2, "Sent", Some(Special::Sent)),
            (3, "Archivés", Some(Special::Archive)),
            (4, "Archivés/2026", None),
        ] {
            memory.add_folder(id, name, special);
        }
        memory
    }
    fn add_folder(&self, id: FolderId, name: &str, special: Option<Special>) {
        let folder = Folder { id, name: name.to_owned(), special, subscribed: id < 4 };
        let new = Box_ { folder: Some(folder), uid_next: 1, modseq: 1, ..Box_::default() };
        self.boxes.lock().unwrap().insert(id, new);
    }
    pub fn deliver(&self, folder: FolderId, bytes: impl Into<Bytes>, flags: &str) -> u32 {
        deliver(&self.boxes, folder, bytes.into(), flags.parse().unwrap(), 1_795_305_600)
    }
    pub fn expunge(&self, folder: FolderId, uid: u32) {
        let mut boxes = self.boxes.lock().unwrap();
        remove(boxes.get_mut(&folder).unwrap(), &[uid]);
    }
}

fn deliver(boxes: &Shared, folder: FolderId, bytes: Bytes, flags: Flags, date: i64) -> u32 {
    let mut boxes = boxes.lock().unwrap();
    let b = boxes.get_mut(&folder).unwrap();
    b.modseq += 1;
    let uid = b.uid_next;
    b.uid_next += 1;
    let row = Row { uid, flags, modseq: b.modseq, date, size: bytes.len() as u64 };
    b.mails.push(Mail { row, bytes, structure: None });
    uid
}

fn remove(b: &mut Box_, uids: &[u32]) {
    b.modseq += 1;
    let modseq = b.modseq;
    b.mails.retain(|m| !uids.contains(&m.row.uid));
    b.expunged.extend(uids.iter().map(|u| (*u, modseq)));
    b.expunged.sort_unstable();
}

impl Backend for Memory {
    type Mailboxes = View;
    async fn scram(&self, login: &str) -> Result<ScramSecrets, LoginError> {
        match login {
            "busy@example.test" => Err(LoginError::Throttled),
            _ => Ok(ScramSecrets { salt: vec![0; 16], iterations: 4096, records: Vec::new() }),
        }
    }

    async fn login(&self, credentials: &Credentials) -> Result<View, LoginError> {
        let good = matches!(&credentials.proof, Proof::Password(p) if p.expose() == "secret");
        match credentials.authcid.as_str() {
            "bob@example.test" if good => Ok(View(self.boxes.clone(), self.quota)),
            "busy@example.test" => Err(LoginError::Throttled),
            _ => Err(LoginError::Refused),
        }
    }
}

#[derive(Debug)]
pub struct Writing(Shared, FolderId, AppendInfo, Vec<u8>);

impl Append for Writing {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), MailboxError> {
        self.3.extend_from_slice(bytes);
        Ok(())
    }
    async fn finish(self) -> Result<Appended, MailboxError> {
        assert_eq!(self.3.len() as u64, self.2.size);
        let date = self.2.date.unwrap_or(1_795_305_600);
        let uid = deliver(&self.0, self.1, self.3.into(), self.2.flags, date);
        Ok(Appended { uid_validity: 7, uid })
    }
}

#[derive(Debug)]
pub struct Chunks(Bytes);

impl Body for Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, MailboxError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let n = self.0.len().min(1000);
        Ok(Some(self.0.split_to(n)))
    }
}

impl View {
    fn with<T>(
        &self,
        id: FolderId,
        f: impl FnOnce(&mut Box_) -> Result<T, MailboxError>,
    ) -> Result<T, MailboxError> {
        f(self.0.lock().unwrap().get_mut(&id).ok_or(MailboxError::NotFound)?)
    }
}

impl Mailboxes for View {
    type Append = Writing;
    type Body = Chunks;

    async fn folders(&self) -> Result<Vec<Folder>, MailboxError> {
        Ok(self.0.lock().unwrap().values().filter_map(|b| b.folder.clone()).collect())
    }
    async fn folder(&self, name: &str) -> Result<Folder, MailboxError> {
        self.folders().await?.into_iter().find(|f| f.name == name).ok_or(MailboxError::NotFound)
    }
    async fn status(&self, id: FolderId) -> Result<Status, MailboxError> {
        self.with(id, |b| {
            Ok(Status {
                messages: b.mails.len() as u32,
                unseen: b.mails.iter().filter(|m| !m.row.flags.has(Flags::SEEN)).count() as u32,
                deleted: b.mails.iter().filter(|m| m.row.flags.has(Flags::DELETED)).count() as u32,
                size: b.mails.iter().map(|m| m.row.size).sum(),
                deleted_size: b
                    .mails
                    .iter()
                    .filter(|m| m.row.flags.has(Flags::DELETED))
                    .map(|m| m.row.size)
                    .sum(),
                uid_next: b.uid_next,
                uid_validity: 7,
                modseq: b.modseq,
            })
        })
    }
    async fn quota(&self) -> Result<Quota, MailboxError> {
        let used = self.0.lock().unwrap().values().flat_map(|b| &b.mails).map(|m| m.row.size).sum();
        Ok(Quota { used, limit: self.1 })
    }
    async fn expunged(&self, id: FolderId, since: u64) -> Result<Vec<u32>, MailboxError> {
        self.with(id, |b| Ok(b.expunged.iter().filter(|e| e.1 > since).map(|e| e.0).collect()))
    }
    async fn open(&self, id: FolderId) -> Result<Opened, MailboxError> {
        self.with(id, |b| {
            let rows = b.mails.iter().map(|m| m.row.clone()).collect();
            Ok(Opened { uid_validity: 7, uid_next: b.uid_next, modseq: b.modseq, read_only: id == 4, rows })
        })
    }
    async fn changes(&self, id: FolderId, since: u64) -> Result<Changes, MailboxError> {
        self.with(id, |b| {
            Ok(Changes {
                modseq: b.modseq,
                uid_next: b.uid_next,
                rows: b.mails.iter().filter(|m| m.row.modseq > since).map(|m| m.row.clone()).collect(),
                expunged: b.expunged.iter().filter(|e| e.1 > since).map(|e| e.0).collect(),
            })
        })
    }
    async fn create(&self, name: &str) -> Result<(), MailboxError> {
        if self.folder(name).await.is_ok() {
            return Err(MailboxError::Exists);
        }
        let id = self.0.lock().unwrap().keys().max().unwrap() + 1;
        Memory { boxes: self.0.clone(), quota: None }.add_folder(id, name, None);
        Ok(())
    }
    async fn delete(&self, id: FolderId) -> Result<(), MailboxError> {
        if id < 3 {
            return Err(MailboxError::NotAllowed);
        }
        self.0.lock().unwrap().remove(&id).map(|_| ()).ok_or(MailboxError::NotFound)
    }
    async fn rename(&self, id: FolderId, name: &str) -> Result<(), MailboxError> {
        if self.folder(name).await.is_ok() {
            return Err(MailboxError::Exists);
        }
        self.with(id, |b| {
            b.folder.as_mut().unwrap().name = name.to_owned();
            Ok(())
        })
    }
    async fn subscribe(&self, id: FolderId, subscribed: bool) -> Result<(), MailboxError> {
        self.with(id, |b| {
            b.folder.as_mut().unwrap().subscribed = subscribed;
            Ok(())
        })
    }
    async fn headers(&self, id: FolderId, uids: &[u32]) -> Result<Vec<Header>, MailboxError> {
        self.with(id, |b| {
            let wanted = b.mails.iter().filter(|m| uids.contains(&m.row.uid));
            Ok(wanted
                .map(|m| {
                    let end =
                        m.bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(m.bytes.len(), |n| n + 4);
                    Header { uid: m.row.uid, header: m.bytes.slice(..end), structure: m.structure.clone() }
                })
                .collect())
        })
    }
    async fn remember_structure(
        &self,
        id: FolderId,
        uid: u32,
        structure: Vec<u8>,
    ) -> Result<(), MailboxError> {
        self.with(id, |b| {
            b.mails.iter_mut().find(|m| m.row.uid == uid).ok_or(MailboxError::Gone)?.structure =
                Some(structure.into());
            Ok(())
        })
    }
    async fn body(&self, id: FolderId, uid: u32, from: u64, len: u64) -> Result<Chunks, MailboxError> {
        self.with(id, |b| {
            let mail = b.mails.iter().find(|m| m.row.uid == uid).ok_or(MailboxError::Gone)?;
            Ok(Chunks(mail.bytes.slice(from as usize..(from + len) as usize)))
        })
    }
    async fn set_flags(
        &self,
        id: FolderId,
        uids: &[u32],
        change: FlagChange,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Row>, MailboxError> {
        self.with(id, |b| {
            b.modseq += 1;
            let modseq = b.modseq;
            let mut rows = Vec::new();
            for mail in b.mails.iter_mut().filter(|m| uids.contains(&m.row.uid)) {
                if unchanged_since.is_some_and(|n| mail.row.modseq > n) {
                    continue;
                }
                let flags = mail.row.flags.changed(&change).unwrap();
                if flags != mail.row.flags {
                    mail.row.modseq = modseq;
                    mail.row.flags = flags;
                }
                rows.push(mail.row.clone());
            }
            Ok(rows)
        })
    }
    async fn expunge(&self, id: FolderId, uids: Option<&[u32]>) -> Result<Vec<u32>, MailboxError> {
        self.with(id, |b| {
            let deleted =
                |m: &&Mail| m.row.flags.has(Flags::DELETED) && uids.is_none_or(|u| u.contains(&m.row.uid));
            let gone: Vec<u32> = b.mails.iter().filter(deleted).map(|m| m.row.uid).collect();
            if !gone.is_empty() {
                remove(b, &gone);
            }
            Ok(gone)
        })
    }
    async fn copy(&self, id: FolderId, uids: &[u32], to: FolderId) -> Result<Copied, MailboxError> {
        let mails: Vec<Mail> =
            self.with(id, |b| Ok(b.mails.iter().filter(|m| uids.contains(&m.row.uid)).cloned().collect()))?;
        let copy = |m: Mail| (m.row.uid, deliver(&self.0, to, m.bytes, m.row.flags, m.row.date));
        Ok(Copied { uid_validity: 7, pairs: mails.into_iter().map(copy).collect() })
    }
    async fn move_to(&self, id: FolderId, uids: &[u32], to: FolderId) -> Result<Copied, MailboxError> {
        let copied = self.copy(id, uids, to).await?;
        self.with(id, |b| {
            remove(b, uids);
            Ok(copied)
        })
    }
    async fn append(&self, id: FolderId, info: AppendInfo) -> Result<Writing, MailboxError> {
        let quota = self.quota().await?;
        if quota.limit.is_some_and(|most| quota.used + info.size > most) {
            return Err(MailboxError::OverQuota);
        }
        Ok(Writing(self.0.clone(), id, info, Vec::new()))
    }
}

#[derive(Debug, Default)]
pub struct Collected(pub Vec<u8>);

impl Output for Collected {
    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
