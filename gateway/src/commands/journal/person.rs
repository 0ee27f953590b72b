//! `sealpost journal person ADDRESS`: everything that is kept about one person, as JSON lines, for their right of
//! access (GDPR art. 15).
//!
//! A line says what it is in `kind`: `account`, `deposit` (as its sender), `consignment` (as a recipient: of the
//! deposit only what concerns this recipient), `entry` (what the journal says of these). Content is not part of
//! it: senders have it, recipients get it by their links. Technical logs are apart from all this: they go to
//! the system's log and end there by its rules.

use anyhow::Result;
use futures_util::StreamExt;
use sealpost_envelope::EmailAddress;
use sealpost_evidence::EventName;
use sealpost_store::account::Accounts;
use sealpost_store::{DepositFilter, DepositRow, JournalEntry, JournalFilter, Store};
use serde_json::{Value, json};
use std::io::Write;

/// Events about accounts; they belong to no deposit.
const ABOUT_ACCOUNTS: [EventName; 3] =
    [EventName::AccountLogin, EventName::AccountLoginFailed, EventName::AccountChanged];

/// Writes the lines; answers how many.
pub async fn export(store: &Store, who: &EmailAddress, out: &mut impl Write) -> Result<u64> {
    let mut writer = Lines { out, count: 0 };
    if let Some(account) = Accounts::new(store)?.by_login(who).await? {
        writer.line(json!({
            "kind": "account", "login": account.login, "name": account.name, "role": account.role.as_str(),
            "disabled": account.disabled,
        }))?;
    }
    let filter = DepositFilter { sender: Some(who.clone()), ..DepositFilter::default() };
    let mut rows = store.list_deposits(&filter);
    while let Some(row) = rows.next().await {
        let row = row?;
        writer.line(json!({ "kind": "deposit", "deposit": deposit(&row) }))?;
        for entry in store.entries_of_deposit(row.id).await? {
            writer.entry(&entry)?;
        }
    }
    let filter = DepositFilter { recipient: Some(who.clone()), ..DepositFilter::default() };
    let mut rows = store.list_deposits(&filter);
    while let Some(row) = rows.next().await {
        let row = row?;
        for c in store.consignments(row.id).await?.into_iter().filter(|c| c.address.key() == who.key()) {
            writer.line(json!({
                "kind": "consignment", "deposit": deposit(&row), "recipient": c.n, "address": c.address,
                "first_sent": c.first_sent, "last_sent": c.last_sent, "opened": c.opened,
                "downloaded": c.downloaded, "revoked": c.revoked, "phone": c.verdict.phone,
                "expires": c.verdict.expires, "retention": c.verdict.retention,
            }))?;
            let entries = store.entries_of_deposit(row.id).await?;
            for entry in entries.iter().filter(|e| e.recipient == Some(c.n)) {
                writer.entry(entry)?;
            }
        }
    }
    for event in ABOUT_ACCOUNTS {
        let filter = JournalFilter { event: Some(event), ..JournalFilter::default() };
        let mut entries = store.search_journal(&filter);
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if names(&entry, who) {
                writer.entry(&entry)?;
            }
        }
    }
    Ok(writer.count)
}

/// Whether one of the entry's clear values is the address.
fn names(entry: &JournalEntry, who: &EmailAddress) -> bool {
    let openings: Value =
        entry.openings.as_ref().and_then(|o| serde_json::from_slice(o).ok()).unwrap_or_default();
    let values = openings.get("open").and_then(Value::as_object);
    values
        .into_iter()
        .flatten()
        .filter_map(|(_, one)| one.get("value")?.as_str())
        .any(|value| EmailAddress::parse(value).is_ok_and(|address| address.key() == who.key()))
}

fn deposit(row: &DepositRow) -> Value {
    json!({
        "id": row.id, "reference": row.reference, "sender": row.sender, "created": row.created,
        "size": row.size, "sha256": row.digests.sha256,
    })
}

struct Lines<'a, W> {
    out: &'a mut W,
    count: u64,
}

impl<W: Write> Lines<'_, W> {
    fn line(&mut self, value: Value) -> Result<()> {
        writeln!(self.out, "{value}")?;
        self.count += 1;
        Ok(())
    }
    fn entry(&mut self, entry: &JournalEntry) -> Result<()> {
        let parse = |bytes: &Option<Vec<u8>>| {
            bytes.as_ref().and_then(|b| serde_json::from_slice::<Value>(b).ok()).unwrap_or_default()
        };
        self.line(json!({
            "kind": "entry", "index": entry.index, "time": entry.time, "event": entry.event.as_str(),
            "deposit": entry.deposit, "recipient": entry.recipient, "entry": parse(&entry.bytes),
            "openings": parse(&entry.openings),
        }))
    }
}
