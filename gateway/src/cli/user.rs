//! `sealpost user …`: accounts, their tokens, and recipients' tokens.

use super::time;
use clap::Subcommand;
use std::path::PathBuf;

/// `sealpost user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add an account; prints its password and app password once.
    Add {
        /// Login, a mail address.
        login: String,
        /// Role.
        #[arg(long, default_value = "sender", value_parser = ["sender", "auditor", "admin", "operator"])]
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
        /// Login of the person who answers for an application, a copier or the address of a service: no password is
        /// made, only an app password.
        #[arg(long, value_name = "PERSON", conflicts_with = "invite")]
        owner: Option<String>,
    },
    /// Say who answers for an application, a copier or the address of a service: that person reads what is said to it
    /// and keeps its app passwords. With nobody named, the account is a person's again.
    Owner {
        /// Login.
        login: String,
        /// Login of the person.
        person: Option<String>,
    },
    /// Further addresses of an account.
    #[command(subcommand)]
    Address(AddressCommand),
    /// Add or correct accounts from a table with the columns login, name, role, access_code, civility,
    /// contact, phone and owner, separated by commas or semicolons.
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
    /// Add, correct and disable accounts as a directory of `[[accounts.backend]]` has its people. It rules the accounts
    /// that came from it and no others.
    Sync {
        /// Name of the directory; all of them when absent.
        backend: Option<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Disable people even when many of them are missing at once.
        #[arg(long)]
        force: bool,
    },
    /// Hand what somebody who leaves has deposited to a successor, with mail for their addresses and the applications
    /// they answer for; their account is disabled. The journal still names who acted.
    Handover {
        /// Login of the leaver.
        from: String,
        /// Login of the successor.
        to: String,
    },
    /// Take app, backup codes and phone (QR code) off an account, whose phone is lost: the person enrols again.
    Reenrol {
        /// Login.
        login: String,
    },
    /// End every session, app password and token of an account: whoever is in is out, mail programs too.
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
        #[arg(value_parser = ["sender", "auditor", "admin", "operator"])]
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

/// `sealpost user address …`
#[derive(Debug, Subcommand)]
pub enum AddressCommand {
    /// Let an account write as another address of its organisation, whose mail it gets.
    Add {
        /// Login.
        login: String,
        /// Address.
        address: String,
        /// It is somebody else's, in whose name the account may write; mail for it goes on to them.
        #[arg(long)]
        acts_for: bool,
    },
    /// Take an address away; open connections write as it no more.
    Remove {
        /// Login.
        login: String,
        /// Address.
        address: String,
    },
    /// List the addresses of an account.
    List {
        /// Login.
        login: String,
    },
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
        #[arg(long, value_parser = ["deposits:read", "deposits:write", "proofs", "journal", "statistics", "mail", "scim"])]
        scope: Vec<String>,
        /// Its end (RFC 3339); none when absent.
        #[arg(long, value_parser = time)]
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

/// `sealpost recipient …`
#[derive(Debug, Subcommand)]
pub enum RecipientCommand {
    /// List everybody remembered, one a line.
    List {
        /// Part of the address or name.
        #[arg(default_value = "")]
        part: String,
        /// Entity, when there are several.
        #[arg(long)]
        entity: Option<String>,
    },
    /// Show what is remembered of an address; exit 1 where nothing is.
    Show {
        /// Mail address.
        address: String,
        /// Entity, when there are several.
        #[arg(long)]
        entity: Option<String>,
    },
    /// Remember; what is not named stays, an empty value is forgotten.
    Set {
        /// Mail address.
        address: String,
        /// Name.
        #[arg(long)]
        name: Option<String>,
        /// Mobile number for codes by SMS, national or with + and the country's code.
        #[arg(long)]
        phone: Option<String>,
        /// Whom a card or provider must establish: `rpps:10001234567`.
        #[arg(long)]
        identity: Option<String>,
        /// Language of mails and pages.
        #[arg(long, value_parser = ["fr", "en", ""])]
        language: Option<String>,
        /// Several people read this mailbox: whoever opens may give their name.
        #[arg(long, value_name = "yes|no", value_parser = ["yes", "no"])]
        shared: Option<String>,
        /// Entity, when there are several.
        #[arg(long)]
        entity: Option<String>,
    },
    /// Forget an address: particulars, enrolled apps and telephone; hardware tokens go back into the drawer.
    Forget {
        /// Mail address.
        address: String,
        /// Entity, when there are several.
        #[arg(long)]
        entity: Option<String>,
    },
}
