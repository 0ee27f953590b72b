//! The binary `sealpost`: reads the command line, runs one command, answers with its exit status.
//!
//! Exit 0 done, 1 negative answer, 2 usage or unreadable input. Logs go to standard error
//! (`SEALPOST_LOG`, default `info`); answers to standard output.

/// `println!` for answers of commands, see [`commands::print_line`].
macro_rules! say {
    ($($text:tt)*) => { $crate::commands::print_line(format_args!($($text)*)) };
}

mod antivirus;
mod audit;
mod backends;
mod cards;
mod cli;
mod commands;
mod config;
mod credentials;
mod declared;
mod demo;
mod desk;
mod dkim;
mod gateway;
mod hand;
mod issuers;
mod judge;
mod listeners;
mod mailboxes;
mod mailkeys;
mod operations;
mod pipeline;
mod proofs;
mod providers;
mod routes;
mod service;
mod site;
mod sms;
mod strangers;
mod timeroutes;
mod timeserver;

use clap::Parser;
use commands::{Answer, Unusable};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    start_log();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sealpost: the runtime cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let answer = runtime.block_on(commands::run(cli));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match answer {
        Ok(Answer::Done) => ExitCode::SUCCESS,
        Ok(Answer::Negative) => ExitCode::from(1),
        Err(error) => {
            match error.downcast_ref::<Unusable>() {
                Some(unusable) => eprintln!("{unusable}"),
                None => eprintln!("sealpost: {error:#}"),
            }
            ExitCode::from(2)
        }
    }
}

fn start_log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("SEALPOST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
}
