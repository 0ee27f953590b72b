//! Telephones that answer QR codes: enrolments, challenges, and the phones themselves.
//!
//! **Job.** Each step of the protocol is one transaction in which it happens once: a key is fetched once, a secret
//! kept once, a challenge answered rightly once. Keys are known as keyed hashes; phones' secrets and open
//! challenges are sealed by the caller.
//!
//! **Absent on purpose.** What is a right answer, and how many wrong ones block: the caller judges, inside the
//! transaction.

use crate::{Row, Store, StoreError, Tx, args};
use sealpost_envelope::{AccountId, DepositId, EntityId, RecipientNo, Timestamp};
use sealpost_evidence::BuiltEvent;

/// How the owner of an account's phone begins.
const ACCOUNT: &str = "account:";

/// Who owns an account's phone, as `subject` of its rows.
pub fn account_subject(account: AccountId) -> String {
    format!("{ACCOUNT}{}", account.0)
}

/// The account that owns a phone, if one does.
pub fn account_of_subject(subject: &str) -> Option<AccountId> {
    subject.strip_prefix(ACCOUNT)?.parse().ok().map(AccountId)
}

/// A phone, enrolled.
#[derive(Debug, Clone)]
pub struct Phone {
    /// The userId it shows.
    pub id: String,
    /// Organisation.
    pub entity: EntityId,
    /// Whose it is.
    pub subject: String,
    /// Its secret, sealed.
    pub secret: Vec<u8>,
    /// Since when.
    pub enrolled: Timestamp,
    /// By which methods its person had shown who they are.
    pub vouched: String,
    /// Wrong answers in a row.
    pub failures: u32,
    /// Blocks since the last right one.
    pub blocks: u32,
    /// End of the block.
    pub blocked: Option<Timestamp>,
}

/// An enrolment to begin.
#[derive(Debug, Clone)]
pub struct NewEnrolment {
    /// Hash of its key.
    pub key: [u8; 32],
    /// Whose browser shows it.
    pub browser: [u8; 32],
    /// Organisation.
    pub entity: EntityId,
    /// Whose phone it will be.
    pub subject: String,
    /// The person's name as the phone shows it.
    pub name: String,
    /// The userId to be.
    pub phone: String,
    /// By which methods the person has shown who they are.
    pub vouched: String,
    /// What the QR code shows, sealed.
    pub sealed: Vec<u8>,
    /// End.
    pub expires: Timestamp,
}

/// An enrolment under way.
#[derive(Debug, Clone)]
pub struct EnrolmentRow {
    /// Organisation.
    pub entity: EntityId,
    /// Whose phone it will be.
    pub subject: String,
    /// The person's name.
    pub name: String,
    /// The userId to be.
    pub phone: String,
    /// By which methods the person has shown who they are.
    pub vouched: String,
    /// What the QR code shows, sealed; gone once fetched.
    pub sealed: Option<Vec<u8>>,
    /// The protocol's number.
    pub status: i64,
    /// End.
    pub expires: Timestamp,
}

/// A challenge to put.
#[derive(Debug, Clone)]
pub struct NewTiqrSession {
    /// Hash of its session key.
    pub key: [u8; 32],
    /// Whose browser shows it.
    pub browser: [u8; 32],
    /// Organisation.
    pub entity: EntityId,
    /// Whose phone must answer, where that is known.
    pub subject: Option<String>,
    /// Session key and challenge, sealed.
    pub sealed: Vec<u8>,
    /// At whose door.
    pub consignment: Option<(DepositId, RecipientNo)>,
    /// End.
    pub expires: Timestamp,
}

/// A challenge under way.
#[derive(Debug, Clone)]
pub struct TiqrSession {
    /// Hash of its session key.
    pub key: [u8; 32],
    /// Organisation.
    pub entity: EntityId,
    /// Whose phone must answer, where that is known.
    pub subject: Option<String>,
    /// Session key and challenge, sealed; gone once answered.
    pub sealed: Option<Vec<u8>>,
    /// At whose door.
    pub consignment: Option<(DepositId, RecipientNo)>,
    /// Which phone answered.
    pub phone: Option<String>,
    /// When.
    pub passed: Option<Timestamp>,
    /// End.
    pub expires: Timestamp,
}

