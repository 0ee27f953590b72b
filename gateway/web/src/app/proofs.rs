//! `GET /deposits/proofs`: the proofs of all deposits that a list shows, as one ZIP with an index.
//!
//! **Job.** The list's filters select; each proof is made, journaled and sent before the next one is made, so that
//! neither their number nor a slow reader holds more than one of them. `index.jsonl` at the end names every file with
//! its digest, and every deposit whose proof was not complete yet.
//!
//! **Exposure.** People who have logged in, for the deposits that they see.
//!
//! **Failure.** What breaks in between ends the transfer before the archive's directory: no program takes it for whole.

use super::deposits;
use super::frame::Section;
use super::typed::Typed;
use super::viewer::may;
use crate::actions::{self, ActionError, ProofWanted, Refusal};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::show;
use crate::state::WebState;
use crate::zip::records::{Entry, descriptor, directory, dos_time, local_header};
use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use sealpost_envelope::Sha256Digest;
use sealpost_store::deposit::{DepositRow, FollowFilter, PAGE};
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc};

/// Collections made at the same time; others wait for their turn.
static TURNS: Semaphore = Semaphore::const_new(2);
/// Proofs in one collection, whose directory is kept in memory until the end. The index says from where another one
/// has to go on; the command takes any number.
const MOST: usize = 10_000;
/// A reader who takes nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets read and sent in one piece.
const PIECE: usize = 64 << 10;
/// Name of the index.
const INDEX: &str = "index.jsonl";

/// The collection.
pub(super) async fn collection(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let begun = begin(&state, &ctx, &staff, &query.unwrap_or_default()).await;
    show(&state, &ctx, begun)
}

async fn begin(state: &WebState, ctx: &Ctx, staff: &Staff, query: &str) -> Result<Response, Fault> {
    may(staff, Section::Deposits)?;
    let typed = Typed::query(query).await?;
    let zone = state.zone(staff.entity());
    let now = state.clock.now();
    let mut filter = deposits::selection(state, staff, &typed, &zone).await?;
    // What comes in while the collection is written is not mixed in.
    filter.until = Some(filter.until.map_or(now, |until| until.min(now)));
    (filter.after, filter.limit) = (None, PAGE);
    let wanted =
        ProofWanted { recipient: None, content: typed.get("content") == "yes", language: ctx.language };
    let (pieces, received) = mpsc::channel(2);
    let work = Work {
        state: state.clone(),
        staff: staff.clone(),
        wanted,
        stamp: dos_time(now),
        offset: 0,
        entries: Vec::new(),
        index: Vec::new(),
        pieces,
    };
    tokio::spawn(work.run(filter));
    let pieces = stream::unfold(received, async |mut r| r.recv().await.map(|piece| (piece, r)));
    let today = now.to_zoned(zone).date();
    let name = format!("{}-{today}.zip", ctx.language.pick("preuves", "proofs"));
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Why a collection ended early.
enum Broken {
    /// Nobody reads it any more.
    Gone,
    /// Something of ours.
    Fault(String),
}

impl Broken {
    fn fault(error: impl std::fmt::Display) -> Self {
        Self::Fault(error.to_string())
    }
}

/// A collection under way.
struct Work {
    state: WebState,
    staff: Staff,
    wanted: ProofWanted,
    stamp: (u16, u16),
    offset: u64,
    entries: Vec<Entry>,
    index: Vec<u8>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Work {
    async fn run(mut self, filter: FollowFilter) {
        // The semaphore is never closed.
        let _turn = TURNS.acquire().await;
        match self.write(filter).await {
            Ok(()) | Err(Broken::Gone) => {}
            Err(Broken::Fault(error)) => {
                tracing::error!(%error, "a collection of proofs broke off");
                // The reader must see that it is not whole; if it is gone, it need not.
                let _ = self.pieces.send(Err(io::Error::other("the collection broke off"))).await;
            }
        }
    }

    async fn write(&mut self, mut filter: FollowFilter) -> Result<(), Broken> {
        'pages: loop {
            let found = self.state.store.follow(&filter).await.map_err(Broken::fault)?;
            for one in &found {
                if self.entries.len() == MOST {
                    self.line(&serde_json::json!({ "continues": one.row.created.to_string() }))?;
                    break 'pages;
                }
                self.proof(&one.row).await?;
            }
            match found.last() {
                Some(last) if found.len() == PAGE as usize => {
                    filter.after = Some((last.row.created, last.row.id));
                }
                _ => break,
            }
        }
        let index = std::mem::take(&mut self.index);
        self.member(INDEX, index.len() as u64, &mut index.as_slice()).await?;
        let end = directory(&self.entries, self.stamp);
        self.put(end).await
    }

    async fn proof(&mut self, row: &DepositRow) -> Result<(), Broken> {
        let made = actions::proof(&self.state, &self.staff.account, row.id, self.wanted).await;
        let proof = match made {
            Ok(proof) => proof,
            Err(ActionError::Refused(Refusal::Pending)) => {
                return self.note(row, serde_json::json!({ "pending": true }));
            }
            Err(error) => return Err(Broken::fault(error)),
        };
        let name = format!("proofs/{}-{}.asice", row.reference, row.id);
        let mut file = tokio::fs::File::from_std(proof.file);
        let sha256 = self.member(&name, proof.size, &mut file).await?;
        self.note(row, serde_json::json!({ "file": name, "sha256": sha256.to_hex(), "size": proof.size }))
    }

    /// A line of the index: what is known of the deposit beside what is said of its file.
    fn note(&mut self, row: &DepositRow, mut line: serde_json::Value) -> Result<(), Broken> {
        line["deposit"] = row.id.to_string().into();
        line["reference"] = row.reference.as_str().into();
        line["sender"] = row.sender.as_str().into();
        line["deposited"] = row.created.to_string().into();
        self.line(&line)
    }

    fn line(&mut self, line: &serde_json::Value) -> Result<(), Broken> {
        serde_json::to_writer(&mut self.index, line).map_err(Broken::fault)?;
        self.index.push(b'\n');
        Ok(())
    }

    /// Sends a member of the archive; answers its digest.
    async fn member(
        &mut self,
        name: &str,
        size: u64,
        source: &mut (impl tokio::io::AsyncRead + Unpin),
    ) -> Result<Sha256Digest, Broken> {
        let mut entry = Entry { name: name.to_owned(), size, offset: self.offset, crc: 0 };
        self.put(local_header(&entry, self.stamp)).await?;
        let (mut crc, mut sha256, mut sent) = (crc32fast::Hasher::new(), Context::new(&SHA256), 0);
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let n = source.take(PIECE as u64).read_to_end(&mut piece).await.map_err(Broken::fault)?;
            if n == 0 {
                break;
            }
            crc.update(&piece);
            sha256.update(&piece);
            sent += n as u64;
            self.put(piece).await?;
        }
        if sent != size {
            return Err(Broken::fault("a file changed its size"));
        }
        entry.crc = crc.finalize();
        self.put(descriptor(&entry)).await?;
        self.offset += entry.length();
        self.entries.push(entry);
        Sha256Digest::from_slice(sha256.finish().as_ref())
            .ok_or_else(|| Broken::fault("SHA-256 has 32 octets"))
    }

    async fn put(&self, bytes: impl Into<Bytes>) -> Result<(), Broken> {
        // Whoever does not read keeps others from their turn.
        let sent = tokio::time::timeout(PATIENCE, self.pieces.send(Ok(bytes.into()))).await;
        sent.map_err(|_| Broken::Gone)?.map_err(|_| Broken::Gone)
    }
}
