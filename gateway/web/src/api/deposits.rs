//! Deposits: list, one, what is done to one, its proof.

use super::caller::Caller;
use super::problem::{Kind, Problem};
use super::request::{self, Answer, cursor, json, named, once, place};
use crate::actions::{self, Act, ProofWanted, Said};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use sealpost_envelope::{EmailAddress, Language, RecipientNo, Reference, Timestamp};
use sealpost_store::account::{Role, TokenScope};
use sealpost_store::deposit::{FollowFilter, Followed, RecipientMatch, StateFilter};
use sealpost_store::{ConsignmentRow, ConsignmentState, JournalEntry};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

/// Deposits on a page where nothing else is said, and at most.
const PAGE: u32 = 50;
const LONGEST: u32 = 200;
/// Deposits opened for one request that searches subjects: these lie sealed, each under its own key.
const OPENED: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    recipient: Option<String>,
    reference: Option<String>,
    subject: Option<String>,
    state: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    cursor: Option<String>,
    limit: Option<u32>,
}

impl Wanted {
    fn filter(&self, caller: &Caller) -> Result<FollowFilter, Problem> {
        let bad = |what: String| Problem::detailed(Kind::InvalidRequest, what);
        let limit = self.limit.unwrap_or(PAGE);
        if limit == 0 || limit > LONGEST {
            return Err(bad(format!("limit: between 1 and {LONGEST}")));
        }
        let reference = self.reference.as_deref().map(|text| {
            Reference::parse(text).ok_or_else(|| bad("reference: eight letters and digits".into()))
        });
        let state = self.state.as_deref().map(|word| {
            StateFilter::parse(word).ok_or_else(|| bad(format!("state: there is none called {word:?}")))
        });
        Ok(FollowFilter {
            reference: reference.transpose()?,
            recipient: self.recipient.as_deref().map(|text| match EmailAddress::parse(text) {
                Ok(address) => RecipientMatch::Address(address.key()),
                Err(_) => RecipientMatch::Part(text.to_owned()),
            }),
            state: state.transpose()?,
            since: self.since,
            until: self.until,
            after: self.cursor.as_deref().map(place).transpose()?,
            ..FollowFilter::all(actions::sight(&caller.account), limit)
        })
    }
}

/// `GET /api/v1/deposits`
pub(super) async fn list(
    State(state): State<WebState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    caller.needs(TokenScope::DepositsRead)?;
    let wanted: Wanted = request::query(query.as_deref())?;
    let mut filter = wanted.filter(&caller)?;
    let subject = wanted.subject.as_deref().map(str::to_lowercase);
    let (limit, mut found, mut looked) = (filter.limit as usize, Vec::new(), 0);
    let next = loop {
        let page = state.store.follow(&filter).await?;
        looked += page.len();
        let last = page.last().map(|one| (one.row.created, one.row.id));
        let full = page.len() == limit;
        for one in page {
            let place = (one.row.created, one.row.id);
            let said = Said::open(&state, &one.row)?;
            let text = said.as_ref().map(|s| s.subject.as_str());
            let fits = subject.as_deref().is_none_or(|s| text.is_some_and(|t| t.to_lowercase().contains(s)));
            if fits {
                found.push(summary(&state, &one, text));
                if found.len() == limit {
                    filter.after = Some(place);
                    break;
                }
            }
        }
        if found.len() == limit {
            break filter.after;
        }
        if !full {
            break None;
        }
        filter.after = last;
        if looked >= OPENED {
            break last;
        }
    };
    let next = next.map(|(time, id)| cursor(time, &id.to_string()));
    Ok(Answer::ok(json!({ "deposits": found, "next": next })))
}

/// `GET /api/v1/deposits/{id}`
pub(super) async fn show(
    State(state): State<WebState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    caller.needs(TokenScope::DepositsRead)?;
    let found = find(&state, &caller, &id).await?;
    Ok(Answer::ok(whole(&state, &caller, &found).await?))
}