/// What the caller makes of an answer.
#[derive(Debug, Clone)]
pub enum Judgement {
    /// Not looked at; nothing changes.
    Refused,
    /// Wrong: the phone's new count.
    Wrong {
        /// Wrong answers in a row.
        failures: u32,
        /// Blocks.
        blocks: u32,
        /// End of the block.
        blocked: Option<Timestamp>,
        /// What is journaled.
        events: Vec<BuiltEvent>,
    },
    /// Right.
    Right,
}

/// What an answer met.
#[derive(Debug, Clone)]
pub enum Met<T> {
    /// No challenge of that key waits.
    NoSession,
    /// No such phone, or not the one that is asked.
    NoPhone,
    /// Judged.
    Judged(T),
}

fn phone(row: &Row) -> Result<Phone, StoreError> {
    Ok(Phone {
        id: row.text("id")?,
        entity: row.entity()?,
        subject: row.text("subject")?,
        secret: row.bytes("secret")?,
        enrolled: row.time("enrolled")?,
        vouched: row.text("vouched")?,
        failures: row.small("failures")?,
        blocks: row.small("blocks")?,
        blocked: row.opt_time("blocked")?,
    })
}

fn enrolment(row: &Row) -> Result<EnrolmentRow, StoreError> {
    Ok(EnrolmentRow {
        entity: row.entity()?,
        subject: row.text("subject")?,
        name: row.text("name")?,
        phone: row.text("phone")?,
        vouched: row.text("vouched")?,
        sealed: row.opt_bytes("sealed")?,
        status: row.int("status")?,
        expires: row.time("expires")?,
    })
}

fn session(row: &Row) -> Result<TiqrSession, StoreError> {
    let key = row.bytes("key")?;
    let deposit = row.opt_uuid("deposit")?.map(DepositId);
    Ok(TiqrSession {
        key: key.try_into().map_err(|_| StoreError::damaged("tiqr_sessions.key", "its length"))?,
        entity: row.entity()?,
        subject: row.opt_text("subject")?,
        sealed: row.opt_bytes("sealed")?,
        consignment: match deposit {
            Some(deposit) => Some((deposit, row.small("recipient")?)),
            None => None,
        },
        phone: row.opt_text("phone")?,
        passed: row.opt_time("passed")?,
        expires: row.time("expires")?,
    })
}

const PHONE: &str =
    "SELECT id, entity, subject, secret, enrolled, vouched, failures, blocks, blocked FROM tiqr_phones";
const ENROLMENT: &str = "entity, subject, name, phone, vouched, sealed, status, expires";
const SESSION: &str =
    "SELECT key, entity, subject, sealed, deposit, recipient, phone, passed, expires FROM tiqr_sessions";

macro_rules! select {
    ($columns:expr, $tail:literal) => {
        sqlx::AssertSqlSafe(format!("{} {}", $columns, $tail))
    };
}

impl Store {
    /// The phone of a person.
    pub async fn phone_of(&self, entity: EntityId, subject: &str) -> Result<Option<Phone>, StoreError> {
        let sql = select!(PHONE, "WHERE entity = $1 AND subject = $2");
        self.db.fetch_optional(sql, args![entity, subject]).await?.as_ref().map(phone).transpose()
    }

    /// Forgets the phone of a person, and enrolments under way; `false` when there was no phone.
    pub async fn forget_phone(
        &self,
        entity: EntityId,
        subject: String,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        self.db
            .write(async move |tx| {
                let gone = drop_phone(tx, entity, &subject).await?;
                if gone {
                    tx.append(events).await?;
                }
                Ok(gone)
            })
            .await
    }

    /// Begins an enrolment; another one of the same browser ends.
    pub async fn begin_enrolment(&self, new: NewEnrolment) -> Result<(), StoreError> {
        self.db
            .write(async move |tx| {
                let old = "DELETE FROM tiqr_enrolments WHERE browser = $1";
                tx.execute(old, args![new.browser]).await?;
                let sql = "INSERT INTO tiqr_enrolments (key, browser, entity, subject, name, phone, vouched, \
                     sealed, status, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 2, $9)";
                let values = args![
                    new.key,
                    new.browser,
                    new.entity,
                    new.subject,
                    new.name,
                    new.phone,
                    new.vouched,
                    new.sealed,
                    new.expires
                ];
                tx.execute(sql, values).await.map(|_| ())
            })
            .await
    }

