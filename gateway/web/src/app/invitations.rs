//! `/invitations`: a sender asks somebody outside for files, and sees what became of it.
//!
//! **Exposure.** People who have logged in. An invitation writes to an address that they typed; how many wait at the
//! same time is bounded.
//!
//! **Failure.** A mistake is said beside its field and what was typed stays.

use super::act::stale;
use super::deposit::Said;
use super::frame::{AppFrame, Section};
use super::typed::Typed;
use super::viewer::may;
use super::words::Badge;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::guest;
use crate::locale;
use crate::login::Staff;
use crate::pages::{html_status, see_other, show};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::{EmailAddress, Language, Timestamp};
use sealpost_store::invitation::{Invitation, Kind, NewInvitation, Words};
use sealpost_store::queue::Priority;
use uuid::Uuid;

/// Invitations on the page.
const SHOWN: u32 = 100;
/// Characters of words to the guest, and of the subject.
const WORDS: usize = 2000;
const SUBJECT: usize = 200;
/// Sizes on offer, as far as the installation allows them.
const SIZES: [u64; 4] = [100_000_000, 1_000_000_000, 10_000_000_000, 50_000_000_000];
/// Days on offer.
const DAYS: [u32; 4] = [2, 7, 14, 30];

/// What stands in the form.
#[derive(Debug, Default)]
struct Form {
    address: String,
    subject: String,
    words: String,
    size: u64,
    days: u32,
    english: bool,
    address_wrong: Option<&'static str>,
}

/// An invitation in the list.
struct Row {
    id: Uuid,
    address: String,
    subject: String,
    created: String,
    until: String,
    state: Badge,
    reference: Option<String>,
    live: bool,
}

#[derive(Template)]
#[template(path = "app/invitations.html")]
struct Page<'a> {
    f: &'a AppFrame,
    said: Option<Said>,
    form: Form,
    sizes: Vec<(u64, String, bool)>,
    days: Vec<(u32, bool)>,
    rows: Vec<Row>,
}

/// The form and the list.
pub(super) async fn list(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        may(&staff, Section::Invitations)?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let l = ctx.language;
        let said = match typed.get("done") {
            "sent" => Some(l.pick("L’invitation est partie.", "The invitation was sent.")),
            "withdrawn" => Some(l.pick("Le lien est fermé.", "The link is closed.")),
            _ => None,
        };
        let said = said.map(|words| Said { tone: "", words: words.to_owned() });
        let form = Form { size: SIZES[1], days: DAYS[2], english: l == Language::En, ..Form::default() };
        page(&state, &ctx, &staff, said, form).await
    };
    let page = page.await;
    show(&state, &ctx, page)
}

async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    said: Option<Said>,
    form: Form,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let mut rows = Vec::new();
    for one in state.store.invitations(staff.id(), SHOWN).await.map_err(guest::fault)? {
        rows.push(row(state, staff, one, l).await?);
    }
    let sizes = SIZES.into_iter().filter(|s| *s <= state.limits.guest);
    let title = l.pick("Recevoir des fichiers", "Receive files");
    let frame = AppFrame::new(state, ctx, staff, Section::Invitations, title);
    let status = if form.address_wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Page {
        said,
        sizes: sizes.map(|s| (s, locale::size(s, l), s == form.size)).collect(),
        days: DAYS.into_iter().map(|d| (d, d == form.days)).collect(),
        rows,
        form,
        f: &frame,
    };
    html_status(status, &page)
}

async fn row(state: &WebState, staff: &Staff, one: Invitation, l: Language) -> Result<Row, Fault> {
    let zone = &staff.site.zone;
    let now = state.clock.now();
    let reference = match one.made {
        Some(deposit) => Some(state.store.read_deposit(deposit).await?.row.reference.as_str().to_owned()),
        None => None,
    };
    let state = match (&one.made, one.ended) {
        (Some(_), _) => Badge { tone: "good", word: l.pick("déposé", "deposited") },
        (None, Some(_)) => Badge { tone: "", word: l.pick("retiré", "withdrawn") },
        (None, None) if now >= one.expires => Badge { tone: "warn", word: l.pick("expiré", "expired") },
        (None, None) => Badge { tone: "info", word: l.pick("en attente", "waiting") },
    };
    Ok(Row {
        id: one.id,
        live: one.is_live(now),
        address: one.address.to_string(),
        subject: one.words.map(|w| w.subject).unwrap_or_default(),
        created: locale::moment(one.created, zone, l),
        until: locale::moment(one.expires, zone, l),
        state,
        reference,
    })
}

