//! Writing a deposit: a handful of multi-row statements in one transaction.

use super::{DepositError, Deposited, NewConsignment, NewDeposit, NewPart, StoredBody};
use crate::access::INSERT_VERIFIERS;
use crate::consignment::{INSERT_OBSERVED, INSERT_REMINDERS, observed_row, reminder_rows};
use crate::db::{Args, Value};
use crate::person::{INSERT_PHONES, ON_PHONE, learned};
use crate::queue::NewOutbound;
use crate::write::Group;
use crate::{Store, StoreError, Tx, args};
use sealpost_envelope::{BlobId, DepositId, EntityId, GateMethod};

impl Store {
    /// Writes a message; answers after it is durable.
    pub async fn deposit(&self, new: NewDeposit) -> Result<Deposited, DepositError> {
        self.db.write_as(async move |tx| insert(tx, new).await).await
    }
}

async fn insert(tx: &mut Tx, mut new: NewDeposit) -> Result<Deposited, DepositError> {
    let (id, entity) = (new.id, new.entity);
    if tx.execute(INSERT_DEPOSIT, deposit_row(&new)?).await? == 0 {
        return refused(tx, &new).await;
    }
    let mut group = Group::default();
    group.insert(INSERT_TOKENS, token_rows(&new), "");
    let outbound = held_like_their_recipient(&mut new);
    let reminders = reminders(&new);
    let (phones, verifiers) = (phones(&new), verifiers(&new));
    let parts = new.parts.into_iter().map(|p| part_row(id, entity, p)).collect::<Result<_, _>>()?;
    group.insert(INSERT_PARTS, parts, "");
    let consignments =
        new.consignments.iter().map(|c| consignment_row(id, entity, c)).collect::<Result<_, _>>()?;
    group.insert(INSERT_CONSIGNMENTS, consignments, "");
    let observed = new
        .consignments
        .iter()
        .filter_map(|c| Some(observed_row(id, c.n, entity, new.created, c.observed.as_ref()?)));
    group.insert(INSERT_OBSERVED, observed.collect(), "");
    group.insert(INSERT_REMINDERS, reminders, "");
    group.insert(INSERT_PHONES, phones, ON_PHONE);
    group.insert(INSERT_VERIFIERS, verifiers, "");
    group.append(new.events);
    group.outbound(&outbound);
    tx.together(group).await?;
    Ok(Deposited::New)
}

/// A unique key refused the row: the same submission again, or a reference drawn twice.
async fn refused(tx: &mut Tx, new: &NewDeposit) -> Result<Deposited, DepositError> {
    let first = tx
        .fetch_optional("SELECT id FROM deposits WHERE idempotency = $1", args![new.idempotency.as_bytes()])
        .await?;
    if let Some(row) = first {
        return Ok(Deposited::Repeated(DepositId(row.uuid("id")?)));
    }
    let taken = tx
        .fetch_optional(
            "SELECT id FROM deposits WHERE entity = $1 AND reference = $2",
            args![new.entity, &new.reference],
        )
        .await?;
    match taken {
        Some(_) => Err(DepositError::ReferenceTaken),
        None => Err(StoreError::Conflict("the deposit id is taken").into()),
    }
}

const INSERT_DEPOSIT: &str = "INSERT INTO deposits (id, entity, account, submitter, sender, sender_key, reference, \
     idempotency, message_id, created, size, sha256, sha512, wrapped_key, key_week, meta, skeleton, skeleton_blob) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING";
/// Also for later generations ([`Store::add_token`]).
pub(crate) const INSERT_TOKENS: &str =
    "INSERT INTO tokens (hash, entity, deposit, recipient, generation, created) VALUES";
const INSERT_PARTS: &str =
    "INSERT INTO parts (deposit, part, entity, role, size, sha256, sha512, meta, body, blob) VALUES";
const INSERT_CONSIGNMENTS: &str = "INSERT INTO consignments (deposit, recipient, entity, address, address_key, \
     language, treatment, gate, expires, retention, rule, phone, identity, hold, generation) VALUES";

fn split(body: &StoredBody) -> (Option<&[u8]>, Option<BlobId>) {
    match body {
        StoredBody::Inline(bytes) => (Some(bytes), None),
        StoredBody::Blob(id) => (None, Some(*id)),
    }
}

