//! `GET /deposits/{id}`: one deposit, each of its recipients, and everything that happened to it.

use super::frame::{AppFrame, Section};
use super::told::Told;
use super::typed::Typed;
use super::viewer::may;
use super::words::{self, Badge};
use crate::actions::sight;
use crate::content::Content;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::pages::{html, show};
use crate::state::WebState;
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use jiff::tz::TimeZone;
use sealpost_envelope::{DepositId, EntryId, Language, Timestamp};
use sealpost_evidence::EventName;
use sealpost_message::Mailbox;
use sealpost_policy::reason;
use sealpost_store::account::Role;
use sealpost_store::deposit::Followed;
use sealpost_store::{ConsignmentRow, ConsignmentState, JournalEntry};
use std::collections::HashMap;

/// Events shown at once, the newest of them.
const EVENTS: usize = 300;

/// A moment for people and for machines.
#[derive(Debug)]
pub(super) struct When {
    pub(super) words: String,
    pub(super) machine: String,
    /// For tables.
    pub(super) short: String,
}

impl When {
    pub(super) fn new(t: Timestamp, zone: &TimeZone, l: Language) -> Self {
        Self {
            words: locale::moment(t, zone, l),
            machine: locale::machine(t),
            short: locale::short(t, zone, l),
        }
    }
}

/// A recipient (F27).
#[derive(Debug)]
struct Recipient {
    n: u32,
    address: String,
    kind: &'static str,
    treatment: &'static str,
    gate: Option<String>,
    state: Badge,
    first_sent: Option<When>,
    last_sent: Option<When>,
    sendings: u32,
    read: Option<When>,
    /// Whether reading can be known at all.
    tracked: bool,
    expires: Option<When>,
    failure: Option<String>,
    /// Why it waits for the sender's answer.
    held: Option<String>,
    /// What the rules would have done, where they are only observed.
    observed: Option<String>,
    /// Can be sent again, corrected, prolonged, withdrawn.
    open: bool,
}

/// An event of the timeline.
#[derive(Debug)]
struct Step {
    words: &'static str,
    tone: &'static str,
    at: When,
    whom: Option<String>,
    by: String,
    more: Option<String>,
    stamped: Option<String>,
}

/// A file.
#[derive(Debug)]
struct FileLine {
    name: String,
    size: String,
    sha256: String,
}

#[derive(Template)]
#[template(path = "app/deposit.html")]
struct Page<'a> {
    f: &'a AppFrame,
    id: DepositId,
    reference: String,
    subject: String,
    state: Badge,
    sender: String,
    deposited: When,
    size: String,
    sha256: String,
    rule: String,
    recipients: Vec<Recipient>,
    files: Vec<FileLine>,
    steps: Vec<Step>,
    more_steps: usize,
    said: Option<Said>,
    destroyed: bool,
    /// Some recipient is asked for the message's password.
    password: bool,
    kept_until: When,
    hold: Option<String>,
    /// The sender's own deposit: may be sent again, prolonged, withdrawn.
    own: bool,
    auditor: bool,
    any_open: bool,
    today: String,
    suggested: String,
}

/// A word on what was just done.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) tone: &'static str,
    pub(super) words: String,
}

/// The page.
pub(super) async fn show_one(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let said = said(&typed, ctx.language);
        page(&state, &ctx, &staff, &id, said).await
    };
    let page = page.await;
    show(&state, &ctx, page)
}

/// The deposit that somebody may see; "not found" for everybody else's.
pub(super) async fn find(state: &WebState, staff: &Staff, id: &str) -> Result<Followed, Fault> {
    may(staff, Section::Deposits)?;
    state.store.follow_one(sight(&staff.account), id).await?.ok_or(Fault::Unknown)
}

