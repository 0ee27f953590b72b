//! A message on its way into a mailbox: encrypted while it arrives, small ones kept for the row.

use super::{MAX_HEADER, MailboxError, Mailboxes};
use crate::StoreError;
use crate::blob::{BlobWriter, Blobs};
use crate::keys::{DepositKey, WrappedKey, week};
use jiff::SignedDuration;
use sealpost_envelope::{BlobId, Timestamp};

/// Bodies up to this size live in the row (measured: a file each is several times slower).
const INLINE: usize = 16 * 1024;

pub(super) const BODY: &str = "mail-body";
pub(super) const HEADER: &str = "mail-header";
pub(super) const STRUCTURE: &str = "mail-structure";

/// A message that is encrypted and, where it is a blob, durable; not yet in any folder.
#[derive(Debug)]
pub struct MailBody {
    pub(super) key: DepositKey,
    pub(super) wrapped: WrappedKey,
    pub(super) week: String,
    pub(super) header: Vec<u8>,
    pub(super) size: u64,
    pub(super) place: Place,
}

/// Where the body is.
#[derive(Debug)]
pub(super) enum Place {
    /// In the row: ciphertext.
    Row(Vec<u8>),
    /// In the blob store.
    Blob(BlobId),
    /// The deposit's own parts.
    Deposit,
}

impl MailBody {
    /// The blob it is in.
    pub(super) fn blob(&self) -> Option<BlobId> {
        match &self.place {
            Place::Blob(id) => Some(*id),
            Place::Row(_) | Place::Deposit => None,
        }
    }
    /// Octets of the message.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// Octets that it takes in its folder: those of a deposit are the deposit's.
    pub(super) fn stored(&self) -> u64 {
        match &self.place {
            Place::Row(_) | Place::Blob(_) => self.size,
            Place::Deposit => 0,
        }
    }
    /// The header block with the empty line that ends it, cut at [`MAX_HEADER`].
    pub fn header(&self) -> &[u8] {
        &self.header
    }
}

/// Takes a message's bytes as they come. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct MailWriter {
    blobs: Blobs,
    key: DepositKey,
    wrapped: WrappedKey,
    week: String,
    header: HeaderCollector,
    size: u64,
    small: Vec<u8>,
    blob: Option<BlobWriter>,
}

impl Mailboxes {
    /// Starts a message that is to be destroyed in the week of `retention`.
    pub fn writer(&self, retention: Timestamp) -> Result<MailWriter, MailboxError> {
        let (key, wrapped, week) = self.keys.new_deposit_key(retention)?;
        Ok(MailWriter {
            blobs: self.blobs.clone(),
            key,
            wrapped,
            week,
            header: HeaderCollector::default(),
            size: 0,
            small: Vec::new(),
            blob: None,
        })
    }
}

impl Mailboxes {
    /// A sender's copy whose octets are the deposit's own: only the header block is kept, under a key of its
    /// own in the deposit's week.
    pub fn reference(
        &self,
        header: HeaderCollector,
        size: u64,
        week: &str,
    ) -> Result<MailBody, MailboxError> {
        let end = week::end(week).ok_or_else(|| StoreError::damaged("key_week", week))?;
        let inside = end.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(end);
        let (key, wrapped, week) = self.keys.new_deposit_key(inside)?;
        Ok(MailBody { key, wrapped, week, header: header.found, size, place: Place::Deposit })
    }
}

impl MailWriter {
    /// The header block with its empty line, once it has come (cut at [`MAX_HEADER`]).
    pub fn header(&self) -> Option<&[u8]> {
        self.header.done.then_some(&self.header.found)
    }

    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), MailboxError> {
        self.header.push(bytes);
        self.size += bytes.len() as u64;
        if self.blob.is_none() && self.small.len() + bytes.len() <= INLINE {
            self.small.extend_from_slice(bytes);
            return Ok(());
        }
        let blob = match &mut self.blob {
            Some(blob) => blob,
            None => {
                let blob = self.blob.insert(self.blobs.writer(&self.key));
                blob.write(&std::mem::take(&mut self.small)).await?;
                blob
            }
        };
        Ok(blob.write(bytes).await?)
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the message.
    pub async fn finish(self) -> Result<MailBody, MailboxError> {
        let place = match self.blob {
            Some(blob) => Place::Blob(blob.finish().await?.id),
            None => Place::Row(self.key.seal(BODY, b"", &self.small)?),
        };
        Ok(MailBody {
            key: self.key,
            wrapped: self.wrapped,
            week: self.week,
            header: self.header.found,
            size: self.size,
            place,
        })
    }
}

/// Keeps a copy of the header block as it passes.
#[derive(Debug, Default)]
pub struct HeaderCollector {
    found: Vec<u8>,
    done: bool,
}

impl HeaderCollector {
    /// Whether the block is complete, or as long as it may be.
    pub fn is_done(&self) -> bool {
        self.done
    }
    /// Takes the message's next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.done {
            return;
        }
        let seen = self.found.len();
        let room = MAX_HEADER - seen;
        self.found.extend_from_slice(&bytes[..bytes.len().min(room)]);
        // An empty line may lie across two pieces: look three octets back.
        if let Some(end) = header_end(&self.found, seen.saturating_sub(3)) {
            self.found.truncate(end);
            self.done = true;
        } else if self.found.len() == MAX_HEADER {
            self.done = true;
        }
    }
}

/// Where the header block ends, its empty line included; looks from `from` on.
fn header_end(bytes: &[u8], from: usize) -> Option<usize> {
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    if bytes.starts_with(b"\n") {
        return Some(1);
    }
    (from..bytes.len()).filter(|&at| bytes[at] == b'\n').find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_blocks_in_any_pieces() {
        for (message, header) in [
            ("A: b\r\nC: d\r\n\r\nbody\r\n\r\n", "A: b\r\nC: d\r\n\r\n"),
            ("A: b\n\nbody", "A: b\n\n"),
            ("\r\nbody", "\r\n"),
            ("A: b\r\n", "A: b\r\n"),
            ("", ""),
        ] {
            for piece in 1..=message.len().max(1) {
                let mut collector = HeaderCollector::default();
                message.as_bytes().chunks(piece).for_each(|p| collector.push(p));
                assert_eq!(collector.found, header.as_bytes(), "{message:?} by {piece}");
            }
        }
    }

    #[test]
    fn header_blocks_are_bounded() {
        let mut collector = HeaderCollector::default();
        (0..100).for_each(|_| collector.push(&[b'x'; 1000]));
        assert_eq!(collector.found.len(), MAX_HEADER);
    }
}
