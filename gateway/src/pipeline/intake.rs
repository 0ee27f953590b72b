//! Intake: a message's bytes as they arrive, digested, walked, and encrypted part by part.
//!
//! **Job.** Feeds the MIME walk and carries out what it yields: the skeleton and each stored part go into
//! the row while they are small, into a blob of their own once they are not. Nothing is held whole.
//!
//! **Exposure.** Strangers' bytes, opaque here; the walk bounds its own memory.
//!
//! **Failure.** A message over the limits is the client's fault (`554 5.6.0`); a full disk is `452 4.3.1`;
//! anything else of ours is `451 4.3.0`. A dropped intake leaves no row, and its blobs are removed.

use super::meta::Meta;
use super::space::{LOOK, Room};
use super::tolerance::LineEnds;
use crate::gateway::Gateway;
use sealpost_envelope::{BlobId, DepositId, Digests, DualDigester, PartNo, Secret, Timestamp};
use sealpost_message::header::FieldTaker;
use sealpost_message::{Limits, MessageError, PartInfo, Stored, WalkEvent, Walker};
use sealpost_policy::{PASSWORD_HEADER, strip_tags};
use sealpost_store::blob::{BlobError, BlobWriter, Blobs};
use sealpost_store::content::{INLINE, Place};
use sealpost_store::crypto::CryptoError;
use sealpost_store::deposit::{NewPart, StoredBody};
use sealpost_store::keys::{DepositKey, KeyError, WrappedKey};

/// Why a message could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The message breaks a limit or a rule: its author's side can change that.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The disk has come down to its reserve while the message arrived.
    #[error("storage is short")]
    Full,
    /// Content could not be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Content could not be sealed.
    #[error(transparent)]
    Seal(#[from] CryptoError),
    /// The key store failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Octets of small parts that one message keeps for its row: ten thousand parts of 16 KiB each would fill the memory, and the
/// transaction.
const ROW: usize = 4 << 20;
/// Parts no larger than this stay with the row whatever stands there already: a blob for each would cost more.
const TINY: usize = 256;

/// A message on its way in.
#[derive(Debug)]
pub struct Intake {
    id: DepositId,
    key: DepositKey,
    wrapped: WrappedKey,
    week: String,
    unclaimed: Unclaimed,
    room: Room,
    /// Octets at which the disk is looked at again.
    look: u64,
    /// Mends line ends, for a server from which that is tolerated.
    line_ends: Option<LineEnds>,
    /// Holds back the message's password.
    taker: FieldTaker,
    walker: Walker,
    digester: DualDigester,
    events: Vec<WalkEvent>,
    skeleton: Sink,
    skeleton_len: u64,
    part: Option<(PartNo, PartInfo, Sink)>,
    parts: Vec<(Stored, StoredBody)>,
    /// Octets of parts that go into the row.
    row: usize,
}

/// A message that is in: its content is durable, no row names it yet.
#[derive(Debug)]
pub struct Received {
    /// The identifier its deposit will have.
    pub id: DepositId,
    /// The key its content lies under.
    pub key: DepositKey,
    /// That key, wrapped.
    pub wrapped: WrappedKey,
    /// The week whose key wraps it.
    pub week: String,
    /// What the walk learned.
    pub meta: Meta,
    /// Bytes as received.
    pub size: u64,
    /// Digests of the bytes as received.
    pub digests: Digests,
    /// The message without its stored parts.
    pub skeleton: StoredBody,
    /// Its stored parts.
    pub parts: Vec<NewPart>,
    /// The blobs among all that.
    pub unclaimed: Unclaimed,
    /// The message's password, taken out of its header before anything else saw it.
    pub password: Option<Secret<String>>,
    /// Digests of the bytes as they came, where line ends were mended before the message was read.
    pub as_it_came: Option<Digests>,
}

/// Blobs that no row names yet: deleted when dropped, unless [`Unclaimed::claim`]ed.
#[derive(Debug)]
pub struct Unclaimed {
    blobs: Blobs,
    ids: Vec<BlobId>,
}

impl Unclaimed {
    /// Call before a row that names them may be written: from then on, dropping deletes nothing, so that
    /// an interrupted commit never loses its content.
    pub fn claim(&mut self) -> Claim {
        Claim { blobs: self.blobs.clone(), ids: std::mem::take(&mut self.ids) }
    }

    /// The blobs, for a guard of their own: dropped, they go.
    pub fn take(&mut self) -> Self {
        Self { blobs: self.blobs.clone(), ids: std::mem::take(&mut self.ids) }
    }

    fn note(&mut self, body: &StoredBody) {
        if let StoredBody::Blob(id) = body {
            self.ids.push(*id);
        }
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let (blobs, ids) = (self.blobs.clone(), std::mem::take(&mut self.ids));
        // Without a runtime the process is ending; the blobs are then like those of a crash.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            for id in ids {
                if let Err(error) = blobs.delete(id).await {
                    tracing::warn!(%error, "a blob that nothing names stays behind");
                }
            }
        });
    }
}

