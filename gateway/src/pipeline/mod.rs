//! The story of one message, stage by stage; each module is one stage (docs/flow.md).
//!
//! ```text
//! submission ─▶ intake ─▶ verdict ─▶ deposit ─▶ 250
//!                                       │
//!              seal (evidence, log) ◀───┼───▶ composition ─▶ handover ─▶ receipts
//!                                       │
//!                                       └───▶ housekeeping (end of access, end of content)
//! ```
//!
//! Stages know the ones before them by their results only; nothing here owns a socket.

mod account_mail;
pub mod alerts;
pub mod anchor;
mod archive;
pub mod carry;
pub mod composed;
pub mod composition;
pub mod content;
pub mod deposit;
mod dkim;
pub mod facts;
pub mod folders;
pub mod foresight;
mod guests;
pub mod handover;
pub mod housekeeping;
pub mod inbound;
pub mod intake;
pub mod letters;
pub mod login;
mod manners;
pub mod meta;
pub mod notices;
pub mod notifications;
pub mod observation;
mod outcome;
pub mod polling;
mod postmaster;
pub mod press;
pub mod preview;
mod questions;
pub mod rejection;
pub mod returns;
pub mod revocation;
pub mod screening;
pub mod seal;
pub mod search;
pub mod space;
pub mod spec;
pub mod standing;
pub mod submission;
pub mod submitter;
pub mod tlsreport;
pub mod tolerance;
pub mod verdict;
pub mod webhooks;
