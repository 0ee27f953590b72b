//! `GET /journal`: what happened, newest first, with the columns that auditors know (F29 to F35); exports of it.
//!
//! **Memory.** A page has fifty entries; exports are read a page at a time while they stream, so that neither a
//! slow reader nor a long journal holds anything.

mod export;
mod verify;

pub(super) use export::export;
pub(super) use verify::{verify, verify_page};

use super::deposit::When;
use super::frame::{AppFrame, Section};
use super::told::Told;
use super::typed::Typed;
use super::viewer::may;
use super::words;
use crate::actions::sight;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::pages::{html, show};
use crate::state::WebState;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use jiff::tz::TimeZone;
use sealpost_envelope::{DepositId, EmailAddress, EntryId, Language, Timestamp};
use sealpost_evidence::EventName;
use sealpost_store::account::Role;
use sealpost_store::{ConsignmentRow, FollowJournal, JournalEntry, Term};
use std::collections::HashMap;

/// Entries on a page.
const PAGE: u32 = 50;
/// Words of one search that count.
const TERMS: usize = 8;
/// Entries that may wait for the index of words without a word about it: they come within a second or two.
const USUAL: u64 = 2000;

/// A line of the journal.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: String,
    pub(super) at: When,
    pub(super) kind: &'static str,
    pub(super) entity: String,
    pub(super) siren: String,
    pub(super) user: String,
    pub(super) document: Option<(DepositId, String)>,
    pub(super) state: &'static str,
    pub(super) message: String,
    pub(super) more: Option<String>,
    pub(super) stamped: Option<String>,
    pub(super) stamped_machine: Option<String>,
}

/// An event to filter by.
#[derive(Debug)]
struct Choice {
    value: &'static str,
    word: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "app/journal.html")]
struct Page<'a> {
    f: &'a AppFrame,
    lines: Vec<Line>,
    events: Vec<Choice>,
    q: &'a str,
    from: &'a str,
    to: &'a str,
    filtered: bool,
    unknown: bool,
    /// How many of how many entries a search covers, while the index of words is being made.
    covered: Option<(String, String)>,
    auditor: bool,
    rest: String,
    first: Option<String>,
    next: Option<String>,
}

/// The page.
pub(super) async fn list(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = page(&state, &ctx, &staff, &query.unwrap_or_default()).await;
    show(&state, &ctx, page)
}

async fn page(state: &WebState, ctx: &Ctx, staff: &Staff, query: &str) -> Result<Response, Fault> {
    may(staff, Section::Journal)?;
    let typed = Typed::query(query).await?;
    let (l, zone) = (ctx.language, &staff.site.zone);
    let filter = filter(state, staff, &typed, PAGE + 1).await?;
    let mut entries = match &filter {
        Some(filter) => state.store.follow_journal(filter).await?,
        None => Vec::new(),
    };
    let more = entries.len() > PAGE as usize;
    entries.truncate(PAGE as usize);
    let rest = typed.query_without(&["after", "lang"]);
    let next = entries
        .last()
        .filter(|_| more)
        .map(|last| format!("?{rest}after={}.{}", last.time.as_microsecond(), last.id));
    let frame = AppFrame::new(state, ctx, staff, Section::Journal, l.pick("Journal", "Journal"));
    html(&Page {
        lines: lines(state, staff, &entries, l, zone).await?,
        events: choices(typed.get("event"), l),
        q: typed.get("q"),
        from: typed.get("from"),
        to: typed.get("to"),
        filtered: !rest.is_empty(),
        unknown: filter.is_none(),
        covered: match &filter {
            Some(filter) if !filter.words.is_empty() => covered(state, l).await?,
            _ => None,
        },
        auditor: staff.role() == Role::Auditor,
        first: (!typed.get("after").is_empty()).then(|| format!("?{}", rest.trim_end_matches('&'))),
        rest,
        next,
        f: &frame,
    })
}

async fn covered(state: &WebState, l: Language) -> Result<Option<(String, String)>, Fault> {
    let (done, all) = (state.store.words_entered().await?, state.store.log_head().await?.size);
    Ok((done.saturating_add(USUAL) < all).then(|| (locale::grouped(done, l), locale::grouped(all, l))))
}