/// The page with a word on what was done, or what was wrong.
pub(super) async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    id: &str,
    said: Option<Said>,
) -> Result<Response, Fault> {
    let found = find(state, staff, id).await?;
    let (l, zone, now) = (ctx.language, staff.site.zone.clone(), state.clock.now());
    let content = Content::of(state, &found.row)?;
    let mut entries = state.store.entries_of_deposit(found.row.id).await?;
    let auditor = staff.role() == Role::Auditor;
    // A legal hold is told to nobody but those who place it.
    entries.retain(|e| auditor || e.recipient.is_some() || !is_hold(e.event));
    entries.reverse();
    let more_steps = entries.len().saturating_sub(EVENTS);
    entries.truncate(EVENTS);
    let ids: Vec<EntryId> = entries.iter().map(|e| e.id).collect();
    let stamps = state.store.stamps(&ids).await?;
    let names: HashMap<u32, &str> = found.recipients.iter().map(|c| (c.n, c.address.as_str())).collect();
    let last = found.recipients.iter().map(|c| c.verdict.expires).max().unwrap_or(now);
    let suggested = last.max(now).saturating_add(std::time::Duration::from_secs(30 * 86_400)).unwrap_or(last);
    let hold = state.store.legal_hold(found.row.id).await?;
    let subject = super::opened::shown(content.as_ref(), l);
    let frame = AppFrame::new(state, ctx, staff, Section::Deposits, &subject);
    let (own, destroyed) = (!auditor, content.is_none());
    let mut recipients: Vec<Recipient> =
        found.recipients.iter().map(|c| recipient(c, content.as_ref(), destroyed, now, &zone, l)).collect();
    for (n, o) in state.store.observed_in(found.row.id).await? {
        if let Some(r) = recipients.iter_mut().find(|r| r.n == n) {
            r.observed = Some(words::observed(&o, l));
        }
    }
    html(&Page {
        id: found.row.id,
        reference: found.row.reference.as_str().to_owned(),
        state: words::deposit(found.state, l),
        sender: found.row.sender.as_str().to_owned(),
        deposited: When::new(found.row.created, &zone, l),
        size: locale::size(found.row.size, l),
        sha256: found.row.digests.sha256.to_hex(),
        rule: found.recipients.first().map(|c| c.verdict.rule.clone()).unwrap_or_default(),
        files: content.as_ref().map_or_else(Vec::new, |c| files(c, l)),
        steps: entries.iter().map(|e| step(e, &names, &stamps, &zone, l)).collect(),
        more_steps,
        said,
        kept_until: When::new(
            found.recipients.iter().map(|c| c.verdict.retention).max().unwrap_or(now),
            &zone,
            l,
        ),
        hold: hold.filter(|_| auditor).map(|h| h.reason),
        any_open: own && !destroyed && recipients.iter().any(|r| r.open),
        own,
        auditor,
        today: day(now, &zone),
        suggested: day(suggested, &zone),
        password: found
            .recipients
            .iter()
            .any(|c| c.verdict.gate.words().iter().any(|w| w.contains("password"))),
        recipients,
        destroyed,
        subject,
        f: &frame,
    })
}

fn is_hold(event: EventName) -> bool {
    matches!(event, EventName::HoldPlaced | EventName::HoldReleased)
}

/// `2026-11-22`, for a browser's field.
fn day(t: Timestamp, zone: &TimeZone) -> String {
    t.to_zoned(zone.clone()).date().to_string()
}

