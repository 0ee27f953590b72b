//! What can be chosen, by option or environment.

use clap::Parser;
use std::path::PathBuf;

/// Measures Sealpost beside Postfix, nginx and Dovecot.
#[derive(Debug, Clone, Parser)]
pub struct Settings {
    /// The gateway's program.
    #[arg(long, default_value = "target/release/sealpost")]
    pub sealpost: PathBuf,
    /// Directory of the run; emptied at the start and removed at the end. On the disk to be measured.
    #[arg(long, env = "BENCH_DIR", default_value = "/var/tmp/sealpost-bench")]
    pub dir: PathBuf,
    /// Where the JSON goes.
    #[arg(long, env = "BENCH_JSON", default_value = "target/bench.json")]
    pub json: PathBuf,
    /// How often each figure is taken.
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 3)]
    pub rounds: usize,
    /// Seconds of load per figure.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 6)]
    pub seconds: u64,
    /// MiB of the single large message.
    #[arg(long, env = "BENCH_MESSAGE_MIB", default_value_t = 200)]
    pub message_mib: u64,
    /// MiB of the attachment that is deposited and downloaded; the budget's figure is 10240.
    #[arg(long, env = "BENCH_FILE_MIB", default_value_t = 2048)]
    pub file_mib: u64,
    /// Clients that download at the same time while memory is watched.
    #[arg(long, env = "BENCH_CLIENTS", default_value_t = 50)]
    pub clients: usize,
    /// Deposits that must exist before the restart, the export and the journal are measured; the budget's
    /// figure is 200000.
    #[arg(long, env = "BENCH_DEPOSITS", default_value_t = 20_000)]
    pub deposits: u64,
    /// Messages in the mailbox whose envelopes are fetched over IMAP.
    #[arg(long, env = "BENCH_MAILS", default_value_t = 10_000)]
    pub mails: u32,
    /// Only these groups of rows: accepted, dkim, large, memory, download, imap, start, proof.
    #[arg(long, env = "BENCH_ONLY", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Small messages at 10 sessions only, without peers: for profiles and for comparing two builds.
    #[arg(long, env = "BENCH_ALONE", value_parser = clap::builder::FalseyValueParser::new())]
    pub alone: bool,
    /// Leave the directory in place.
    #[arg(long, env = "BENCH_KEEP", value_parser = clap::builder::FalseyValueParser::new())]
    pub keep: bool,
    /// First of about twenty ports used.
    #[arg(long, env = "BENCH_PORT", default_value_t = 30_000)]
    pub port: u16,
}

impl Settings {
    /// Whether a group of rows is wanted.
    pub fn wants(&self, group: &str) -> bool {
        if self.alone {
            return group == "accepted";
        }
        self.only.is_empty() || self.only.iter().any(|g| g == group)
    }
}
