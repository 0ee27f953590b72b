//! What came back for a recipient: reports and answers, kept as received for the proof.
//!
//! **Exposure.** Strangers' bytes, opaque here, sealed under the deposit's key.
//!
//! **Failure modes.** The same bytes twice count once: the second time nothing is written.

use crate::db::{Row, Value};
use crate::deposit::StoredBody;
use crate::{Store, StoreError, Tx, args};
use sealpost_envelope::{
    BlobId, DepositId, EntityId, RecipientNo, Reference, Sha256Digest, Timestamp, Treatment,
};
use uuid::Uuid;

/// A message that came back.
#[derive(Debug, Clone)]
pub struct NewReturned {
    /// Its name; its body is sealed for it.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit it is about.
    pub deposit: DepositId,
    /// Recipient it is about.
    pub recipient: RecipientNo,
    /// When it came.
    pub received: Timestamp,
    /// `delivery`, `read` or `other`.
    pub kind: &'static str,
    /// Of the bytes as received.
    pub sha256: Sha256Digest,
    /// Octets as received.
    pub size: u64,
    /// Where they lie.
    pub body: StoredBody,
}

/// One that is kept.
#[derive(Debug, Clone)]
pub struct Returned {
    /// Its name.
    pub id: Uuid,
    /// Recipient it is about.
    pub recipient: RecipientNo,
    /// `delivery`, `read` or `other`.
    pub kind: String,
    /// Octets as received.
    pub size: u64,
    /// Where they lie.
    pub body: StoredBody,
}

impl Tx {
    /// Keeps it; `false` when the same bytes had come back for the same recipient before.
    pub async fn keep_returned(&mut self, new: NewReturned) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO returned (id, entity, deposit, recipient, received, kind, sha256, size, \
             body, blob) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (deposit, recipient, sha256) DO NOTHING";
        let (body, blob) = match new.body {
            StoredBody::Inline(bytes) => (Some(bytes), None),
            StoredBody::Blob(id) => (None, Some(id)),
        };
        let values = args![
            new.id,
            new.entity,
            new.deposit,
            new.recipient,
            new.received,
            new.kind,
            new.sha256.to_hex(),
            Value::size(new.size)?,
            body,
            blob,
        ];
        Ok(self.execute(SQL, values).await? == 1)
    }
}

const COLUMNS: &str = "id, recipient, kind, size, body, blob";

fn read(row: &Row) -> Result<Option<Returned>, StoreError> {
    let body = match (row.opt_bytes("body")?, row.opt_uuid("blob")?) {
        (Some(bytes), _) => StoredBody::Inline(bytes),
        (None, Some(id)) => StoredBody::Blob(BlobId(id)),
        // Destroyed with the deposit's content.
        (None, None) => return Ok(None),
    };
    Ok(Some(Returned {
        id: row.uuid("id")?,
        recipient: row.small("recipient")?,
        kind: row.text("kind")?,
        size: row.size("size")?,
        body,
    }))
}

impl Store {
    /// What came back for a deposit, in the order it came; without what was destroyed.
    pub async fn returned(&self, deposit: DepositId) -> Result<Vec<Returned>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM returned WHERE deposit = $1 ORDER BY received, id");
        let rows = self.db.fetch_all(sqlx::AssertSqlSafe(sql), args![deposit]).await?;
        rows.iter().filter_map(|row| read(row).transpose()).collect()
    }

    /// One of them.
    pub async fn returned_one(&self, id: Uuid) -> Result<Option<Returned>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM returned WHERE id = $1");
        let row = self.db.fetch_optional(sqlx::AssertSqlSafe(sql), args![id]).await?;
        row.as_ref().map_or(Ok(None), read)
    }

    /// The deposit with that reference.
    pub async fn deposit_by_reference(
        &self,
        entity: EntityId,
        reference: &Reference,
    ) -> Result<Option<DepositId>, StoreError> {
        let sql = "SELECT id FROM deposits WHERE entity = $1 AND reference = $2";
        let row = self.db.fetch_optional(sql, args![entity, reference.as_str()]).await?;
        row.map_or(Ok(None), |r| r.uuid("id").map(|id| Some(DepositId(id))))
    }

    /// The strongest treatment with a link among the deposits of that Message-ID, whoever sent them.
    pub async fn linked_treatment(
        &self,
        entity: EntityId,
        message_id: &str,
    ) -> Result<Option<Treatment>, StoreError> {
        let sql = "SELECT DISTINCT c.treatment FROM deposits d JOIN consignments c ON c.deposit = d.id \
             WHERE d.entity = $1 AND d.message_id = $2";
        let mut strongest = None;
        for row in self.db.fetch_all(sql, args![entity, message_id]).await? {
            strongest = strongest.max(Some(row.parse::<Treatment>("treatment")?).filter(|t| t.has_link()));
        }
        Ok(strongest)
    }

    /// The newest deposit of a sender with that Message-ID.
    pub async fn deposit_by_message_id(
        &self,
        entity: EntityId,
        sender: &sealpost_envelope::EmailAddress,
        message_id: &str,
    ) -> Result<Option<DepositId>, StoreError> {
        let sql = "SELECT id FROM deposits WHERE entity = $1 AND sender_key = $3 AND message_id = $2 \
             ORDER BY created DESC LIMIT 1";
        let values = args![entity, message_id, sender.key()];
        let row = self.db.fetch_optional(sql, values).await?;
        row.map_or(Ok(None), |r| r.uuid("id").map(|id| Some(DepositId(id))))
    }
}