/// Writes an invitation, which leaves by mail.
pub(super) async fn invite(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let done = async {
        may(&staff, Section::Invitations)?;
        let typed = Typed::posted(&state, body).await?;
        let l = ctx.language;
        let mut form = form(&state, &typed);
        let address = EmailAddress::parse(&form.address);
        if !staff.is_ours(Some(typed.get("csrf"))) {
            form.address_wrong = Some(stale(l));
        } else if address.is_err() {
            form.address_wrong = Some(l.pick(
                "Cette adresse n’a pas la forme nom@domaine.",
                "This is no address: it needs the form name@domain.",
            ));
        }
        let (Ok(address), None) = (address, form.address_wrong) else {
            return page(&state, &ctx, &staff, None, form).await;
        };
        let new = invitation(&state, &staff, address, &form)?;
        let spec = serde_json::json!({"kind": "invitation", "invitation": new.id});
        let mail = guest::letter(&state, (new.entity, &new.address), Priority::Mail, &spec);
        state.store.invite(new, Some(mail)).await.map_err(guest::fault)?;
        (state.hooks.outbound)();
        see_other("/invitations?done=sent")
    };
    let done = done.await;
    show(&state, &ctx, done)
}

fn form(state: &WebState, typed: &Typed) -> Form {
    let text = |name: &str, most: usize| -> String {
        let plain = typed.get(name).replace("\r\n", "\n");
        plain.chars().filter(|c| !c.is_control() || *c == '\n').take(most).collect()
    };
    Form {
        address: typed.get("address").to_owned(),
        subject: text("subject", SUBJECT).replace('\n', " "),
        words: text("words", WORDS),
        size: typed.parsed("size").filter(|s| SIZES.contains(s)).unwrap_or(SIZES[0]).min(state.limits.guest),
        days: typed.parsed("days").filter(|d| DAYS.contains(d)).unwrap_or(DAYS[0]),
        english: typed.get("language") == "en",
        address_wrong: None,
    }
}

fn invitation(
    state: &WebState,
    staff: &Staff,
    address: EmailAddress,
    form: &Form,
) -> Result<NewInvitation, Fault> {
    let language = if form.english { Language::En } else { Language::Fr };
    let subject = match form.subject.is_empty() {
        true => format!("{} {address}", language.pick("Fichiers de", "Files of")),
        // Brackets are the senders' tags, and a guest's deposit asks for nothing.
        false => form.subject.replace('[', "(").replace(']', ")"),
    };
    let day = std::time::Duration::from_secs(86_400);
    let expires: Timestamp =
        state.clock.now().checked_add(day * form.days).map_err(|e| Fault::internal("a day", e))?;
    Ok(NewInvitation {
        id: Uuid::now_v7(),
        entity: staff.entity(),
        account: staff.id(),
        kind: Kind::Guest,
        browser: None,
        address,
        about: None,
        language,
        most: form.size,
        expires,
        content_until: None,
        words: Words { subject, words: form.words.clone(), ..Words::default() },
    })
}

/// Closes an invitation's link.
pub(super) async fn withdraw(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<Uuid>,
    body: Body,
) -> Response {
    let done = async {
        may(&staff, Section::Invitations)?;
        let typed = Typed::posted(&state, body).await?;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            let said = Said { tone: "bad", words: stale(ctx.language).to_owned() };
            return page(&state, &ctx, &staff, Some(said), Form::default()).await;
        }
        match state.store.withdraw_invitation(staff.id(), id).await? {
            true => see_other("/invitations?done=withdrawn"),
            false => Err(Fault::Unknown),
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}
