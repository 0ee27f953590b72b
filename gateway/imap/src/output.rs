//! Where answers go, and a buffer before it.

use crate::text;
use std::future::Future;

/// The way to the client, with its back pressure.
pub trait Output: Send {
    /// Sends bytes; returns when they are on their way.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = std::io::Result<()>> + Send;
}

/// Collects small answers; large ones pass through.
pub(crate) struct Reply<'o, O> {
    output: &'o mut O,
    buffer: Vec<u8>,
}

/// Bytes collected before they are sent.
const FULL: usize = 16 * 1024;

impl<'o, O: Output> Reply<'o, O> {
    pub fn new(output: &'o mut O) -> Self {
        Self { output, buffer: Vec::with_capacity(FULL) }
    }
    /// Adds bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if bytes.len() >= FULL {
            self.flush().await?;
            return self.output.send(bytes).await;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= FULL {
            return self.flush().await;
        }
        Ok(())
    }
    /// Adds a line.
    pub async fn line(&mut self, line: &str) -> std::io::Result<()> {
        self.buffer.extend_from_slice(line.as_bytes());
        self.write(b"\r\n").await
    }
    /// Adds a response with a text that may hold anything.
    pub async fn status(&mut self, tag: &str, kind: &str, text: &str) -> std::io::Result<()> {
        self.line(&format!("{tag} {kind} {}", text::printable(text))).await
    }
    /// The buffer itself, for what is built in place.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
    /// Sends what was collected.
    pub async fn flush(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.output.send(&self.buffer).await?;
            self.buffer.clear();
        }
        Ok(())
    }
}
