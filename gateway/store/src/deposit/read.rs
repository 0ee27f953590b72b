//! Reading deposits and their parts.

use super::StoredBody;
use crate::db::{Args, AssertSqlSafe, Row, Value};
use crate::{Store, StoreError, args};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sealpost_envelope::{
    AccountId, BlobId, DepositId, Digests, EmailAddress, EntityId, PartNo, Reference, Sha256Digest,
    Sha512Digest, Submitter, Timestamp,
};
use sealpost_evidence::{DepositFacts, PartFacts, Party};

/// A deposit without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositRow {
    /// Identifier.
    pub id: DepositId,
    /// Organisation.
    pub entity: EntityId,
    /// Account that submitted it.
    pub account: Option<AccountId>,
    /// Who handed it over.
    pub submitter: Submitter,
    /// The author.
    pub sender: EmailAddress,
    /// Name for people.
    pub reference: Reference,
    /// The author's Message-ID.
    pub message_id: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// Bytes as received.
    pub size: u64,
    /// Digests of the bytes as received.
    pub digests: Digests,
    /// The wrapped deposit key; `None` once destroyed.
    pub wrapped_key: Option<Vec<u8>>,
    /// Expiry week whose key wraps it.
    pub key_week: String,
    /// Encrypted JSON.
    pub meta: Vec<u8>,
}

/// A deposit with its skeleton.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// All but the body.
    pub row: DepositRow,
    /// Where the message without its stored parts lies; `None` once destroyed.
    pub skeleton: Option<StoredBody>,
}

/// A stored part without its body ([`Store::part_body`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Number, from 1.
    pub n: PartNo,
    /// The message crate's word for what it is.
    pub role: String,
    /// Decoded bytes.
    pub size: u64,
    /// Digests of the decoded bytes.
    pub digests: Digests,
    /// Encrypted JSON.
    pub meta: Vec<u8>,
}

/// Which deposits [`Store::list_deposits`] gives, newest first.
#[derive(Debug, Clone, Default)]
pub struct DepositFilter {
    /// Organisation; `None` only for the operator.
    pub entity: Option<EntityId>,
    /// Author.
    pub sender: Option<EmailAddress>,
    /// Recipient.
    pub recipient: Option<EmailAddress>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// Continue behind this deposit of the page before.
    pub after: Option<(Timestamp, DepositId)>,
    /// At most so many.
    pub limit: Option<u32>,
}

pub(super) const COLUMNS: &str = "id, entity, account, submitter, sender, reference, message_id, created, size, sha256, \
     sha512, wrapped_key, key_week, meta";

fn digests(row: &Row) -> Result<Digests, StoreError> {
    let (a, b) = (row.text("sha256")?, row.text("sha512")?);
    Ok(Digests {
        sha256: Sha256Digest::try_from(a).map_err(|e| StoreError::damaged("sha256", e))?,
        sha512: Sha512Digest::try_from(b).map_err(|e| StoreError::damaged("sha512", e))?,
    })
}

pub(super) fn deposit_row(row: &Row) -> Result<DepositRow, StoreError> {
    let reference = row.text("reference")?;
    Ok(DepositRow {
        id: DepositId(row.uuid("id")?),
        entity: row.entity()?,
        account: row.opt_int("account")?.map(AccountId),
        submitter: serde_json::from_str(&row.text("submitter")?)
            .map_err(|e| StoreError::damaged("submitter", e))?,
        sender: address(row, "sender")?,
        reference: Reference::parse(&reference)
            .ok_or_else(|| StoreError::damaged("reference", &reference))?,
        message_id: row.opt_text("message_id")?,
        created: row.time("created")?,
        size: row.size("size")?,
        digests: digests(row)?,
        wrapped_key: row.opt_bytes("wrapped_key")?,
        key_week: row.text("key_week")?,
        meta: row.bytes("meta")?,
    })
}

impl Store {
    /// Several deposits at once, without their bodies; those that do not exist are missing.
    pub(crate) async fn deposit_rows(&self, ids: &[DepositId]) -> Result<Vec<DepositRow>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        for some in ids.chunks(128) {
            // Few lengths only, filled up by repeating, so that few texts are prepared.
            let length = some.len().next_power_of_two();
            let marks = (1..=length).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
            let sql = format!("SELECT {COLUMNS} FROM deposits WHERE id IN ({marks})");
            let filled = some.iter().chain(some.last().into_iter().cycle()).take(length);
            let rows = self.db.fetch_all(AssertSqlSafe(sql), filled.map(|id| (*id).into()).collect()).await?;
            for row in &rows {
                all.push(deposit_row(row)?);
            }
        }
        Ok(all)
    }
}

pub(crate) fn address(row: &Row, column: &'static str) -> Result<EmailAddress, StoreError> {
    EmailAddress::parse(&row.text(column)?).map_err(|e| StoreError::damaged(column, e))
}

