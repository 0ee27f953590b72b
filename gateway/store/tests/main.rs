//! The store's tests on both engines, one subject to a file, linked into one program: separate ones cost minutes of
//! linking. `tests/tests/docs.rs` fails when a file here is not named below.
#![allow(clippy::unwrap_used, reason = "a failure stops the test")]

mod common;

mod access;
mod account;
mod backup;
mod blob;
mod cards;
mod consignment;
mod crash;
mod deposit;
mod endoflife;
mod federated;
mod follow;
mod journal;
mod keys;
mod log;
mod mailbox;
mod manners;
mod merge;
mod pages;
mod person;
mod provision;
mod queue;
mod races;
mod staff;
mod tamper;
mod token;
mod upload;
mod watch;
mod words;
mod write;
