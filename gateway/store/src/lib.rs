//! Everything Sealpost keeps: metadata in SQLite or PostgreSQL, blobs in files or S3, keys apart from both.
//!
//! **Job.** Durable, transactional state behind typed operations. Every state change is written together
//! with its journal events, or not at all.
//!
//! **Exposure.** Strangers' words arrive here only as bound values that other crates have parsed.
//!
//! **Absent on purpose.** No gates, no mail formats, no signing: the store keeps what others decided.

pub mod access;
pub mod account;
pub mod blob;
pub mod crypto;
pub mod db;
mod error;
pub mod keys;
pub mod mailbox;
pub mod queue;
pub mod write;

pub use db::{Args, Db, Engine, Row, Value};
pub use error::StoreError;
pub use write::Tx;
