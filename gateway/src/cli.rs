//! The command line: names, arguments and help texts (contract: exit 0 done, 1 negative answer, 2 usage).
//!
//! **Exposure.** Read by the administrator only. Free of logic: each command's work is in `commands`.

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

/// `sealpost user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add an account; prints its password and app password once.
    Add {
        /// Login, a mail address.
        login: String,
        /// Role.
        #[arg(long, default_value = "sender", value_parser = ["sender", "auditor", "admin"])]
        role: String,
        /// Name as it stands on mails.
        #[arg(long)]
        name: Option<String>,
        /// Entity, when there are several.
        #[arg(long)]
        entity: Option<String>,
        /// Make no password: mail a link by which the person chooses one, good for a day.
        #[arg(long)]
        invite: bool,
    },
    /// Add or correct accounts from a table with the columns login, name, role, access_code, civility,
    /// contact and phone, separated by commas or semicolons.
    Import {
        /// File, UTF-8.
        file: PathBuf,
        /// Entity, when there are several.
        #[arg(long)]
        entity: Option<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Mail each new person a link to choose a password.
        #[arg(long)]
        invite: bool,
    },
    /// Hand what somebody who leaves has deposited to a successor, with mail for their addresses; their
    /// account is disabled. The journal still names who acted.
    Handover {
        /// Login of the leaver.
        from: String,
        /// Login of the successor.
        to: String,
    },
    /// Take the second factor off an account, whose phone is lost: the person enrols again.
    Reenrol {
        /// Login.
        login: String,
    },
    /// End every session and every app password of an account.
    Logout {
        /// Login.
        login: String,
    },
    /// Enable an account that was disabled.
    Enable {
        /// Login.
        login: String,
    },
    /// List accounts.
    List,
    /// Give a new password; prints it once.
    Passwd {
        /// Login.
        login: String,
    },
    /// Change the role.
    Role {
        /// Login.
        login: String,
        /// New role.
        #[arg(value_parser = ["sender", "auditor", "admin"])]
        role: String,
    },
    /// Disable an account; its evidence and deposits stay.
    Disable {
        /// Login.
        login: String,
    },
    /// Make an app password for a mail client; prints it once.
    AppPassword {
        /// Login.
        login: String,
        /// What it is for.
        #[arg(long, default_value = "mail client")]
        label: String,
    },
    /// Tokens of programs that use the API.
    #[command(subcommand)]
    Token(TokenCommand),
}

/// `sealpost user token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; prints it once.
    Create {
        /// Login of the account it acts for.
        login: String,
        /// What it is for.
        #[arg(long, default_value = "program")]
        label: String,
        /// What it may do; may be repeated. When absent: all that its account may do by the API, mail apart.
        #[arg(long, value_parser = ["deposits:read", "deposits:write", "proofs", "journal", "statistics", "mail"])]
        scope: Vec<String>,
        /// Its end (RFC 3339); none when absent.
        #[arg(long)]
        until: Option<jiff::Timestamp>,
    },
    /// List the tokens of an account.
    List {
        /// Login.
        login: String,
    },
    /// End a token at once.
    Revoke {
        /// Login.
        login: String,
        /// Its id, as `list` shows it.
        id: String,
    },
    #[command(flatten)]
    Otp(OtpCommand),
}

/// `sealpost user token …` for tokens and apps of people who receive.
#[derive(Debug, Subcommand)]
pub enum OtpCommand {
    /// Take over hardware tokens from a file: PSKC (RFC 6030) or a table of serial numbers and secrets.
    Import {
        /// File. Delete it afterwards.
        file: PathBuf,
        /// Key of an encrypted PSKC file: `file:PATH`, first line, hexadecimal.
        #[arg(long)]
        key: Option<String>,
        /// Name of the organisation, where there are several.
        #[arg(long)]
        entity: Option<String>,
        /// Only say what would be taken over.
        #[arg(long)]
        dry_run: bool,
    },
    /// List tokens and apps.
    Tokens {
        /// Name of the organisation, where there are several.
        #[arg(long)]
        entity: Option<String>,
    },
    /// Give a token to a recipient, or take it back when no address is named.
    Assign {
        /// Serial number.
        serial: String,
        /// Recipient's address.
        address: Option<String>,
        /// Name of the organisation, where there are several.
        #[arg(long)]
        entity: Option<String>,
    },
    /// Find a token again whose clock or counter has run away, by two codes in a row.
    Resync {
        /// Serial number.
        serial: String,
        /// First code.
        first: String,
        /// The code after it.
        second: String,
        /// Name of the organisation, where there are several.
        #[arg(long)]
        entity: Option<String>,
    },
    /// Make a secret for a recipient's authenticator app; prints its `otpauth:` address once.
    App {
        /// Recipient's address.
        address: String,
        /// Name of the organisation, where there are several.
        #[arg(long)]
        entity: Option<String>,
    },
    /// Remove a token or app for good.
    Remove {
        /// Serial number, or id as `tokens` shows it.
        serial: String,
        /// Name of the organisation, where there are several.
        #[arg(long)]
        entity: Option<String>,
    },
}

/// `sealpost policy …`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the verdict for a message and the rule that gave it.
    Test {
        /// Sender's address.
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
        #[arg(long, value_name = "TIME")]
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
    #[arg(long, value_name = "TIME")]
    pub from: Option<jiff::Timestamp>,
    /// Deposited before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
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
    #[arg(long)]
    pub since: Option<jiff::Timestamp>,
    /// Before this time (RFC 3339).
    #[arg(long)]
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
        #[arg(long)]
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