    /// The enrolment that a browser shows.
    pub async fn enrolment_of(&self, browser: [u8; 32]) -> Result<Option<EnrolmentRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {ENROLMENT} FROM tiqr_enrolments WHERE browser = $1"));
        self.db.fetch_optional(sql, args![browser]).await?.as_ref().map(enrolment).transpose()
    }

    /// A phone fetches the metadata: once, and from then on `secret` is what it must show.
    pub async fn retrieve_enrolment(
        &self,
        key: [u8; 32],
        secret: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<EnrolmentRow>, StoreError> {
        let sql = format!(
            "UPDATE tiqr_enrolments SET status = 3, secret = $2, sealed = NULL \
             WHERE key = $1 AND status = 2 AND expires > $3 RETURNING {ENROLMENT}"
        );
        self.db
            .write(async move |tx| {
                let row = tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![key, secret, now]).await?;
                row.as_ref().map(enrolment).transpose()
            })
            .await
    }

    /// A phone sends its secret, sealed by `seal` for the userId: only now it takes the place of a former
    /// phone. `None` when no enrolment waits for it.
    pub async fn finish_enrolment(
        &self,
        secret: [u8; 32],
        now: Timestamp,
        finish: impl FnOnce(&EnrolmentRow) -> Result<(Vec<u8>, Vec<BuiltEvent>), StoreError> + Send + 'static,
    ) -> Result<Option<EnrolmentRow>, StoreError> {
        let sql = format!(
            "UPDATE tiqr_enrolments SET status = 5, secret = NULL \
             WHERE secret = $1 AND status = 3 AND expires > $2 RETURNING {ENROLMENT}"
        );
        self.db
            .write(async move |tx| {
                let found = tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![secret, now]).await?;
                let Some(row) = found.as_ref().map(enrolment).transpose()? else { return Ok(None) };
                let (sealed, events) = finish(&row)?;
                keep_phone(tx, &row, sealed, now).await?;
                tx.append(events).await?;
                Ok(Some(row))
            })
            .await
    }

    /// Puts a challenge; a former one of the same browser ends.
    pub async fn begin_tiqr(&self, new: NewTiqrSession) -> Result<(), StoreError> {
        self.db
            .write(async move |tx| {
                tx.execute("DELETE FROM tiqr_sessions WHERE browser = $1", args![new.browser]).await?;
                let (deposit, recipient) = new.consignment.unzip();
                let sql = "INSERT INTO tiqr_sessions (key, browser, entity, subject, sealed, deposit, recipient, \
                     expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
                let values = args![
                    new.key, new.browser, new.entity, new.subject, new.sealed, deposit, recipient, new.expires
                ];
                tx.execute(sql, values).await.map(|_| ())
            })
            .await
    }

    /// The challenge that a browser shows.
    pub async fn tiqr_of(&self, browser: [u8; 32]) -> Result<Option<TiqrSession>, StoreError> {
        let sql = select!(SESSION, "WHERE browser = $1");
        self.db.fetch_optional(sql, args![browser]).await?.as_ref().map(session).transpose()
    }

    /// Ends a challenge that nobody has answered.
    pub async fn end_tiqr(&self, key: [u8; 32], now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE tiqr_sessions SET expires = $2 WHERE key = $1 AND passed IS NULL AND expires > $2";
        self.db.execute(sql, args![key, now]).await.map(drop)
    }

    /// Takes a passed challenge away, for the one request that goes on with it: the phone that answered.
    pub async fn take_tiqr(&self, browser: [u8; 32], now: Timestamp) -> Result<Option<Phone>, StoreError> {
        self.db
            .write(async move |tx| {
                let sql = "DELETE FROM tiqr_sessions WHERE browser = $1 AND passed IS NOT NULL AND expires > $2 \
                     RETURNING phone";
                let Some(row) = tx.fetch_optional(sql, args![browser, now]).await? else { return Ok(None) };
                let sql = select!(PHONE, "WHERE id = $1");
                tx.fetch_optional(sql, args![row.text("phone")?]).await?.as_ref().map(phone).transpose()
            })
            .await
    }

    /// An answer for a challenge. `judge` sees both sides and decides, inside the transaction.
    pub async fn answer_tiqr<T: Send + 'static>(
        &self,
        key: [u8; 32],
        user: String,
        now: Timestamp,
        passed_until: Timestamp,
        judge: impl FnOnce(&TiqrSession, &Phone) -> Result<(Judgement, T), StoreError> + Send + 'static,
    ) -> Result<Met<T>, StoreError> {
        self.db
            .write(async move |tx| {
                // What is judged is what was counted: two nodes shall not both see the last try.
                tx.alone(&format!("tiqr {user}")).await?;
                let sql = select!(SESSION, "WHERE key = $1 AND passed IS NULL AND expires > $2");
                let found = tx.fetch_optional(sql, args![key, now]).await?;
                let Some(session) = found.as_ref().map(session).transpose()? else {
                    return Ok(Met::NoSession);
                };
                let found = tx.fetch_optional(select!(PHONE, "WHERE id = $1"), args![user]).await?;
                let asked = |p: &Phone| match &session.subject {
                    Some(subject) => p.entity == session.entity && *subject == p.subject,
                    // At the login the phone says whose it is, in whichever organisation; whoever only receives
                    // has nothing to log in to.
                    None => p.subject.starts_with(ACCOUNT),
                };
                let Some(phone) = found.as_ref().map(phone).transpose()?.filter(asked) else {
                    return Ok(Met::NoPhone);
                };
                let (judgement, told) = judge(&session, &phone)?;
                settle(tx, &session, &phone, judgement, now, passed_until).await?;
                Ok(Met::Judged(told))
            })
            .await
    }
}

