//! Two organisations become one: everything of the first belongs to the second from then on.
//!
//! **Job.** [`Store::survey_merge`] counts what would move and names what stands in the way; [`Store::merge_entity`]
//! looks again and moves it, in one transaction: a merge that breaks off has not begun. The columns say whose a row is
//! now. What was journaled and sealed keeps every byte: an entry names the organisation that acted then, and
//! `Store::verify_rows` knows by `entities.merged_into` whose its row became.
//!
//! **Exposure.** None: the administrator's command, with the gateway stopped.
//!
//! **Failure modes.** [`MergeError`]; nothing has moved then. A table with a column `entity` that is missing below
//! fails a test, which reads the schema.

use super::Entity;
use crate::db::AssertSqlSafe;
use crate::{Args, Row, Store, StoreError, Tx, args, journal};
use sealpost_envelope::{EntityId, Timestamp};
use sealpost_evidence::BuiltEvent;

/// Tables whose rows change hands as they are.
const MOVED: [&str; 47] = [
    "access_challenge",
    "access_file",
    "access_grant",
    "access_secret",
    "access_sending",
    "account_addresses",
    "account_backup_codes",
    "account_cards",
    "account_links",
    "account_profiles",
    "account_requests",
    "accounts",
    "api_requests",
    "api_tokens",
    "app_passwords",
    "consignments",
    "contact_groups",
    "contacts",
    "deposits",
    "drafts",
    "evidence",
    "federated_subjects",
    "folders",
    "invitations",
    "journal",
    "legal_holds",
    "mail_bodies",
    "mail_expunged",
    "mail_headers",
    "mails",
    "observed",
    "otp_tokens",
    "outbound",
    "parts",
    "people",
    "provisioned_groups",
    "provisioned_members",
    "recipient_notes",
    "reminders",
    "returned",
    "scans",
    "seals",
    "sent_copies",
    "sent_looked",
    "sms_messages",
    "tiqr_phones",
    "tokens",
];
/// Uploads too, with their pieces.
const UPLOADS: [&str; 2] = ["upload_segments", "uploads"];
/// Things of some minutes, and sessions: who was logged in logs in again.
const ENDED: [&str; 6] = [
    "card_tickets",
    "federated_requests",
    "staff_challenges",
    "staff_sessions",
    "tiqr_enrolments",
    "tiqr_sessions",
];
/// Must be empty: what waits for a seal waits for its own organisation's.
const WAITING: &str = "evidence_waiting";
/// Of each kind of obstacle so many are named.
const NAMED: i64 = 20;

/// Every table that a merge treats.
pub fn merged_tables() -> impl Iterator<Item = &'static str> {
    MOVED.into_iter().chain(UPLOADS).chain(ENDED).chain([WAITING])
}

/// Whose knowledge counts where both know a recipient differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// That of the organisation that goes on.
    Into,
    /// That of the one that is merged.
    From,
}

/// What stands in the way of a merge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A gateway is at work.
    #[error("a gateway is running on the database ({0}): stop it first")]
    Running(String),
    /// Seals are outstanding.
    #[error("{0} pieces of evidence of {1:?} wait for its seal: let the gateway make them first")]
    Unsealed(u64, String),
    /// References are unique within an organisation, and stand in evidence.
    #[error("both have a deposit with the reference {0}, which cannot change")]
    Reference(String),
    /// A recipient is known to both, with another number or identity.
    #[error("both know {0}, with different telephone numbers or identities: say whose count (--prefer)")]
    Recipient(String),
    /// Serial numbers of tokens are unique within an organisation.
    #[error("both have a token with the serial number {0}: remove one (`user token remove`)")]
    Token(String),
    /// A card logs one account in.
    #[error("the card {0} is bound to an account of both: take it off one of them, on the page Security")]
    Card(String),
    /// Groups are found by name.
    #[error("both have a group {0:?}, and there is one named {0:?} with the former organisation's name too")]
    Group(String),
}

/// Why nothing was merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// No organisation has this name.
    #[error("no organisation is named {0:?} in the database")]
    Unknown(String),
    /// The same twice.
    #[error("an organisation cannot be merged into itself")]
    Same,
    /// It is part of another already.
    #[error("{0:?} was merged before")]
    Merged(String),
    /// It cannot be done as things are.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Obstacles(Vec<Obstacle>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a merge comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Becomes part …
    pub from: Entity,
    /// … of this one.
    pub into: Entity,
    /// Rows that change hands, by table; without those that there are none of.
    pub moves: Vec<(&'static str, u64)>,
    /// Recipients known to both, whose particulars become one.
    pub joined: u64,
    /// Recipients' telephones enrolled with both: the enrolment with `into` stays.
    pub phones: u64,
    /// Rows of some minutes that end, sessions among them.
    pub ended: u64,
    /// What stands in the way.
    pub obstacles: Vec<Obstacle>,
}

