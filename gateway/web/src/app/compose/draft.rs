//! The draft: what was typed and which files were joined, kept under a key of its own. Never a password.

use crate::fault::Fault;
use crate::login::Staff;
use crate::state::WebState;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sealpost_envelope::Timestamp;
use sealpost_store::DraftError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What stands in the form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::app) struct Draft {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) cc: String,
    pub(super) bcc: String,
    pub(super) subject: String,
    pub(super) message: String,
    /// Recipients authenticate before they read anything.
    pub(super) secure: bool,
    /// Last day of access, as a browser's field gives it.
    pub(super) until: String,
    pub(super) uploads: Vec<Uuid>,
}

impl Draft {
    /// Whether nothing was written yet.
    pub(super) fn is_empty(&self) -> bool {
        let texts = [&self.to, &self.cc, &self.bcc, &self.subject, &self.message];
        texts.iter().all(|t| t.is_empty()) && self.uploads.is_empty()
    }
    /// When the last day is over.
    pub(super) fn end(&self, zone: &TimeZone) -> Option<Timestamp> {
        let date: Date = self.until.parse().ok()?;
        date.tomorrow().ok()?.to_zoned(zone.clone()).ok().map(|z| z.timestamp())
    }
}

fn fault(error: DraftError) -> Fault {
    match error {
        DraftError::Store(e) => e.into(),
        other => Fault::internal("a draft", other),
    }
}

/// The draft of this person, and when it was kept.
pub(super) async fn load(state: &WebState, staff: &Staff) -> Result<Option<(Timestamp, Draft)>, Fault> {
    let Some((at, bytes)) = state.store.draft(staff.id()).await.map_err(fault)? else { return Ok(None) };
    let draft = serde_json::from_slice(&bytes).map_err(|e| Fault::internal("a draft", e))?;
    Ok(Some((at, draft)))
}

/// Keeps it in place of the one before.
pub(super) async fn keep(state: &WebState, staff: &Staff, draft: &Draft) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(draft).map_err(|e| Fault::internal("a draft", e))?;
    state.store.keep_draft(staff.entity(), staff.id(), &bytes).await.map_err(fault)
}

/// Forgets it.
pub(super) async fn forget(state: &WebState, staff: &Staff) -> Result<(), Fault> {
    state.store.drop_draft(staff.id()).await.map_err(fault)
}
