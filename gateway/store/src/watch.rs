//! What the installation knows about itself: troubles that last, chores, and how TLS went with other servers.
//!
//! **Job.** [`Store::trouble`] and [`Store::relief`] decide, over all nodes, whether the administrator hears of a
//! trouble now: when it begins, again while it lasts, and when it ends; the mail is a queue row written in the
//! same transaction. [`Store::add_tls`] sums up sessions of a day until [`Store::take_tls`] reports them.
//!
//! **Exposure.** Names of domains and hosts in results are strangers' words, bounded by who counts them.
//!
//! **Standards.** RFC 8460 §4.

use crate::queue::{NewOutbound, insert_all};
use crate::{Store, StoreError, args};
use sealpost_envelope::Timestamp;

/// Sessions of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsCount {
    /// Days since 1970, UTC.
    pub day: i64,
    /// Recipients' domain.
    pub domain: String,
    /// The policy applied, as the report quotes it (JSON).
    pub policy: String,
    /// What failed; empty is success.
    pub fault: String,
    /// Server, of a failure.
    pub mx: String,
    /// Its address, of a failure.
    pub ip: String,
    /// How many.
    pub sessions: u64,
}

impl Store {
    /// A trouble is there. Queues `mail` when it is new, or was last told of before `again`; answers whether.
    pub async fn trouble(
        &self,
        name: &str,
        now: Timestamp,
        again: Timestamp,
        mail: NewOutbound,
    ) -> Result<bool, StoreError> {
        const AGAIN: &str = "UPDATE alerts SET told = $2 WHERE trouble = $1 AND told <= $3";
        const NEW: &str =
            "INSERT INTO alerts (trouble, since, told) VALUES ($1, $2, $2) ON CONFLICT (trouble) DO NOTHING";
        let name = name.to_owned();
        self.db
            .write(async move |tx| {
                let repeated = tx.execute(AGAIN, args![name.clone(), now, again]).await?;
                if repeated == 0 && tx.execute(NEW, args![name, now]).await? == 0 {
                    return Ok(false);
                }
                insert_all(tx, &[mail]).await?;
                Ok(true)
            })
            .await
    }

    /// A trouble is over. Queues `mail` if the administrator had been told of it; answers whether.
    pub async fn relief(&self, name: &str, mail: NewOutbound) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.db
            .write(async move |tx| {
                if tx.execute("DELETE FROM alerts WHERE trouble = $1", args![name]).await? == 0 {
                    return Ok(false);
                }
                insert_all(tx, &[mail]).await?;
                Ok(true)
            })
            .await
    }

    /// The troubles that last, and since when.
    pub async fn troubles(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = self.db.fetch_all("SELECT trouble, since FROM alerts ORDER BY trouble", args![]).await?;
        rows.iter().map(|r| Ok((r.text("trouble")?, r.time("since")?))).collect()
    }

    /// A chore was done.
    pub async fn chore_done(&self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO chores (name, done) VALUES ($1, $2) \
                           ON CONFLICT (name) DO UPDATE SET done = excluded.done";
        self.db.execute(SQL, args![name.to_owned(), now]).await.map(drop)
    }

    /// When a chore was done last.
    pub async fn chore(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let row =
            self.db.fetch_optional("SELECT done FROM chores WHERE name = $1", args![name.to_owned()]).await?;
        row.map(|r| r.time("done")).transpose()
    }

    /// Mail that was due before `due` and that nobody has taken, and mail from before `created` that is tried in vain.
    pub async fn stuck(&self, due: Timestamp, created: Timestamp) -> Result<(u64, u64), StoreError> {
        const DUE: &str = "SELECT COUNT(*) AS n FROM outbound \
                           WHERE state IN ('compose', 'ready') AND next_at < $1 AND created < $1";
        const TRIED: &str = "SELECT COUNT(*) AS n FROM outbound \
                             WHERE state = 'ready' AND attempts > 0 AND created < $1";
        let count = async |sql, at| self.db.fetch_one(sql, args![at]).await?.size("n");
        Ok((count(DUE, due).await?, count(TRIED, created).await?))
    }

    /// Adds sessions to those of their kind and day.
    pub async fn add_tls(&self, counts: Vec<TlsCount>) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO tls_results (day, domain, policy, fault, mx, ip, sessions) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7) \
                           ON CONFLICT (day, domain, policy, fault, mx, ip) \
                           DO UPDATE SET sessions = tls_results.sessions + excluded.sessions";
        if counts.is_empty() {
            return Ok(());
        }
        self.db
            .write_patiently(async move |tx| {
                for c in counts {
                    let sessions = i64::try_from(c.sessions).unwrap_or(i64::MAX);
                    tx.execute(SQL, args![c.day, c.domain, c.policy, c.fault, c.mx, c.ip, sessions]).await?;
                }
                Ok(())
            })
            .await
    }

    /// Domains that have results of a day before `day`, the oldest day first.
    pub async fn tls_due(&self, day: i64, most: u32) -> Result<Vec<(i64, String)>, StoreError> {
        const SQL: &str =
            "SELECT DISTINCT day, domain FROM tls_results WHERE day < $1 ORDER BY day, domain LIMIT $2";
        let rows = self.db.fetch_all(SQL, args![day, most]).await?;
        rows.iter().map(|r| Ok((r.int("day")?, r.text("domain")?))).collect()
    }

    /// A domain's results of a day, `most` kinds of them, the most frequent first.
    pub async fn tls_results(&self, day: i64, domain: &str, most: u32) -> Result<Vec<TlsCount>, StoreError> {
        const SQL: &str = "SELECT policy, fault, mx, ip, sessions FROM tls_results \
                           WHERE day = $1 AND domain = $2 ORDER BY sessions DESC, policy, fault, mx, ip LIMIT $3";
        let rows = self.db.fetch_all(SQL, args![day, domain.to_owned(), most]).await?;
        let read = |r: &crate::Row| {
            Ok(TlsCount {
                day,
                domain: domain.to_owned(),
                policy: r.text("policy")?,
                fault: r.text("fault")?,
                mx: r.text("mx")?,
                ip: r.text("ip")?,
                sessions: r.size("sessions")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Ends a domain's day: its results go, its reports by mail are queued. Only one caller succeeds.
    pub async fn take_tls(&self, day: i64, domain: &str, mail: Vec<NewOutbound>) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM tls_results WHERE day = $1 AND domain = $2";
        let domain = domain.to_owned();
        self.db
            .write(async move |tx| {
                if tx.execute(SQL, args![day, domain]).await? == 0 {
                    return Ok(false);
                }
                insert_all(tx, &mail).await?;
                Ok(true)
            })
            .await
    }
}
