//! All files as one ZIP, written while it is sent: stored, with ZIP64 where sizes ask for it.
//!
//! The length of the whole is known before ([`records`]).
//!
//! **Memory.** Two pieces at a time; a slow client slows the reading.

pub(crate) mod records;

use crate::content::{Content, File};
use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::Fault;
use crate::files::{disposition, over};
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
use records::{Entry, descriptor, directory, dos_time, local_header};
use sealpost_envelope::Timestamp;
use sealpost_store::access::Grant;
use sealpost_store::blob::BlobError;
use std::collections::HashMap;
use tokio::sync::mpsc;

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

/// Places every file, and gives it a name of its own that cannot leave the folder.
fn entries(files: &[File]) -> Vec<Entry> {
    let mut taken = Taken::default();
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

/// Names given, and the number that each of them is asked for next: a thousand files of one name cost as much as others.
type Taken = HashMap<String, usize>;

fn own_name(name: &str, taken: &mut Taken) -> String {
    let flat: String =
        name.chars().map(|c| if "/\\:*?\"<>|".contains(c) || c.is_control() { '_' } else { c }).collect();
    let flat = if flat.trim_matches(['.', ' ']).is_empty() { "_".to_owned() } else { flat };
    let (stem, extension) = match flat.rfind('.') {
        Some(dot) if dot > 0 => flat.split_at(dot),
        _ => (flat.as_str(), ""),
    };
    // Case does not tell files apart on Windows and macOS.
    let key = flat.to_lowercase();
    let Some(mut number) = taken.get(&key).copied() else {
        taken.insert(key, 2);
        return flat;
    };
    let candidate = loop {
        let candidate = format!("{stem} ({number}){extension}");
        number += 1;
        if !taken.contains_key(&candidate.to_lowercase()) {
            break candidate;
        }
    };
    taken.insert(candidate.to_lowercase(), 2);
    taken.insert(key, number);
    candidate
}

fn total(entries: &[Entry]) -> u64 {
    entries.iter().map(Entry::length).sum::<u64>() + directory(entries, (0, 0)).len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_stay_inside() {
        let mut taken = Taken::default();
        let names: Vec<_> = ["a.pdf", "A.pdf", "a (2).pdf", "a.pdf", "../../x", "..", ".profile", "é/ü.txt"]
            .into_iter()
            .map(|n| own_name(n, &mut taken))
            .collect();
        assert_eq!(
            names,
            ["a.pdf", "A (2).pdf", "a (2) (2).pdf", "a (3).pdf", ".._.._x", "_", ".profile", "é_ü.txt"]
        );
    }

    /// Had every name been tried from the first number on, this would be 5 × 10⁹ looks.
    #[test]
    fn many_of_one_name_are_named_at_once() {
        let mut taken = Taken::default();
        let last = (0..100_000).map(|_| own_name("a.pdf", &mut taken)).last();
        assert_eq!(last.as_deref(), Some("a (100000).pdf"));
        assert_eq!(taken.len(), 100_000);
    }
}
