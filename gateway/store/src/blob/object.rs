//! Blobs as objects of an S3 bucket.
//!
//! Small objects go in one PUT, larger ones in parts. A bucket takes 10,000 parts, so their size doubles
//! every 1,000 parts: 5 MiB at first, which holds memory low, and 5 TiB fit in all.

use super::{BlobEntry, BlobError, S3Keys, name_of};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use sealpost_envelope::{BlobId, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// S3's smallest part.
const FIRST_PART: usize = 5 * 1024 * 1024;

/// A request that fails is repeated so often, and no longer than this: a client that is asked to come back
/// later is better served than one that waits for minutes.
const RETRIES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);

/// A bucket and the prefix of our names in it.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    prefix: String,
}

impl Bucket {
    /// Reads `bucket[/prefix][?endpoint=…&region=…]`; the error says what to change.
    pub(super) fn open(rest: &str, keys: Option<&S3Keys>) -> Result<Self, String> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err("names no bucket".to_owned());
        }
        let retries = RetryConfig { max_retries: RETRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retries);
        if let Some(S3Keys { access, secret }) = keys {
            builder = builder
                .with_access_key_id(access.expose().as_str())
                .with_secret_access_key(secret.expose().as_str());
        }
        for (name, value) in query.split('&').filter(|p| !p.is_empty()).filter_map(|p| p.split_once('=')) {
            builder = match name {
                "endpoint" if value.starts_with("https://") => builder.with_endpoint(value),
                "endpoint" if is_loopback(value) => builder.with_endpoint(value).with_allow_http(true),
                "endpoint" => {
                    return Err("the endpoint must be https:// (http:// on loopback only)".to_owned());
                }
                "region" => builder.with_region(value),
                other => return Err(format!("{other:?} is not known; endpoint and region are")),
            };
        }
        let store = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { store: Arc::new(store), prefix: prefix.trim_matches('/').to_owned() })
    }

    pub(super) fn path_of(&self, id: BlobId) -> Path {
        match self.prefix.as_str() {
            "" => Path::from(name_of(id)),
            prefix => Path::from(format!("{prefix}/{}", name_of(id))),
        }
    }

    pub(super) async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        match self.store.delete(&self.path_of(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    pub(super) fn list(
        &self,
        before: Timestamp,
    ) -> impl Stream<Item = Result<BlobEntry, BlobError>> + Send + use<> {
        let prefix = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        self.store.list(prefix.as_ref()).filter_map(move |found| {
            future::ready(match found {
                Err(e) => Some(Err(e.into())),
                Ok(meta) => entry(&meta).filter(|e| e.modified < before).map(Ok),
            })
        })
    }
}

fn entry(meta: &object_store::ObjectMeta) -> Option<BlobEntry> {
    let id = meta.location.filename()?.parse().ok()?;
    let modified = Timestamp::from_microsecond(meta.last_modified.timestamp_micros()).ok()?;
    Some(BlobEntry { id, stored: meta.size, modified })
}

/// `http://` to an address that never leaves the machine.
fn is_loopback(endpoint: &str) -> bool {
    let Some(authority) = endpoint.strip_prefix("http://").and_then(|r| r.split('/').next()) else {
        return false;
    };
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Size of part number `n`, counted from 0.
fn part_size(n: usize) -> usize {
    FIRST_PART << (n / 1000).min(10)
}

/// An object under way. Dropped before [`ObjectSink::finish`], it gives its upload up.
#[derive(Debug)]
pub(super) struct ObjectSink {
    bucket: Arc<Bucket>,
    path: Path,
    waiting: Vec<Bytes>,
    size: usize,
    parts: usize,
    /// Behind a lock that is never waited for: it only lets writers be shared between threads.
    upload: Option<Mutex<Box<dyn MultipartUpload>>>,
    sending: Option<JoinHandle<object_store::Result<()>>>,
}

impl ObjectSink {
    pub(super) fn new(bucket: Arc<Bucket>, id: BlobId) -> Self {
        let path = bucket.path_of(id);
        Self { bucket, path, waiting: Vec::new(), size: 0, parts: 0, upload: None, sending: None }
    }

    /// Takes the next octets; sends a part when enough have come, one at a time.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.size += bytes.len();
        self.waiting.push(bytes);
        if self.size >= part_size(self.parts) {
            self.send_part().await?;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), BlobError> {
        self.sent().await?;
        let payload: PutPayload = std::mem::take(&mut self.waiting).into_iter().collect();
        self.size = 0;
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(Mutex::new(self.bucket.store.put_multipart(&self.path).await?)),
        };
        self.parts += 1;
        let part = upload.get_mut().unwrap_or_else(PoisonError::into_inner).put_part(payload);
        self.sending = Some(tokio::spawn(part));
        Ok(())
    }

    async fn sent(&mut self) -> Result<(), BlobError> {
        match self.sending.take() {
            Some(part) => Ok(part.await.map_err(|_| BlobError::Stopped)??),
            None => Ok(()),
        }
    }

    /// Durable when it returns.
    pub(super) async fn finish(mut self) -> Result<(), BlobError> {
        if self.upload.is_none() {
            let payload: PutPayload = std::mem::take(&mut self.waiting).into_iter().collect();
            self.bucket.store.put(&self.path, payload).await?;
            return Ok(());
        }
        if !self.waiting.is_empty() {
            self.send_part().await?;
        }
        self.sent().await?;
        if let Some(upload) = &mut self.upload {
            upload.get_mut().unwrap_or_else(PoisonError::into_inner).complete().await?;
        }
        self.upload = None;
        Ok(())
    }
}

impl Drop for ObjectSink {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let mut upload = upload.into_inner().unwrap_or_else(PoisonError::into_inner);
            runtime.spawn(async move {
                if let Err(e) = upload.abort().await {
                    tracing::warn!(error = %e, "an unfinished upload stays behind");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert!(Bucket::open("mail?endpoint=http://127.0.0.1:3900&region=garage", None).is_ok());
        assert!(Bucket::open("mail/a/b?endpoint=http://[::1]:3900&region=r", None).is_ok());
        for bad in [
            "",
            "mail?endpoint=http://s3.example.org&region=r",
            "mail?bucket=x",
            "mail?endpoint=http://127.0.0.1.evil.example",
        ] {
            assert!(Bucket::open(bad, None).is_err(), "{bad}");
        }
        let bucket = Bucket::open("mail/a/?endpoint=http://localhost:1&region=r", None).unwrap();
        let id: BlobId = "0193a7b0-0000-7000-8000-000000000000".parse().unwrap();
        assert_eq!(bucket.path_of(id).as_ref(), format!("a/0193/a7/{id}"));
    }

    #[test]
    fn parts_grow_to_the_limit() {
        let total: u64 = (0..10_000).map(|n| part_size(n) as u64).sum();
        assert!(total >= 4 << 40, "{total}");
        assert_eq!(part_size(0), FIRST_PART);
    }
}
