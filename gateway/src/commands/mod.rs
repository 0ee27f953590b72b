//! The commands, one module each. A command prints, and answers with its exit status.

pub mod backup;
pub mod check;
mod clock;
pub mod demo;
pub mod deposit;
pub mod entity;
pub mod init;
pub mod journal;
pub mod key;
pub mod migrate;
pub mod policy;
pub mod proof;
pub mod queue;
pub mod restore;
pub mod serve;
pub mod user;

use crate::cli::{Cli, Command};
use crate::config::{self, Config};
use crate::gateway;
use anyhow::{Context, Result};
use sealpost_envelope::{Clock, EntityId, SystemClock};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, Issuer, render};
use sealpost_store::Store;
use std::path::Path;
use std::sync::Arc;

/// Exit status of a command that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done, or yes: 0.
    Done,
    /// No: 1.
    Negative,
}

/// What a command could not use: exit 2, and the text says what to change.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// Runs the command.
pub async fn run(cli: Cli) -> Result<Answer> {
    let Cli { config, json, command } = cli;
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Init(args) => init::run(args, json),
        Command::Serve => serve::run(&config).await,
        Command::Check { dns } => check::run(&config, dns, json).await,
        Command::Entity(command) => entity::run(&config, command, json).await,
        Command::User(command) => user::run(&config, command, json).await,
        Command::Recipient(command) => user::recipient::run(&config, command, json).await,
        Command::Policy(command) => policy::run(&config, command, json).await,
        Command::Proof(command) => proof::run(&config, command, json).await,
        Command::Journal(command) => journal::run(&config, command, json).await,
        Command::Queue(command) => queue::run(&config, command, json).await,
        Command::Deposit(command) => deposit::run(&config, command, json).await,
        Command::Backup(args) => backup::run(&config, args, json).await,
        Command::Restore(args) => restore::run(&config, args, json).await,
        Command::Migrate(args) => migrate::run(args, json).await,
        Command::Key(command) => key::run(&config, command, json).await,
        Command::Clock { confirm } => clock::run(&config, confirm, json).await,
    }
}

/// Prints a line of an answer. Whoever reads the answer may stop reading (`| head`): then the rest is not
/// wanted, and that is no fault. The command goes on: its exit status is part of the answer.
pub fn print_line(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// AccountChanged by whoever sits at the server.
pub fn operated(entity: EntityId, detail: Detail) -> Result<Vec<BuiltEvent>> {
    let event = Event::new(EventName::AccountChanged, entity, clock().now())
        .actor(Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() })
        .detail(detail);
    let issuer = Issuer {
        entity,
        name: String::new(),
        identifier: None,
        hostname: String::new(),
        policies: Vec::new(),
        certificate: None,
    };
    Ok(vec![render(&issuer, event, None).context("the change cannot be journaled")?])
}

/// Reads the configuration; its mistakes are the administrator's to mend.
pub fn load(path: &Path) -> Result<Config, Unusable> {
    config::load(path).map_err(|e| Unusable(e.to_string()))
}

/// The clock of everything that is not a test.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Opens the store of a configuration, beside a gateway that may be running.
pub async fn store(path: &Path) -> Result<(Config, Store)> {
    let config = load(path)?;
    let store = gateway::open_store(&config, clock()).await?;
    Ok((config, store))
}
