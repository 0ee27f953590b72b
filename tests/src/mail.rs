//! Messages to send: built here, byte for byte known, so that what comes out can be compared.

use aws_lc_rs::digest::{Context, SHA256};
use std::fmt::Write;

/// A file to attach.
#[derive(Debug, Clone)]
pub struct File {
    /// Name.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Content.
    pub bytes: Vec<u8>,
}

impl File {
    /// A file of `size` octets that no compression shortens; the same every time.
    pub fn noise(name: &str, size: usize) -> Self {
        let mut bytes = vec![0; size];
        Noise::new(size as u64).fill(&mut bytes);
        Self { name: name.to_owned(), media_type: "application/octet-stream".to_owned(), bytes }
    }
    /// A file with this content.
    pub fn new(name: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), media_type: media_type.to_owned(), bytes: bytes.into() }
    }
}

/// A message.
#[derive(Debug, Clone)]
pub struct Mail {
    /// From.
    pub from: String,
    /// To.
    pub to: Vec<String>,
    /// Subject, ASCII.
    pub subject: String,
    /// Further header lines, without line ends.
    pub headers: Vec<String>,
    /// Body.
    pub text: String,
    /// Body in HTML beside it.
    pub html: Option<String>,
    /// Attachments.
    pub files: Vec<File>,
}

impl Mail {
    /// A message from Alice.
    pub fn new(to: &[&str], subject: &str) -> Self {
        Self {
            from: "Alice Martin <alice@sealpost.test>".to_owned(),
            to: to.iter().map(|t| (*t).to_owned()).collect(),
            subject: subject.to_owned(),
            headers: Vec::new(),
            text: "Bonjour,\r\n\r\nVoici les documents.\r\n\r\nAlice\r\n".to_owned(),
            html: None,
            files: Vec::new(),
        }
    }
    /// With another header line.
    pub fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }
    /// With this text.
    pub fn text(mut self, text: &str) -> Self {
        self.text = text.to_owned();
        self
    }
    /// With an attachment.
    pub fn file(mut self, file: File) -> Self {
        self.files.push(file);
        self
    }
    /// The header block up to the content type, without it.
    fn top(&self) -> String {
        let mut out = String::new();
        let (from, to, subject) = (&self.from, self.to.join(",\r\n "), &self.subject);
        let id = sha256(format!("{self:?}").as_bytes());
        let _ = write!(out, "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n");
        if !self.headers.iter().any(|h| h.starts_with("Message-ID:")) {
            let _ = write!(out, "Message-ID: <{}@sealpost.test>\r\n", &id[..32]);
        }
        out.push_str("Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n");
        for line in &self.headers {
            let _ = write!(out, "{line}\r\n");
        }
        out
    }
    /// The bytes to send, lines ending in CRLF.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.top();
        if self.files.is_empty() {
            out.push_str(&self.body());
            // The end of the data is a line of its own.
            if !out.ends_with("\r\n") {
                out.push_str("\r\n");
            }
            return out.into_bytes();
        }
        out.push_str("Content-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n--outer\r\n");
        out.push_str(&self.body());
        for file in &self.files {
            let (name, media_type) = (&file.name, &file.media_type);
            let _ = write!(
                out,
                "\r\n--outer\r\nContent-Type: {media_type}; name=\"{name}\"\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n"
            );
            base64_lines(&file.bytes, &mut out);
        }
        out.push_str("\r\n--outer--\r\n");
        out.into_bytes()
    }
    fn body(&self) -> String {
        let text = &self.text;
        let plain = format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}"
        );
        match &self.html {
            None => plain,
            Some(html) => format!(
                "Content-Type: multipart/alternative; boundary=\"inner\"\r\n\r\n--inner\r\n{plain}\r\n--inner\r\n\
                 Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{html}\r\n--inner--\r\n"
            ),
        }
    }
}

/// Base64 in lines of 76 characters, the last one without its end.
pub fn base64_lines(bytes: &[u8], out: &mut String) {
    for (i, line) in bytes.chunks(57).enumerate() {
        if i > 0 {
            out.push_str("\r\n");
        }
        base64_simd::STANDARD.encode_append(line, out);
    }
}

/// Reproducible octets that no compression shortens (splitmix64).
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(bytes);
    digest.hex()
}

/// SHA-256 of a stream.
pub struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl Sha256 {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }
    /// Goes on.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// In hexadecimal.
    pub fn hex(self) -> String {
        self.0.finish().as_ref().iter().fold(String::new(), |mut text, b| {
            let _ = write!(text, "{b:02x}");
            text
        })
    }
}
