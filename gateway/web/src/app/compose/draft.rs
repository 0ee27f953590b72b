//! The draft: what was typed and which files were joined, kept under a key of its own. Never a password.

use crate::fault::Fault;
use crate::login::Staff;
use crate::multipart::posted::Posted;
use crate::state::WebState;
use aws_lc_rs::hmac;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sealpost_envelope::{Sha256Digest, Timestamp};
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
    /// What is asked for single recipients.
    pub(super) people: Vec<Wish>,
}

/// What stands in the form about one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::app) struct Wish {
    pub(super) address: String,
    /// One of the ways that are offered, or empty for all of them.
    pub(super) gate: String,
    pub(super) phone: String,
    /// RPPS number.
    pub(super) rpps: String,
    pub(super) until: String,
}

impl Draft {
    /// What was posted, but files that are to be removed.
    pub(super) fn of(posted: &Posted) -> Self {
        let (removed, mut uploads) = (posted.ids("remove"), posted.ids("upload"));
        uploads.extend(&posted.uploads);
        uploads.retain(|id| !removed.contains(id));
        let text = |name: &str| posted.raw(name).trim().to_owned();
        Self {
            from: posted.line("from"),
            to: text("to"),
            cc: text("cc"),
            bcc: text("bcc"),
            subject: posted.line("subject").chars().take(900).collect(),
            message: posted.raw("message").replace("\r\n", "\n"),
            secure: posted.line("secure") == "yes",
            until: posted.line("until"),
            uploads,
            people: wishes(posted),
        }
    }
    /// Whether nothing was written yet.
    pub(super) fn is_empty(&self) -> bool {
        let texts = [&self.to, &self.cc, &self.bcc, &self.subject, &self.message];
        texts.iter().all(|t| t.is_empty()) && self.uploads.is_empty()
    }
    /// What is asked for a recipient.
    pub(super) fn wish(&self, address: &str) -> Option<&Wish> {
        self.people.iter().find(|w| w.address.eq_ignore_ascii_case(address))
    }
    /// Tells this filling-in of the form from every other. The password counts and cannot be found out from it.
    pub(super) fn mark(&self, state: &WebState, password: &str) -> Result<Sha256Digest, Fault> {
        let json = serde_json::to_vec(self).map_err(|e| Fault::internal("a draft", e))?;
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &state.keys.csrf));
        context.update(b"sealpost form v1\0");
        context.update(&json);
        context.update(&[0]);
        context.update(password.as_bytes());
        Ok(Sha256Digest::of(context.sign().as_ref()))
    }
}

/// Each begins with the field `who`; what follows is about them.
fn wishes(posted: &Posted) -> Vec<Wish> {
    let mut all: Vec<Wish> = Vec::new();
    for (name, value) in posted.pairs() {
        let value = value.trim().to_owned();
        if name == "who" {
            all.push(Wish { address: value, ..Wish::default() });
            continue;
        }
        let Some(one) = all.last_mut() else { continue };
        match name {
            "who-gate" => one.gate = value,
            "who-phone" => one.phone = value,
            "who-rpps" => one.rpps = value,
            "who-until" => one.until = value,
            _ => {}
        }
    }
    all
}

/// When a day, as a browser's field gives it, is over.
pub(super) fn end(day: &str, zone: &TimeZone) -> Option<Timestamp> {
    let date: Date = day.parse().ok()?;
    date.tomorrow().ok()?.to_zoned(zone.clone()).ok().map(|z| z.timestamp())
}

fn fault(error: DraftError) -> Fault {
    match error {
        DraftError::Store(e) => e.into(),
        other => Fault::internal("a draft", other),
    }
}

fn read(bytes: &[u8]) -> Result<Draft, Fault> {
    serde_json::from_slice(bytes).map_err(|e| Fault::internal("a draft", e))
}

/// A draft of this person, and when it was kept.
pub(super) async fn load(
    state: &WebState,
    staff: &Staff,
    id: Uuid,
) -> Result<Option<(Timestamp, Draft)>, Fault> {
    match state.store.draft(staff.id(), id).await.map_err(fault)? {
        Some(kept) => Ok(Some((kept.updated, read(&kept.content)?))),
        None => Ok(None),
    }
}

/// The drafts of this person, the one touched last first.
pub(super) async fn all(state: &WebState, staff: &Staff) -> Result<Vec<(Uuid, Timestamp, Draft)>, Fault> {
    let kept = state.store.drafts(staff.id()).await.map_err(fault)?;
    kept.into_iter().map(|k| Ok((k.id, k.updated, read(&k.content)?))).collect()
}

/// Keeps it in place of what it was before.
pub(super) async fn keep(state: &WebState, staff: &Staff, id: Uuid, draft: &Draft) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(draft).map_err(|e| Fault::internal("a draft", e))?;
    state.store.keep_draft(staff.entity(), staff.id(), id, &bytes).await.map_err(fault)
}

/// Forgets it.
pub(super) async fn forget(state: &WebState, staff: &Staff, id: Uuid) -> Result<(), Fault> {
    state.store.drop_draft(staff.id(), id).await.map_err(fault)
}
