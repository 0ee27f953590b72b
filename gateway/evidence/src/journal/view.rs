//! Reading entries: everything a check of the log needs in one pass, the rest on demand.

use super::MAX_ENTRY;
use super::scan::{Bad, Scanner};
use crate::EventName;
use sealpost_envelope::{DepositId, EntityId, EntryId, RecipientNo, Sha256Digest, Timestamp};

/// Bytes that are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Over [`MAX_ENTRY`].
    #[error("the entry is larger than {MAX_ENTRY} octets")]
    TooLarge,
    /// Not UTF-8.
    #[error("the entry is not UTF-8")]
    NotText,
    /// Not the canonical JSON of an entry, from this offset on.
    #[error("the entry is not canonical JSON at octet {0}")]
    Form(usize),
    /// A field has no possible value.
    #[error("the entry's field {0:?} has an impossible value")]
    Field(&'static str),
}

impl From<Bad> for EntryError {
    fn from(bad: Bad) -> Self {
        Self::Form(bad.0)
    }
}

/// An entry in its canonical form, which has been checked. Actor and detail stay text until asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView<'a> {
    text: &'a str,
    /// Entry.
    pub id: EntryId,
    /// When.
    pub time: Timestamp,
    /// What.
    pub event: EventName,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit concerned.
    pub deposit: Option<DepositId>,
    /// Recipient concerned.
    pub recipient: Option<RecipientNo>,
    /// The `actor` object as JSON.
    pub actor: &'a str,
    /// The `detail` object as JSON.
    pub detail: &'a str,
}

impl<'a> EntryView<'a> {
    /// Reads an entry and refuses any other spelling than the one [`crate::render`] writes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY {
            return Err(EntryError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| EntryError::NotText)?;
        let mut s = Scanner::new(text);
        s.literal("{\"actor\":")?;
        let actor = s.object()?;
        let deposit = if s.try_literal(",\"deposit\":") {
            Some(DepositId(uuid(s.string()?.0).ok_or(EntryError::Field("deposit"))?))
        } else {
            None
        };
        s.literal(",\"detail\":")?;
        let detail = s.object()?;
        s.literal(",\"entity\":")?;
        let entity = EntityId(s.integer()?);
        s.literal(",\"event\":")?;
        let event = EventName::parse(s.string()?.0).ok_or(EntryError::Field("event"))?;
        s.literal(",\"id\":")?;
        let id = EntryId(uuid(s.string()?.0).ok_or(EntryError::Field("id"))?);
        let recipient = if s.try_literal(",\"recipient\":") {
            Some(s.integer()?.try_into().map_err(|_| EntryError::Field("recipient"))?)
        } else {
            None
        };
        s.literal(",\"time\":")?;
        let time = parse_time(s.string()?.0).ok_or(EntryError::Field("time"))?;
        s.literal(",\"v\":1}")?;
        s.end()?;
        Ok(Self { text, id, time, event, entity, deposit, recipient, actor, detail })
    }
    /// The whole entry.
    pub fn text(&self) -> &'a str {
        self.text
    }
    /// Whether this is the entry's identifier, as it is written.
    pub(super) fn has_id(&self, id: &str) -> bool {
        uuid(id) == Some(self.id.0)
    }
    /// The whole entry as JSON values.
    pub fn json(&self) -> serde_json::Value {
        // The scanner accepts a subset of JSON.
        serde_json::from_str(self.text).unwrap_or_default()
    }
    /// `detail.evidence`: SHA-256 of the evidence XML, for entries that have one.
    pub fn evidence(&self) -> Result<Option<Sha256Digest>, EntryError> {
        let detail: serde_json::Value = serde_json::from_str(self.detail).unwrap_or_default();
        match detail.get("evidence") {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .filter(|hex| !hex.bytes().any(|b| b.is_ascii_uppercase()))
                .and_then(|hex| Sha256Digest::try_from(hex.to_owned()).ok())
                .map(Some)
                .ok_or(EntryError::Field("detail.evidence")),
        }
    }
}

/// A UUID in lower case with hyphens, as RFC 9562 §4 says it is written.
fn uuid(text: &str) -> Option<uuid::Uuid> {
    let spelt = text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase());
    if spelt { uuid::Uuid::try_parse(text).ok() } else { None }
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ` and nothing else.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00.000000Z";
    let fits = |(&b, &s): (&u8, &u8)| if s == b'0' { b.is_ascii_digit() } else { b == s };
    let spelt = text.len() == SHAPE.len() && text.as_bytes().iter().zip(SHAPE).all(fits);
    // A leap second would be read as the second before it and so have two spellings.
    if spelt && &text[17..19] != "60" { text.parse().ok() } else { None }
}
