//! `GET /deposits`: what somebody sent, or what an organisation sent, newest first.

use super::frame::{AppFrame, Section};
use super::opened;
use super::typed::Typed;
use super::viewer::may;
use super::words::{self, Badge};
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
use sealpost_envelope::{DepositId, EmailAddress, Language, Reference, Timestamp};
use sealpost_store::ConsignmentState;
use sealpost_store::deposit::{DepositState, FollowFilter, Followed, RecipientMatch, StateFilter};

/// Deposits on a page.
const PAGE: u32 = 25;
/// Recipients named in a row.
const NAMED: usize = 3;

/// A row of the list.
#[derive(Debug)]
struct Item {
    id: DepositId,
    reference: String,
    subject: String,
    to: String,
    sender: Option<String>,
    deposited: String,
    machine: String,
    size: String,
    state: Badge,
    read: Option<String>,
}

/// A state to filter by.
#[derive(Debug)]
struct Choice {
    value: &'static str,
    word: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "app/deposits.html")]
struct Page<'a> {
    f: &'a AppFrame,
    items: Vec<Item>,
    states: Vec<Choice>,
    q: &'a str,
    from: &'a str,
    to: &'a str,
    filtered: bool,
    everybody: bool,
    rest: String,
    first: Option<String>,
    next: Option<String>,
}

/// The list.
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
    may(staff, Section::Deposits)?;
    let typed = Typed::query(query).await?;
    let (l, zone) = (ctx.language, state.zone(staff.entity()));
    let filter = selection(state, staff, &typed, &zone).await?;
    let mut found = state.store.follow(&filter).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let rest = typed.query_without(&["after", "lang", "done"]);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| format!("?{rest}after={}.{}", last.row.created.as_microsecond(), last.row.id));
    let chosen = typed.get("state");
    let frame = AppFrame::new(state, ctx, staff, Section::Deposits, l.pick("Dépôts", "Deposits"));
    let everybody = matches!(filter.sight, sealpost_store::deposit::Sight::Entity(_));
    html(&Page {
        items: found.iter().map(|one| item(state, one, everybody, &zone, l)).collect::<Result<_, _>>()?,
        states: choices(chosen, l),
        q: typed.get("q"),
        from: typed.get("from"),
        to: typed.get("to"),
        filtered: !rest.is_empty(),
        everybody,
        first: filter.after.is_some().then(|| format!("?{}", rest.trim_end_matches('&'))),
        rest,
        next,
        f: &frame,
    })
}

/// What is asked for: a page of it, and one more.
pub(super) async fn selection(
    state: &WebState,
    staff: &Staff,
    typed: &Typed,
    zone: &TimeZone,
) -> Result<FollowFilter, Fault> {
    let mut filter = filter(staff, typed, zone);
    // Eight letters may be a reference or part of somebody's name.
    if let Some(reference) = filter.reference.take() {
        match state.store.follow_one(filter.sight, reference.as_str()).await? {
            Some(_) => filter.reference = Some(reference),
            None => filter.recipient = Some(RecipientMatch::Part(typed.get("q").to_owned())),
        }
    }
    Ok(filter)
}

fn filter(staff: &Staff, typed: &Typed, zone: &TimeZone) -> FollowFilter {
    let q = typed.get("q");
    let reference = Reference::parse(q);
    let part = (!q.is_empty() && reference.is_none()).then(|| match EmailAddress::parse(q) {
        Ok(whole) => RecipientMatch::Address(whole.key()),
        Err(_) => RecipientMatch::Part(q.to_owned()),
    });
    FollowFilter {
        reference,
        recipient: part,
        state: StateFilter::parse(typed.get("state")),
        since: typed.day("from", zone),
        until: typed.day_after("to", zone),
        after: cursor(typed.get("after")),
        // One more than is shown says whether there is another page.
        ..FollowFilter::all(sight(&staff.account), PAGE + 1)
    }
}

/// Reads the place to go on from: microseconds and id.
fn cursor(text: &str) -> Option<(Timestamp, DepositId)> {
    let (time, id) = text.split_once('.')?;
    Some((Timestamp::from_microsecond(time.parse().ok()?).ok()?, id.parse().ok()?))
}

fn choices(chosen: &str, l: Language) -> Vec<Choice> {
    let consulted = Choice {
        value: StateFilter::Consulted.as_str(),
        word: l.pick("Consulté (par un au moins)", "Opened (by one at least)"),
        chosen: chosen == StateFilter::Consulted.as_str(),
    };
    let one = |state: DepositState| Choice {
        value: state.as_str(),
        word: words::deposit(state, l).word,
        chosen: chosen == state.as_str(),
    };
    DepositState::ALL.into_iter().map(one).chain([consulted]).collect()
}

fn item(
    state: &WebState,
    one: &Followed,
    everybody: bool,
    zone: &TimeZone,
    l: Language,
) -> Result<Item, Fault> {
    let now = state.clock.now();
    let names: Vec<&str> = one.recipients.iter().map(|c| c.address.as_str()).take(NAMED).collect();
    let others = one.recipients.len() - names.len();
    let mut to = names.join(", ");
    if others > 0 {
        to.push_str(&match l {
            Language::Fr => format!(" et {others} autre{}", if others > 1 { "s" } else { "" }),
            Language::En => format!(" and {others} more"),
        });
    }
    let readers = one
        .recipients
        .iter()
        .filter(|c| matches!(c.state(now), ConsignmentState::Opened | ConsignmentState::Downloaded))
        .count();
    let tracked = one.recipients.iter().any(|c| c.verdict.treatment.has_link());
    Ok(Item {
        id: one.row.id,
        reference: one.row.reference.as_str().to_owned(),
        subject: opened::subject(state, &one.row, l)?,
        to,
        sender: everybody.then(|| one.row.sender.as_str().to_owned()),
        deposited: locale::moment(one.row.created, zone, l),
        machine: locale::machine(one.row.created),
        size: locale::size(one.row.size, l),
        state: words::deposit(one.state, l),
        read: tracked.then(|| {
            let of = words::of(readers, one.recipients.len(), l);
            format!("{of} {}", l.pick("l’ont lu", "read it"))
        }),
    })
}