async fn find(state: &WebState, caller: &Caller, id: &str) -> Result<Followed, Problem> {
    let found = actions::find(state, &caller.account, &named(id)?).await?;
    found.ok_or(Problem::new(Kind::NotFound))
}

/// A deposit as lists show it.
fn summary(state: &WebState, one: &Followed, subject: Option<&str>) -> Value {
    let (row, now) = (&one.row, state.clock.now());
    let read =
        |c: &&ConsignmentRow| matches!(c.state(now), ConsignmentState::Opened | ConsignmentState::Downloaded);
    json!({
        "id": row.id, "reference": row.reference, "created": row.created, "sender": row.sender,
        "subject": subject, "size": row.size, "sha256": row.digests.sha256, "state": one.state.as_str(),
        "recipients": one.recipients.len(), "read": one.recipients.iter().filter(read).count(),
        "url": url(state, one),
    })
}

/// Address of a deposit in the API.
fn url(state: &WebState, one: &Followed) -> String {
    format!("{}/api/v1/deposits/{}", state.url, one.row.id)
}

async fn whole(state: &WebState, caller: &Caller, one: &Followed) -> Result<Value, Problem> {
    let said = Said::open(state, &one.row)?;
    let mut value = summary(state, one, said.as_ref().map(|s| s.subject.as_str()));
    let now = state.clock.now();
    value["message_id"] = one.row.message_id.as_deref().into();
    value["recipients"] = one.recipients.iter().map(|c| recipient(c, said.as_ref(), now)).collect();
    value["attachments"] = match &said {
        Some(said) => said
            .attachments()
            .map(|(name, media_type, size, sha256)| {
                json!({ "name": name, "media_type": media_type, "size": size, "sha256": sha256 })
            })
            .collect(),
        None => Value::Null,
    };
    let entries = state.store.entries_of_deposit(one.row.id).await?;
    // Whom a legal hold concerns is told to those who place them only.
    let auditor = caller.account.role == Role::Auditor;
    let shown = |e: &&JournalEntry| auditor || !is_legal(e);
    value["events"] = entries
        .iter()
        .filter(shown)
        .map(|e| {
            json!({
                "id": e.id, "time": e.time, "event": e.event.as_str(), "recipient": e.recipient, "index": e.index,
            })
        })
        .collect();
    let hold = if auditor { state.store.legal_hold(one.row.id).await? } else { None };
    value["legal_hold"] = hold.map_or(Value::Null, |h| json!({ "since": h.placed, "reason": h.reason }));
    Ok(value)
}

/// An event of a legal hold.
fn is_legal(entry: &JournalEntry) -> bool {
    use sealpost_evidence::EventName::{HoldPlaced, HoldReleased};
    let kind = || {
        let value: Value = serde_json::from_slice(entry.bytes.as_deref()?).ok()?;
        value["detail"]["kind"].as_str().map(str::to_owned)
    };
    matches!(entry.event, HoldPlaced | HoldReleased) && kind().as_deref() == Some("legal")
}

fn recipient(c: &ConsignmentRow, said: Option<&Said>, now: Timestamp) -> Value {
    let state = c.state(now);
    json!({
        "n": c.n, "address": c.address, "kind": said.map(|s| s.kind(c.address.as_str()).as_str()),
        "treatment": c.verdict.treatment, "gate": c.verdict.gate, "rule": c.verdict.rule, "state": word(state),
        "hold": c.verdict.hold, "expires": c.verdict.expires, "retention": c.verdict.retention,
        "sendings": c.sendings, "first_sent": c.first_sent, "last_sent": c.last_sent, "opened": c.opened,
        "downloaded": c.downloaded, "revoked": c.revoked, "declined": c.declined, "failure": c.failure,
        "read": matches!(state, ConsignmentState::Opened | ConsignmentState::Downloaded),
    })
}

