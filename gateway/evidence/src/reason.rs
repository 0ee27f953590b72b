//! Reasons of events (EN 319 522-3 `EventReason/Code`).

/// Why an event went the way it did. Variants are ETSI's names, spelt as in V1.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it; the table below gives ETSI's code and name
pub enum Reason {
    MessageAccepted,
    InvalidMessageFormat,
    MalwareFound,
    SenderCertificate,
    PolicyViolation,
    NotificationSent,
    SubsequentNotificationSent,
    NotificationError,
    SubsequentNotificationError,
    AcceptedByRecipient,
    RejectedByRecipient,
    NotAcceptedInTime,
    Consigned,
    NotConsignedForMalfunction,
    NotConsignedForUnallowedType,
    HandedOver,
    HandoverTimeout,
    RelayedToNonErds,
    ExternalSystemUnreachable,
    RejectedByExternalSystem,
    RelayNotAllowed,
    Other,
}

impl Reason {
    /// ETSI's short code and name.
    fn pair(self) -> (&'static str, &'static str) {
        match self {
            Self::MessageAccepted => ("RA01", "MessageAccepted"),
            Self::InvalidMessageFormat => ("RA02", "InvalidMessageFormat"),
            Self::MalwareFound => ("RA03", "MalwareFound"),
            Self::SenderCertificate => ("RA04", "SenderSigningCertExpiredOrRevoked"),
            Self::PolicyViolation => ("RA05", "S_ERDS_PolicyViolation"),
            Self::NotificationSent => ("RC01", "NotificationForAcceptanceSent"),
            Self::SubsequentNotificationSent => ("RC02", "SubsequentNotificationForAcceptanceSent"),
            // "Acceptence" is how V1.1.1 spells it.
            Self::NotificationError => ("RC03", "NotificationForAcceptenceError"),
            Self::SubsequentNotificationError => ("RC04", "SubsequentNotificationForAcceptanceError"),
            Self::AcceptedByRecipient => ("RC07", "MessageAcceptedByRecipient"),
            Self::RejectedByRecipient => ("RC08", "MessageRejectedByRecipient"),
            Self::NotAcceptedInTime => ("RC09", "MessageNotAcceptedInTimeByRecipient"),
            Self::Consigned => ("RD01", "MessageConsignedToRecipient"),
            Self::NotConsignedForMalfunction => ("RD05", "MessageNotConsignedForMalfunction"),
            Self::NotConsignedForUnallowedType => ("RD06", "MessageNotConsignedForUnallowedType"),
            Self::HandedOver => ("RE01", "MessageHandedOver"),
            Self::HandoverTimeout => ("RE04", "MessageHandoverTimeout"),
            Self::RelayedToNonErds => ("RF01", "MessageRelayedToNonERDS"),
            Self::ExternalSystemUnreachable => ("RF02", "ExternalSystemUnreachable"),
            Self::RejectedByExternalSystem => ("RF03", "MessageRejectedByExternalSystem"),
            Self::RelayNotAllowed => ("RF51", "RelayToNonERDSNotAllowed"),
            Self::Other => ("RXXX", "Other"),
        }
    }
    /// ETSI's short code, as in `RF03`.
    pub fn code(self) -> &'static str {
        self.pair().0
    }
    /// The URI of `EventReason/Code`.
    pub fn uri(self) -> String {
        format!("http://uri.etsi.org/19522/EventReason/{}", self.pair().1)
    }
    /// The reason that goes without saying for an event that went well.
    pub fn implied(event: crate::EventName) -> Option<Self> {
        use crate::EventName as E;
        Some(match event {
            E::SubmissionAcceptance => Self::MessageAccepted,
            E::RelayToNonERDS => Self::RelayedToNonErds,
            E::NotificationForAcceptance => Self::NotificationSent,
            E::ConsignmentAcceptance => Self::AcceptedByRecipient,
            E::ConsignmentRejection => Self::RejectedByRecipient,
            E::AcceptanceRejectionExpiry => Self::NotAcceptedInTime,
            E::ContentConsignment => Self::Consigned,
            E::ContentHandover => Self::HandedOver,
            E::ContentHandoverFailure => Self::HandoverTimeout,
            _ => return None,
        })
    }
}
