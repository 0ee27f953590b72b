//! Verifiers that a gate method keeps for one consignment, such as the message's password.

use crate::{Db, StoreError, Tx, args};
use sealpost_envelope::{DepositId, EntityId, GateMethod, RecipientNo};

/// Verifiers written with a deposit.
pub(crate) const INSERT_VERIFIERS: &str =
    "INSERT INTO access_secret (deposit, recipient, method, entity, verifier) VALUES";

/// Keeps a verifier, in place of a former one.
pub async fn set_verifier(
    tx: &mut Tx,
    entity: EntityId,
    (deposit, recipient): (DepositId, RecipientNo),
    method: &GateMethod,
    verifier: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO access_secret (deposit, recipient, method, entity, verifier) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (deposit, recipient, method) DO UPDATE SET verifier = excluded.verifier",
        args![deposit, recipient, method.to_string(), entity, verifier],
    )
    .await
    .map(|_| ())
}

/// The verifier kept, if any.
pub async fn verifier(
    db: &Db,
    deposit: DepositId,
    recipient: RecipientNo,
    method: &GateMethod,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT verifier FROM access_secret WHERE deposit = $1 AND recipient = $2 AND method = $3";
    let row = db.fetch_optional(sql, args![deposit, recipient, method.to_string()]).await?;
    row.map(|r| r.text("verifier")).transpose()
}
