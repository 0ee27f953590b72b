//! What an evidence says about the service, the parties and the message.

use sealpost_envelope::{
    DepositId, Digests, EmailAddress, EntityId, GateMethod, PartNo, Reference, Timestamp,
};

/// The organisation that issues the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Entity of this installation.
    pub entity: EntityId,
    /// Legal name.
    pub name: String,
    /// SIREN or another national identifier.
    pub identifier: Option<String>,
    /// Host name of the service, as in Message-IDs and `Received`.
    pub hostname: String,
    /// Identifiers (URIs) of the policies that apply; at least one in a good configuration.
    pub policies: Vec<String>,
    /// DER of the certificate that seals evidence, when it should be named inside it too.
    pub certificate: Option<Vec<u8>>,
}

/// How somebody was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthBasis {
    /// Logged in to the service; the word names the mechanism (`plain`, `scram-sha-256`, `web`, `api`).
    Login(String),
    /// A trusted server of that name vouches; nobody logged in.
    Asserted(String),
    /// Passed these gate methods, in order.
    Gate {
        /// Methods.
        methods: Vec<GateMethod>,
        /// What they are worth together: `low`, `substantial` or `high`, where that was judged.
        level: Option<String>,
    },
}

/// An authentication with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// When.
    pub time: Timestamp,
    /// How.
    pub basis: AuthBasis,
}

/// A sender, their delegate, or a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Mailbox.
    pub address: EmailAddress,
    /// Display name.
    pub name: Option<String>,
    /// How the person was authenticated, where that is known when the facts are gathered.
    pub authentication: Option<Authentication>,
}

impl Party {
    /// A party of whom only the address is known.
    pub fn new(address: EmailAddress) -> Self {
        Self { address, name: None, authentication: None }
    }
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFacts {
    /// Number within the deposit, from 1.
    pub number: PartNo,
    /// File name, when the message gave one.
    pub name: Option<String>,
    /// Media type, as in `application/pdf`.
    pub media_type: String,
    /// Decoded length in bytes.
    pub size: u64,
    /// Digests of the decoded bytes.
    pub digests: Digests,
}

/// What every evidence about a deposit repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositFacts {
    /// Deposit.
    pub id: DepositId,
    /// Its reference for people.
    pub reference: Reference,
    /// The author's Message-ID without angle brackets, when there is one.
    pub message_id: Option<String>,
    /// The author: who stands in From.
    pub sender: Party,
    /// Who acted for the author (`Sender:`).
    pub delegate: Option<Party>,
    /// Recipients in the order of their numbers.
    pub recipients: Vec<Party>,
    /// When the message was accepted (or refused).
    pub submitted: Timestamp,
    /// Length of the message as received.
    pub size: u64,
    /// Digests of the message as received.
    pub digests: Digests,
    /// Attachments.
    pub parts: Vec<PartFacts>,
}
