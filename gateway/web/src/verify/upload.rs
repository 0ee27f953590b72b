//! A file out of a form (RFC 7578), or a bare request body, into a nameless temporary file.
//!
//! **Exposure.** Reads strangers' bytes as they come: constant memory, a limit on the file and on each part's head,
//! a limit on silence. The file has no name, so that nothing is left behind whatever happens.

use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use std::io::{self, Seek};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Longest head of a part.
const HEAD: usize = 8 * 1024;
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
    #[error("the form cannot be read")]
    Malformed,
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
        true => Some(Form::new(&boundary(kind).ok_or(UploadError::Malformed)?)),
        false => None,
    };
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(io::Error::other)??;
    let mut out = tokio::fs::File::from_std(file);
    let mut size = 0u64;
    let mut stream = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(SILENCE, stream.next()).await.map_err(|_| UploadError::Broken)?;
        let Some(chunk) = next.transpose().map_err(|_| UploadError::Broken)? else { break };
        let bytes = match &mut form {
            Some(form) => form.push(&chunk)?,
            None => chunk.to_vec(),
        };
        size += bytes.len() as u64;
        if size > limit {
            return Err(UploadError::TooLarge);
        }
        out.write_all(&bytes).await?;
    }
    if form.is_some_and(|f| f.place != Place::Done) {
        return Err(UploadError::Malformed);
    }
    if size == 0 {
        return Err(UploadError::Nothing);
    }
    out.flush().await?;
    let mut file = out.into_std().await;
    file.rewind()?;
    Ok(file)
}

/// The boundary parameter (RFC 2046 §5.1.1: 1 to 70 characters).
fn boundary(kind: &str) -> Option<String> {
    let (_, after) = kind.split_once("boundary=")?;
    let value = match after.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => after.split([';', ' ']).next()?,
    };
    (1..=70).contains(&value.len()).then(|| value.to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first delimiter, or in a part that is not the file.
    Aside,
    /// In the file.
    File,
    /// Behind a delimiter.
    Delimiter,
    /// In the head of a part.
    Head,
    /// Behind the last delimiter.
    Done,
}

/// A form read piece by piece.
struct Form {
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    place: Place,
    found: bool,
}

impl Form {
    fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter has no line end before it.
        Self { delimiter, buffer: b"\r\n".to_vec(), place: Place::Aside, found: false }
    }

    /// Takes the next bytes; gives those of the file.
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, UploadError> {
        self.buffer.extend_from_slice(bytes);
        let mut out = Vec::new();
        loop {
            match self.place {
                Place::Done => {
                    self.buffer.clear();
                    return Ok(out);
                }
                Place::Aside | Place::File => {
                    let found = find(&self.buffer, &self.delimiter);
                    // What may be the beginning of a delimiter stays.
                    let kept = self.delimiter.len() - 1;
                    let end = found.unwrap_or(self.buffer.len().saturating_sub(kept));
                    if self.place == Place::File {
                        out.extend_from_slice(&self.buffer[..end]);
                    }
                    if found.is_none() {
                        self.buffer.drain(..end);
                        return Ok(out);
                    }
                    self.buffer.drain(..end + self.delimiter.len());
                    self.place = Place::Delimiter;
                }
                Place::Delimiter => match self.buffer.get(..2) {
                    None => return Ok(out),
                    Some(b"--") => self.place = Place::Done,
                    Some(b"\r\n") => self.place = Place::Head,
                    Some(_) => return Err(UploadError::Malformed),
                },
                // The line end of the delimiter is still there: an empty head ends at once.
                Place::Head => match find(&self.buffer, b"\r\n\r\n") {
                    Some(end) if end <= HEAD => {
                        let wanted = !self.found && is_file(&self.buffer[..end]);
                        self.buffer.drain(..end + 4);
                        // So that an empty part's delimiter is seen.
                        self.found |= wanted;
                        self.place = if wanted { Place::File } else { Place::Aside };
                    }
                    None if self.buffer.len() <= HEAD => return Ok(out),
                    _ => return Err(UploadError::Malformed),
                },
            }
        }
    }
}

/// Whether a part's head is that of the file's field.
fn is_file(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    head.lines().any(|line| {
        let line = line.trim();
        line.to_ascii_lowercase().starts_with("content-disposition:")
            && line.contains(&format!("name=\"{FIELD}\""))
            && line.contains("filename=")
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = 0;
    while let Some(step) = haystack.get(at..)?.iter().position(|b| *b == first) {
        at += step;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &[u8], step: usize) -> Result<(Vec<u8>, bool), UploadError> {
        let mut reader = Form::new("XX");
        let mut out = Vec::new();
        for piece in form.chunks(step) {
            out.extend(reader.push(piece)?);
        }
        Ok((out, reader.place == Place::Done))
    }

    #[test]
    fn the_file_comes_out_whatever_the_pieces() {
        let head = "--XX\r\nContent-Disposition: form-data; name=\"lang\"\r\n\r\nfr\r\n--XX\r\nContent-Disposition: \
                    form-data; name=\"proof\"; filename=\"a.asice\"\r\nContent-Type: application/zip\r\n\r\n";
        for content in [&b""[..], b"PK\x03\x04", b"\r\n--X\r\n\r\n--Y\r", b"\r\r\n\r\n-"] {
            let form = [head.as_bytes(), content, b"\r\n--XX--\r\n"].concat();
            for step in [1, 2, 3, 7, 1000] {
                assert_eq!(read(&form, step).unwrap(), (content.to_vec(), true), "{step}");
            }
            assert!(!read(&form[..form.len() - 6], 5).unwrap().1, "cut off");
        }
    }

    #[test]
    fn other_fields_are_not_the_file() {
        let form = b"--XX\r\nContent-Disposition: form-data; name=\"proof\"\r\n\r\nx\r\n--XX--";
        assert_eq!(read(form, 9).unwrap(), (Vec::new(), true));
        assert!(read(b"--XXgarbage", 4).is_err());
        let long = [&b"--XX\r\n"[..], &[b'a'; HEAD + 10]].concat();
        assert!(read(&long, 1000).is_err());
        assert_eq!(boundary("multipart/form-data; boundary=\"a b\"; x=y").as_deref(), Some("a b"));
        assert_eq!(boundary("multipart/form-data; boundary=----W;x").as_deref(), Some("----W"));
        assert_eq!(boundary("multipart/form-data"), None);
    }
}