fn recipient(
    c: &ConsignmentRow,
    content: Option<&Content>,
    destroyed: bool,
    now: Timestamp,
    zone: &TimeZone,
    l: Language,
) -> Recipient {
    let when = |t: Timestamp| When::new(t, zone, l);
    let tracked = c.verdict.treatment.has_link();
    let is_in = |list: &[Mailbox]| list.iter().any(|m| m.address.eq_ignore_ascii_case(c.address.as_str()));
    let kind = match content.map(|c| &c.structure.top) {
        Some(top) if is_in(&top.to) => l.pick("À", "To"),
        Some(top) if is_in(&top.cc) => l.pick("Copie", "Copy"),
        Some(_) => l.pick("Copie cachée", "Blind copy"),
        None => "",
    };
    Recipient {
        n: c.n,
        address: c.address.as_str().to_owned(),
        kind,
        treatment: words::treatment(c.verdict.treatment, l),
        gate: tracked.then(|| words::gate(&c.verdict.gate.words(), l)),
        state: words::consignment(c.state(now), l),
        first_sent: c.first_sent.map(when),
        last_sent: c.last_sent.map(when),
        sendings: c.sendings,
        read: c.opened.map(when),
        tracked,
        expires: tracked.then(|| when(c.verdict.expires)),
        failure: c.failure.as_deref().filter(|_| c.failed.is_some()).map(|why| reason(why, l)),
        held: c
            .verdict
            .hold
            .as_deref()
            .filter(|_| c.state(now) == ConsignmentState::Held)
            .map(|why| reason(why, l)),
        observed: None,
        open: c.revoked.is_none() && !destroyed,
    }
}

fn files(content: &Content, l: Language) -> Vec<FileLine> {
    let line = |f: crate::content::File| FileLine {
        size: locale::size(f.size, l),
        sha256: f.sha256.to_hex(),
        name: f.name,
    };
    content.files().into_iter().map(line).collect()
}

fn step(
    entry: &JournalEntry,
    names: &HashMap<u32, &str>,
    stamps: &HashMap<EntryId, Timestamp>,
    zone: &TimeZone,
    l: Language,
) -> Step {
    let told = Told::of(entry);
    let at = format!("{}, {}", locale::day(entry.time, zone, l), locale::clock(entry.time, zone));
    Step {
        words: words::event(entry.event, l),
        tone: words::grade(entry.event),
        at: When { words: at, ..When::new(entry.time, zone, l) },
        whom: entry.recipient.and_then(|n| names.get(&n)).map(|a| (*a).to_owned()),
        by: match entry.event {
            // Who opened is said by the recipient's own name.
            EventName::SubmissionAcceptance => String::new(),
            _ => told.by(l),
        },
        more: told.more(l, zone),
        stamped: stamps.get(&entry.id).map(|t| locale::clock(*t, zone)),
    }
}

/// What the address says was done: a form's POST leads back here.
fn said(typed: &Typed, l: Language) -> Option<Said> {
    let n: u64 = typed.parsed("n").unwrap_or(0);
    let plural = if n > 1 { "s" } else { "" };
    let words = match typed.get("done") {
        "sent" => l
            .pick(
                "Le document a bien été envoyé aux personnes sélectionnées.",
                "The document has been sent to the people you selected.",
            )
            .to_owned(),
        "resent" => match l {
            Language::Fr => format!("Envoyé à nouveau à {n} destinataire{plural}."),
            Language::En => format!("Sent again to {n} recipient{plural}."),
        },
        "revoked" => match l {
            Language::Fr => format!("Accès retiré à {n} destinataire{plural}. Les liens n’ouvrent plus rien."),
            Language::En => format!("Access withdrawn from {n} recipient{plural}. The links open nothing any more."),
        },
        "extended" => match l {
            Language::Fr => format!("Accès prolongé pour {n} destinataire{plural}."),
            Language::En => format!("Access extended for {n} recipient{plural}."),
        },
        "readdressed" => l
            .pick(
                "Adresse corrigée. Le message part à la nouvelle adresse ; l’ancien lien n’ouvre plus rien.",
                "Address corrected. The message goes to the new address; the old link opens nothing any more.",
            )
            .to_owned(),
        "let-go" => l
            .pick("Le message part, comme les règles le prévoient.", "The message is being sent, as the rules say.")
            .to_owned(),
        "held" => l
            .pick("Conservation légale posée.", "Legal hold placed.")
            .to_owned(),
        "released" => l.pick("Conservation légale levée.", "Legal hold lifted.").to_owned(),
        _ => return None,
    };
    Some(Said { tone: "good", words })
}
