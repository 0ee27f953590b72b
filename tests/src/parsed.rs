//! Received messages, taken apart by Python's email package: a reader that is not ours.

use crate::tools::script;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::io::Write;
use std::process::{Command, Stdio};

/// A message.
#[derive(Debug, Clone, Deserialize)]
pub struct Parsed {
    /// Header fields, decoded.
    pub headers: Vec<(String, String)>,
    /// Its leaves.
    pub parts: Vec<Part>,
}

/// A leaf.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    /// Media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// File name, if any.
    pub filename: Option<String>,
    content: String,
}

impl Part {
    /// Decoded content.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        Ok(base64_simd::STANDARD.decode_to_vec(&self.content)?)
    }
    /// Decoded content of a text.
    pub fn text(&self) -> Result<String> {
        Ok(String::from_utf8(self.bytes()?)?)
    }
}

impl Parsed {
    /// Takes a raw message apart.
    pub fn new(raw: &[u8]) -> Result<Self> {
        let mut child = Command::new("python3")
            .arg(script("parse.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python3")?;
        child.stdin.take().context("no input")?.write_all(raw)?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "parse.py failed");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
    /// All values of a header field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }
    /// The one value of a header field.
    pub fn header(&self, name: &str) -> Result<&str> {
        match self.all(name).as_slice() {
            [one] => Ok(one),
            other => anyhow::bail!("{} fields {name}: {other:?}", other.len()),
        }
    }
    /// The one leaf of a media type that is no attachment.
    pub fn body(&self, media_type: &str) -> Result<String> {
        let found = self.parts.iter().find(|p| p.media_type == media_type && p.filename.is_none());
        found.with_context(|| format!("no {media_type}"))?.text()
    }
    /// Names of the attachments.
    pub fn filenames(&self) -> Vec<&str> {
        self.parts.iter().filter_map(|p| p.filename.as_deref()).collect()
    }
}