fn body(row: &Row, inline: &str, blob: &str) -> Result<Option<StoredBody>, StoreError> {
    match (row.opt_bytes(inline)?, row.opt_uuid(blob)?) {
        (Some(bytes), None) => Ok(Some(StoredBody::Inline(bytes))),
        (None, Some(id)) => Ok(Some(StoredBody::Blob(BlobId(id)))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(StoreError::damaged("body", "both in the row and in a blob")),
    }
}

impl Store {
    /// Finds a deposit by its id or by a reference as a person types it, within `entity` if given. A
    /// reference is unique in an entity only: without one, the newest of that reference.
    pub async fn find_deposit(
        &self,
        entity: Option<EntityId>,
        text: &str,
    ) -> Result<Option<DepositId>, StoreError> {
        let (column, key) = if let Ok(id) = text.trim().parse::<DepositId>() {
            ("id", id.to_string())
        } else if let Some(reference) = Reference::parse(text) {
            ("reference", reference.as_str().to_owned())
        } else {
            return Ok(None);
        };
        let scope = if entity.is_some() { " AND entity = $2" } else { "" };
        let sql = format!("SELECT id FROM deposits WHERE {column} = $1{scope} ORDER BY created DESC LIMIT 1");
        let mut values = args![key];
        values.extend(entity.map(Value::from));
        let row = self.db.fetch_optional(AssertSqlSafe(sql), values).await?;
        row.map(|r| r.uuid("id").map(DepositId)).transpose()
    }

    /// The deposit; [`StoreError::NotFound`] if there is none.
    pub async fn read_deposit(&self, id: DepositId) -> Result<Deposit, StoreError> {
        let sql = format!("SELECT {COLUMNS}, skeleton, skeleton_blob FROM deposits WHERE id = $1");
        let row = self.db.fetch_optional(AssertSqlSafe(sql), args![id]).await?;
        let row = row.ok_or(StoreError::NotFound("deposit"))?;
        Ok(Deposit { row: deposit_row(&row)?, skeleton: body(&row, "skeleton", "skeleton_blob")? })
    }

    /// Stored parts in the order of their numbers, without bodies.
    pub async fn parts(&self, deposit: DepositId) -> Result<Vec<PartRow>, StoreError> {
        let sql = "SELECT part, role, size, sha256, sha512, meta FROM parts WHERE deposit = $1 ORDER BY part";
        let rows = self.db.fetch_all(sql, args![deposit]).await?;
        rows.iter().map(part_row).collect()
    }

    /// Where a part's ciphertext lies; `None` once destroyed, [`StoreError::NotFound`] if there is no such part.
    pub async fn part_body(
        &self,
        deposit: DepositId,
        part: PartNo,
    ) -> Result<Option<StoredBody>, StoreError> {
        let sql = "SELECT body, blob FROM parts WHERE deposit = $1 AND part = $2";
        let row = self.db.fetch_optional(sql, args![deposit, part]).await?;
        body(&row.ok_or(StoreError::NotFound("part"))?, "body", "blob")
    }

    /// Deposits as asked for, newest first, one after the other.
    pub fn list_deposits(
        &self,
        filter: &DepositFilter,
    ) -> BoxStream<'static, Result<DepositRow, StoreError>> {
        let (sql, values) = listing(filter);
        self.db.stream(AssertSqlSafe(sql), values).map(|row| deposit_row(&row?)).boxed()
    }

    /// What every evidence about a deposit repeats. `part` turns a stored part into facts, which takes the
    /// deposit key; it answers `None` for parts that are no attachments.
    pub async fn facts(
        &self,
        deposit: &DepositRow,
        mut part: impl FnMut(&PartRow) -> Result<Option<PartFacts>, StoreError>,
    ) -> Result<DepositFacts, StoreError> {
        let mut parts = Vec::new();
        for row in self.parts(deposit.id).await? {
            parts.extend(part(&row)?);
        }
        let sql = "SELECT address FROM consignments WHERE deposit = $1 ORDER BY recipient";
        let rows = self.db.fetch_all(sql, args![deposit.id]).await?;
        let recipients =
            rows.iter().map(|r| address(r, "address").map(Party::new)).collect::<Result<_, _>>()?;
        Ok(DepositFacts {
            id: deposit.id,
            reference: deposit.reference.clone(),
            message_id: deposit.message_id.clone(),
            sender: Party::new(deposit.sender.clone()),
            delegate: None,
            recipients,
            submitted: deposit.created,
            size: deposit.size,
            digests: deposit.digests,
            parts,
        })
    }
}

fn part_row(row: &Row) -> Result<PartRow, StoreError> {
    Ok(PartRow {
        n: row.small("part")?,
        role: row.text("role")?,
        size: row.size("size")?,
        digests: digests(row)?,
        meta: row.bytes("meta")?,
    })
}

/// Text and values of a listing; only constants enter the text.
fn listing(filter: &DepositFilter) -> (String, Args) {
    let mut sql = format!("SELECT {COLUMNS} FROM deposits WHERE TRUE");
    let mut values: Args = Vec::new();
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(&condition.replace("$?", &format!("${}", values.len())));
    };
    if let Some(entity) = filter.entity {
        add(" AND entity = $?", entity.into());
    }
    if let Some(sender) = &filter.sender {
        add(" AND sender_key = $?", sender.key().into());
    }
    if let Some(recipient) = &filter.recipient {
        add(" AND id IN (SELECT deposit FROM consignments WHERE address_key = $?)", recipient.key().into());
    }
    if let Some(since) = filter.since {
        add(" AND created >= $?", since.into());
    }
    if let Some(until) = filter.until {
        add(" AND created < $?", until.into());
    }
    if let Some((created, id)) = filter.after {
        add(" AND (created, id) < ($?,", created.into());
        add(" $?)", id.into());
    }
    add(" ORDER BY created DESC, id DESC LIMIT $?", Value::from(filter.limit.map_or(i64::MAX, i64::from)));
    (sql, values)
}
