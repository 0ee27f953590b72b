//! `make bench`: Sealpost beside Postfix, nginx and Dovecot, the same generator for all, ratios of one run.
//!
//! **Job.** Starts one server at a time on 127.0.0.1 from a private directory, loads it, and prints the
//! budgets' rows with medians and ranges, as text and as JSON.
//!
//! **Exposure.** None: a tool for developers, loopback only.
//!
//! **Failure.** A row that cannot be measured says why in its place; the others are still printed.

mod http;
mod imap;
mod load;
mod machine;
mod message;
mod peer;
mod process;
mod report;
mod rows;
mod settings;
mod sink;
mod smtp;
mod tls;

use anyhow::Result;
use clap::Parser;
use settings::Settings;

fn main() -> Result<()> {
    let settings = Settings::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let failed = runtime.block_on(rows::run(&settings))?;
    // Connections that a row left behind need not be waited for.
    runtime.shutdown_background();
    if failed {
        std::process::exit(1)
    }
    Ok(())
}
