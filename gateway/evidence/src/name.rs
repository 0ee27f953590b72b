//! Names of events: ETSI's where one fits, ours otherwise.
//!
//! **Standards.** EN 319 522-1 §6 (events A to F), EN 319 522-3 (`ERDSEventId`).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A word that names no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event {0:?}")]
pub struct UnknownEvent(pub String);

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum EventName { $($(#[$doc])* $name,)* }

        impl EventName {
            /// Every name, ETSI's first.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The word in the journal.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
            /// Reads the word in the journal.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }
        }
    };
}

names! {
    /// A.1: the deposit was accepted.
    SubmissionAcceptance,
    /// A.2: nothing was deposited.
    SubmissionRejection,
    /// F.1: a mail server outside took the message over.
    RelayToNonERDS,
    /// F.2: no mail server outside took it.
    RelayToNonERDSFailure,
    /// C.1: the invitation to accept was sent.
    NotificationForAcceptance,
    /// C.2: it could not be sent.
    NotificationForAcceptanceFailure,
    /// C.3: the recipient passed the gate and accepted.
    ConsignmentAcceptance,
    /// C.4: the recipient refused.
    ConsignmentRejection,
    /// C.5: no answer in time.
    AcceptanceRejectionExpiry,
    /// D.1: the content is available to the authenticated recipient.
    ContentConsignment,
    /// D.2: it could not be made available.
    ContentConsignmentFailure,
    /// D.3: the notice of available content was sent.
    ConsignmentNotification,
    /// D.4: it could not be sent.
    ConsignmentNotificationFailure,
    /// The recipient's server confirmed the notice (V1.2.1).
    NotificationDelivered,
    /// The notice's link was fetched (V1.2.1).
    NotificationAccessTracking,
    /// Content was looked at without crossing over whole (V1.2.1).
    ContentAccessTracking,
    /// E.1: the content reached the recipient's client.
    ContentHandover,
    /// E.2: it did not within the retention.
    ContentHandoverFailure,
    /// A code left for the recipient.
    ChallengeSent,
    /// A gate method was passed.
    GatePassed,
    /// A gate method was failed.
    GateFailed,
    /// A card or provider identity was bound to the recipient.
    IdentityBound,
    /// A read receipt (MDN) came in.
    ReadReceiptReceived,
    /// The recipient's mail was sent again with a new link.
    Resent,
    /// The sender corrected the recipient's address.
    RecipientCorrected,
    /// The sender or an operator ended access.
    Revoked,
    /// Access was extended.
    Extended,
    /// A legal hold was placed, or the message waits for its sender's answer.
    HoldPlaced,
    /// A hold was lifted.
    HoldReleased,
    /// The keys of the content were destroyed.
    ContentDestroyed,
    /// A proof was exported.
    ProofExported,
    /// A login succeeded.
    AccountLogin,
    /// A login failed.
    AccountLoginFailed,
    /// An account was created, changed or disabled.
    AccountChanged,
    /// Rules were loaded.
    PolicyLoaded,
    /// A new log began after a restore.
    LogRestarted,
}

impl EventName {
    /// Whether EN 319 522 knows this event, so that it gets an evidence XML.
    pub fn is_etsi(self) -> bool {
        self <= Self::ContentHandoverFailure
    }
    /// `ERDSEventId` of EN 319 522-3, for the events it names.
    pub fn etsi_uri(self) -> Option<String> {
        self.is_etsi().then(|| format!("http://uri.etsi.org/19522/Event/{}", self.as_str()))
    }
    /// Whether the evidence speaks of one recipient (EN 319 522-2 table 13, I09: groups C, D, E).
    pub fn refers_to_recipient(self) -> bool {
        self.is_etsi()
            && !matches!(
                self,
                Self::SubmissionAcceptance
                    | Self::SubmissionRejection
                    | Self::RelayToNonERDS
                    | Self::RelayToNonERDSFailure
            )
    }
    /// Whether the message left for a system that is no registered delivery service (group F).
    pub fn is_relay(self) -> bool {
        matches!(self, Self::RelayToNonERDS | Self::RelayToNonERDSFailure)
    }
    /// Whether ETSI asks for at least one reason (negative events, EN 319 522-2 G04).
    pub fn is_negative(self) -> bool {
        matches!(
            self,
            Self::SubmissionRejection
                | Self::RelayToNonERDSFailure
                | Self::NotificationForAcceptanceFailure
                | Self::ConsignmentRejection
                | Self::AcceptanceRejectionExpiry
                | Self::ContentConsignmentFailure
                | Self::ConsignmentNotificationFailure
                | Self::ContentHandoverFailure
        )
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for EventName {
    type Err = UnknownEvent;
    fn from_str(s: &str) -> Result<Self, UnknownEvent> {
        Self::parse(s).ok_or_else(|| UnknownEvent(s.to_owned()))
    }
}
impl TryFrom<String> for EventName {
    type Error = UnknownEvent;
    fn try_from(s: String) -> Result<Self, UnknownEvent> {
        s.parse()
    }
}
impl From<EventName> for String {
    fn from(n: EventName) -> String {
        n.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_etsi_comes_first() {
        assert_eq!(EventName::ALL.len(), 36);
        for name in EventName::ALL {
            assert_eq!(name.as_str().parse::<EventName>().unwrap(), *name);
        }
        assert_eq!(EventName::ALL.iter().filter(|n| n.is_etsi()).count(), 18);
        assert_eq!(
            EventName::ContentHandover.etsi_uri().unwrap(),
            "http://uri.etsi.org/19522/Event/ContentHandover"
        );
        assert_eq!(EventName::GatePassed.etsi_uri(), None);
        assert!("submissionacceptance".parse::<EventName>().is_err());
    }
}
