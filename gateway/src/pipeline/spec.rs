//! What a queue row asks the composer for.
//!
//! The words are stored (`outbound.spec`); the door writes `code` and `receipt` rows too (see the
//! `outbound` table). Unknown fields are refused, so that a newer row is not half understood.

use super::alerts::Alert;
use super::tlsreport::TlsReport;
use sealpost_envelope::{DsnNotify, Language, RecipientNo, Sha256Digest, Timestamp};
use sealpost_policy::{Answer, Ask};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A mail to compose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Spec {
    /// The deposit for one recipient, as their verdict says.
    Consignment {
        /// What the client called itself, and how it spoke (RFC 3848), for our Received field.
        helo: String,
        /// See `helo`.
        protocol: String,
        /// What the client asked to be told (RFC 3461), if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dsn: Option<Asked>,
    },
    /// The deposit again, with a new generation of the link.
    Resend {
        /// Generation of the link.
        generation: u32,
    },
    /// Reminds a recipient who has not opened.
    Reminder {
        /// Generation of the link.
        generation: u32,
    },
    /// Tells the recipient that access was extended.
    Granted {
        /// Generation of the link.
        generation: u32,
    },
    /// Tells the sender what a recipient said at the door.
    Said {
        /// The note.
        note: Uuid,
    },
    /// A one-time code.
    Code {
        /// The challenge it answers.
        challenge: Uuid,
    },
    /// A receipt to the sender.
    Receipt {
        /// What happened.
        event: ReceiptEvent,
    },
    /// Asks the sender what to do with what waits (`pipeline/answers.rs`).
    Question {
        /// What is asked.
        ask: Ask,
        /// For whom.
        recipients: Vec<RecipientNo>,
        /// Why it waits, in French.
        fr: String,
        /// The same in English.
        en: String,
        /// It was asked before, and nobody has answered.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
    /// Tells the sender how their answer was taken.
    Answered {
        /// For whom.
        recipients: Vec<RecipientNo>,
        /// As understood; nothing where it was not, or came too late.
        answer: Option<Answer>,
        /// The answer came too late.
        late: bool,
    },
    /// A delivery status notification to the sender, who asked for it.
    Report(Status),
    /// What became of the proofs that somebody sent to be verified.
    Verification(Verification),
    /// A code for a person of ours who logs in.
    AccountCode {
        /// The challenge it answers.
        challenge: Uuid,
    },
    /// The link by which a person of ours sets their password.
    AccountLink {
        /// Which.
        link: Uuid,
    },
    /// Word of a change to an account.
    AccountNews {
        /// Which account.
        account: i64,
        /// What was changed.
        news: AccountNews,
        /// When.
        at: Timestamp,
    },
    /// The link by which somebody outside deposits files.
    Invitation {
        /// Which.
        invitation: Uuid,
    },
    /// Tells somebody outside that their files were deposited.
    GuestReceipt {
        /// By which invitation.
        invitation: Uuid,
    },
    /// Word to the administrator about a trouble.
    Alert(Alert),
    /// Word to the administrator of what rules would have done.
    Observed {
        /// When it was decided to tell.
        at: Timestamp,
    },
    /// A day's report on TLS, for a domain that asks for it.
    TlsReport(TlsReport),
    /// Something that came back and is for the sender to read.
    Forward {
        /// Which.
        returned: Uuid,
    },
}

/// What was changed about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountNews {
    /// Its password.
    Password,
    /// An authenticator app was tied to it.
    Totp,
    /// The app was taken off.
    TotpOff,
    /// Backup codes were made.
    BackupCodes,
    /// A backup code was used.
    BackupCodeUsed,
    /// An app password was made.
    AppPassword,
    /// One was revoked.
    AppPasswordGone,
    /// A telephone was enrolled for QR codes.
    Phone,
    /// It was taken off.
    PhoneOff,
    /// Codes by SMS go to a new number.
    Number,
    /// They go nowhere any more.
    NumberOff,
    /// Mail about the account goes elsewhere.
    Contact,
    /// What the person asked for was refused.
    Refused,
}

/// What a client asked to be told about one recipient (RFC 3461).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// `NOTIFY`.
    pub notify: DsnNotify,
    /// `ORCPT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<String>,
    /// `ENVID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<String>,
    /// `RET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret_full: Option<bool>,
}

/// What a notification tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Recipient's number.
    pub recipient: RecipientNo,
    /// `delivered`, `relayed`, `delayed` or `failed`.
    pub action: String,
    /// RFC 3463.
    pub status: String,
    /// The remote server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostic: Option<String>,
    /// Who said them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The request it answers.
    pub asked: Asked,
}

/// Proofs that came by mail, judged. It names nothing but files and checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Language of the answer.
    pub language: Language,
    /// Message-ID of the question, without angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Each file.
    pub files: Vec<Judged>,
}

/// One file and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes, so that nobody can take the answer for one about another file.
    pub sha256: Sha256Digest,
    /// What it is.
    pub outcome: Outcome,
    /// Checks made.
    pub checks: usize,
    /// The first checks that failed: subject and finding.
    pub failed: Vec<(String, String)>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A proof that holds.
    Valid,
    /// One that held until its last timestamp's authority aged.
    Aged,
    /// One that does not.
    Invalid,
    /// No proof.
    NotProof,
    /// Too large or too heavy to be judged by mail.
    TooHeavy,
}

/// What a receipt tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptEvent {
    /// One recipient has opened the message.
    OpenedByOne,
    /// All have.
    OpenedByAll,
    /// It could not be delivered to a recipient.
    Failed,
    /// It waits for the sender.
    Held,
    /// It still does, and not much longer.
    StillHeld,
    /// Access was closed, by somebody else than the sender.
    Revoked,
    /// A recipient's address was corrected.
    Corrected,
    /// Access was extended.
    Extended,
}

impl Spec {
    /// Whether it brings a recipient what was deposited, or the way there: its outcome is the consignment's.
    pub fn is_for_recipient(&self) -> bool {
        matches!(
            self,
            Self::Consignment { .. } | Self::Resend { .. } | Self::Reminder { .. } | Self::Granted { .. }
        )
    }
    /// Whether the recipient had been told before.
    pub fn is_subsequent(&self) -> bool {
        matches!(self, Self::Resend { .. } | Self::Reminder { .. } | Self::Granted { .. })
    }
    /// Whether it tells the sender of a deposit what becomes of it.
    pub fn is_for_sender(&self) -> bool {
        matches!(
            self,
            Self::Receipt { .. }
                | Self::Said { .. }
                | Self::Question { .. }
                | Self::Answered { .. }
                | Self::Report(_)
                | Self::Forward { .. }
        )
    }
    /// As stored.
    pub fn to_json(&self) -> String {
        // Strings, numbers and a UUID always serialise.
        serde_json::to_string(self).expect("a spec is plain data")
    }
    /// From the stored text.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stable() {
        for (spec, text) in [
            (
                Spec::Consignment { helo: "x".into(), protocol: "ESMTPSA".into(), dsn: None },
                r#"{"kind":"consignment","helo":"x","protocol":"ESMTPSA"}"#,
            ),
            (
                Spec::Receipt { event: ReceiptEvent::OpenedByOne },
                r#"{"kind":"receipt","event":"opened-by-one"}"#,
            ),
        ] {
            assert_eq!(spec.to_json(), text);
            assert_eq!(Spec::read(text).unwrap(), spec);
        }
        assert!(Spec::read(r#"{"kind":"other"}"#).is_err());
        assert!(Spec::read(r#"{"kind":"code","challenge":"no"}"#).is_err());
    }
}