/// JSON of values that always serialise.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::damaged("JSON", e))
}

fn deposit_row(new: &NewDeposit) -> Result<Args, StoreError> {
    let (skeleton, blob) = split(&new.skeleton);
    Ok(args![
        new.id,
        new.entity,
        new.account,
        json(&new.submitter)?,
        new.sender.as_str(),
        new.sender.key(),
        &new.reference,
        new.idempotency.as_bytes(),
        new.message_id.clone(),
        new.created,
        Value::size(new.size)?,
        new.digests.sha256.to_hex(),
        new.digests.sha512.to_hex(),
        &new.wrapped_key,
        &new.key_week,
        &new.meta,
        skeleton,
        blob,
    ])
}

fn part_row(deposit: DepositId, entity: EntityId, part: NewPart) -> Result<Args, StoreError> {
    let (body, blob) = match part.body {
        StoredBody::Inline(bytes) => (Some(bytes), None),
        StoredBody::Blob(id) => (None, Some(id)),
    };
    Ok(args![
        deposit,
        part.n,
        entity,
        part.role,
        Value::size(part.size)?,
        part.digests.sha256.to_hex(),
        part.digests.sha512.to_hex(),
        part.meta,
        body,
        blob,
    ])
}

fn consignment_row(deposit: DepositId, entity: EntityId, c: &NewConsignment) -> Result<Args, StoreError> {
    let v = &c.verdict;
    Ok(args![
        deposit,
        c.n,
        entity,
        c.address.as_str(),
        c.address.key(),
        c.language.tag(),
        v.treatment.as_str(),
        json(&v.gate)?,
        v.expires,
        v.retention,
        &v.rule,
        v.phone.clone(),
        v.identity.clone(),
        v.hold.clone(),
        // Without a token there is no generation yet; a resend starts at 1.
        i64::from(c.token_hash.is_some()),
    ])
}

/// Rows of the tokens' first generation.
fn token_rows(new: &NewDeposit) -> Vec<Args> {
    let with_token = new.consignments.iter().filter_map(|c| Some((c.n, c.token_hash?)));
    with_token.map(|(n, hash)| args![hash, new.entity, new.id, n, 1i64, new.created]).collect()
}

/// Numbers that the sender gave: remembered for the next message. One row an address, or the statement would touch
/// one row twice.
fn phones(new: &NewDeposit) -> Vec<Args> {
    let mut seen = std::collections::HashSet::new();
    let given = new.consignments.iter().filter_map(|c| Some((c, c.verdict.phone.as_deref()?)));
    given
        .filter(|(c, _)| seen.insert(c.address.key()))
        .map(|(c, phone)| learned(new.entity, &c.address, phone, new.sender.as_str(), new.created))
        .collect()
}

/// The message's password, as each recipient's verifier, where the gate asks for it.
fn verifiers(new: &NewDeposit) -> Vec<Args> {
    let Some(verifier) = &new.password else { return Vec::new() };
    let asked = |c: &&NewConsignment| {
        c.token_hash.is_some()
            && c.verdict.gate.alternatives().iter().flatten().any(|m| *m == GateMethod::Password)
    };
    let method = GateMethod::Password.to_string();
    let asked = new.consignments.iter().filter(asked);
    asked.map(|c| args![new.id, c.n, method.as_str(), new.entity, verifier.as_str()]).collect()
}

/// Reminders make sense where something waits behind a link.
fn reminders(new: &NewDeposit) -> Vec<Args> {
    let linked = new.consignments.iter().filter(|c| c.token_hash.is_some());
    linked
        .flat_map(|c| reminder_rows((new.id, c.n, new.entity), &c.remind, new.created, c.verdict.expires))
        .collect()
}

/// The outbound rows; policy's hold on a recipient holds that recipient's mail.
fn held_like_their_recipient(new: &mut NewDeposit) -> Vec<NewOutbound> {
    let mut rows = std::mem::take(&mut new.outbound);
    for consignment in new.consignments.iter().filter(|c| c.verdict.hold.is_some()) {
        for row in rows.iter_mut().filter(|r| r.recipient == Some(consignment.n) && r.hold.is_none()) {
            row.hold.clone_from(&consignment.verdict.hold);
        }
    }
    rows
}