/// The same words as `sealpost deposit show`.
fn word(state: ConsignmentState) -> &'static str {
    match state {
        ConsignmentState::Revoked => "revoked",
        ConsignmentState::Declined => "declined",
        ConsignmentState::Held => "held",
        ConsignmentState::Downloaded => "downloaded",
        ConsignmentState::Opened => "opened",
        ConsignmentState::Failed => "failed",
        ConsignmentState::Expired => "expired",
        ConsignmentState::Sent => "sent",
        ConsignmentState::Queued => "queued",
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meant {
    recipient: Option<RecipientNo>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Corrected {
    recipient: Option<RecipientNo>,
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Until {
    recipient: Option<RecipientNo>,
    until: Timestamp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Because {
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Longest reason of a hold.
const REASON: usize = 1000;

fn read_act(action: &str, body: &[u8]) -> Result<Act, Problem> {
    let bad = |what: String| Problem::detailed(Kind::InvalidRequest, what);
    Ok(match action {
        "resend" => Act::Resend { n: json::<Meant>(body)?.recipient },
        "revoke" => Act::Revoke { n: json::<Meant>(body)?.recipient },
        "confirm" => Act::LetGo { n: json::<Meant>(body)?.recipient },
        "readdress" => {
            let Corrected { recipient, address } = json(body)?;
            let to = EmailAddress::parse(&address).map_err(|e| bad(format!("address: {e}")))?;
            Act::Readdress { n: recipient, to }
        }
        "extend" => {
            let Until { recipient, until } = json(body)?;
            Act::Extend { n: recipient, until }
        }
        "hold" => {
            let reason = json::<Because>(body)?.reason.trim().to_owned();
            if reason.is_empty() || reason.chars().count() > REASON {
                return Err(bad(format!("reason: between 1 and {REASON} characters")));
            }
            Act::Hold { reason }
        }
        "release" => {
            json::<Nothing>(body)?;
            Act::Release
        }
        _ => return Err(Problem::new(Kind::NotFound)),
    })
}

/// `POST /api/v1/deposits/{id}/{action}`
pub(super) async fn act(
    State(state): State<WebState>,
    caller: Caller,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(TokenScope::DepositsWrite)?;
    let found = find(&state, &caller, &id).await?;
    let body = request::body(&state, &headers, body).await?;
    let act = read_act(&action, &body)?;
    let request = [b"act".as_slice(), found.row.id.0.as_bytes(), action.as_bytes(), &body];
    once(&state, &caller, &headers, &request, async |_| {
        let count = actions::act(&state, &caller.account, &found, act).await?;
        (state.hooks.outbound)();
        Ok(Answer::ok(json!({ "deposit": found.row.id, "action": action, "count": count })))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    recipient: Option<RecipientNo>,
    #[serde(default = "yes")]
    content: bool,
    #[serde(default)]
    language: Option<String>,
}

fn yes() -> bool {
    true
}

/// `GET /api/v1/deposits/{id}/proof`
pub(super) async fn proof(
    State(state): State<WebState>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    caller.needs(TokenScope::Proofs)?;
    let wanted: Proof = request::query(query.as_deref())?;
    let language = match wanted.language.as_deref() {
        None => state.entity(caller.account.entity).map_or(Language::Fr, |e| e.language),
        Some("fr") => Language::Fr,
        Some("en") => Language::En,
        Some(_) => return Err(Problem::detailed(Kind::InvalidRequest, "language: fr or en")),
    };
    let found = find(&state, &caller, &id).await?;
    let wanted = ProofWanted { recipient: wanted.recipient, content: wanted.content, language };
    let proof = actions::proof(&state, &caller.account, found.row.id, wanted).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.etsi.asic-e+zip".to_owned()),
        (header::CONTENT_LENGTH, proof.size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.asice\"", found.row.id)),
    ];
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(proof.file)));
    Ok((headers, body).into_response())
}
