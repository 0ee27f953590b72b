//! The name that whoever opened gave at a shared mailbox's door, out of a journal entry. It stands beside the entry with
//! its other personal values, and is forgotten with them.

use sealpost_store::JournalEntry;

/// The name in an entry, where somebody gave one.
pub fn declared(entry: &JournalEntry) -> Option<String> {
    let openings: serde_json::Value = serde_json::from_slice(entry.openings.as_deref()?).ok()?;
    openings["open"]["detail.declared"]["value"].as_str().map(str::to_owned)
}
