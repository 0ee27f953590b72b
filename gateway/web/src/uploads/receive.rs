//! The octets of one PATCH: into sealed segments, durable before they count.
//!
//! What has arrived is kept when the client goes away: the work runs as a task of its own, to its end, whatever
//! becomes of the connection. With a checksum all of the request counts, or nothing.

use crate::api::problem::{Kind, Problem};
use crate::state::WebState;
use aws_lc_rs::digest;
use axum::body::Body;
use futures_util::StreamExt;
use http::HeaderValue;
use sealpost_store::blob::BlobWriter;
use sealpost_store::upload::{Segment, Upload, UploadError};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Octets of a segment: a crash costs at most so many.
const SEGMENT: u64 = 16 << 20;
/// Longest silence of the client.
const SILENCE: Duration = Duration::from_secs(60);

/// What the client says that the body's digest is.
#[derive(Debug)]
pub(super) struct Checksum {
    algorithm: &'static digest::Algorithm,
    expected: Vec<u8>,
}

impl Checksum {
    /// Reads `sha256 <base64>`.
    pub(super) fn read(value: &HeaderValue) -> Result<Self, Problem> {
        let bad = |what| Problem::detailed(Kind::InvalidRequest, what);
        let text = value.to_str().map_err(|_| bad("Upload-Checksum: not ASCII"))?;
        let (name, sum) = text.split_once(' ').ok_or_else(|| bad("Upload-Checksum: algorithm and value"))?;
        let algorithm = match name {
            "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" => &digest::SHA256,
            _ => return Err(bad("Upload-Checksum: sha1 or sha256")),
        };
        let expected = base64_simd::STANDARD
            .decode_to_vec(sum.trim().as_bytes())
            .map_err(|_| bad("Upload-Checksum: the value is not base64"))?;
        Ok(Self { algorithm, expected })
    }
}

/// Takes the body in; answers where the upload stands then.
pub(super) async fn receive(
    state: &WebState,
    upload: &Upload,
    body: Body,
    checksum: Option<Checksum>,
) -> Result<u64, Problem> {
    let (answer, done) = tokio::sync::oneshot::channel();
    let work = Receiving {
        digest: checksum.as_ref().map(|c| digest::Context::new(c.algorithm)),
        checksum,
        at: upload.received,
        state: state.clone(),
        upload: upload.clone(),
        open: None,
        waiting: Vec::new(),
    };
    state.tasks.spawn(async move {
        // Nobody may be there to hear it any more.
        let _ = answer.send(work.run(body).await);
    });
    done.await.map_err(|e| Problem::internal("an upload", e))?
}

struct Receiving {
    state: WebState,
    upload: Upload,
    checksum: Option<Checksum>,
    digest: Option<digest::Context>,
    /// Offset that counts.
    at: u64,
    /// The segment under way.
    open: Option<(BlobWriter, u64)>,
    /// Durable segments that do not count yet.
    waiting: Vec<Segment>,
}

impl Receiving {
    async fn run(mut self, body: Body) -> Result<u64, Problem> {
        let done = self.take(body).await;
        if done.is_err() {
            // Segments that no row names.
            for segment in std::mem::take(&mut self.waiting) {
                if let Err(error) = self.state.store.blobs().delete(segment.blob).await {
                    tracing::warn!(%error, "a segment that nothing names stays behind");
                }
            }
            if let Some((writer, _)) = self.open.take() {
                writer.abort().await;
            }
        }
        done
    }

    async fn take(&mut self, body: Body) -> Result<u64, Problem> {
        let mut stream = body.into_data_stream();
        let mut left = self.upload.length - self.at;
        let whole = loop {
            let bytes = match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(None) => break true,
                Ok(Some(Ok(bytes))) => bytes,
                // Gone or silent: what came is kept, for when it comes back.
                Ok(Some(Err(_))) | Err(_) => break false,
            };
            if bytes.len() as u64 > left {
                return Err(Problem::detailed(Kind::InvalidRequest, "more than the announced length"));
            }
            left -= bytes.len() as u64;
            if let Some(digest) = &mut self.digest {
                digest.update(&bytes);
            }
            self.write(&bytes).await?;
        };
        self.close().await?;
        if let (Some(checksum), Some(digest)) = (&self.checksum, self.digest.take()) {
            let same = bool::from(digest.finish().as_ref().ct_eq(&checksum.expected));
            if !whole || !same {
                return Err(Problem::new(Kind::ChecksumMismatch));
            }
        }
        self.count().await?;
        match whole {
            true => Ok(self.at),
            false => Err(Problem::detailed(Kind::InvalidRequest, "the body broke off")),
        }
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        while !bytes.is_empty() {
            let (writer, size) = match &mut self.open {
                Some(open) => open,
                None => {
                    if !self.state.hooks.desk.has_room(SEGMENT) {
                        return Err(Problem::new(Kind::StorageShort));
                    }
                    self.open.insert((self.state.store.blobs().writer(&self.upload.key), 0))
                }
            };
            let room = usize::try_from(SEGMENT - *size).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            writer.write(now).await?;
            *size += now.len() as u64;
            bytes = later;
            if *size == SEGMENT {
                self.close().await?;
                if self.checksum.is_none() {
                    self.count().await?;
                }
            }
        }
        Ok(())
    }

    /// Makes the segment under way durable.
    async fn close(&mut self) -> Result<(), Problem> {
        if let Some((writer, size)) = self.open.take() {
            let blob = writer.finish().await?.id;
            self.waiting.push(Segment { size, blob });
        }
        Ok(())
    }

    /// Lets the durable segments count.
    async fn count(&mut self) -> Result<(), Problem> {
        if !self.waiting.is_empty() {
            let segments = self.waiting.clone();
            match self.state.store.extend_upload(self.upload.id, self.at, segments).await {
                Ok(at) => self.at = at,
                Err(refused @ (UploadError::Unknown | UploadError::Offset(_))) => return Err(refused.into()),
                Err(error) => {
                    // A database that fails may have committed all the same: what it was given is deleted by nobody but
                    // the collection of blobs that no row names.
                    self.waiting.clear();
                    return Err(error.into());
                }
            }
            self.waiting.clear();
        }
        Ok(())
    }
}
