//! Evidence XML and its seals: write once.

use crate::db::Row;
use crate::{Store, StoreError, args};
use sealpost_envelope::{DepositId, EntityId, EntryId, RecipientNo, Timestamp};
use sealpost_evidence::EventName;

/// An evidence that waits for its seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvidence {
    /// Entry it belongs to.
    pub id: EntryId,
    /// Organisation that seals it.
    pub entity: EntityId,
    /// ETSI XML.
    pub xml: Vec<u8>,
}

/// An evidence with its seal, if it has one by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvidence {
    /// Entry it belongs to.
    pub id: EntryId,
    /// Its event.
    pub event: EventName,
    /// Recipient concerned.
    pub recipient: Option<RecipientNo>,
    /// When.
    pub time: Timestamp,
    /// ETSI XML.
    pub xml: Vec<u8>,
    /// Detached CAdES over the XML.
    pub p7s: Option<Vec<u8>>,
}

impl Store {
    /// Organisations whose evidence waits for a seal. One look per organisation, however much waits.
    pub async fn waiting_for_seals(&self) -> Result<Vec<EntityId>, StoreError> {
        const NEXT: &str = "WITH RECURSIVE each_one (entity) AS (SELECT MIN(entity) FROM evidence_waiting UNION ALL \
             SELECT (SELECT MIN(w.entity) FROM evidence_waiting w WHERE w.entity > each_one.entity) FROM each_one \
             WHERE each_one.entity IS NOT NULL) SELECT entity FROM each_one WHERE entity IS NOT NULL";
        self.db.fetch_all(NEXT, args![]).await?.iter().map(Row::entity).collect()
    }

    /// An organisation's oldest evidence without a seal.
    pub async fn pending_evidence(
        &self,
        entity: EntityId,
        limit: u32,
    ) -> Result<Vec<PendingEvidence>, StoreError> {
        let sql = "SELECT e.id, e.entity, e.xml FROM evidence_waiting w JOIN evidence e ON e.id = w.id \
             WHERE w.entity = $1 ORDER BY w.id LIMIT $2";
        let rows = self.db.fetch_all(sql, args![entity, limit]).await?;
        let read = |r: &Row| {
            Ok(PendingEvidence { id: EntryId(r.uuid("id")?), entity: r.entity()?, xml: r.bytes("xml")? })
        };
        rows.iter().map(read).collect()
    }

    /// Keeps seals of an organisation's evidence. One that has a seal keeps its own; answers how many were stored.
    pub async fn store_evidence_seals(
        &self,
        entity: EntityId,
        seals: Vec<(EntryId, Vec<u8>)>,
    ) -> Result<u64, StoreError> {
        // The row comes from the evidence, so a seal without one cannot enter.
        const SEAL: &str = "INSERT INTO seals (id, entity, time, p7s) SELECT id, entity, CAST($2 AS BIGINT), $3 \
             FROM evidence WHERE id = $1 ON CONFLICT DO NOTHING";
        const DONE: &str = "DELETE FROM evidence_waiting WHERE entity = $1 AND id = $2";
        let now = self.clock.now();
        self.db
            .write_patiently(async move |tx| {
                let mut stored = 0;
                for (id, p7s) in seals {
                    stored += tx.execute(SEAL, args![id, now, p7s]).await?;
                    tx.execute(DONE, args![entity, id]).await?;
                }
                Ok(stored)
            })
            .await
    }

    /// Keeps one seal; `false` when there was one before, which stays.
    pub async fn store_evidence_seal(
        &self,
        entity: EntityId,
        id: EntryId,
        p7s: Vec<u8>,
    ) -> Result<bool, StoreError> {
        Ok(self.store_evidence_seals(entity, vec![(id, p7s)]).await? == 1)
    }

    /// Every evidence about a deposit, oldest first. Bounded by the number of its events.
    pub async fn evidence_of_deposit(&self, deposit: DepositId) -> Result<Vec<StoredEvidence>, StoreError> {
        let sql = "SELECT e.id, e.event, e.recipient, e.time, e.xml, s.p7s FROM evidence e \
             LEFT JOIN seals s ON s.id = e.id WHERE e.deposit = $1 ORDER BY e.time, e.id";
        let rows = self.db.fetch_all(sql, args![deposit]).await?;
        rows.iter().map(stored).collect()
    }

    /// The evidence of one entry.
    pub async fn evidence(&self, id: EntryId) -> Result<Option<StoredEvidence>, StoreError> {
        let sql = "SELECT e.id, e.event, e.recipient, e.time, e.xml, s.p7s FROM evidence e \
             LEFT JOIN seals s ON s.id = e.id WHERE e.id = $1";
        self.db.fetch_optional(sql, args![id]).await?.as_ref().map(stored).transpose()
    }
}

fn stored(row: &Row) -> Result<StoredEvidence, StoreError> {
    Ok(StoredEvidence {
        id: EntryId(row.uuid("id")?),
        event: row.parse("event")?,
        recipient: super::read::recipient(row)?,
        time: row.time("time")?,
        xml: row.bytes("xml")?,
        p7s: row.opt_bytes("p7s")?,
    })
}
