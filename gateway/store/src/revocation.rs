//! What issuers elsewhere said last of certificates that seals and timestamps here rely on.
//!
//! **Job.** Keeps one value for each certificate, so that proofs exported years later still hold it, long after its
//! issuer has gone. It belongs to no organisation: certificates of time authorities serve all of them.
//!
//! **Failure.** A value that is older than the one kept changes nothing.

use crate::db::{Row, Value};
use crate::{Store, StoreError};
use sealpost_envelope::{Sha256Digest, Timestamp, hex};

/// A list or a responder's answer about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRevocation {
    /// SHA-256 of the certificate's DER.
    pub certificate: Sha256Digest,
    /// Whether it is a list; else a responder's answer.
    pub is_list: bool,
    /// DER.
    pub value: Vec<u8>,
    /// When it was known.
    pub this_update: Timestamp,
    /// Until when there was nothing newer.
    pub next_update: Timestamp,
    /// When it was fetched, by our clock.
    pub fetched: Timestamp,
}

fn kept(row: &Row) -> Result<KeptRevocation, StoreError> {
    let damaged = |what: &'static str| StoreError::damaged("revocation_values", what);
    let certificate = hex::decode(&row.text("certificate")?);
    let certificate = certificate.and_then(|bytes| Sha256Digest::from_slice(&bytes));
    Ok(KeptRevocation {
        certificate: certificate.ok_or_else(|| damaged("no digest"))?,
        is_list: match row.text("kind")?.as_str() {
            "crl" => true,
            "ocsp" => false,
            _ => return Err(damaged("an unknown kind")),
        },
        value: row.bytes("value")?,
        this_update: row.time("this_update")?,
        next_update: row.time("next_update")?,
        fetched: row.time("fetched")?,
    })
}

impl Store {
    /// Keeps what was said, unless something newer is kept; whether it was.
    pub async fn keep_revocation(&self, new: KeptRevocation) -> Result<bool, StoreError> {
        let sql = "INSERT INTO revocation_values (certificate, kind, value, this_update, next_update, fetched) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (certificate) DO UPDATE SET \
                   kind = excluded.kind, value = excluded.value, this_update = excluded.this_update, \
                   next_update = excluded.next_update, fetched = excluded.fetched \
                   WHERE revocation_values.this_update <= excluded.this_update";
        let values: Vec<Value> = vec![
            new.certificate.to_hex().into(),
            if new.is_list { "crl" } else { "ocsp" }.into(),
            new.value.into(),
            new.this_update.into(),
            new.next_update.into(),
            new.fetched.into(),
        ];
        Ok(self.db.execute(sql, values).await? == 1)
    }

    /// What is kept of one certificate.
    pub async fn revocation(&self, certificate: &Sha256Digest) -> Result<Option<KeptRevocation>, StoreError> {
        let sql = "SELECT certificate, kind, value, this_update, next_update, fetched FROM revocation_values \
                   WHERE certificate = $1";
        self.db.fetch_optional(sql, vec![certificate.to_hex().into()]).await?.as_ref().map(kept).transpose()
    }
}
