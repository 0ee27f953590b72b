//! A form with files (RFC 7578), read piece by piece: nothing but a part's head and the end of a delimiter is held.
//!
//! **Exposure.** Bytes of strangers and of people who have logged in; heads are bounded, and a form that is none is
//! refused.

pub(crate) mod posted;

use bytes::Bytes;

/// Longest head of a part.
const HEAD: usize = 8 * 1024;

/// Not a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form cannot be read")]
pub(crate) struct Malformed;

/// What comes out, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A part begins.
    Part { name: String, filename: Option<String>, media_type: Option<String> },
    /// Some of its content.
    Content(Bytes),
    /// It ends.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Content,
    Delimiter,
    Head,
    Done,
}

/// The reader.
#[derive(Debug)]
pub(crate) struct Multipart {
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    place: Place,
}

impl Multipart {
    /// For a `Content-Type` of `multipart/form-data`.
    pub(crate) fn new(content_type: &str) -> Result<Self, Malformed> {
        let (kind, after) = content_type.split_once("boundary=").ok_or(Malformed)?;
        if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            return Err(Malformed);
        }
        let value = match after.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap_or_default(),
            None => after.split([';', ' ']).next().unwrap_or_default(),
        };
        // RFC 2046 §5.1.1: 1 to 70 characters.
        if !(1..=70).contains(&value.len()) {
            return Err(Malformed);
        }
        let delimiter = format!("\r\n--{value}").into_bytes();
        // The first delimiter has no line end before it.
        Ok(Self { delimiter, buffer: b"\r\n".to_vec(), place: Place::Before })
    }

    /// Whether the last delimiter was seen.
    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Malformed> {
        self.buffer.extend_from_slice(bytes);
        let mut out = Vec::new();
        loop {
            match self.place {
                Place::Done => {
                    self.buffer.clear();
                    return Ok(out);
                }
                Place::Before | Place::Content => {
                    let found = find(&self.buffer, &self.delimiter);
                    // What may be the beginning of a delimiter stays.
                    let end = found.unwrap_or(self.buffer.len().saturating_sub(self.delimiter.len() - 1));
                    if self.place == Place::Content && end > 0 {
                        out.push(Event::Content(Bytes::copy_from_slice(&self.buffer[..end])));
                    }
                    if found.is_none() {
                        self.buffer.drain(..end);
                        return Ok(out);
                    }
                    if self.place == Place::Content {
                        out.push(Event::End);
                    }
                    self.buffer.drain(..end + self.delimiter.len());
                    self.place = Place::Delimiter;
                }
                Place::Delimiter => match self.buffer.get(..2) {
                    None => return Ok(out),
                    Some(b"--") => self.place = Place::Done,
                    Some(b"\r\n") => self.place = Place::Head,
                    Some(_) => return Err(Malformed),
                },
                // The line end of the delimiter is still there: an empty head ends at once.
                Place::Head => match find(&self.buffer, b"\r\n\r\n") {
                    Some(end) if end <= HEAD => {
                        out.push(head(&self.buffer[..end])?);
                        self.buffer.drain(..end + 4);
                        self.place = Place::Content;
                    }
                    None if self.buffer.len() <= HEAD => return Ok(out),
                    _ => return Err(Malformed),
                },
            }
        }
    }
}

fn head(bytes: &[u8]) -> Result<Event, Malformed> {
    let text = String::from_utf8_lossy(bytes);
    let (mut name, mut filename, mut media_type) = (None, None, None);
    for line in text.split("\r\n") {
        let Some((field, value)) = line.split_once(':') else { continue };
        match field.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                name = parameter(value, "name");
                filename = parameter(value, "filename");
            }
            "content-type" => media_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Ok(Event::Part { name: name.ok_or(Malformed)?, filename, media_type })
}

/// A quoted parameter as browsers write it: `"` and line ends are percent-encoded in it.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let start = format!("{wanted}=\"");
    let at = value.match_indices(&start).find(|(at, _)| value[..*at].ends_with([';', ' ', '\t']))?;
    let rest = &value[at.0 + start.len()..];
    let raw = &rest[..rest.find('"')?];
    Some(raw.replace("%22", "\"").replace("%0D", "").replace("%0A", ""))
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

    type Read = Vec<(String, Option<String>, Vec<u8>)>;

    fn read(form: &[u8], step: usize) -> Result<(Read, bool), Malformed> {
        let mut reader = Multipart::new("multipart/form-data; boundary=XX")?;
        let mut parts: Read = Vec::new();
        for piece in form.chunks(step) {
            for event in reader.push(piece)? {
                match event {
                    Event::Part { name, filename, .. } => parts.push((name, filename, Vec::new())),
                    Event::Content(bytes) => parts.last_mut().ok_or(Malformed)?.2.extend_from_slice(&bytes),
                    Event::End => {}
                }
            }
        }
        Ok((parts, reader.is_done()))
    }

    #[test]
    fn parts_come_out_whatever_the_pieces() {
        for content in [&b""[..], b"abc", b"\r\n--X\r\n\r\n--Y\r", b"\r\r\n\r\n-", b"\r\n"] {
            let form = [
                &b"--XX\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nbob@example.test\r\n--XX\r\n\
                   Content-Disposition: form-data; name=\"file\"; filename=\"a %22b%22.pdf\"\r\n\
                   Content-Type: application/pdf\r\n\r\n"[..],
                content,
                b"\r\n--XX\r\nContent-Disposition: form-data; name=\"end\"\r\n\r\n\r\n--XX--\r\n",
            ]
            .concat();
            for step in [1, 2, 3, 7, 1000] {
                let (parts, done) = read(&form, step).unwrap();
                assert!(done, "{step}");
                assert_eq!(parts.len(), 3, "{step}");
                assert_eq!(parts[0], ("to".into(), None, b"bob@example.test".to_vec()));
                assert_eq!(parts[1], ("file".into(), Some("a \"b\".pdf".into()), content.to_vec()), "{step}");
                assert_eq!(parts[2], ("end".into(), None, Vec::new()));
            }
            assert!(!read(&form[..form.len() - 6], 5).unwrap().1, "cut off");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        assert!(read(b"--XXgarbage", 4).is_err());
        let long = [&b"--XX\r\n"[..], &[b'a'; HEAD + 10]].concat();
        assert!(read(&long, 1000).is_err());
        assert!(read(b"--XX\r\nContent-Type: text/plain\r\n\r\nx\r\n--XX--", 9).is_err());
        for bad in ["multipart/form-data", "text/plain; boundary=x", "multipart/form-data; boundary=\"\""] {
            assert!(Multipart::new(bad).is_err(), "{bad}");
        }
    }
}
