//! Background jobs, claimed through the store so that any number of nodes may run.
//!
//! **Job.** At most one holder of a job at a time. The fencing number grows with every change of holder;
//! work that must not be done by an overtaken holder carries it into its own transaction.
//!
//! **Failure modes.** Clocks of nodes that disagree by more than a lease let two nodes believe they hold
//! the job; the fencing number then stops the older one.

use crate::{Store, StoreError, args};
use std::time::Duration;

/// Fencing number of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub i64);

impl Store {
    /// Claims a job for `lease`, or renews it for the same holder (who keeps the number). `None` while
    /// somebody else holds it.
    pub async fn claim(&self, job: &str, holder: &str, lease: Duration) -> Result<Option<Fence>, StoreError> {
        let now = self.clock.now();
        let until = now.saturating_add(lease).map_err(|_| StoreError::OutOfRange("lease"))?;
        let values = args![job, holder, until, now];
        self.db
            .write_patiently(async move |tx| {
                let row = tx
                    .fetch_optional(
                        "INSERT INTO jobs (name, holder, until, fence) VALUES ($1, $2, $3, 1) \
                         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, \
                         fence = jobs.fence + CASE WHEN jobs.holder = excluded.holder AND jobs.until > $4 \
                         THEN 0 ELSE 1 END \
                         WHERE jobs.holder = excluded.holder OR jobs.until <= $4 RETURNING fence",
                        values,
                    )
                    .await?;
                row.map(|r| r.int("fence").map(Fence)).transpose()
            })
            .await
    }

    /// Lengthens a claim; `false` when it was lost.
    pub async fn renew(
        &self,
        job: &str,
        holder: &str,
        fence: Fence,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let until = now.saturating_add(lease).map_err(|_| StoreError::OutOfRange("lease"))?;
        let sql = "UPDATE jobs SET until = $4 WHERE name = $1 AND holder = $2 AND fence = $3 AND until > $5";
        Ok(self.db.execute(sql, args![job, holder, fence.0, until, now]).await? == 1)
    }

    /// Gives a claim back, so that another node need not wait for its end.
    pub async fn release(&self, job: &str, holder: &str, fence: Fence) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET until = 0 WHERE name = $1 AND holder = $2 AND fence = $3";
        self.db.execute(sql, args![job, holder, fence.0]).await?;
        Ok(())
    }
}
