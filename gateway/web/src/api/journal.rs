//! `GET /api/v1/journal`: for auditors; a page as JSON, or everything asked for as JSON lines or CSV, streaming.

use super::caller::Caller;
use super::problem::{Kind, Problem};
use super::request::{self, Answer, cursor, named, place};
use crate::actions;
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header;
use sealpost_envelope::{DepositId, EmailAddress, Timestamp};
use sealpost_evidence::EventName;
use sealpost_evidence::journal::format_time;
use sealpost_store::account::{Role, TokenScope};
use sealpost_store::journal::FollowJournal;
use sealpost_store::{JournalEntry, JournalFilter};
use serde::Deserialize;
use serde_json::{Value, json};

/// Entries on a page where nothing else is said, and at most.
const PAGE: u32 = 100;
const LONGEST: u32 = 500;
/// First line of the CSV.
const HEADER: &str = "index,id,time,event,entity,deposit,recipient,leaf\r\n";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    event: Option<String>,
    deposit: Option<String>,
    address: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    cursor: Option<String>,
    limit: Option<u32>,
    format: Option<String>,
}

/// `GET /api/v1/journal`
pub(super) async fn journal(
    State(state): State<WebState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    caller.needs(TokenScope::Journal)?;
    caller.is(Role::Auditor)?;
    let bad = |what: String| Problem::detailed(Kind::InvalidRequest, what);
    let wanted: Wanted = request::query(query.as_deref())?;
    let event = wanted.event.as_deref().map(|name| {
        EventName::parse(name).ok_or_else(|| bad(format!("event: there is none called {name:?}")))
    });
    let event = event.transpose()?;
    let deposit = match wanted.deposit.as_deref() {
        None => None,
        Some(text) => {
            let text = named(text).map_err(|_| bad("deposit: an id or a reference".into()))?;
            let found = actions::find(&state, &caller.account, &text).await?;
            Some(found.ok_or(Problem::new(Kind::NotFound))?.row.id)
        }
    };
    let address = wanted
        .address
        .as_deref()
        .map(|text| EmailAddress::parse(text).map_err(|e| bad(format!("address: {e}"))));
    let address = address.transpose()?;
    match wanted.format.as_deref().unwrap_or("json") {
        "json" => page(&state, &caller, &wanted, event, deposit, address).await,
        format @ ("jsonl" | "csv") => {
            if wanted.cursor.is_some() || wanted.limit.is_some() || address.is_some() {
                let words =
                    "cursor, limit and address are for pages; an export is told by event, deposit and time";
                return Err(bad(words.into()));
            }
            let filter = JournalFilter {
                entity: Some(caller.account.entity),
                event,
                deposit,
                since: wanted.since,
                until: wanted.until,
                ..JournalFilter::default()
            };
            Ok(export(&state, &filter, format == "csv"))
        }
        _ => Err(bad("format: json, jsonl or csv".into())),
    }
}

async fn page(
    state: &WebState,
    caller: &Caller,
    wanted: &Wanted,
    event: Option<EventName>,
    deposit: Option<DepositId>,
    address: Option<EmailAddress>,
) -> Result<Response, Problem> {
    let limit = wanted.limit.unwrap_or(PAGE);
    if limit == 0 || limit > LONGEST {
        return Err(Problem::detailed(Kind::InvalidRequest, format!("limit: between 1 and {LONGEST}")));
    }
    let entries = state
        .store
        .follow_journal(&FollowJournal {
            sight: actions::sight(&caller.account),
            words: Vec::new(),
            events: event.into_iter().collect(),
            deposit,
            address,
            since: wanted.since,
            until: wanted.until,
            after: wanted.cursor.as_deref().map(place).transpose()?,
            limit,
        })
        .await?;
    let last = entries.last().filter(|_| entries.len() == limit as usize);
    let next = last.map(|e| cursor(e.time, &e.id.to_string()));
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    Ok(Answer::ok(json!({ "entries": entries, "next": next })).into_response())
}

/// An entry with its clear values; both are null once pruned.
fn entry(e: &JournalEntry) -> Value {
    let parse = |bytes: &Option<Vec<u8>>| -> Value {
        bytes.as_deref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default()
    };
    json!({
        "id": e.id, "index": e.index, "time": format_time(e.time), "event": e.event.as_str(), "deposit": e.deposit,
        "recipient": e.recipient, "leaf": sealpost_envelope::hex::encode(&e.leaf), "entry": parse(&e.bytes),
        "openings": parse(&e.openings),
    })
}

fn line(e: &JournalEntry, csv: bool) -> Bytes {
    if !csv {
        return format!("{}\n", entry(e)).into();
    }
    // None of these values holds a comma, a quote or a line end (RFC 4180 §2).
    let index = e.index.map(|i| i.to_string()).unwrap_or_default();
    let deposit = e.deposit.map(|d| d.to_string()).unwrap_or_default();
    let recipient = e.recipient.map(|n| n.to_string()).unwrap_or_default();
    let leaf = sealpost_envelope::hex::encode(&e.leaf);
    format!("{index},{},{},{},{},{deposit},{recipient},{leaf}\r\n", e.id, e.time, e.event, e.entity).into()
}

/// Oldest first, one entry after the other; an export that fails breaks off, so that nobody takes it for whole.
fn export(state: &WebState, filter: &JournalFilter, csv: bool) -> Response {
    let (kind, name) = match csv {
        true => ("text/csv; charset=utf-8; header=present", "journal.csv"),
        false => ("application/jsonl", "journal.jsonl"),
    };
    let first = stream::iter(csv.then(|| Ok(Bytes::from_static(HEADER.as_bytes()))));
    let lines = state.store.search_journal(filter).map(move |e| match e {
        Ok(e) => Ok(line(&e, csv)),
        Err(error) => {
            tracing::error!(%error, "an export of the journal broke off");
            Err(error)
        }
    });
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, Body::from_stream(first.chain(lines))).into_response()
}
