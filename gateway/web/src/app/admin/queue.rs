//! `/admin/queue` and `/admin/held`: what has not left, and moving it by hand.

use crate::actions::actor;
use crate::app::act::stale;
use crate::app::deposit::{Said, When};
use crate::app::frame::{AppFrame, Section};
use crate::app::operations::Hand;
use crate::app::typed::Typed;
use crate::app::viewer::may;
use crate::app::words::Badge;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::{html, see_other, show};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use futures_util::StreamExt;
use sealpost_envelope::Language;
use sealpost_store::queue::{Filter, Outbound, OutboundId, Queue, State as Standing};

/// Rows shown; the oldest come first, and an administrator sees that there are more.
const SHOWN: usize = 100;
/// What has not left.
const WAITING: [Standing; 4] = [Standing::Compose, Standing::Ready, Standing::Held, Standing::Failed];

#[derive(Debug)]
struct Row {
    id: OutboundId,
    rcpt: String,
    what: &'static str,
    reference: Option<(String, String)>,
    state: Badge,
    attempts: u32,
    next: When,
    since: When,
    reply: Option<String>,
    can_retry: bool,
    can_hold: bool,
    retry: &'static str,
}

#[derive(Template)]
#[template(path = "app/queue.html")]
struct Page<'a> {
    f: &'a AppFrame,
    held: bool,
    rows: Vec<Row>,
    more: bool,
    states: Vec<(&'static str, &'static str, bool)>,
    said: Option<Said>,
}

/// The queue.
pub(super) async fn list(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = read(&state, &ctx, &staff, &query.unwrap_or_default(), Section::Queue).await;
    show(&state, &ctx, page)
}

/// Held messages.
pub(super) async fn held(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = read(&state, &ctx, &staff, &query.unwrap_or_default(), Section::Held).await;
    show(&state, &ctx, page)
}

async fn read(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    query: &str,
    section: Section,
) -> Result<Response, Fault> {
    let typed = Typed::query(query).await?;
    let l = ctx.language;
    let said = match typed.get("done") {
        "retry" => Some(l.pick("L’envoi repart maintenant.", "It is being sent now.")),
        "hold" => Some(l.pick(
            "Le message est retenu ; son expéditeur est prévenu.",
            "The message is held; its sender is told.",
        )),
        "drop" => Some(l.pick(
            "Le message est retiré de la file ; son expéditeur est prévenu.",
            "The message was taken out; its sender is told.",
        )),
        _ => None,
    };
    let said = said.map(|words| Said { tone: "good", words: words.to_owned() });
    page(state, ctx, staff, &typed, section, said).await
}

async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    typed: &Typed,
    section: Section,
    said: Option<Said>,
) -> Result<Response, Fault> {
    may(staff, section)?;
    let (l, held) = (ctx.language, section == Section::Held);
    let chosen: Option<Standing> = if held { Some(Standing::Held) } else { typed.parsed("state") };
    let wanted = |s: Standing| chosen.map_or(WAITING.contains(&s), |c| c == s);
    let queue = Queue::new(state.store.db().clone());
    let mut found: Vec<Outbound> = Vec::new();
    'states: for standing in WAITING.into_iter().filter(|s| wanted(*s)) {
        let filter = Filter { entity: Some(staff.entity()), state: Some(standing), ..Filter::default() };
        let mut rows = queue.list(&filter);
        while let Some(row) = rows.next().await {
            found.push(row?);
            if found.len() > SHOWN {
                break 'states;
            }
        }
    }
    let more = found.len() > SHOWN;
    found.truncate(SHOWN);
    let ids: Vec<_> = found.iter().filter_map(|r| r.deposit).collect();
    let references = state.store.references(&ids).await?;
    let title = section_title(held, l);
    let frame = AppFrame::new(state, ctx, staff, section, title);
    let row = |r: Outbound| {
        let when = |t| When::new(t, &staff.site.zone, l);
        let reference =
            r.deposit.and_then(|d| Some((d.to_string(), references.get(&d)?.as_str().to_owned())));
        let waits = matches!(r.state, Standing::Compose | Standing::Ready);
        Row {
            what: what(&r, l),
            reference,
            state: standing(r.state, l),
            attempts: r.attempts,
            next: when(r.next_at),
            since: when(r.created),
            reply: r.last_reply.clone().filter(|t| !t.is_empty()),
            can_retry: waits || matches!(r.state, Standing::Held | Standing::Failed),
            can_hold: waits,
            retry: match r.state {
                Standing::Held => l.pick("Libérer", "Release"),
                _ => l.pick("Envoyer maintenant", "Send now"),
            },
            rcpt: r.rcpt.to_string(),
            id: r.id,
        }
    };
    html(&Page {
        held,
        rows: found.into_iter().map(row).collect(),
        more,
        states: WAITING.iter().map(|s| (s.as_str(), standing(*s, l).word, chosen == Some(*s))).collect(),
        said,
        f: &frame,
    })
}

