//! What is kept of a message beside its bytes: the walk's structure and the skeleton's length, as one JSON
//! under the deposit's key (`deposits.meta`).

use sealpost_message::Structure;
use sealpost_store::DepositRow;
use sealpost_store::content::Place;
use sealpost_store::crypto::CryptoError;
use sealpost_store::keys::DepositKey;
use serde::{Deserialize, Serialize};

/// The plaintext of `deposits.meta`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meta {
    /// What the walk learned.
    #[serde(flatten)]
    pub structure: Structure,
    /// Bytes of the skeleton.
    pub skeleton_len: u64,
    /// Subject without the sender's tags, as recipients read it.
    #[serde(default)]
    pub shown_subject: Option<String>,
}

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// It does not open under the deposit's key.
    #[error(transparent)]
    Sealed(#[from] CryptoError),
    /// It is not the JSON we write.
    #[error("the stored structure of the message cannot be read: {0}")]
    Form(#[from] serde_json::Error),
}

impl Meta {
    /// Opens a deposit's.
    pub fn open(row: &DepositRow, key: &DepositKey) -> Result<Self, MetaError> {
        Ok(serde_json::from_slice(&Place::meta(row.id).open(key, &row.meta)?)?)
    }
}