/// Recipients that both know.
const PAIRS: &str =
    "FROM people f JOIN people p ON p.address_key = f.address_key WHERE f.entity = $1 AND p.entity = $2";
/// Their telephones, where both have one.
const PHONES: &str = "entity = $1 AND subject IN (SELECT subject FROM tiqr_phones WHERE entity = $2)";

impl Store {
    /// What a merge would move, and what stands in its way. Writes nothing.
    pub async fn survey_merge(
        &self,
        from: &str,
        into: &str,
        prefer: Option<Prefer>,
    ) -> Result<Survey, MergeError> {
        let (from, into, now) = (from.to_owned(), into.to_owned(), self.clock.now());
        self.db.write_as(async move |tx| survey(tx, &from, &into, prefer, now).await).await
    }

    /// Merges, with the events that say so.
    pub async fn merge_entity(
        &self,
        from: &str,
        into: &str,
        prefer: Option<Prefer>,
        events: Vec<BuiltEvent>,
    ) -> Result<Survey, MergeError> {
        let (from, into, now) = (from.to_owned(), into.to_owned(), self.clock.now());
        self.db
            .write_as(async move |tx| {
                let found = survey(tx, &from, &into, prefer, now).await?;
                if !found.obstacles.is_empty() {
                    return Err(MergeError::Obstacles(found.obstacles));
                }
                join_people(tx, (found.from.id, found.into.id), prefer, now).await?;
                carry_over(tx, &found).await?;
                tx.append(events).await?;
                Ok(found)
            })
            .await
    }
}

async fn survey(
    tx: &mut Tx,
    from: &str,
    into: &str,
    prefer: Option<Prefer>,
    now: Timestamp,
) -> Result<Survey, MergeError> {
    let (from, into) = (named(tx, from).await?, named(tx, into).await?);
    if from.id == into.id {
        return Err(MergeError::Same);
    }
    let (one, both) = (args![from.id], args![from.id, into.id]);
    let mut moves = Vec::new();
    for table in MOVED.into_iter().chain(UPLOADS) {
        match count(tx, format!("FROM {table} WHERE entity = $1"), one.clone()).await? {
            0 => {}
            n => moves.push((table, n)),
        }
    }
    let mut ended = 0;
    for table in ENDED {
        ended += count(tx, format!("FROM {table} WHERE entity = $1"), one.clone()).await?;
    }
    let joined = count(tx, PAIRS.to_owned(), both.clone()).await?;
    let phones = count(tx, format!("FROM tiqr_phones WHERE {PHONES}"), both).await?;
    let obstacles = obstacles(tx, &from, &into, prefer, now).await?;
    Ok(Survey { from, into, moves, joined, phones, ended, obstacles })
}

async fn named(tx: &mut Tx, name: &str) -> Result<Entity, MergeError> {
    let sql = "SELECT id, name, siren, created, merged_into FROM entities WHERE name = $1";
    let row = tx.fetch_optional(sql, args![name]).await?;
    let entity = super::read(&row.ok_or_else(|| MergeError::Unknown(name.to_owned()))?)?;
    match entity.merged_into {
        Some(_) => Err(MergeError::Merged(entity.name)),
        None => Ok(entity),
    }
}

async fn count(tx: &mut Tx, what: String, args: Args) -> Result<u64, StoreError> {
    let sql = AssertSqlSafe(format!("SELECT COUNT(*) AS n {what}"));
    tx.fetch_one(sql, args).await?.size("n")
}

