//! What the gateway does for the pages: the words in which it is asked, and in which it answers.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sealpost_envelope::{
    DepositId, EmailAddress, Gate, GateMethod, Language, RecipientNo, Secret, Sha256Digest, Timestamp,
    Treatment, Verdict,
};
use sealpost_evidence::Actor;
use sealpost_store::StoreError;
use sealpost_store::account::{Account, AccountError};
use sealpost_store::upload::Upload;
use std::fmt;
use std::fs::File;

/// What somebody wants done to a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Send it to a recipient, or to all, once more.
    Resend {
        /// Whom; everybody who was not withdrawn if none is named.
        n: Option<RecipientNo>,
    },
    /// Correct an address.
    Readdress {
        /// Whose; may be left out where there is one recipient only.
        n: Option<RecipientNo>,
        /// The right one.
        to: EmailAddress,
    },
    /// End access.
    Revoke {
        /// Whose.
        n: Option<RecipientNo>,
    },
    /// Move the end of access.
    Extend {
        /// Whose.
        n: Option<RecipientNo>,
        /// Where to.
        until: Timestamp,
    },
    /// Place a legal hold.
    Hold {
        /// Why.
        reason: String,
    },
    /// Lift the legal hold.
    Release,
    /// Let mail go that policy holds for its sender's answer.
    LetGo {
        /// Whose; everybody's that is held if none is named.
        n: Option<RecipientNo>,
    },
}

/// Why something was not done, and that nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Without content nothing can be sent or held.
    #[error("the content was destroyed at the end of its retention")]
    Destroyed,
    /// No such number.
    #[error("the deposit has no recipient {0}")]
    NoRecipient(RecipientNo),
    /// Several recipients, and none was named.
    #[error("name one of the recipients")]
    WhichRecipient,
    /// Every recipient meant was withdrawn.
    #[error("access was withdrawn")]
    Revoked,
    /// The new address has the message already.
    #[error("this address is a recipient already")]
    AlreadyRecipient,
    /// A time to come is needed.
    #[error("this time has passed")]
    Past,
    /// One is enough.
    #[error("a legal hold stands already")]
    HoldStands,
    /// There is nothing to lift.
    #[error("no legal hold stands")]
    NoHold,
    /// There is nothing to let go.
    #[error("no mail waits for an answer")]
    NotHeld,
    /// What waits for an answer cannot be sent again.
    #[error("the message waits: let it go first")]
    Waits,
    /// Held by an administrator, or for what the antivirus found.
    #[error("an administrator decides about this message")]
    AdministratorHolds,
    /// The state forbids it; says why.
    #[error("{0}")]
    State(&'static str),
    /// This account may not do that.
    #[error("this account may not do that")]
    Forbidden,
    /// The proof is not complete yet.
    #[error("not everything is sealed, logged and stamped yet")]
    Pending,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// It must not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store; may be better in a moment.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Accounts.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Anything else of ours.
    #[error("{0}")]
    Fault(String),
}

impl ActionError {
    /// A fault of ours.
    pub fn fault(cause: impl fmt::Display) -> Self {
        Self::Fault(cause.to_string())
    }
}

/// What a proof is to show.
#[derive(Debug, Clone, Copy)]
pub struct ProofWanted {
    /// This recipient only.
    pub recipient: Option<RecipientNo>,
    /// With the message.
    pub content: bool,
    /// Language of the report.
    pub language: Language,
}

/// A proof, ready to be sent.
#[derive(Debug)]
pub struct ProofFile {
    /// An unnamed file, at its beginning.
    pub file: File,
    /// Octets.
    pub size: u64,
    /// What to call it.
    pub name: String,
}

/// Who submits, and how they proved who they are.
#[derive(Debug, Clone)]
pub struct Submit {
    /// The account.
    pub account: Account,
    /// `api token` or what a session rests on; stands in the evidence.
    pub mechanism: &'static str,
    /// When they proved it.
    pub authenticated: Timestamp,
    /// Where from, for the Received field.
    pub network: Option<String>,
    /// What makes this submission the same one sent again: at most one deposit is made of it.
    pub once: Option<Sha256Digest>,
    /// Somebody outside who deposits for the account: then they are the author, and nobody logged in.
    pub guest: Option<Guest>,
}

/// Somebody outside who deposits on a page of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Their address, to which the link had gone.
    pub address: EmailAddress,
    /// Gate methods that they have passed, in order.
    pub methods: Vec<GateMethod>,
}

/// Somebody in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// Display name.
    pub name: Option<String>,
    /// Mailbox.
    pub address: EmailAddress,
}

/// A message to be composed.
#[derive(Debug, Clone)]
pub struct NewMail {
    /// Author: one of the account's addresses, or one it acts for.
    pub from: Addressee,
    /// To.
    pub to: Vec<Addressee>,
    /// Cc.
    pub cc: Vec<Addressee>,
    /// Bcc; stands in no header.
    pub bcc: Vec<Addressee>,
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same with formatting.
    pub html: Option<String>,
    /// At least this treatment.
    pub treatment: Option<Treatment>,
    /// One of these gates.
    pub gate: Option<Gate>,
    /// What recipients are asked for besides; never sent.
    pub password: Option<Secret<String>>,
    /// Access ends here at the latest.
    pub expires: Option<Timestamp>,
    /// What is asked for single recipients; counts in place of what is asked for all.
    pub personal: Vec<Personal>,
    /// Message-ID that this one answers.
    pub answers: Option<String>,
    /// Files, complete.
    pub attachments: Vec<Upload>,
}

