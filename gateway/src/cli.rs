//! The command line: names, arguments and help texts (exit 0 done, 1 negative answer, 2 usage).
//!
//! **Exposure.** Read by the administrator only. Free of logic: each command's work is in `commands`.

mod user;

pub use user::{AddressCommand, OtpCommand, RecipientCommand, TokenCommand, UserCommand};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Secure mail gateway: seals, timestamps, delivers by link, and proves it.
#[derive(Debug, Parser)]
#[command(name = "sealpost", version, about, max_term_width = 100)]
pub struct Cli {
    /// Configuration file.
    #[arg(
        long,
        global = true,
        env = "SEALPOST_CONFIG",
        default_value = "/etc/sealpost/sealpost.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,
    /// Print machine-readable JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prepare a demonstration in DIR on first use and serve everything on 127.0.0.1.
    Demo(DemoArgs),
    /// Write a commented configuration, keys and directories, and print the recovery sheet.
    Init(InitArgs),
    /// Run the gateway.
    Serve,
    /// Validate configuration, keys, stores and certificates; say all that is wrong at once.
    Check {
        /// Also look at the domain's SPF, DKIM, DMARC, PTR and MX records.
        #[arg(long)]
        dns: bool,
    },
    /// Accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Organisations of this installation.
    #[command(subcommand)]
    Entity(EntityCommand),
    /// What is remembered of people who receive: number for codes, identity, language, shared mailbox.
    #[command(subcommand)]
    Recipient(RecipientCommand),
    /// Rules.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Proofs that third parties verify without us.
    #[command(subcommand)]
    Proof(ProofCommand),
    /// The tamper-evident journal.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Outgoing mail.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Deposits.
    #[command(subcommand)]
    Deposit(DepositCommand),
    /// Copy database and blobs, consistent while the gateway runs; without keys.
    Backup(BackupArgs),
    /// Bring a backup back into an empty installation; the queue is held, a new log begins.
    Restore(RestoreArgs),
    /// Copy the database to another engine: SQLite to PostgreSQL or back.
    Migrate(MigrateArgs),
    /// Keys of this installation.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Whether the clock is trusted with destroying content; after a long standstill or a jump it is asked for.
    Clock {
        /// Today's date (UTC), said by somebody who knows: from now on the clock is trusted again.
        #[arg(long, value_name = "YYYY-MM-DD")]
        confirm: Option<jiff::civil::Date>,
    },
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Directory that holds the demonstration; made when missing.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Added to every port number.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub offset: u16,
    /// Send mail for other domains there instead of into the demonstration mailboxes.
    #[arg(long, value_name = "HOST:PORT")]
    pub smarthost: Option<String>,
    /// Do not deposit the sample message.
    #[arg(long)]
    pub no_sample: bool,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Directory to write; made when missing, refused when it holds something.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Write the keys instead, sealed under a recovery passphrase: never into the same place as the data.
    #[arg(long)]
    pub keys: bool,
    /// Recovery passphrase, `file:PATH` or `env:NAME`; without it one is made and printed once.
    #[arg(long, value_name = "SECRET", requires = "keys")]
    pub passphrase: Option<String>,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Directory that `backup` wrote.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Restore the keys instead, from what `backup --keys` wrote.
    #[arg(long)]
    pub keys: bool,
    /// Recovery passphrase, `file:PATH` or `env:NAME`; without it one line is read from standard input.
    #[arg(long, value_name = "SECRET", requires = "keys")]
    pub passphrase: Option<String>,
}

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Database to read: `sqlite:PATH` or `postgres://…`.
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// Empty database to fill.
    #[arg(long, value_name = "URL")]
    pub to: String,
}

/// `sealpost key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Replace a signing key; what the old one signed stays verifiable.
    Rotate {
        /// Which: `seal` (evidence and proofs), `journal` (checkpoints), `time` (embedded time authority).
        #[arg(required = true, value_parser = ["seal", "journal", "time"])]
        which: Vec<String>,
    },
    /// List keys and certificates with their ends.
    List,
}