/// Blobs that a row may name.
#[derive(Debug)]
pub struct Claim {
    blobs: Blobs,
    ids: Vec<BlobId>,
}

impl Claim {
    /// It is certain that no row names them.
    pub fn give_up(self) {
        drop(Unclaimed { blobs: self.blobs, ids: self.ids });
    }
}

impl Intake {
    /// Begins; `retention` is the likely end of the content's life, settled by the verdict later.
    pub fn begin(gateway: &Gateway, retention: Timestamp) -> Result<Self, IntakeError> {
        let (key, wrapped, week) = gateway.store.keys().new_deposit_key(retention)?;
        let limits = &gateway.config.limits;
        let walk = Limits {
            header_bytes: usize::try_from(limits.header_bytes.0).unwrap_or(usize::MAX),
            depth: limits.mime_depth as usize,
            parts: limits.mime_parts as usize,
            ..Limits::default()
        };
        Ok(Self {
            id: DepositId::generate(),
            key,
            wrapped,
            week,
            unclaimed: Unclaimed { blobs: gateway.store.blobs().clone(), ids: Vec::new() },
            room: Room::new(&gateway.config),
            look: LOOK,
            line_ends: None,
            taker: FieldTaker::new(PASSWORD_HEADER),
            walker: Walker::new(walk),
            digester: DualDigester::new(),
            events: Vec::new(),
            skeleton: Sink::default(),
            skeleton_len: 0,
            part: None,
            parts: Vec::new(),
            row: 0,
        })
    }

    /// Takes LF alone for a line end, too.
    pub fn mend_line_ends(&mut self) {
        self.line_ends = Some(LineEnds::new());
    }

    /// Takes the next bytes.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        if let Some(ends) = &mut self.line_ends {
            let mended = ends.push(bytes).into_owned();
            let kept = self.taker.push(&mended).into_owned();
            return self.take(&kept).await;
        }
        // The password's field is no part of the message: digests, evidence and every copy are without it.
        let kept = self.taker.push(bytes);
        self.take(&kept).await
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        self.digester.update(bytes);
        // A message without a declared size stops at the reserve as well.
        if self.digester.len() >= self.look {
            self.look = self.digester.len() + LOOK;
            if !self.room.has(0) {
                return Err(IntakeError::Full);
            }
        }
        self.walker.push(bytes, &mut self.events)?;
        self.carry_out().await
    }

    /// Ends the message; its content is durable when this returns.
    pub async fn finish(mut self) -> Result<Received, IntakeError> {
        let rest = self.taker.rest();
        if !rest.is_empty() {
            self.take(&rest).await?;
        }
        // The walk wants to be consumed; an empty one takes its place.
        let walker = std::mem::replace(&mut self.walker, Walker::new(Limits::default()));
        let structure = walker.finish(&mut self.events)?;
        self.carry_out().await?;
        let skeleton = self.skeleton.finish(&self.key, &Place::skeleton(self.id)).await?;
        self.unclaimed.note(&skeleton);
        let parts = self.parts.into_iter().filter_map(|(stored, body)| {
            let (node, _) = structure.part(stored.n)?;
            Some((node.info.clone(), stored, body))
        });
        let parts = parts.map(|(info, stored, body)| new_part(self.id, &self.key, info, stored, body));
        let parts = parts.collect::<Result<_, _>>()?;
        Ok(Received {
            id: self.id,
            wrapped: self.wrapped,
            week: self.week,
            size: self.digester.len(),
            digests: self.digester.finish(),
            skeleton,
            parts,
            meta: Meta {
                shown_subject: Some(strip_tags(&structure.top.subject)),
                structure,
                skeleton_len: self.skeleton_len,
            },
            key: self.key,
            unclaimed: self.unclaimed,
            password: self.taker.value(),
            as_it_came: self.line_ends.and_then(LineEnds::finish),
        })
    }

    async fn carry_out(&mut self) -> Result<(), IntakeError> {
        for event in std::mem::take(&mut self.events) {
            match event {
                WalkEvent::Skeleton(bytes) => {
                    self.skeleton_len += bytes.len() as u64;
                    self.skeleton.write(&self.unclaimed.blobs, &self.key, &bytes).await?;
                }
                WalkEvent::PartStart { n, info } => self.part = Some((n, info, Sink::default())),
                WalkEvent::PartData(bytes) => {
                    if let Some((_, _, sink)) = &mut self.part {
                        sink.write(&self.unclaimed.blobs, &self.key, &bytes).await?;
                    }
                }
                WalkEvent::PartEnd(stored) => {
                    if let Some((n, _, mut sink)) = self.part.take() {
                        if sink.held() > TINY && self.row + sink.held() > ROW {
                            sink.spill(&self.unclaimed.blobs, &self.key).await?;
                        }
                        self.row += sink.held();
                        let body = sink.finish(&self.key, &Place::body(self.id, n)).await?;
                        self.unclaimed.note(&body);
                        self.parts.push((stored, body));
                    }
                }
            }
        }
        Ok(())
    }
}

