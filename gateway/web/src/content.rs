//! The message behind the door: its structure, its files, its bodies made safe.
//!
//! **Memory.** Bodies are shown up to a bound; files are streams.

use crate::fault::{Ended, Fault};
use crate::state::WebState;
use crate::view::Door;
use crate::whole::Whole;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sealpost_envelope::{PartNo, Sha256Digest};
use sealpost_evidence::{DepositFacts, PartFacts};
use sealpost_message::present::{self, BodySource, Collector, MAX_SHOWN, SafeHtml};
use sealpost_message::{Coding, ContentDecoder, Inside, Node, Role, SkeletonReader, Stored, Structure};
use sealpost_store::blob::BlobError;
use sealpost_store::content::Place;
use sealpost_store::keys::{DepositKey, KeyError};
use sealpost_store::{DepositRow, StoredBody};
use serde::Deserialize;
use std::ops::Range;

/// Content as it leaves.
pub(crate) type ContentStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// An opened message.
#[derive(Debug)]
pub(crate) struct Content {
    key: DepositKey,
    pub(crate) structure: Structure,
    /// Subject without the sender's tags.
    pub(crate) subject: String,
    skeleton_len: u64,
    size: u64,
    sha256: Sha256Digest,
}

/// `deposits.meta`, see [`sealpost_store::content`].
#[derive(Deserialize)]
struct Meta {
    skeleton_len: u64,
    #[serde(default)]
    shown_subject: Option<String>,
    #[serde(flatten)]
    structure: Structure,
}

/// A file on offer.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) n: PartNo,
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) charset: Option<String>,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    /// Name of the file that this one was found inside.
    pub(crate) holder: Option<String>,
    source: Source,
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A stored part.
    Part(Stored),
    /// A stretch of a stored part's content, which is a file of its own; where it begins.
    Inside(Stored, u64),
    /// The whole message; its number is 0.
    Whole,
}

impl Content {
    /// Unlocks a deposit for whoever came by its link.
    pub(crate) fn load(state: &WebState, door: &Door) -> Result<Self, Fault> {
        Self::of(state, &door.deposit)?.ok_or_else(|| Fault::Ended(Ended::Destroyed, Box::new(door.clone())))
    }