async fn settle(
    tx: &mut Tx,
    session: &TiqrSession,
    phone: &Phone,
    judgement: Judgement,
    now: Timestamp,
    passed_until: Timestamp,
) -> Result<(), StoreError> {
    match judgement {
        Judgement::Refused => Ok(()),
        Judgement::Wrong { failures, blocks, blocked, events } => {
            let sql = "UPDATE tiqr_phones SET failures = $2, blocks = $3, blocked = $4 WHERE id = $1";
            tx.execute(sql, args![&phone.id, failures, blocks, blocked]).await?;
            tx.append(events).await.map(drop)
        }
        Judgement::Right => {
            let sql =
                "UPDATE tiqr_phones SET failures = 0, blocks = 0, blocked = NULL, used = $2 WHERE id = $1";
            tx.execute(sql, args![&phone.id, now]).await?;
            let sql = "UPDATE tiqr_sessions SET passed = $2, phone = $3, sealed = NULL, expires = $4 WHERE key = $1";
            tx.execute(sql, args![session.key, now, &phone.id, passed_until]).await.map(drop)
        }
    }
}

/// Forgets the phone of a person, and enrolments under way, which would bring one back; `false` when there was no phone.
pub async fn drop_phone(tx: &mut Tx, entity: EntityId, subject: &str) -> Result<bool, StoreError> {
    tx.execute("DELETE FROM tiqr_enrolments WHERE entity = $1 AND subject = $2", args![entity, subject])
        .await?;
    let gone = tx
        .execute("DELETE FROM tiqr_phones WHERE entity = $1 AND subject = $2", args![entity, subject])
        .await?;
    Ok(gone > 0)
}

/// One phone a person: the former one goes.
async fn keep_phone(
    tx: &mut Tx,
    row: &EnrolmentRow,
    sealed: Vec<u8>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let old = "DELETE FROM tiqr_phones WHERE entity = $1 AND subject = $2";
    tx.execute(old, args![row.entity, &row.subject]).await?;
    let sql = "INSERT INTO tiqr_phones (id, entity, subject, secret, enrolled, vouched, failures, blocks) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, 0)";
    let values = args![&row.phone, row.entity, &row.subject, sealed, now, &row.vouched];
    tx.execute(sql, values).await.map(|_| ())
}