/// Shortest password of a message.
pub(crate) const SHORTEST_PASSWORD: usize = 8;

/// What a sender asks for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// Whom.
    pub address: EmailAddress,
    /// One of these gates.
    pub gate: Option<Gate>,
    /// Number for codes by SMS, as typed.
    pub phone: Option<String>,
    /// Whom the gate must establish: `rpps:10001234567`.
    pub identity: Option<String>,
    /// Access ends here at the latest.
    pub expires: Option<Timestamp>,
}

/// What policy would say of one recipient of a message that was not sent.
#[derive(Debug, Clone)]
pub struct Foreseen {
    /// Policy's answer to what is asked.
    pub verdict: Verdict,
    /// The ways through the gate that the sender may choose among.
    pub offered: Gate,
    /// What is missing.
    pub needs: Vec<Need>,
    /// Why the message would wait, in words.
    pub held: Option<String>,
}

/// What a recipient would get of a message that was not sent.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Policy's answer.
    pub seen: Foreseen,
    /// Language in which the recipient is written to.
    pub language: Language,
    /// The mail's bytes, without its files.
    pub mail: Vec<u8>,
}

/// What a recipient lacks to pass their gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A mobile number.
    Phone,
    /// The message's password.
    Password,
    /// Something that the sender cannot give.
    Other,
}

/// Where a message comes from.
pub enum MailSource {
    /// It is made of these parts.
    Composed(Box<NewMail>),
    /// It is written already.
    Written {
        /// Recipients, as an SMTP envelope names them.
        recipients: Vec<EmailAddress>,
        /// The message's bytes.
        body: BoxStream<'static, Result<Bytes, std::io::Error>>,
    },
}

impl fmt::Debug for MailSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Composed(_) => "Composed(…)",
            Self::Written { .. } => "Written(…)",
        })
    }
}

/// Why a message was not deposited; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The message or its addresses cannot be used; says what to change.
    #[error("{0}")]
    Invalid(String),
    /// Policy refuses, or the address is not one of the account's.
    #[error("{0}")]
    Refused(String),
    /// No room; later perhaps.
    #[error("storage is short at the moment")]
    Full,
    /// The body broke off.
    #[error("the message did not arrive whole")]
    Broken,
    /// Ours; logged.
    #[error("a temporary fault on our side")]
    Fault,
}

/// What the gateway does for the pages.
pub trait DepositDesk: Send + Sync + fmt::Debug {
    /// Acts on a deposit in somebody's name. `own` says that the deposit is theirs: its sender need not be told.
    fn act(
        &self,
        deposit: DepositId,
        act: Act,
        by: Actor,
        own: bool,
    ) -> BoxFuture<'_, Result<u64, ActionError>>;
    /// Makes a proof and records that.
    fn proof(
        &self,
        deposit: DepositId,
        wanted: ProofWanted,
        by: Actor,
    ) -> BoxFuture<'_, Result<ProofFile, ActionError>>;
    /// Whether the storage has room for so many octets more.
    fn has_room(&self, octets: u64) -> bool;
    /// What policy would say of each recipient of a message, in the order of To, Cc and Bcc.
    fn foresee<'a>(
        &'a self,
        account: &'a Account,
        mail: &'a NewMail,
        language: Language,
    ) -> BoxFuture<'a, Result<Vec<Foreseen>, SubmitError>>;
    /// What recipient `n` of To, Cc and Bcc, from 0, would get.
    fn preview<'a>(
        &'a self,
        account: &'a Account,
        mail: &'a NewMail,
        n: usize,
        language: Language,
    ) -> BoxFuture<'a, Result<Preview, SubmitError>>;
    /// Takes a message in as if it had come by SMTP.
    fn submit(&self, by: Submit, mail: MailSource) -> BoxFuture<'_, Result<DepositId, SubmitError>>;
}

/// For tests of pages that act on nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoDesk;

impl DepositDesk for NoDesk {
    fn act(&self, _: DepositId, _: Act, _: Actor, _: bool) -> BoxFuture<'_, Result<u64, ActionError>> {
        Box::pin(async { Err(ActionError::Fault("no desk".into())) })
    }
    fn proof(&self, _: DepositId, _: ProofWanted, _: Actor) -> BoxFuture<'_, Result<ProofFile, ActionError>> {
        Box::pin(async { Err(ActionError::Fault("no desk".into())) })
    }
    fn has_room(&self, _: u64) -> bool {
        true
    }
    fn foresee<'a>(
        &'a self,
        _: &'a Account,
        _: &'a NewMail,
        _: Language,
    ) -> BoxFuture<'a, Result<Vec<Foreseen>, SubmitError>> {
        Box::pin(async { Err(SubmitError::Fault) })
    }
    fn preview<'a>(
        &'a self,
        _: &'a Account,
        _: &'a NewMail,
        _: usize,
        _: Language,
    ) -> BoxFuture<'a, Result<Preview, SubmitError>> {
        Box::pin(async { Err(SubmitError::Fault) })
    }
    fn submit(&self, _: Submit, _: MailSource) -> BoxFuture<'_, Result<DepositId, SubmitError>> {
        Box::pin(async { Err(SubmitError::Fault) })
    }
}
