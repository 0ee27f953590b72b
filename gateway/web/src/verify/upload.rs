//! A file out of a form (RFC 7578), or a bare request body, into a nameless temporary file.
//!
//! **Exposure.** Reads strangers' bytes as they come: constant memory, a limit on the file and on each part's head,
//! a limit on silence. The file has no name, so that nothing is left behind whatever happens.

use crate::multipart::{Event, Malformed, Multipart};
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use std::io::{self, Seek};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Longest silence of the client.
const SILENCE: Duration = Duration::from_secs(30);
/// Name of the file's field.
const FIELD: &str = "proof";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the file is too large")]
    TooLarge,
    #[error("no file was chosen")]
    Nothing,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the upload broke off")]
    Broken,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Receives the file, up to `limit` bytes; positioned at its beginning.
pub(super) async fn receive(
    headers: &HeaderMap,
    body: Body,
    limit: u64,
) -> Result<std::fs::File, UploadError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut form = match kind.to_ascii_lowercase().starts_with("multipart/form-data") {
        true => Some(Form::new(kind)?),
        false => None,
    };
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(io::Error::other)??;
    let mut out = tokio::fs::File::from_std(file);
    let mut size = 0u64;
    let mut stream = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(SILENCE, stream.next()).await.map_err(|_| UploadError::Broken)?;
        let Some(chunk) = next.transpose().map_err(|_| UploadError::Broken)? else { break };
        let pieces = match &mut form {
            Some(form) => form.push(&chunk)?,
            None => vec![chunk],
        };
        for bytes in pieces {
            size += bytes.len() as u64;
            if size > limit {
                return Err(UploadError::TooLarge);
            }
            out.write_all(&bytes).await?;
        }
    }
    if form.is_some_and(|f| !f.reader.is_done()) {
        return Err(Malformed.into());
    }
    if size == 0 {
        return Err(UploadError::Nothing);
    }
    out.flush().await?;
    let mut file = out.into_std().await;
    file.rewind()?;
    Ok(file)
}

/// The file of a form; other parts are passed over, and so is a second file.
struct Form {
    reader: Multipart,
    found: bool,
    within: bool,
}

impl Form {
    fn new(content_type: &str) -> Result<Self, Malformed> {
        Ok(Self { reader: Multipart::new(content_type)?, found: false, within: false })
    }

    /// Takes the next bytes; gives those of the file.
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Bytes>, Malformed> {
        let mut out = Vec::new();
        for event in self.reader.push(bytes)? {
            match event {
                Event::Part { name, filename, .. } => {
                    self.within = !self.found && name == FIELD && filename.is_some();
                    self.found |= self.within;
                }
                Event::Content(bytes) if self.within => out.push(bytes),
                Event::Content(_) | Event::End => {}
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(form: &[u8]) -> Result<Vec<u8>, UploadError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "multipart/form-data; boundary=\"XX\"".parse().unwrap());
        let mut file = receive(&headers, Body::from(form.to_vec()), 100).await?;
        let mut out = Vec::new();
        io::Read::read_to_end(&mut file, &mut out)?;
        Ok(out)
    }

    #[tokio::test]
    async fn the_first_file_of_the_field_comes_out() {
        let part = |more: &str, content: &str| {
            format!("--XX\r\nContent-Disposition: form-data; name={more}\r\n\r\n{content}\r\n")
        };
        let (lang, other) = (part("\"lang\"", "fr"), part("\"other\"; filename=\"b\"", "B"));
        let proof = part("\"proof\"; filename=\"a.asice\"", "PK");
        let second = part("\"proof\"; filename=\"c.asice\"", "second");
        let whole = [lang.as_str(), &other, &proof, &second, "--XX--\r\n"].concat();
        assert_eq!(read(whole.as_bytes()).await.unwrap(), b"PK");
        let cut = &whole.as_bytes()[..whole.len() - 6];
        assert!(matches!(read(cut).await, Err(UploadError::Malformed(_))));
        let none = [lang.as_str(), &part("\"proof\"", "typed"), "--XX--"].concat();
        assert!(matches!(read(none.as_bytes()).await, Err(UploadError::Nothing)));
        let large = [part("\"proof\"; filename=\"a\"", &"x".repeat(101)).as_str(), "--XX--"].concat();
        assert!(matches!(read(large.as_bytes()).await, Err(UploadError::TooLarge)));
    }
}