async fn obstacles(
    tx: &mut Tx,
    from: &Entity,
    into: &Entity,
    prefer: Option<Prefer>,
    now: Timestamp,
) -> Result<Vec<Obstacle>, StoreError> {
    let mut found = Vec::new();
    let running =
        "SELECT holder AS what FROM jobs WHERE until > $1 AND name IN ('log', 'housekeeping') LIMIT 1";
    found.extend(texts(&tx.fetch_all(running, args![now]).await?)?.map(Obstacle::Running));
    match count(tx, format!("FROM {WAITING} WHERE entity = $1"), args![from.id]).await? {
        0 => {}
        n => found.push(Obstacle::Unsealed(n, from.name.clone())),
    }
    let both = args![from.id, into.id, NAMED];
    const REFERENCES: &str = "SELECT f.reference AS what FROM deposits f JOIN deposits p ON p.reference = f.reference \
         WHERE f.entity = $1 AND p.entity = $2 ORDER BY 1 LIMIT $3";
    found.extend(texts(&tx.fetch_all(REFERENCES, both.clone()).await?)?.map(Obstacle::Reference));
    const TOKENS: &str = "SELECT f.serial AS what FROM otp_tokens f JOIN otp_tokens p ON p.serial = f.serial \
         WHERE f.entity = $1 AND p.entity = $2 ORDER BY 1 LIMIT $3";
    found.extend(texts(&tx.fetch_all(TOKENS, both.clone()).await?)?.map(Obstacle::Token));
    const CARDS: &str = "SELECT f.identity AS what FROM account_cards f JOIN account_cards p ON p.identity = f.identity \
         WHERE f.entity = $1 AND p.entity = $2 ORDER BY 1 LIMIT $3";
    found.extend(texts(&tx.fetch_all(CARDS, both.clone()).await?)?.map(Obstacle::Card));
    if prefer.is_none() {
        let sql = format!(
            "SELECT f.address AS what {PAIRS} AND (f.phone <> p.phone OR f.identity <> p.identity) ORDER BY 1 LIMIT $3"
        );
        let rows = tx.fetch_all(AssertSqlSafe(sql), both).await?;
        found.extend(texts(&rows)?.map(Obstacle::Recipient));
    }
    const GROUPS: &str = "SELECT f.name AS what FROM provisioned_groups f \
         JOIN provisioned_groups p ON p.name_key = f.name_key \
         JOIN provisioned_groups o ON o.name_key = f.name_key || $3 AND o.entity IN ($1, $2) \
         WHERE f.entity = $1 AND p.entity = $2 ORDER BY 1";
    let rows = tx.fetch_all(GROUPS, args![from.id, into.id, renamed(from).to_lowercase()]).await?;
    found.extend(texts(&rows)?.map(Obstacle::Group));
    Ok(found)
}

fn texts(rows: &[Row]) -> Result<impl Iterator<Item = String>, StoreError> {
    let texts: Vec<String> = rows.iter().map(|r| r.text("what")).collect::<Result<_, _>>()?;
    Ok(texts.into_iter())
}

/// What the name of a group gets that both have.
fn renamed(from: &Entity) -> String {
    format!(" ({})", from.name)
}

/// Of recipients known to both, one row stays, and knows what either knew. A number goes with what is known of it.
async fn join_people(
    tx: &mut Tx,
    (from, into): (EntityId, EntityId),
    prefer: Option<Prefer>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (a, b) = if prefer == Some(Prefer::From) { ("f", "p") } else { ("p", "f") };
    let first = |column: &str| format!("{column} = COALESCE({a}.{column}, {b}.{column})");
    let of_number = |column: &str| {
        format!("{column} = CASE WHEN {a}.phone IS NULL THEN {b}.{column} ELSE {a}.{column} END")
    };
    let join = format!(
        "UPDATE people AS p SET {}, {}, {}, {}, {}, phone_refused = CASE WHEN p.phone = f.phone \
         THEN COALESCE(p.phone_refused, f.phone_refused) WHEN {a}.phone IS NULL THEN {b}.phone_refused \
         ELSE {a}.phone_refused END, shared = (p.shared OR f.shared), changed = $3 \
         FROM people AS f WHERE p.entity = $2 AND f.entity = $1 AND f.address_key = p.address_key",
        first("name"),
        first("language"),
        first("identity"),
        first("phone"),
        of_number("phone_source"),
    );
    tx.execute(AssertSqlSafe(join), args![from, into, now]).await?;
    const GONE: &str = "DELETE FROM people WHERE entity = $1 AND address_key IN \
         (SELECT p.address_key FROM people p WHERE p.entity = $2)";
    tx.execute(GONE, args![from, into]).await?;
    Ok(())
}

async fn carry_over(tx: &mut Tx, found: &Survey) -> Result<(), StoreError> {
    let (from, into) = (found.from.id, found.into.id);
    let sql = format!("DELETE FROM tiqr_phones WHERE {PHONES}");
    tx.execute(AssertSqlSafe(sql), args![from, into]).await?;
    const RENAME: &str = "UPDATE provisioned_groups SET name = name || $3, name_key = name_key || $4 \
         WHERE entity = $1 AND name_key IN (SELECT p.name_key FROM provisioned_groups p WHERE p.entity = $2)";
    let more = renamed(&found.from);
    tx.execute(RENAME, args![from, into, &more, more.to_lowercase()]).await?;
    for table in ENDED {
        tx.execute(AssertSqlSafe(format!("DELETE FROM {table} WHERE entity = $1")), args![from]).await?;
    }
    for table in MOVED.into_iter().chain(UPLOADS) {
        let sql = format!("UPDATE {table} SET entity = $2 WHERE entity = $1");
        tx.execute(AssertSqlSafe(sql), args![from, into]).await?;
    }
    // Numbers of words belong to an organisation: all are entered again.
    journal::forget(tx).await?;
    // Whatever had become part of it follows.
    let sql = "UPDATE entities SET merged_into = $2 WHERE id = $1 OR merged_into = $1";
    tx.execute(sql, args![from, into]).await?;
    Ok(())
}
