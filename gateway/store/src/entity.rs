//! Organisations of this installation.

use crate::{Store, StoreError, args};
use sealpost_envelope::{EntityId, Timestamp};

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Identifier.
    pub id: EntityId,
    /// Name; unique.
    pub name: String,
    /// SIREN or another national identifier.
    pub siren: Option<String>,
    /// Since when.
    pub created: Timestamp,
}

impl Store {
    /// The organisation of that name, made if it does not exist; a SIREN given replaces the stored one.
    pub async fn ensure_entity(&self, name: &str, siren: Option<&str>) -> Result<EntityId, StoreError> {
        let found =
            self.db.fetch_optional("SELECT id, siren FROM entities WHERE name = $1", args![name]).await?;
        if let Some(row) = found
            && (siren.is_none() || row.opt_text("siren")?.as_deref() == siren)
        {
            return row.int("id").map(EntityId);
        }
        let values = args![name, siren, self.clock.now()];
        self.db
            .write(async move |tx| {
                let sql = "INSERT INTO entities (name, siren, created) VALUES ($1, $2, $3) ON CONFLICT (name) \
                     DO UPDATE SET siren = COALESCE(excluded.siren, entities.siren) RETURNING id";
                tx.fetch_one(sql, values).await?.int("id").map(EntityId)
            })
            .await
    }

    /// Every organisation, oldest first.
    pub async fn entities(&self) -> Result<Vec<Entity>, StoreError> {
        let rows =
            self.db.fetch_all("SELECT id, name, siren, created FROM entities ORDER BY id", args![]).await?;
        rows.iter()
            .map(|r| {
                Ok(Entity {
                    id: EntityId(r.int("id")?),
                    name: r.text("name")?,
                    siren: r.opt_text("siren")?,
                    created: r.time("created")?,
                })
            })
            .collect()
    }
}
