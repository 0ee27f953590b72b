//! Organisations of this installation, and how one becomes part of another.

mod merge;

pub use merge::{MergeError, Obstacle, Prefer, Survey, merged_tables};

use crate::{Row, Store, StoreError, args};
use sealpost_envelope::{EntityId, Timestamp};
use std::collections::HashMap;

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
    /// Of which it has become part.
    pub merged_into: Option<EntityId>,
}

fn read(row: &Row) -> Result<Entity, StoreError> {
    Ok(Entity {
        id: EntityId(row.int("id")?),
        name: row.text("name")?,
        siren: row.opt_text("siren")?,
        created: row.time("created")?,
        merged_into: row.opt_int("merged_into")?.map(EntityId),
    })
}

impl Store {
    /// The organisation of that name, made if it does not exist; a SIREN given replaces the stored one.
    pub async fn ensure_entity(&self, name: &str, siren: Option<&str>) -> Result<EntityId, StoreError> {
        if let Some(into) = self.successor(name).await? {
            return Err(StoreError::Merged { name: name.to_owned(), into });
        }
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

    /// Every organisation that is not part of another, oldest first.
    pub async fn entities(&self) -> Result<Vec<Entity>, StoreError> {
        let sql = "SELECT id, name, siren, created, merged_into FROM entities WHERE merged_into IS NULL ORDER BY id";
        self.db.fetch_all(sql, args![]).await?.iter().map(read).collect()
    }

    /// Of which organisation the one of that name has become part.
    pub async fn successor(&self, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT o.name FROM entities e JOIN entities o ON o.id = e.merged_into WHERE e.name = $1";
        let row = self.db.fetch_optional(sql, args![name]).await?;
        row.map(|r| r.text("name")).transpose()
    }

    /// Organisations that have become part of another, and of which.
    pub async fn merged_entities(&self) -> Result<HashMap<EntityId, EntityId>, StoreError> {
        let sql = "SELECT id, merged_into FROM entities WHERE merged_into IS NOT NULL";
        let rows = self.db.fetch_all(sql, args![]).await?;
        rows.iter().map(|r| Ok((EntityId(r.int("id")?), EntityId(r.int("merged_into")?)))).collect()
    }
}