    /// Unlocks a deposit; `None` once its content was destroyed.
    pub(crate) fn of(state: &WebState, deposit: &DepositRow) -> Result<Option<Self>, Fault> {
        let key = match state.store.deposit_key(deposit) {
            Ok(key) => key,
            Err(KeyError::Destroyed(_)) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let json = Place::meta(deposit.id).open(&key, &deposit.meta)?;
        let meta: Meta = serde_json::from_slice(&json).map_err(|e| Fault::internal("deposits.meta", e))?;
        Ok(Some(Self {
            key,
            subject: meta.shown_subject.unwrap_or_else(|| meta.structure.top.subject.clone()),
            structure: meta.structure,
            skeleton_len: meta.skeleton_len,
            size: deposit.size,
            sha256: deposit.digests.sha256,
        }))
    }

    /// Files in the order of the message. One that its author signed or encrypted is offered whole.
    pub(crate) fn files(&self) -> Vec<File> {
        if self.structure.author_signed || self.structure.author_encrypted {
            return vec![File {
                n: 0,
                name: "message.eml".to_owned(),
                media_type: "message/rfc822".to_owned(),
                charset: None,
                size: self.size,
                sha256: self.sha256,
                holder: None,
                source: Source::Whole,
            }];
        }
        let offered = |role| matches!(role, Role::Attachment | Role::Calendar | Role::VCard);
        let mut files: Vec<File> = Vec::new();
        for (node, stored) in self.structure.stored().filter(|(node, _)| offered(node.info.role)) {
            let holder = File::of(node, stored);
            // What a winmail.dat holds stands right behind it.
            let inside = self.structure.inside().filter(|(_, outer, _)| outer.n == stored.n);
            let inside: Vec<_> =
                inside.map(|(n, _, file)| File::inside(n, &holder.name, stored, file)).collect();
            files.push(holder);
            files.extend(inside);
        }
        files
    }
    /// Number and total size of the files.
    pub(crate) fn totals(&self) -> (usize, u64) {
        let files = self.files();
        (files.len(), files.iter().map(|f| f.size).sum())
    }
    /// A file by its number.
    pub(crate) fn file(&self, n: PartNo) -> Result<File, Fault> {
        self.files().into_iter().find(|f| f.n == n).ok_or(Fault::Unknown)
    }
    /// A picture that the body shows.
    pub(crate) fn picture(&self, n: PartNo) -> Result<File, Fault> {
        let (node, stored) = self.structure.part(n).ok_or(Fault::Unknown)?;
        match node.info.role {
            Role::Inline => Ok(File::of(node, stored)),
            _ => Err(Fault::Unknown),
        }
    }

    /// The octets `range` of a file's content, decrypted and decoded as they are read.
    pub(crate) async fn read(
        &self,
        state: &WebState,
        door: &Door,
        file: &File,
        range: Range<u64>,
    ) -> Result<ContentStream, Fault> {
        let (stored, range) = match &file.source {
            Source::Part(stored) => (stored, range),
            Source::Inside(stored, at) => (stored, at + range.start..at + range.end),
            Source::Whole => {
                let (state, key, deposit) = (state.clone(), self.key.clone(), door.deposit.id);
                let whole = Whole { state, key, deposit, skeleton_len: self.skeleton_len };
                return Ok(cut(whole.stream(), range));
            }
        };
        let body = state.store.part_body(door.deposit.id, stored.n).await?.ok_or(Fault::Unknown)?;
        let place = Place::body(door.deposit.id, stored.n);
        let read = |r| state.store.read_body(&self.key, &place, &body, stored.stored_len, r);
        Ok(match stored.coding {
            Coding::Identity => read(range)?,
            coding => cut(decoded(read(0..stored.stored_len)?, coding), range),
        })
    }

    /// The first piece of the message that the store does not give back: gone, or not what was written. Looks at the
    /// end of each, so that one that was cut is found. A store that does not answer is a fault of the moment.
    pub(crate) async fn unreadable(&self, state: &WebState, door: &Door) -> Result<Option<String>, Fault> {
        let deposit = door.deposit.id;
        let skeleton = state.store.read_deposit(deposit).await?.skeleton;
        let place = Place::skeleton(deposit);
        if !self.ends_well(state, &place, skeleton, self.skeleton_len).await? {
            return Ok(Some("the text of the message".to_owned()));
        }
        for (_, stored) in self.structure.stored() {
            let body = state.store.part_body(deposit, stored.n).await?;
            let place = Place::body(deposit, stored.n);
            if !self.ends_well(state, &place, body, stored.stored_len).await? {
                return Ok(Some(format!("part {} of the message", stored.n)));
            }
        }
        Ok(None)
    }

    async fn ends_well(
        &self,
        state: &WebState,
        place: &Place,
        body: Option<StoredBody>,
        size: u64,
    ) -> Result<bool, Fault> {
        let Some(body) = body else { return Ok(false) };
        let last = size.saturating_sub(1)..size;
        let Ok(mut stream) = state.store.read_body(&self.key, place, &body, size, last) else {
            return Ok(false);
        };
        match stream.try_next().await {
            Ok(piece) => Ok(piece.is_some() || size == 0),
            Err(error @ (BlobError::NotFound(_) | BlobError::Damaged { .. })) => {
                tracing::error!(%error, "stored content");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The bodies to show, sanitised.
    pub(crate) async fn bodies(&self, state: &WebState, door: &Door) -> Result<Vec<SafeHtml>, Fault> {
        let bodies = present::bodies(&self.structure);
        let mut collector = Collector::new(&bodies);
        if bodies.iter().any(|b| b.source == BodySource::Skeleton) {
            self.skeleton(state, door, &mut collector).await?;
        }
        let mut shown = Vec::new();
        for body in &bodies {
            let (bytes, truncated) = match body.source {
                BodySource::Skeleton => {
                    let content = collector.content(body.node).unwrap_or_default();
                    (
                        Bytes::copy_from_slice(&content[..content.len().min(MAX_SHOWN)]),
                        content.len() > MAX_SHOWN,
                    )
                }
                BodySource::Part(n) => self.beginning(state, door, n).await?,
            };
            let cid = |id: &str| self.picture_of(id).map(|n| format!("/m/{}/inline/{n}", door.token));
            shown.push(present::render(body, &bytes, truncated, &cid));
        }
        Ok(shown)
    }

    async fn skeleton(&self, state: &WebState, door: &Door, collector: &mut Collector) -> Result<(), Fault> {
        let body = state.store.read_deposit(door.deposit.id).await?.skeleton.ok_or(Fault::Unknown)?;
        let (place, size) = (Place::skeleton(door.deposit.id), self.skeleton_len);
        let mut stream = state.store.read_body(&self.key, &place, &body, size, 0..size)?;
        let mut reader = SkeletonReader::new();
        while let Some(piece) = stream.try_next().await? {
            reader.push(&piece);
            while let Some(record) = reader.next_record().map_err(|e| Fault::internal("skeleton", e))? {
                collector.see(&record);
            }
        }
        Ok(())
    }

    /// The first bytes of a long body, and whether there are more.
    async fn beginning(&self, state: &WebState, door: &Door, n: PartNo) -> Result<(Bytes, bool), Fault> {
        let (node, stored) = self.structure.part(n).ok_or(Fault::Unknown)?;
        let file = File::of(node, stored);
        let mut stream = self.read(state, door, &file, 0..file.size.min(MAX_SHOWN as u64)).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok((bytes.into(), file.size > MAX_SHOWN as u64))
    }

    fn picture_of(&self, cid: &str) -> Option<PartNo> {
        self.structure
            .stored()
            .find(|(n, _)| n.info.role == Role::Inline && n.info.content_id.as_deref() == Some(cid))
            .map(|(_, s)| s.n)
    }

    /// What evidence says of this deposit.
    pub(crate) async fn facts(&self, state: &WebState, door: &Door) -> Result<DepositFacts, Fault> {
        let files = self.files();
        let facts = state
            .store
            .facts(&door.deposit, |part| {
                let found = self.structure.part(part.n).filter(|_| files.iter().any(|f| f.n == part.n));
                Ok(found.map(|(node, stored)| PartFacts {
                    number: stored.n,
                    name: node.info.filename.clone(),
                    media_type: node.info.media_type.clone(),
                    size: stored.size,
                    digests: stored.digests,
                }))
            })
            .await?;
        Ok(facts)
    }
}

impl File {
    fn of(node: &Node, stored: &Stored) -> Self {
        let media_type = node.info.media_type.clone();
        let name = node.info.filename.clone().filter(|n| !n.trim().is_empty());
        Self {
            n: stored.n,
            name: name.unwrap_or_else(|| format!("fichier-{}{}", stored.n, extension(&media_type))),
            media_type,
            charset: node.info.charset.clone(),
            size: stored.size,
            sha256: stored.digests.sha256,
            holder: None,
            source: Source::Part(*stored),
        }
    }
    /// A file within a stored part.
    fn inside(n: PartNo, holder: &str, stored: &Stored, file: &Inside) -> Self {
        let media_type = file.media_type.clone();
        Self {
            n,
            name: file.filename.clone().unwrap_or_else(|| format!("fichier-{n}{}", extension(&media_type))),
            media_type,
            charset: None,
            size: file.size,
            sha256: file.digests.sha256,
            holder: Some(holder.to_owned()),
            source: Source::Inside(*stored, file.at),
        }
    }
    /// Strong validator: the content's digest.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", &self.sha256.to_hex()[..32])
    }
}

/// For files that came without a name.
fn extension(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => ".pdf",
        "image/png" => ".png",
        "image/jpeg" => ".jpg",
        "text/plain" => ".txt",
        "text/html" => ".html",
        "text/calendar" => ".ics",
        "text/vcard" => ".vcf",
        "message/rfc822" => ".eml",
        _ => ".bin",
    }
}

/// Decodes a part whose stored bytes are not its content.
fn decoded(source: ContentStream, coding: Coding) -> ContentStream {
    let start = (source, Some(ContentDecoder::new(coding)));
    stream::try_unfold(start, |(mut source, decoder)| async move {
        let Some(mut decoder) = decoder else { return Ok(None) };
        let mut out = Vec::new();
        loop {
            match source.try_next().await? {
                Some(piece) => decoder.push(&piece, &mut out),
                None => {
                    decoder.finish(&mut out);
                    return Ok(Some((Bytes::from(out), (source, None))));
                }
            }
            if !out.is_empty() {
                return Ok(Some((Bytes::from(out), (source, Some(decoder)))));
            }
        }
    })
    .boxed()
}

/// The octets `range` of a stream.
fn cut(source: ContentStream, range: Range<u64>) -> ContentStream {
    stream::try_unfold(
        (source, range.start, range.end.saturating_sub(range.start)),
        |(mut source, mut skip, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            loop {
                let Some(mut piece) = source.try_next().await? else { return Ok(None) };
                let over = skip.min(piece.len() as u64);
                skip -= over;
                let mut piece = piece.split_off(over as usize);
                if !piece.is_empty() {
                    piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    let rest = left - piece.len() as u64;
                    return Ok(Some((piece, (source, skip, rest))));
                }
            }
        },
    )
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cutting_keeps_exactly_the_range() {
        let source = || stream::iter(["abc", "", "defg", "h"].map(|s| Ok(Bytes::from(s)))).boxed();
        for (range, expected) in [
            (0..8, "abcdefgh"),
            (2..5, "cde"),
            (3..4, "d"),
            (7..8, "h"),
            (8..8, ""),
            (0..0, ""),
            (6..99, "gh"),
        ] {
            let pieces: Vec<Bytes> = cut(source(), range.clone()).try_collect().await.unwrap();
            assert_eq!(pieces.concat(), expected.as_bytes(), "{range:?}");
        }
    }
}
