//! The way to the card listener and back: one row, two tickets, each known by its hash only.
//!
//! The statement that uses a ticket decides, so that of two browsers racing for one, one wins.

use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, DepositId, EntityId, RecipientNo, Sha256Digest, Timestamp};

/// SHA-256 of a ticket, or of the browser's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketHash(pub [u8; 32]);

impl TicketHash {
    /// Hashes it as it stands in the address or cookie.
    pub fn of(text: &str) -> Self {
        Self(Sha256Digest::of(text.as_bytes()).0)
    }
}

/// What a card is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardPurpose {
    /// A step at the gate of a consignment; with the generation of the link that was followed.
    Door(DepositId, RecipientNo, u32),
    /// Somebody of ours logs in.
    Login,
    /// Somebody of ours, logged in, binds a card to the account.
    Bind(AccountId),
}

/// A way to the card listener that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardTicket {
    /// Organisation.
    pub entity: EntityId,
    /// What for.
    pub purpose: CardPurpose,
    /// The browser that began.
    pub browser: TicketHash,
    /// Cards refused so far.
    pub refused: u32,
}

/// What leads back once a card was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardReturn {
    /// Where from.
    pub ticket: CardTicket,
    /// What the card said, JSON.
    pub facts: String,
}

const COLUMNS: &str = "entity, deposit, recipient, generation, account, browser, refused, facts";

impl CardTicket {
    /// Begins; `start` is the hash of the ticket that leads to the card listener.
    pub async fn begin(
        &self,
        db: &Db,
        start: TicketHash,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let (deposit, recipient, generation, account) = match self.purpose {
            CardPurpose::Door(deposit, n, generation) => (Some(deposit), Some(n), Some(generation), None),
            CardPurpose::Login => (None, None, None, None),
            CardPurpose::Bind(account) => (None, None, None, Some(account)),
        };
        db.execute(
            "INSERT INTO card_tickets (start, entity, deposit, recipient, generation, account, browser, refused, \
             created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)",
            args![
                &start.0,
                self.entity,
                deposit,
                recipient,
                generation,
                account,
                &self.browser.0,
                now,
                expires
            ],
        )
        .await
        .map(|_| ())
    }

    /// The living way that begins with `start`.
    pub async fn find(db: &Db, start: TicketHash, now: Timestamp) -> Result<Option<Self>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM card_tickets WHERE start = $1 AND used IS NULL AND expires > $2");
        let row = db.fetch_optional(sqlx::AssertSqlSafe(sql), args![&start.0, now]).await?;
        row.map(|r| Self::read(&r)).transpose()
    }

    /// Counts a refused card.
    pub async fn count_refusal(tx: &mut Tx, start: TicketHash) -> Result<(), StoreError> {
        tx.execute("UPDATE card_tickets SET refused = refused + 1 WHERE start = $1", args![&start.0])
            .await
            .map(|_| ())
    }

    /// A card was accepted: `back` leads back with what it said, in place of an earlier one. `false` when the way
    /// has ended meanwhile.
    pub async fn prove(
        db: &Db,
        start: TicketHash,
        back: TicketHash,
        facts: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        let touched = db
            .execute(
                "UPDATE card_tickets SET back = $2, facts = $3, back_expires = $4 \
                 WHERE start = $1 AND used IS NULL AND expires > $5",
                args![&start.0, &back.0, facts, expires, now],
            )
            .await?;
        Ok(touched == 1)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let purpose = match (row.opt_text("deposit")?, row.opt_int("account")?) {
            (Some(_), _) => CardPurpose::Door(
                DepositId(row.uuid("deposit")?),
                row.small("recipient")?,
                row.small("generation")?,
            ),
            (None, Some(account)) => CardPurpose::Bind(AccountId(account)),
            (None, None) => CardPurpose::Login,
        };
        let browser = row.bytes("browser")?;
        let browser =
            browser.try_into().map_err(|_| StoreError::damaged("card_tickets.browser", "length"))?;
        Ok(Self {
            entity: row.entity()?,
            purpose,
            browser: TicketHash(browser),
            refused: row.small("refused")?,
        })
    }
}

impl CardReturn {
    /// What `back` would give, without using it.
    pub async fn peek(db: &Db, back: TicketHash, now: Timestamp) -> Result<Option<Self>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM card_tickets WHERE back = $1 AND used IS NULL AND back_expires > $2"
        );
        let row = db.fetch_optional(sqlx::AssertSqlSafe(sql), args![&back.0, now]).await?;
        row.map(|r| Self::read(&r)).transpose()
    }

    /// Uses it up, for the browser that began only.
    pub async fn take(
        db: &Db,
        back: TicketHash,
        browser: TicketHash,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let sql = format!(
            "UPDATE card_tickets SET used = $3 WHERE back = $1 AND browser = $2 AND used IS NULL \
             AND back_expires > $3 RETURNING {COLUMNS}"
        );
        db.write(async move |tx| {
            let row = tx.fetch_optional(sqlx::AssertSqlSafe(sql), args![&back.0, &browser.0, now]).await?;
            row.map(|r| Self::read(&r)).transpose()
        })
        .await
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { ticket: CardTicket::read(row)?, facts: row.text("facts")? })
    }
}
