//! What a queue row asks the composer for.
//!
//! The words are stored (`outbound.spec`); the door writes `code` and `receipt` rows too (contract of the
//! `outbound` table). Unknown fields are refused, so that a newer row is not half understood.

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
    },
    /// The deposit again, with a new generation of the link.
    Resend {
        /// Generation of the link.
        generation: u32,
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
}

impl Spec {
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
                Spec::Consignment { helo: "x".into(), protocol: "ESMTPSA".into() },
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
