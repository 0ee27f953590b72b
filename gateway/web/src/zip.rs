//! All files as one ZIP, written while it is sent: stored, with ZIP64 where sizes ask for it.
//!
//! **Standards.** PKWARE APPNOTE 6.3.10. Checksums are known only after a file's bytes have passed, so
//! they follow the data (bit 3); the length of the whole is known before.
//!
//! **Memory.** Two pieces at a time; a slow client slows the reading.

use crate::content::{Content, File};
use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::Fault;
use crate::files::{disposition, over};
use crate::locale;
use crate::pages::show;
use crate::sending::Sending;
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{self, HeaderValue};
use sealpost_envelope::Timestamp;
use sealpost_store::access::Grant;
use sealpost_store::blob::BlobError;
use std::collections::HashSet;
use tokio::sync::mpsc;

/// From this size on a field needs its ZIP64 form.
const BIG: u64 = 0xFFFF_FFFF;
/// Checksum after the data; names in UTF-8.
const FLAGS: u16 = 0x0808;

/// `GET /m/{token}/all.zip`
pub(crate) async fn all(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let response = send(&state, &ctx, &token).await;
    show(&state, &ctx, response)
}

async fn send(state: &WebState, ctx: &Ctx, token: &str) -> Result<Response, Fault> {
    let door = Door::enter(state, token).await?;
    let grant = door.opened(state, ctx).await?;
    let content = Content::load(state, &door)?;
    let files = content.files();
    if files.is_empty() {
        return Err(Fault::Unknown);
    }
    let scribe = Scribe::new(&door, content.facts(state, &door).await?, ctx);
    let entries = entries(&files);
    let length = total(&entries);
    let name = format!("{}-{}.zip", ctx.language.pick("fichiers", "files"), door.deposit.reference);
    let (pieces, received) = mpsc::channel::<Result<Bytes, BlobError>>(2);
    let work = Work { state: state.clone(), door, grant, content, scribe, pieces };
    let modified = work.door.deposit.created;
    // Ends by itself when the client is gone: the channel is closed then.
    tokio::spawn(async move {
        if let Err(error) = work.write(files, entries, modified).await {
            tracing::error!(?error, "a ZIP download broke off");
        }
    });
    let source =
        stream::unfold(received, |mut r| async move { r.recv().await.map(|piece| (piece, r)) }).boxed();
    let mut response = Response::new(Body::new(Sending::new(source, length, None)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    let disposition = HeaderValue::from_str(&disposition(&name, false));
    headers.insert(header::CONTENT_DISPOSITION, disposition.map_err(|e| Fault::internal("header", e))?);
    Ok(response)
}

struct Work {
    state: WebState,
    door: Door,
    grant: Grant,
    content: Content,
    scribe: Scribe,
    pieces: mpsc::Sender<Result<Bytes, BlobError>>,
}

impl Work {
    async fn write(
        self,
        files: Vec<File>,
        mut entries: Vec<Entry>,
        modified: Timestamp,
    ) -> Result<(), Fault> {
        let stamp = dos_time(modified);
        for (file, entry) in files.into_iter().zip(&mut entries) {
            if !self.put(local_header(entry, stamp)).await {
                return Ok(());
            }
            let Some(crc) = self.data(file).await? else { return Ok(()) };
            entry.crc = crc;
            if !self.put(descriptor(entry)).await {
                return Ok(());
            }
        }
        self.put(directory(&entries, stamp)).await;
        Ok(())
    }

    /// Sends a file's bytes; its checksum, or `None` when the client is gone.
    async fn data(&self, file: File) -> Result<Option<u32>, Fault> {
        let mut source = self.content.read(&self.state, &self.door, &file, 0..file.size).await?;
        let mut crc = crc32fast::Hasher::new();
        let mut sent = 0u64;
        let mut gone = false;
        let noted = over(&self.state, self.scribe.clone(), self.grant.clone(), file, 0, false);
        loop {
            match source.try_next().await {
                Ok(Some(piece)) => {
                    crc.update(&piece);
                    let length = piece.len() as u64;
                    if !self.put(piece).await {
                        gone = true;
                        break;
                    }
                    sent += length;
                }
                Ok(None) => break,
                Err(error) => {
                    noted(sent);
                    // The client must see that the archive is broken.
                    let _ = self.pieces.send(Err(error)).await;
                    return Ok(None);
                }
            }
        }
        noted(sent);
        Ok((!gone).then(|| crc.finalize()))
    }

    async fn put(&self, bytes: impl Into<Bytes>) -> bool {
        self.pieces.send(Ok(bytes.into())).await.is_ok()
    }
}

/// One file within the archive.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    size: u64,
    offset: u64,
    crc: u32,
}

impl Entry {
    fn is_big(&self) -> bool {
        self.size >= BIG
    }
    /// Local header, data and descriptor.
    fn length(&self) -> u64 {
        let (extra, descriptor) = if self.is_big() { (20, 24) } else { (0, 16) };
        30 + self.name.len() as u64 + extra + self.size + descriptor
    }
    /// Fields that do not fit the classic directory entry, in APPNOTE's order (§4.5.3).
    fn directory_extra(&self) -> Vec<u64> {
        let mut fields = Vec::new();
        if self.is_big() {
            fields.extend([self.size, self.size]);
        }
        if self.offset >= BIG {
            fields.push(self.offset);
        }
        fields
    }
}

/// Places every file, and gives it a name of its own that cannot leave the folder.
fn entries(files: &[File]) -> Vec<Entry> {
    let mut taken = HashSet::new();
    let mut offset = 0;
    files
        .iter()
        .map(|file| {
            let entry = Entry { name: own_name(&file.name, &mut taken), size: file.size, offset, crc: 0 };
            offset += entry.length();
            entry
        })
        .collect()
}

fn own_name(name: &str, taken: &mut HashSet<String>) -> String {
    let flat: String =
        name.chars().map(|c| if "/\\:*?\"<>|".contains(c) || c.is_control() { '_' } else { c }).collect();
    let flat = if flat.trim_matches(['.', ' ']).is_empty() { "_".to_owned() } else { flat };
    let (stem, extension) = match flat.rfind('.') {
        Some(dot) if dot > 0 => flat.split_at(dot),
        _ => (flat.as_str(), ""),
    };
    let mut candidate = flat.clone();
    let mut number = 2;
    // Case does not tell files apart on Windows and macOS.
    while !taken.insert(candidate.to_lowercase()) {
        candidate = format!("{stem} ({number}){extension}");
        number += 1;
    }
    candidate
}

fn total(entries: &[Entry]) -> u64 {
    entries.iter().map(Entry::length).sum::<u64>() + directory(entries, (0, 0)).len() as u64
}

/// Little-endian fields one after the other.
#[derive(Default)]
struct Fields(Vec<u8>);
impl Fields {
    fn u16(mut self, v: u16) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    fn u32(mut self, v: u32) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    fn u64(mut self, v: u64) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    fn bytes(mut self, v: &[u8]) -> Self {
        self.0.extend_from_slice(v);
        self
    }
}

/// Cut to the classic field, which then says "look into ZIP64".
fn short(v: u64) -> u32 {
    u32::try_from(v).unwrap_or(u32::MAX)
}
fn version(big: bool) -> u16 {
    if big { 45 } else { 20 }
}

/// §4.3.7. Sizes and checksum follow the data.
fn local_header(entry: &Entry, (time, date): (u16, u16)) -> Vec<u8> {
    let big = entry.is_big();
    let size = if big { u32::MAX } else { 0 };
    let fields = Fields::default()
        .u32(0x0403_4b50)
        .u16(version(big))
        .u16(FLAGS)
        .u16(0)
        .u16(time)
        .u16(date)
        .u32(0)
        .u32(size)
        .u32(size)
        .u16(entry.name.len() as u16)
        .u16(if big { 20 } else { 0 })
        .bytes(entry.name.as_bytes());
    if big { fields.u16(1).u16(16).u64(0).u64(0).0 } else { fields.0 }
}

/// §4.3.9.
fn descriptor(entry: &Entry) -> Vec<u8> {
    let fields = Fields::default().u32(0x0807_4b50).u32(entry.crc);
    if entry.is_big() {
        fields.u64(entry.size).u64(entry.size).0
    } else {
        fields.u32(short(entry.size)).u32(short(entry.size)).0
    }
}

/// §4.3.12 to §4.3.16: central directory and its ends.
fn directory(entries: &[Entry], (time, date): (u16, u16)) -> Vec<u8> {
    let start = entries.iter().map(Entry::length).sum::<u64>();
    let mut out = Fields::default();
    for entry in entries {
        let extra = entry.directory_extra();
        let extra_len = if extra.is_empty() { 0 } else { 4 + 8 * extra.len() as u16 };
        let size = if entry.is_big() { u32::MAX } else { short(entry.size) };
        out = out
            .u32(0x0201_4b50)
            .u16(0x0300 | 45)
            .u16(version(!extra.is_empty()))
            .u16(FLAGS)
            .u16(0)
            .u16(time)
            .u16(date)
            .u32(entry.crc)
            .u32(size)
            .u32(size)
            .u16(entry.name.len() as u16)
            .u16(extra_len)
            .u16(0)
            .u16(0)
            .u16(0)
            // Upper half: Unix mode of a plain file, rw-r--r--.
            .u32(0o100_644 << 16)
            .u32(short(entry.offset))
            .bytes(entry.name.as_bytes());
        if !extra.is_empty() {
            out = out.u16(1).u16(extra_len - 4);
            out = extra.into_iter().fold(out, Fields::u64);
        }
    }
    let (count, size) = (entries.len() as u64, out.0.len() as u64);
    if start >= BIG || size >= BIG || count >= 0xFFFF {
        let end = start + size;
        out = out.u32(0x0606_4b50).u64(44).u16(0x0300 | 45).u16(45).u32(0).u32(0);
        out = out.u64(count).u64(count).u64(size).u64(start);
        out = out.u32(0x0706_4b50).u32(0).u64(end).u32(1);
    }
    let few = u16::try_from(count).unwrap_or(u16::MAX);
    out.u32(0x0605_4b50).u16(0).u16(0).u16(few).u16(few).u32(short(size)).u32(short(start)).u16(0).0
}

/// MS-DOS time and date, two-second steps, from 1980 on; UTC.
fn dos_time(t: Timestamp) -> (u16, u16) {
    let (year, month, day, hour, minute, second) = locale::utc(t);
    let year = year.clamp(1980, 2107) - 1980;
    ((hour << 11) | (minute << 5) | (second / 2), (year << 9) | (month << 5) | day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_stay_inside() {
        let mut taken = HashSet::new();
        let names: Vec<_> = ["a.pdf", "A.pdf", "a (2).pdf", "a.pdf", "../../x", "..", ".profile", "é/ü.txt"]
            .into_iter()
            .map(|n| own_name(n, &mut taken))
            .collect();
        assert_eq!(
            names,
            ["a.pdf", "A (2).pdf", "a (2) (2).pdf", "a (3).pdf", ".._.._x", "_", ".profile", "é_ü.txt"]
        );
    }

    #[test]
    fn lengths_agree_with_what_is_written() {
        let stamp = dos_time("2026-11-22T10:44:06Z".parse().unwrap());
        assert_eq!(stamp, ((10 << 11) | (44 << 5) | 3, (46 << 9) | (11 << 5) | 22));
        for sizes in [vec![0, 1, 70_000], vec![BIG - 1], vec![BIG, 3], vec![3_000_000_000, 3_000_000_000, 9]]
        {
            let mut offset = 0;
            let entries: Vec<Entry> = sizes
                .iter()
                .enumerate()
                .map(|(i, size)| {
                    let e = Entry { name: format!("{i}.bin"), size: *size, offset, crc: 7 };
                    offset += e.length();
                    e
                })
                .collect();
            for e in &entries {
                assert_eq!(
                    local_header(e, stamp).len() as u64 + e.size + descriptor(e).len() as u64,
                    e.length(),
                    "{e:?}"
                );
            }
            assert_eq!(total(&entries), offset + directory(&entries, stamp).len() as u64);
        }
    }
}
