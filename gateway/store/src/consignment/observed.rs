//! What policy would have done while rules are only observed.
//!
//! **Job.** A row for each recipient, written with the deposit. The administrator is told of each once: marking the rows
//! and queueing the mail are one transaction, whatever number of nodes look.
//!
//! **Exposure.** None: administrators and auditors read it. Content and subjects are not in it.

use crate::db::{Args, AssertSqlSafe, Row, Value};
use crate::queue::{NewOutbound, insert_all};
use crate::{Store, StoreError, args};
use sealpost_envelope::{
    DepositId, EmailAddress, EntityId, Observed, RecipientNo, Reference, Timestamp, Treatment, Wording,
};

/// For `write.rs`.
pub(crate) const INSERT_OBSERVED: &str =
    "INSERT INTO observed (deposit, recipient, entity, time, treatment, rule, hold, hold_fr) VALUES";

pub(crate) fn row(deposit: DepositId, n: RecipientNo, entity: EntityId, at: Timestamp, o: &Observed) -> Args {
    let (en, fr) = o.hold.clone().map(|w| (w.en, w.fr)).unzip();
    args![deposit, n, entity, at, o.treatment.as_str(), &o.rule, en, fr]
}

fn observed(row: &Row) -> Result<Observed, StoreError> {
    let hold = row.opt_text("hold")?.zip(row.opt_text("hold_fr")?);
    Ok(Observed {
        treatment: row.parse("treatment")?,
        rule: row.text("rule")?,
        hold: hold.map(|(en, fr)| Wording { fr, en }),
    })
}

/// Which observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observations {
    /// Those that the administrator was told of at this moment.
    Told(Timestamp),
    /// Those of an organisation since then; of all of them without one.
    Since(Option<EntityId>, Timestamp),
}

impl Observations {
    fn filter(self) -> (&'static str, Args) {
        match self {
            Self::Told(at) => ("o.told = $1", args![at]),
            Self::Since(None, since) => ("o.time >= $1", args![since]),
            Self::Since(Some(entity), since) => ("o.time >= $1 AND o.entity = $2", args![since, entity]),
        }
    }
}

/// How often the same would have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedCount {
    /// Treatment.
    pub treatment: Treatment,
    /// The rule that decided.
    pub rule: String,
    /// The message would have waited for its sender.
    pub held: bool,
    /// Recipients.
    pub recipients: u64,
}

/// One recipient's mail that somebody would have noticed a difference in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Its deposit.
    pub reference: Reference,
    /// When it came.
    pub time: Timestamp,
    /// From.
    pub sender: EmailAddress,
    /// To.
    pub recipient: EmailAddress,
    /// What would have been done.
    pub observed: Observed,
}

impl Store {
    /// Marks all that the administrator has not heard of, and queues `mail` about it; answers whether there was any.
    pub async fn tell_observed(&self, now: Timestamp, mail: NewOutbound) -> Result<bool, StoreError> {
        self.db
            .write(async move |tx| {
                if tx.execute("UPDATE observed SET told = $1 WHERE told IS NULL", args![now]).await? == 0 {
                    return Ok(false);
                }
                insert_all(tx, &[mail]).await?;
                Ok(true)
            })
            .await
    }

    /// Whether there is something that the administrator has not heard of.
    pub async fn untold_observed(&self) -> Result<bool, StoreError> {
        let sql = "SELECT deposit FROM observed WHERE told IS NULL LIMIT 1";
        Ok(self.db.fetch_optional(sql, args![]).await?.is_some())
    }

    /// What would have been done about one recipient, if it was only observed.
    pub async fn observed_of(
        &self,
        deposit: DepositId,
        n: RecipientNo,
    ) -> Result<Option<Observed>, StoreError> {
        let sql = "SELECT treatment, rule, hold, hold_fr FROM observed WHERE deposit = $1 AND recipient = $2";
        let row = self.db.fetch_optional(sql, args![deposit, n]).await?;
        row.map(|row| observed(&row)).transpose()
    }

    /// What would have been done about each recipient of a deposit, where it was only observed.
    pub async fn observed_in(&self, deposit: DepositId) -> Result<Vec<(RecipientNo, Observed)>, StoreError> {
        let sql = "SELECT recipient, treatment, rule, hold, hold_fr FROM observed WHERE deposit = $1 \
             ORDER BY recipient";
        let rows = self.db.fetch_all(sql, args![deposit]).await?;
        rows.iter().map(|row| Ok((row.small("recipient")?, observed(row)?))).collect()
    }

    /// Something was found later for which it would have been stopped; the administrator is told (again).
    pub async fn observe_finding(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        why: Wording,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE observed SET hold = $3, hold_fr = $4, told = NULL WHERE deposit = $1 AND recipient = $2 \
             AND (hold IS NULL OR hold <> $3)";
        self.db.execute(sql, args![deposit, n, why.en, why.fr]).await.map(drop)
    }

    /// How often what would have been done, strongest first.
    pub async fn observed_counts(
        &self,
        which: Observations,
        limit: u32,
    ) -> Result<Vec<ObservedCount>, StoreError> {
        let (filter, mut values) = which.filter();
        values.push(Value::from(limit));
        let sql = format!(
            "SELECT o.treatment AS treatment, o.rule AS rule, COUNT(o.hold) AS holds, COUNT(*) AS n \
             FROM observed o WHERE {filter} GROUP BY o.treatment, o.rule, o.hold IS NULL \
             ORDER BY n DESC, o.treatment, o.rule LIMIT ${}",
            values.len()
        );
        let rows = self.db.fetch_all(AssertSqlSafe(sql), values).await?;
        let mut counts = rows
            .iter()
            .map(|row| {
                Ok(ObservedCount {
                    treatment: row.parse("treatment")?,
                    rule: row.text("rule")?,
                    held: row.int("holds")? > 0,
                    recipients: row.size("n")?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        counts.sort_by_key(|c| std::cmp::Reverse((c.treatment, c.held)));
        Ok(counts)
    }

    /// Mail that would have waited, been refused, or reached its recipient in another shape; newest first.
    pub async fn observations(
        &self,
        which: Observations,
        limit: u32,
    ) -> Result<Vec<Observation>, StoreError> {
        let (filter, mut values) = which.filter();
        values.push(Value::from(limit));
        let sql = format!(
            "SELECT o.time AS time, o.treatment AS treatment, o.rule AS rule, o.hold AS hold, o.hold_fr AS hold_fr, \
             d.reference AS reference, d.sender AS sender, c.address AS address FROM observed o \
             JOIN deposits d ON d.id = o.deposit \
             JOIN consignments c ON c.deposit = o.deposit AND c.recipient = o.recipient \
             WHERE {filter} AND (o.hold IS NOT NULL OR o.treatment IN ('encrypt', 'link', 'notify', 'refuse')) \
             ORDER BY o.time DESC, o.deposit, o.recipient LIMIT ${}",
            values.len()
        );
        let rows = self.db.fetch_all(AssertSqlSafe(sql), values).await?;
        rows.iter()
            .map(|row| {
                let reference = row.text("reference")?;
                Ok(Observation {
                    reference: Reference::parse(&reference)
                        .ok_or_else(|| StoreError::damaged("reference", &reference))?,
                    time: row.time("time")?,
                    sender: row.parse("sender")?,
                    recipient: row.parse("address")?,
                    observed: observed(row)?,
                })
            })
            .collect()
    }
}
