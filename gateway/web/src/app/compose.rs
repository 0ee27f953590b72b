//! `/compose`: writing a message, with files of any size, and sending it as a deposit (F23, F25).
//!
//! **Job.** One form does everything without scripts: files chosen in it are sealed as uploads while they arrive;
//! with scripts they come before, by the resumable protocol, and the form names them. What was written is kept as a
//! draft whenever it does not leave: after a mistake, when files are joined, when it is put aside, when the session
//! has ended meanwhile. Each tab writes a draft of its own.
//!
//! **Exposure.** People who have logged in. The session's `csrf` is the form's first field: before it was seen no
//! file is taken. Fields are bounded; files go through in pieces.
//!
//! **Failure.** A mistake is said beside its field and everything typed stays, but passwords, which no page repeats.
//! Sending the same form twice makes one deposit; changed, it makes another.

mod draft;
mod people;
pub(super) mod preview;
pub(super) mod read;

use super::act::stale;
use super::frame::{AppFrame, Section};
use super::typed::Typed;
use super::viewer::may;
use crate::actions::{MailSource, NewMail, Submit, SubmitError};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::multipart::posted::{self, Files, Posted, fault as upload_fault};
use crate::pages::{html_status, see_other, show};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use draft::Draft;
use http::{HeaderMap, StatusCode};
use people::Row;
use read::{Passwords, Wrong, addressees};
use sealpost_envelope::{DepositId, Language, Sha256Digest};
use sealpost_store::account::AccountError;
use sealpost_store::upload::{Upload, UploadError};
use uuid::Uuid;

/// How the person proved who they are, in the evidence.
const MECHANISM: &str = "web session";
/// Drafts that the page names.
const NAMED: usize = 5;

/// A file that is there, or on its way.
#[derive(Debug)]
struct Attached {
    id: Uuid,
    name: String,
    size: String,
    complete: bool,
}

/// Another draft.
#[derive(Debug)]
struct Other {
    id: Uuid,
    subject: String,
    kept: String,
}

#[derive(Template)]
#[template(path = "app/compose.html")]
struct Page<'a> {
    f: &'a AppFrame,
    d: &'a Draft,
    id: Uuid,
    wrong: Wrong,
    any_wrong: bool,
    senders: Vec<(String, bool)>,
    files: Vec<Attached>,
    rows: Vec<Row>,
    others: Vec<Other>,
    saved: Option<String>,
    today: String,
}

/// A draft on a page.
struct Sheet<'a> {
    id: Uuid,
    draft: &'a Draft,
    wrong: Wrong,
    rows: Vec<Row>,
    saved: Option<String>,
    /// Other drafts are named.
    fresh: bool,
}

/// The form: a new one, or a draft.
pub(super) async fn form(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        may(&staff, Section::Compose)?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let asked = typed.parsed::<Uuid>("draft");
        let kept = match asked {
            Some(id) => draft::load(&state, &staff, id).await?,
            None => None,
        };
        let fresh = kept.is_none();
        let (draft, saved) = match kept {
            Some((at, draft)) => (draft, Some(locale::moment(at, &staff.site.zone, ctx.language))),
            None => (Draft { to: written_to(&state, &staff, &typed).await?, ..Draft::default() }, None),
        };
        let rows = match typed.get("people") {
            "" => people::kept(&draft, ctx.language),
            _ => people::rows(&state, &staff, &draft, ctx.language).await,
        };
        let id = asked.filter(|_| !fresh).unwrap_or_else(Uuid::now_v7);
        let sheet = Sheet { id, draft: &draft, wrong: Wrong::default(), rows, saved, fresh };
        page(&state, &ctx, &staff, sheet).await
    };
    let page = page.await;
    show(&state, &ctx, page)
}

