//! An event before it is written: name, actor, details.
//!
//! **Failure.** Building cannot fail; [`crate::render`] refuses what does not fit an entry.

use crate::{DepositFacts, EventName, Reason};
use sealpost_envelope::{
    AccountId, DepositId, EntityId, EntryId, GateMethod, RecipientNo, Sha256Digest, Sha512Digest, Timestamp,
};

/// Who acted. Personal fields become commitments in the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A logged-in account.
    Account {
        /// Account.
        id: AccountId,
        /// Its login (personal).
        login: String,
    },
    /// A `[[trusted]]` server: identity asserted, never "logged in".
    Server {
        /// Its name in the configuration.
        name: String,
        /// The address that it vouches for (personal).
        asserts: Option<String>,
    },
    /// A recipient who passed the gate.
    Recipient {
        /// Methods passed, in order; empty for the gate `link`.
        methods: Vec<GateMethod>,
        /// When the last of them was passed.
        passed: Option<Timestamp>,
        /// What the methods said about the person: card number, provider subject, address (personal).
        identity: Option<String>,
        /// Network address (personal).
        network: Option<String>,
        /// What the methods are worth together: `low`, `substantial` or `high`, where that was judged.
        level: Option<String>,
        /// What else they said about the person, as evidence repeats it (personal): a card's serial number, a
        /// provider's level.
        known: Vec<(String, String)>,
    },
    /// Somebody, or a scanner, who fetched without passing a gate.
    Anonymous {
        /// Network address (personal).
        network: Option<String>,
        /// `User-Agent` (personal).
        agent: Option<String>,
    },
    /// Another mail server, as peer of a transfer.
    Remote {
        /// Host name.
        host: String,
    },
    /// Sealpost by itself: workers, expiry.
    System,
    /// Somebody at the command line of the server.
    Operator {
        /// Operating-system user (personal).
        user: Option<String>,
    },
}

/// A value of a detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, in the clear.
    Text(String),
    /// An integer; beyond ±(2^53−1) the entry holds it as a string (RFC 8785 §3.2.2.3, I-JSON).
    Int(i128),
    /// True or false.
    Bool(bool),
    /// Texts in order.
    List(Vec<String>),
    /// Nested details.
    Map(Detail),
    /// Replaced by a salted commitment; the clear value goes to the openings.
    Personal(String),
}

/// Key → value, built in any order; the entry sorts. A key given twice keeps the last value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail(pub(crate) Vec<(String, Value)>);

impl Detail {
    /// No details.
    pub fn new() -> Self {
        Self::default()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Sets any value.
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.put(key, value);
        self
    }
    pub(crate) fn put(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(k, _)| k == key) {
            Some(slot) => slot.1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }
    /// Text, in the clear: nothing that names a person.
    pub fn text(self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, Value::Text(value.into()))
    }
    /// Text if there is one.
    pub fn maybe(self, key: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(v) => self.text(key, v),
            None => self,
        }
    }
    /// An integer.
    pub fn int(self, key: &str, value: impl Into<i128>) -> Self {
        self.set(key, Value::Int(value.into()))
    }
    /// True or false.
    pub fn flag(self, key: &str, value: bool) -> Self {
        self.set(key, Value::Bool(value))
    }
    /// Texts in order, in the clear.
    pub fn list<S: Into<String>>(self, key: &str, values: impl IntoIterator<Item = S>) -> Self {
        self.set(key, Value::List(values.into_iter().map(Into::into).collect()))
    }
    /// A digest.
    pub fn sha256(self, key: &str, digest: Sha256Digest) -> Self {
        self.text(key, digest.to_hex())
    }
    /// A digest.
    pub fn sha512(self, key: &str, digest: Sha512Digest) -> Self {
        self.text(key, digest.to_hex())
    }
    /// A time, UTC with microseconds.
    pub fn time(self, key: &str, value: Timestamp) -> Self {
        self.text(key, crate::journal::format_time(value))
    }
    /// Nested details.
    pub fn nest(self, key: &str, inner: Detail) -> Self {
        self.set(key, Value::Map(inner))
    }
    /// A personal field: the entry holds `{"sha256":…}` over a random salt, the path and the value.
    pub fn personal(self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, Value::Personal(value.into()))
    }
    /// What a deposit's first entry says of it: reference, size, digests, counts, and who (committed).
    pub fn of_deposit(facts: &DepositFacts) -> Self {
        Self::new()
            .text("reference", facts.reference.as_str())
            .int("size", facts.size)
            .sha256("sha256", facts.digests.sha256)
            .sha512("sha512", facts.digests.sha512)
            .int("recipients", facts.recipients.len() as u64)
            .int("parts", facts.parts.len() as u64)
            .personal("sender", facts.sender.address.as_str())
    }
}

/// Something that happened, ready for [`crate::render`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Identifier of its entry, and of its evidence.
    pub id: EntryId,
    /// When.
    pub time: Timestamp,
    /// What.
    pub name: EventName,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit concerned.
    pub deposit: Option<DepositId>,
    /// Recipient concerned, from 1. An evidence then names no other recipient.
    pub recipient: Option<RecipientNo>,
    /// Who.
    pub actor: Actor,
    /// More.
    pub detail: Detail,
    /// ETSI's reasons, each with a free text; required on negative events that get an evidence.
    pub reasons: Vec<(Reason, Option<String>)>,
    /// Host that took or refused the message; required for relays that get an evidence.
    pub external_system: Option<String>,
}

impl Event {
    /// An event by the system, without details.
    pub fn new(name: EventName, entity: EntityId, time: Timestamp) -> Self {
        Self {
            id: EntryId::generate(),
            time,
            name,
            entity,
            deposit: None,
            recipient: None,
            actor: Actor::System,
            detail: Detail::new(),
            reasons: Vec::new(),
            external_system: None,
        }
    }
    /// About this deposit.
    pub fn deposit(mut self, id: DepositId) -> Self {
        self.deposit = Some(id);
        self
    }
    /// About this recipient.
    pub fn recipient(mut self, number: RecipientNo) -> Self {
        self.recipient = Some(number);
        self
    }
    /// Done by.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }
    /// With details; replaces earlier ones.
    pub fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }
    /// Adds a reason.
    pub fn reason(mut self, reason: Reason, text: Option<&str>) -> Self {
        self.reasons.push((reason, text.map(str::to_owned)));
        self
    }
    /// Relayed to, or refused by, this host.
    pub fn external_system(mut self, host: &str) -> Self {
        self.external_system = Some(host.to_owned());
        self
    }
}