/// `sealpost entity …`
#[derive(Debug, Subcommand)]
pub enum EntityCommand {
    /// Make one organisation part of another, while the gateway is stopped: accounts, deposits, recipients, queue and
    /// journal go on under it. Past entries and evidence keep the name they were made under. Says what to change in the
    /// configuration.
    Merge {
        /// Name of the one that ends.
        from: String,
        /// Name of the one that goes on.
        into: String,
        /// Only say what would move, and what stands in the way.
        #[arg(long)]
        dry_run: bool,
        /// Whose telephone numbers and identities count where both know a recipient differently.
        #[arg(long, value_parser = ["from", "into"])]
        prefer: Option<String>,
    },
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Directory for configuration, keys and data.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Mail domain of the organisation.
    #[arg(long, value_name = "D")]
    pub domain: String,
    /// Name of this server; default `sealpost.` and the domain.
    #[arg(long, value_name = "H")]
    pub hostname: Option<String>,
    /// Kind of organisation, which sets the defaults.
    #[arg(long, default_value = "general", value_parser = ["general", "local", "health"])]
    pub profile: String,
}

/// `sealpost policy …`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the verdict for a message and the rule that gave it.
    Test {
        /// Sender's address; `<>` or nothing for a message without a return path.
        #[arg(long)]
        from: String,
        /// Recipient's address.
        #[arg(long)]
        to: String,
        /// Decoded size of the attachments in all, in octets.
        #[arg(long, default_value_t = 0)]
        size: u64,
        /// Name of an attachment; may be repeated.
        #[arg(long)]
        attachment: Vec<String>,
        /// Subject.
        #[arg(long, default_value = "")]
        subject: String,
        /// Header line `Name: value`; may be repeated.
        #[arg(long)]
        header: Vec<String>,
    },
    /// Show what rules would have done while they were only observed (`mode = "observe"`).
    Observed {
        /// Days to look back.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
        days: u16,
        /// At most so many messages are named, newest first.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

/// `sealpost proof …`
#[derive(Debug, Subcommand)]
pub enum ProofCommand {
    /// Write the proof of a deposit.
    Export {
        /// Deposit id or reference; several write a file each. Without any: all that fit the selection, in one ZIP.
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// File to write; for several deposits the directory for `<id>.asice`.
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        output: PathBuf,
        /// Which deposits.
        #[command(flatten)]
        select: Selection,
        /// Show this recipient only; an address selects the deposits sent to it.
        #[arg(long, value_name = "N|ADDRESS")]
        recipient: Option<String>,
        /// Leave the message itself out.
        #[arg(long)]
        without_content: bool,
        /// Wait until every entry is sequenced and stamped.
        #[arg(long)]
        wait: bool,
        /// Language of the report.
        #[arg(long, default_value = "fr", value_parser = ["fr", "en"])]
        language: String,
    },
    /// Verify a proof, offline, trusting only the certificates given.
    Verify {
        /// The proof.
        file: PathBuf,
        /// Certificates to trust, PEM; may be repeated.
        #[arg(long, value_name = "CA.pem", required = true)]
        trust: Vec<PathBuf>,
        /// Judge as of this time (RFC 3339) instead of now.
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Option<jiff::Timestamp>,
        /// Give up all rights before reading the file.
        #[arg(long, hide = true)]
        confined: bool,
    },
    /// Add a timestamp to a valid proof before its last one ages.
    Renew {
        /// The proof.
        file: PathBuf,
        /// File to write; the proof itself when absent.
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Which deposits `proof export` takes when none is named.
#[derive(Debug, Args)]
pub struct Selection {
    /// Deposited at or after this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<jiff::Timestamp>,
    /// Deposited before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<jiff::Timestamp>,
    /// Sender's address.
    #[arg(long, value_name = "ADDRESS")]
    pub sender: Option<String>,
    /// Reference; may be repeated.
    #[arg(long, value_name = "REFERENCE")]
    pub reference: Vec<String>,
}

impl Selection {
    /// Whether anything is selected.
    pub fn is_some(&self) -> bool {
        self.from.is_some() || self.to.is_some() || self.sender.is_some() || !self.reference.is_empty()
    }
}

/// Filters shared by `journal search` and `journal export`.
#[derive(Debug, Args)]
pub struct JournalFilter {
    /// Event name, such as SubmissionAcceptance.
    #[arg(long)]
    pub event: Option<String>,
    /// Deposit id or reference.
    #[arg(long)]
    pub deposit: Option<String>,
    /// Not before this time (RFC 3339).
    #[arg(long, value_parser = time)]
    pub since: Option<jiff::Timestamp>,
    /// Before this time (RFC 3339).
    #[arg(long, value_parser = time)]
    pub until: Option<jiff::Timestamp>,
    /// At most so many entries.
    #[arg(long)]
    pub limit: Option<u64>,
}

/// `sealpost journal …`
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Find entries; one JSON line each.
    Search(JournalFilter),
    /// Write entries as JSON lines or CSV.
    Export {
        /// Which entries.
        #[command(flatten)]
        filter: JournalFilter,
        /// Form.
        #[arg(long, default_value = "jsonl", value_parser = ["jsonl", "csv"])]
        format: String,
        /// File; standard output when absent.
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Recompute the whole log and compare it with every checkpoint.
    Verify,
    /// Enter words into the search index that are not in it yet; a running gateway does so by itself.
    Index {
        /// Empty it first.
        #[arg(long)]
        rebuild: bool,
    },
    /// Write everything that is kept about one person, as JSON lines (right of access).
    Person {
        /// Their address.
        address: String,
        /// File; standard output when absent.
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// `sealpost queue …`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List outgoing mail that has not left.
    List {
        /// Only this state.
        #[arg(long, value_parser = ["compose", "ready", "sent", "failed", "held", "dropped"])]
        state: Option<String>,
    },
    /// Try now instead of waiting.
    Retry {
        /// Queue id.
        id: String,
    },
    /// Keep an entry back.
    Hold {
        /// Queue id.
        id: String,
    },
    /// Give an entry up.
    Drop {
        /// Queue id.
        id: String,
    },
}

/// `sealpost deposit …`
#[derive(Debug, Subcommand)]
pub enum DepositCommand {
    /// List deposits, newest first.
    List {
        /// Sender's address.
        #[arg(long)]
        sender: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one deposit with its recipients and events.
    Show {
        /// Deposit id or reference.
        id: String,
    },
    /// Send the message to a recipient, or to all, again.
    Resend {
        /// Deposit id or reference.
        id: String,
        /// This recipient only.
        #[arg(long, value_name = "N")]
        recipient: Option<u32>,
    },
    /// Close access at once.
    Revoke {
        /// Deposit id or reference.
        id: String,
        /// This recipient only.
        #[arg(long, value_name = "N")]
        recipient: Option<u32>,
    },
    /// Move the end of access.
    Extend {
        /// Deposit id or reference.
        id: String,
        /// New end (RFC 3339).
        #[arg(long, value_parser = time)]
        until: jiff::Timestamp,
        /// This recipient only.
        #[arg(long, value_name = "N")]
        recipient: Option<u32>,
    },
    /// Correct a recipient's address: earlier links die, the message goes to the new one.
    Readdress {
        /// Deposit id or reference.
        id: String,
        /// The recipient; may be left out where there is one only.
        #[arg(long, value_name = "N")]
        recipient: Option<u32>,
        /// The right address.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
    /// Place a legal hold: the content is kept whatever expires, is revoked or comes to its end.
    Hold {
        /// Deposit id or reference.
        id: String,
        /// Why: the case, the order.
        #[arg(long, default_value = "legal hold")]
        reason: String,
    },
    /// Lift a legal hold: the content ends when its retention does.
    Release {
        /// Deposit id or reference.
        id: String,
    },
}

/// Reads a time (RFC 3339).
fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "a time is written as 2026-03-31T18:00:00Z (RFC 3339), with its zone".to_owned())
}
