//! Looking at the queue.

use super::row::columns;
use super::{Outbound, OutboundId, Queue, State};
use crate::{StoreError, args};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sealpost_envelope::{DepositId, EntityId};

/// Which rows to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One organisation's.
    pub entity: Option<EntityId>,
    /// In that state.
    pub state: Option<State>,
    /// One deposit's.
    pub deposit: Option<DepositId>,
    /// To that address, exactly.
    pub rcpt: Option<String>,
}

impl Queue {
    /// The rows that `filter` lets through, oldest first, as they are read.
    pub fn list(&self, filter: &Filter) -> BoxStream<'static, Result<Outbound, StoreError>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM outbound WHERE ($1 IS NULL OR entity = $1) AND ($2 IS NULL OR state = $2) ",
            "AND ($3 IS NULL OR deposit = $3) AND ($4 IS NULL OR rcpt = $4) ORDER BY created, id"
        );
        let values =
            args![filter.entity, filter.state.map(State::as_str), filter.deposit, filter.rcpt.clone()];
        self.db.stream(SQL, values).map(|row| Outbound::read(&row?)).boxed()
    }
    /// One row.
    pub async fn get(&self, id: OutboundId) -> Result<Outbound, StoreError> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM outbound WHERE id = $1");
        let row = self.db.fetch_optional(SQL, args![id.0]).await?;
        Outbound::read(&row.ok_or(StoreError::NotFound("queue row"))?)
    }
    /// A composed row's encrypted recipe.
    pub async fn recipe(&self, id: OutboundId) -> Result<Vec<u8>, StoreError> {
        const SQL: &str =
            "SELECT r.recipe FROM outbound o LEFT JOIN recipes r ON r.id = o.id WHERE o.id = $1";
        let row = self.db.fetch_optional(SQL, args![id.0]).await?;
        let recipe = row.ok_or(StoreError::NotFound("queue row"))?.opt_bytes("recipe")?;
        recipe.ok_or(StoreError::Conflict("the message has not been composed yet"))
    }
    /// Rows per state, for the administrator's page and metrics.
    pub async fn counts(&self) -> Result<Vec<(State, u64)>, StoreError> {
        const SQL: &str = "SELECT state, COUNT(*) AS n FROM outbound GROUP BY state ORDER BY state";
        let rows = self.db.fetch_all(SQL, args![]).await?;
        rows.iter().map(|r| Ok((r.parse("state")?, r.size("n")?))).collect()
    }
}