fn section_title(held: bool, l: Language) -> &'static str {
    match held {
        true => l.pick("Messages retenus", "Held messages"),
        false => l.pick("File d’envoi", "Queue"),
    }
}

fn standing(state: Standing, l: Language) -> Badge {
    let (fr, en, tone) = match state {
        Standing::Compose => ("à composer", "to be composed", "info"),
        Standing::Ready => ("prêt", "ready", "info"),
        Standing::Sent => ("parti", "sent", "good"),
        Standing::Failed => ("abandonné", "given up", "bad"),
        Standing::Held => ("retenu", "held", "warn"),
        Standing::Dropped => ("retiré", "taken out", ""),
    };
    Badge { word: l.pick(fr, en), tone }
}

fn what(row: &Outbound, l: Language) -> &'static str {
    use sealpost_store::queue::Priority;
    match row.priority {
        Priority::Code => l.pick("code ou lien à usage unique", "code or single-use link"),
        Priority::Receipt => l.pick("avis à l’expéditeur", "notice to the sender"),
        Priority::Mail => l.pick("message", "message"),
    }
}

/// Back to the list: a browser comes here when its language is changed on a page that a POST showed.
pub(super) async fn back(State(state): State<WebState>, ctx: Ctx, _staff: Staff) -> Response {
    let away = see_other("/admin/queue");
    show(&state, &ctx, away)
}

/// Moves a row.
pub(super) async fn act(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let done = async {
        may(&staff, Section::Queue)?;
        let typed = Typed::posted(&state, body).await?;
        let l = ctx.language;
        let section = if typed.get("from") == "held" { Section::Held } else { Section::Queue };
        let refused = async |words: &str| {
            let said = Said { tone: "bad", words: words.to_owned() };
            page(&state, &ctx, &staff, &Typed::default(), section, Some(said)).await
        };
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return refused(stale(l)).await;
        }
        let (hand, word) = match typed.get("do") {
            "retry" => (Hand::Retry, "retry"),
            "hold" => (Hand::Hold, "hold"),
            "drop" => (Hand::Drop, "drop"),
            _ => return Err(Fault::BadForm),
        };
        let row: OutboundId = id.parse().map_err(|_| Fault::Unknown)?;
        let moved = state.hooks.operations.queue(staff.entity(), row, hand, actor(&staff.account)).await;
        match moved.map_err(|cause| Fault::internal("queue", cause))? {
            true => {
                (state.hooks.outbound)();
                let place = if section == Section::Held { "held" } else { "queue" };
                see_other(&format!("/admin/{place}?done={word}"))
            }
            false => {
                refused(l.pick(
                    "Rien n’a été changé : ce message est déjà parti ou a été abandonné.",
                    "Nothing was changed: this message has left or was given up.",
                ))
                .await
            }
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}
