//! Where each piece of a deposit's content is sealed, and how it is read again.
//!
//! **Job.** One table of places, so that writers and readers agree: the pair of purpose and id under which
//! a small piece is sealed in a row, or the blob it lies in. Everything is under the deposit's key.
//!
//! | piece | purpose | id | plaintext |
//! |---|---|---|---|
//! | `deposits.meta` | `meta` | deposit | JSON of the message crate's `Structure`, with two more members, `skeleton_len` and `shown_subject` |
//! | `deposits.skeleton` | `skeleton` | deposit | skeleton records (docs/formats/skeleton.md) |
//! | `parts.meta` | `part` | deposit, number | JSON `{"info": PartInfo, "stored": Stored}` |
//! | `parts.body` | `body` | deposit, number | the part as stored |
//! | `returned.body` | `returned` | its own | a report or answer as received |
//! | `recipient_notes.sealed` | `note` | its own | JSON of what a recipient wrote to the sender |
//! | `recipes.recipe` | `recipe` | queue row | the composed message's recipe |
//!
//! **Failure.** Damage is an error before a wrong byte is handed out; a destroyed key is [`KeyError::Destroyed`].

use crate::Store;
use crate::blob::{BlobError, BlobStream};
use crate::crypto::CryptoError;
use crate::deposit::{DepositRow, StoredBody};
use crate::keys::{DepositKey, KeyError};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealpost_envelope::{DepositId, PartNo};
use std::ops::Range;
use uuid::Uuid;

/// Bodies up to this many bytes stand in the row (docs/decisions/0002-storage.md).
pub const INLINE: usize = 16 * 1024;

/// A place for small content in a row.
#[derive(Debug, Clone)]
pub struct Place {
    purpose: &'static str,
    id: Vec<u8>,
}

impl Place {
    /// `deposits.meta`.
    pub fn meta(deposit: DepositId) -> Self {
        Self { purpose: "meta", id: deposit.0.as_bytes().to_vec() }
    }
    /// `deposits.skeleton`.
    pub fn skeleton(deposit: DepositId) -> Self {
        Self { purpose: "skeleton", id: deposit.0.as_bytes().to_vec() }
    }
    /// `parts.meta`.
    pub fn part(deposit: DepositId, n: PartNo) -> Self {
        Self { purpose: "part", id: numbered(deposit, n) }
    }
    /// `parts.body`.
    pub fn body(deposit: DepositId, n: PartNo) -> Self {
        Self { purpose: "body", id: numbered(deposit, n) }
    }
    /// `returned.body`.
    pub fn returned(id: Uuid) -> Self {
        Self { purpose: "returned", id: id.as_bytes().to_vec() }
    }
    /// `recipient_notes.sealed`.
    pub fn note(id: Uuid) -> Self {
        Self { purpose: "note", id: id.as_bytes().to_vec() }
    }
    /// `recipes.recipe`.
    pub fn recipe(row: Uuid) -> Self {
        Self { purpose: "recipe", id: row.as_bytes().to_vec() }
    }
    /// Seals `plain` for this place.
    pub fn seal(&self, key: &DepositKey, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        key.seal(self.purpose, &self.id, plain)
    }
    /// Opens what was sealed for this place.
    pub fn open(&self, key: &DepositKey, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        key.open(self.purpose, &self.id, sealed)
    }
}

fn numbered(deposit: DepositId, n: PartNo) -> Vec<u8> {
    let mut id = deposit.0.as_bytes().to_vec();
    id.extend_from_slice(&n.to_be_bytes());
    id
}

impl Store {
    /// The key of a deposit; [`KeyError::Destroyed`] once its content is gone.
    pub fn deposit_key(&self, row: &DepositRow) -> Result<DepositKey, KeyError> {
        match &row.wrapped_key {
            Some(wrapped) => self.keys().unwrap(&row.key_week, wrapped),
            None => Err(KeyError::Destroyed(row.key_week.clone())),
        }
    }

    /// The octets `range` of a stored body of `size` octets, from the row or from its blob.
    pub fn read_body(
        &self,
        key: &DepositKey,
        place: &Place,
        body: &StoredBody,
        size: u64,
        range: Range<u64>,
    ) -> Result<BlobStream, CryptoError> {
        match body {
            StoredBody::Blob(id) => Ok(self.blobs().read_range(key, *id, size, range)),
            StoredBody::Inline(sealed) => {
                let plain = Bytes::from(place.open(key, sealed)?);
                let end = (range.end.min(plain.len() as u64)) as usize;
                let start = (range.start.min(end as u64)) as usize;
                Ok(stream::once(async move { Ok::<_, BlobError>(plain.slice(start..end)) }).boxed())
            }
        }
    }
}
