//! Harness for end-to-end scenarios: starts the real `sealpost demo`, sends with real clients, reads over IMAP.
//!
//! Each scenario is one file in `tests/tests`. A missing tool fails the scenario; nothing is skipped.

pub mod api;
pub mod axe;
pub mod browser;
pub mod clamd;
pub mod demo;
pub mod door;
pub mod faults;
pub mod idle;
pub mod image;
pub mod mail;
pub mod outside;
pub mod parsed;
pub mod phone;
pub mod postfix;
pub mod postgres;
pub mod provider;
pub mod responder;
pub mod s3;
pub mod sending;
pub mod sink;
pub mod slapd;
pub mod sms;
pub mod staff;
pub mod storm;
pub mod tools;
pub mod tsa;

pub use api::Api;
pub use demo::{Account, Demo, DemoOptions};
pub use door::Door;
pub use mail::Mail;
pub use parsed::Parsed;