fn new_part(
    id: DepositId,
    key: &DepositKey,
    info: PartInfo,
    stored: Stored,
    body: StoredBody,
) -> Result<NewPart, IntakeError> {
    let role = serde_json::to_value(info.role).ok().and_then(|v| v.as_str().map(str::to_owned));
    let meta = serde_json::json!({ "info": info, "stored": stored }).to_string();
    Ok(NewPart {
        n: stored.n,
        role: role.unwrap_or_default(),
        size: stored.size,
        digests: stored.digests,
        body,
        meta: Place::part(id, stored.n).seal(key, meta.as_bytes())?,
    })
}

/// Bytes that stay in memory while few, and stream into a blob once they are many.
#[derive(Debug)]
pub(super) enum Sink {
    Few(Vec<u8>),
    Many(Box<BlobWriter>),
}

impl Default for Sink {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Sink {
    pub(super) async fn write(
        &mut self,
        blobs: &Blobs,
        key: &DepositKey,
        bytes: &[u8],
    ) -> Result<(), BlobError> {
        match self {
            Self::Few(held) if held.len() + bytes.len() <= INLINE => held.extend_from_slice(bytes),
            Self::Few(_) => {
                self.spill(blobs, key).await?;
                if let Self::Many(writer) = self {
                    writer.write(bytes).await?;
                }
            }
            Self::Many(writer) => writer.write(bytes).await?,
        }
        Ok(())
    }

    /// Bytes held in memory.
    fn held(&self) -> usize {
        match self {
            Self::Few(held) => held.len(),
            Self::Many(_) => 0,
        }
    }

    /// Begins a blob with what is held.
    async fn spill(&mut self, blobs: &Blobs, key: &DepositKey) -> Result<(), BlobError> {
        if let Self::Few(held) = self {
            let mut writer = Box::new(blobs.writer(key));
            writer.write(held).await?;
            *self = Self::Many(writer);
        }
        Ok(())
    }

    pub(super) async fn finish(self, key: &DepositKey, place: &Place) -> Result<StoredBody, IntakeError> {
        Ok(match self {
            Self::Few(held) => StoredBody::Inline(place.seal(key, &held)?),
            Self::Many(writer) => StoredBody::Blob(writer.finish().await?.id),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Profile, parse, template};
    use sealpost_envelope::{Clock, FixedClock};
    use std::sync::Arc;

    #[tokio::test]
    async fn many_small_parts_do_not_stay_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let text = template(Profile::General, "sealpost.test", "localhost");
        let mut config = parse(&text, &dir.path().join("sealpost.toml")).unwrap();
        config.settings.entity[0].dkim.keys.clear();
        let clock = Arc::new(FixedClock::new("2026-11-22T10:00:00Z".parse().unwrap()));
        let gateway = Gateway::open(config, clock.clone()).await.unwrap();
        let mut intake = Intake::begin(&gateway, clock.now()).unwrap();
        let head =
            "From: a@sealpost.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        intake.push(head.as_bytes()).await.unwrap();
        let part = |size: usize| {
            let head =
                "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment\r\n\r\n";
            format!("{head}{}\r\n", "0123456789abcde\n".replace('\n', "\r\n").repeat(size / 17))
        };
        let (large, tiny) = (part(16_000), part(100));
        for _ in 0..300 {
            intake.push(large.as_bytes()).await.unwrap();
            intake.push(tiny.as_bytes()).await.unwrap();
        }
        intake.push(b"--b--\r\n").await.unwrap();
        let received = intake.finish().await.unwrap();
        let in_row: Vec<usize> = received
            .parts
            .iter()
            .filter_map(|p| match &p.body {
                StoredBody::Inline(bytes) => Some(bytes.len()),
                StoredBody::Blob(_) => None,
            })
            .collect();
        assert_eq!(received.parts.len(), 600);
        assert!(in_row.len() >= 300 && in_row.len() < 600, "{} are in the row", in_row.len());
        assert!(in_row.iter().sum::<usize>() < ROW + 600 * 300, "{in_row:?}");
    }
}