/// What is asked for; `None` when it names something that does not exist.
pub(super) async fn filter(
    state: &WebState,
    staff: &Staff,
    typed: &Typed,
    limit: u32,
) -> Result<Option<FollowJournal>, Fault> {
    let (zone, sight, q) = (&staff.site.zone, sight(&staff.account), typed.get("q"));
    let (mut deposit, mut address, mut terms) = (None, None, Vec::new());
    if let Ok(read) = EmailAddress::parse(q) {
        address = Some(read);
    } else if !q.is_empty() {
        deposit = state.store.follow_one(sight, q).await?.map(|found| found.row.id);
        if deposit.is_none() {
            terms = searched(q);
            if terms.is_empty() {
                return Ok(None);
            }
        }
    }
    let events = EventName::parse(typed.get("event")).into_iter().collect();
    Ok(Some(FollowJournal {
        sight,
        words: terms,
        events,
        deposit,
        address,
        since: typed.day("from", zone),
        until: typed.day_after("to", zone),
        after: cursor(typed.get("after")),
        limit,
    }))
}

/// The words of a search, each with the events that are called so in either language.
fn searched(q: &str) -> Vec<Term> {
    let called = |event: EventName, word: &str| {
        [Language::Fr, Language::En]
            .iter()
            .any(|l| sealpost_store::words(words::event(event, *l)).any(|w| w == word))
    };
    let mut terms: Vec<Term> = Vec::new();
    for word in sealpost_store::words(q) {
        if terms.len() < TERMS && terms.iter().all(|t| t.word != word) {
            let events = EventName::ALL.iter().copied().filter(|e| called(*e, &word)).collect();
            terms.push(Term { word, events });
        }
    }
    terms
}

fn cursor(text: &str) -> Option<(Timestamp, EntryId)> {
    let (time, id) = text.split_once('.')?;
    Some((Timestamp::from_microsecond(time.parse().ok()?).ok()?, id.parse().ok()?))
}

fn choices(chosen: &str, l: Language) -> Vec<Choice> {
    let mut all: Vec<Choice> = EventName::ALL
        .iter()
        .map(|e| Choice { value: e.as_str(), word: words::event(*e, l), chosen: chosen == e.as_str() })
        .collect();
    all.sort_by(|a, b| a.word.cmp(b.word));
    all
}

/// Entries as lines; what belongs to their deposits is read for all of them together.
pub(super) async fn lines(
    state: &WebState,
    staff: &Staff,
    entries: &[JournalEntry],
    l: Language,
    zone: &TimeZone,
) -> Result<Vec<Line>, Fault> {
    let ids: Vec<EntryId> = entries.iter().map(|e| e.id).collect();
    let stamps = state.store.stamps(&ids).await?;
    let mut deposits: Vec<DepositId> = entries.iter().filter_map(|e| e.deposit).collect();
    deposits.sort_unstable();
    deposits.dedup();
    let references = state.store.references(&deposits).await?;
    let mut recipients: HashMap<DepositId, Vec<ConsignmentRow>> = HashMap::new();
    for c in state.store.consignments_of(&deposits).await? {
        recipients.entry(c.deposit).or_default().push(c);
    }
    let line = |entry: &JournalEntry| {
        let told = Told::of(entry);
        let all = entry.deposit.and_then(|d| recipients.get(&d)).map_or(&[][..], Vec::as_slice);
        let whom = entry.recipient.and_then(|n| all.iter().find(|c| c.n == n)).map(|c| c.address.as_str());
        let more: Vec<String> =
            whom.map(str::to_owned).into_iter().chain(told.more(l, zone)).filter(|t| !t.is_empty()).collect();
        let stamp = stamps.get(&entry.id);
        Line {
            number: entry.index.map(|n| n.to_string()).unwrap_or_default(),
            at: When::new(entry.time, zone, l),
            kind: words::kind(entry.event, l),
            entity: staff.site.name.clone(),
            siren: staff.site.siren.clone().unwrap_or_default(),
            // Empty for what no person of the organisation did (F30).
            user: told.user().unwrap_or_default(),
            document: entry.deposit.and_then(|d| Some((d, references.get(&d)?.as_str().to_owned()))),
            state: words::state_after(entry, all, l),
            message: words::message(entry, all, l),
            more: (!more.is_empty()).then(|| more.join(" · ")),
            stamped: stamp.map(|t| locale::short(*t, zone, l)),
            stamped_machine: stamp.map(|t| t.to_string()),
        }
    };
    Ok(entries.iter().map(line).collect())
}