/// Recipients that the address of the page names: `to=` somebody, or everybody of a `group=`.
async fn written_to(state: &WebState, staff: &Staff, typed: &Typed) -> Result<String, Fault> {
    let group = typed.get("group");
    if group.is_empty() {
        return Ok(typed.get("to").chars().take(2000).collect());
    }
    let members = state.store.contact_group(staff.id(), group).await?;
    Ok(members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

async fn page(state: &WebState, ctx: &Ctx, staff: &Staff, sheet: Sheet<'_>) -> Result<Response, Fault> {
    let (l, draft) = (ctx.language, sheet.draft);
    let addresses = state.accounts.addresses(staff.id()).await.map_err(account_fault)?;
    let senders = addresses.into_iter().map(|a| {
        let address = a.address.to_string();
        let chosen = address == draft.from;
        (address, chosen)
    });
    let files = uploads(state, staff, &draft.uploads).await?.into_iter().map(|u| Attached {
        id: u.id,
        complete: u.is_complete(),
        size: locale::size(u.length, l),
        name: u.meta.name.unwrap_or_else(|| l.pick("fichier", "file").to_owned()),
    });
    let others = if sheet.fresh { others(state, staff, l).await? } else { Vec::new() };
    let frame = AppFrame::new(state, ctx, staff, Section::Compose, l.pick("Nouveau message", "New message"));
    let any_wrong = sheet.wrong.any();
    let status = if any_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let today = state.clock.now().to_zoned(staff.site.zone.clone()).date().to_string();
    let page = Page {
        senders: senders.collect(),
        files: files.collect(),
        rows: sheet.rows,
        others,
        any_wrong,
        wrong: sheet.wrong,
        d: draft,
        id: sheet.id,
        saved: sheet.saved,
        today,
        f: &frame,
    };
    html_status(status, &page)
}

async fn others(state: &WebState, staff: &Staff, l: Language) -> Result<Vec<Other>, Fault> {
    let all = draft::all(state, staff).await?.into_iter().take(NAMED);
    let named = all.map(|(id, at, draft)| Other {
        id,
        subject: match draft.subject.is_empty() {
            true => l.pick("(sans objet)", "(no subject)").to_owned(),
            false => draft.subject,
        },
        kept: locale::moment(at, &staff.site.zone, l),
    });
    Ok(named.collect())
}

/// The uploads that are still there.
async fn uploads(state: &WebState, staff: &Staff, ids: &[Uuid]) -> Result<Vec<Upload>, Fault> {
    let mut found = Vec::new();
    for id in ids {
        match state.store.upload(staff.id(), *id).await {
            Ok(upload) => found.push(upload),
            Err(UploadError::Unknown) => {}
            Err(other) => return Err(Fault::internal("an upload", other)),
        }
    }
    Ok(found)
}

/// Takes the form: sends, joins files, or puts the draft aside. A session that has ended loses nothing of it.
pub(super) async fn post(
    State(state): State<WebState>,
    ctx: Ctx,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let done = async {
        match Staff::find(&state, &ctx).await? {
            Some(staff) => posted(&state, &ctx, &staff, &headers, body).await,
            None => match Staff::lapsed(&state, &ctx).await? {
                Some(staff) => too_late(&state, &staff, &headers, body).await,
                None => see_other("/login"),
            },
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}

/// Keeps the draft for whom it was, and leads to the login, which comes back to it.
async fn too_late(
    state: &WebState,
    staff: &Staff,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    may(staff, Section::Compose)?;
    let posted = posted::read(state, headers, body, Files::Nothing, |csrf| staff.is_ours(Some(csrf))).await?;
    if !posted.ours {
        return see_other("/login");
    }
    let id = id(&posted);
    draft::keep(state, staff, id, &Draft::of(&posted)).await?;
    match posted.line("action").as_str() {
        "keep" => Ok(StatusCode::UNAUTHORIZED.into_response()),
        _ => see_other(&format!("/login?next=/compose?draft={id}")),
    }
}

/// Which draft a form belongs to.
fn id(posted: &Posted) -> Uuid {
    posted.line("draft").parse().unwrap_or_else(|_| Uuid::now_v7())
}

async fn posted(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    may(staff, Section::Compose)?;
    let files = Files::Uploads(staff.entity(), staff.id().into());
    let posted = posted::read(state, headers, body, files, |csrf| staff.is_ours(Some(csrf))).await?;
    let (id, draft, l) = (id(&posted), Draft::of(&posted), ctx.language);
    if !posted.ours {
        let wrong = Wrong { all: Some(stale(l).to_owned()), ..Wrong::default() };
        let rows = people::kept(&draft, l);
        return page(state, ctx, staff, Sheet { id, draft: &draft, wrong, rows, saved: None, fresh: false })
            .await;
    }
    for upload in posted.ids("remove") {
        state.store.end_upload(staff.id(), upload).await.map_err(upload_fault)?;
    }
    match posted.line("action").as_str() {
        "drop" => {
            for upload in &draft.uploads {
                state.store.end_upload(staff.id(), *upload).await.map_err(upload_fault)?;
            }
            draft::forget(state, staff, id).await?;
            see_other("/compose")
        }
        "send" => send(state, ctx, staff, id, &draft, &posted).await,
        word => {
            draft::keep(state, staff, id, &draft).await?;
            match word {
                // A page's script keeps what is being written, and stays.
                "keep" => Ok(StatusCode::NO_CONTENT.into_response()),
                "preview" => {
                    let password = if posted.raw("password").is_empty() { "" } else { "&password=yes" };
                    see_other(&format!("/compose/preview?draft={id}{password}"))
                }
                "people" => see_other(&format!("/compose?draft={id}&people=yes#people")),
                _ => see_other(&format!("/compose?draft={id}")),
            }
        }
    }
}

async fn send(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    id: Uuid,
    draft: &Draft,
    posted: &Posted,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let passwords = Passwords(posted.raw("password"), posted.raw("password2"));
    let mark = draft.mark(state, passwords.0)?;
    if let Some(deposit) = state.store.sent_before(staff.id(), id, mark).await? {
        return sent(deposit);
    }
    let files = uploads(state, staff, &draft.uploads).await?;
    let mut wrong = Wrong::default();
    let gone = files.len() < draft.uploads.len();
    if posted.broken || gone || files.iter().any(|u| !u.is_complete()) {
        wrong.files = Some(l.pick(
            "Un fichier n’est pas arrivé en entier, ou n’est plus là. Retirez-le ou joignez-le de nouveau.",
            "A file did not arrive whole, or is no longer there. Remove it or attach it again.",
        ));
    }
    let mail = read::mail(state, staff, draft, &passwords, files, &mut wrong, l);
    let mut rows = people::kept(draft, l);
    if let (Some(mail), false) = (&mail, wrong.any()) {
        rows = people::judged(state, staff, draft, mail, &mut wrong, l).await?;
    }
    people::mark(&mut rows, &wrong);
    let (Some(mail), false) = (mail, wrong.any()) else {
        draft::keep(state, staff, id, draft).await?;
        return page(state, ctx, staff, Sheet { id, draft, wrong, rows, saved: None, fresh: false }).await;
    };
    match deposit(state, staff, id, mark, mail).await {
        Ok(deposit) => {
            done(state, staff, id, mark, draft, deposit).await?;
            sent(deposit)
        }
        Err(error) => {
            draft::keep(state, staff, id, draft).await?;
            let wrong = Wrong { all: Some(not_sent(&error, l)), ..Wrong::default() };
            page(state, ctx, staff, Sheet { id, draft, wrong, rows, saved: None, fresh: false }).await
        }
    }
}

fn sent(deposit: DepositId) -> Result<Response, Fault> {
    see_other(&format!("/deposits/{deposit}?done=sent"))
}

async fn deposit(
    state: &WebState,
    staff: &Staff,
    id: Uuid,
    mark: Sha256Digest,
    mail: NewMail,
) -> Result<DepositId, SubmitError> {
    let once = [staff.id().0.to_be_bytes().as_slice(), id.as_bytes(), &mark.0].concat();
    let by = Submit {
        account: staff.account.clone(),
        mechanism: MECHANISM,
        authenticated: staff.session.proved,
        network: staff.network.clone(),
        once: Some(Sha256Digest::of(&once)),
        guest: None,
    };
    state.hooks.desk.submit(by, MailSource::Composed(Box::new(mail))).await
}

/// What a sent message leaves behind: a form that is known, files that the deposit has, recipients to remember.
async fn done(
    state: &WebState,
    staff: &Staff,
    id: Uuid,
    mark: Sha256Digest,
    draft: &Draft,
    deposit: DepositId,
) -> Result<(), Fault> {
    state.store.sent_draft(staff.entity(), staff.id(), id, mark, deposit).await?;
    for upload in &draft.uploads {
        // The deposit has its own copy; what stays behind expires by itself.
        if let Err(error) = state.store.end_upload(staff.id(), *upload).await {
            tracing::warn!(%error, "an upload that was taken stays behind");
        }
    }
    let everybody =
        [&draft.to, &draft.cc, &draft.bcc].into_iter().filter_map(|t| addressees(t).ok()).flatten();
    let mut known = std::collections::HashSet::new();
    let all = everybody.filter(|a| known.insert(a.address.key())).map(|a| (a.address, a.name)).collect();
    if let Err(error) = state.store.remember_contacts(staff.entity(), staff.id(), all).await {
        tracing::warn!(%error, "recipients are not remembered");
    }
    Ok(())
}

fn not_sent(error: &SubmitError, l: Language) -> String {
    match error {
        SubmitError::Invalid(why) | SubmitError::Refused(why) => {
            format!("{} {why}", l.pick("Le message n’est pas parti :", "The message was not sent:"))
        }
        SubmitError::Full => l
            .pick(
                "Le service manque de place pour l’instant. Le brouillon est gardé : réessayez plus tard.",
                "Storage is short at the moment. The draft is kept: try again later.",
            )
            .to_owned(),
        SubmitError::Broken | SubmitError::Fault => l
            .pick(
                "Une panne passagère de notre côté. Le brouillon est gardé : réessayez dans un instant.",
                "A temporary fault on our side. The draft is kept: try again in a moment.",
            )
            .to_owned(),
    }
}

fn account_fault(error: AccountError) -> Fault {
    match error {
        AccountError::Store(e) => e.into(),
        other => Fault::internal("account", other),
    }
}
