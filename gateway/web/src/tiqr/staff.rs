//! A telephone of somebody of ours: the login by QR code (F14), and enrolling the phone of an account (F13).
//!
//! **Exposure.** The login is reached by strangers. Its challenge names nobody: the phone says whose it is, and only
//! phones of accounts are taken. Enrolling asks for a login of a moment ago and the password, as the phone opens alone
//! from then on, and is told by mail; one phone an account, and the former one serves until the new one has sent its
//! secret.

use super::door::{Fields, proven};
use super::enrol::progress;
use super::keys::{Keys, Standing};
use super::offline;
use super::page::{Code, Enrolled, Place, Shown, Word};
use crate::account::{Said, confirmed, mail};
use crate::app::frame::{AppFrame, Section};
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form;
use crate::locale;
use crate::login::{Staff, complete, guess, journal};
use crate::pages::{Back, LoginWay, html_status, see_other, show as respond};
use crate::state::WebState;
use askama::Template;
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use sealpost_envelope::Timestamp;
use sealpost_evidence::Detail;
use sealpost_gate::tiqr::{self, Answer, Enrolment, Question};
use sealpost_gate::{Assurance, Identity};
use sealpost_store::access::{
    EnrolmentRow, NewEnrolment, NewTiqrSession, account_of_subject, account_subject,
};
use sealpost_store::account::Account;
use sealpost_store::queue;
use serde::Deserialize;
use std::time::Duration;

/// Where a phone logs in.
const LOGIN: &str = "/login/tiqr";
/// Where people look after the phone of their account.
const PHONE: &str = "/account/phone";
/// Enrolling asks for a login no older than this.
const RECENT: Duration = Duration::from_secs(900);

/// The login's pictogram.
pub(crate) fn way(ctx: &Ctx) -> LoginWay {
    let l = ctx.language;
    LoginWay {
        href: LOGIN.to_owned(),
        label: l.pick("QR code", "QR code").to_owned(),
        hint: l.pick("Votre téléphone, avec l’application tiqr", "Your phone, with the tiqr app").to_owned(),
        icon: "phone",
        recommended: false,
    }
}

#[derive(Deserialize)]
pub(super) struct ShowQuery {
    offline: Option<String>,
}

/// `GET /login/tiqr`
pub(super) async fn login_page(
    State(state): State<WebState>,
    ctx: Ctx,
    Query(query): Query<ShowQuery>,
) -> Response {
    let page = async {
        if Staff::find(&state, &ctx).await?.is_some() {
            return see_other(crate::login::START);
        }
        let word = query.offline.is_some().then_some(Word::Offline);
        render(&state, &ctx, word, StatusCode::OK).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn render(
    state: &WebState,
    ctx: &Ctx,
    word: Option<Word>,
    status: StatusCode,
) -> Result<Response, Fault> {
    let shown = match Standing::of(state, ctx, LOGIN).await? {
        Standing::Waits(waiting) => {
            let (session, question) = *waiting;
            let service = state.only_entity().map_or_else(|| "Sealpost".to_owned(), |site| site.name.clone());
            let uri = question.uri(None, &tiqr::identifier(&state.url), &service);
            Shown::Code(Code::of(uri)?, session.expires)
        }
        Standing::Absent => Shown::Start,
        Standing::Passed => Shown::Passed,
        Standing::Over => Shown::Over,
    };
    let label = ctx.language.pick("Autres moyens de connexion", "Other ways to log in").to_owned();
    let place = Place {
        site: state.only_entity(),
        reference: None,
        path: LOGIN.to_owned(),
        again: LOGIN.to_owned(),
        csrf: ctx.csrf(state, LOGIN),
        back: Back { href: "/login".to_owned(), label },
    };
    super::page::challenge(state, ctx, place, shown, word, status)
}

/// A form of the login's own, from this browser.
async fn posted(state: &WebState, ctx: &Ctx, body: Body) -> Result<Option<Fields>, Fault> {
    let fields: Fields = form::read(state, body).await?;
    Ok(ctx.is_ours(state, LOGIN, fields.csrf.as_deref()).then_some(fields))
}

/// `POST /login/tiqr`: a fresh challenge, for whichever phone of ours reads it.
pub(super) async fn begin(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        if posted(&state, &ctx, body).await?.is_none() {
            return see_other(LOGIN);
        }
        crate::door::gate::ask::may_ask(&state, &ctx).await?;
        let site = state.first_entity().ok_or(Fault::Unknown)?;
        let (keys, question) = (Keys::of(&state)?, Question::fresh());
        let key = keys.hash("session", question.session.expose());
        let new = NewTiqrSession {
            key,
            browser: keys.browser(&state, &ctx, LOGIN),
            entity: site.issuer.entity,
            subject: None,
            sealed: keys.seal("question", &key, question.to_text().expose().as_bytes())?,
            consignment: None,
            expires: state.clock.now().checked_add(tiqr::CHALLENGE).unwrap_or(Timestamp::MAX),
        };
        state.store.begin_tiqr(new).await?;
        see_other(LOGIN)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `GET /login/tiqr/status`, for the page's script.
pub(super) async fn login_status(State(state): State<WebState>, ctx: Ctx) -> Response {
    let word = Standing::of(&state, &ctx, LOGIN).await.map(|s| s.word());
    Json(serde_json::json!({ "status": word.unwrap_or("invalid-request") })).into_response()
}

/// `POST /login/tiqr/done`: the phone has answered, the browser goes on.
pub(super) async fn done(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        match posted(&state, &ctx, body).await? {
            Some(_) => pass(&state, &ctx).await,
            None => see_other(LOGIN),
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /login/tiqr/code`: the phone had no network; its code was read from its screen (F15).
pub(super) async fn code(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        let Some(fields) = posted(&state, &ctx, body).await? else { return see_other(LOGIN) };
        let Standing::Waits(waiting) = Standing::of(&state, &ctx, LOGIN).await? else {
            return render(&state, &ctx, None, StatusCode::FORBIDDEN).await;
        };
        let Some(typed) = fields.typed() else {
            return render(&state, &ctx, Some(Word::Malformed), StatusCode::FORBIDDEN).await;
        };
        match offline::judged(&state, &ctx, waiting.0.key, typed).await? {
            Answer::Ok => pass(&state, &ctx).await,
            Answer::BadChallenge => render(&state, &ctx, None, StatusCode::FORBIDDEN).await,
            answer => render(&state, &ctx, Some(Word::of(answer)), StatusCode::FORBIDDEN).await,
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Takes what the phone proved, once.
async fn pass(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let (browser, now) = (Keys::of(state)?.browser(state, ctx, LOGIN), state.clock.now());
    let Some(phone) = state.store.take_tiqr(browser, now).await? else {
        return render(state, ctx, Some(Word::Waiting), StatusCode::OK).await;
    };
    let id = account_of_subject(&phone.subject).ok_or(Fault::Unknown)?;
    let account = state.accounts.by_id(id).await?.filter(|a| a.disabled.is_none());
    // Whoever has left still has the phone: as if it had never been enrolled.
    let Some(account) = account else {
        return render(state, ctx, Some(Word::Unknown), StatusCode::FORBIDDEN).await;
    };
    let facts = proven(&phone, now).identity(Identity::new("mail", account.login.as_str()));
    complete(state, ctx, &account, vec![facts]).await
}

#[derive(Template)]
#[template(path = "account_phone.html")]
struct PhonePage<'a> {
    f: &'a AppFrame,
    stage: &'static str,
    since: Option<String>,
    recent: bool,
    /// Asks for the password.
    asks: bool,
    wrong: Option<&'static str>,
    code: Option<Code>,
    until: String,
    until_epoch: i64,
}

async fn under_way(state: &WebState, ctx: &Ctx, staff: &Staff) -> Result<Option<EnrolmentRow>, Fault> {
    let row = state.store.enrolment_of(Keys::of(state)?.browser(state, ctx, PHONE)).await?;
    // Somebody else may have begun in this browser.
    let own = account_subject(staff.id());
    Ok(row.filter(|r| r.subject == own && r.expires > state.clock.now()))
}

/// `GET /account/phone`
pub(super) async fn show(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = async {
        let row = under_way(&state, &ctx, &staff).await?;
        let status = row.as_ref().and_then(|r| Enrolment::from_number(r.status));
        let enrolled = state.store.phone_of(staff.entity(), &account_subject(staff.id())).await?;
        let shown = match (status, row.as_ref().and_then(|r| r.sealed.as_deref())) {
            (Some(Enrolment::Initialized), Some(sealed)) => {
                let browser = Keys::of(&state)?.browser(&state, &ctx, PHONE);
                let uri = Keys::of(&state)?.open("enrolment", &browser, sealed)?;
                let uri = String::from_utf8_lossy(uri.expose()).into_owned();
                Enrolled::Code(Code::of(uri)?, row.as_ref().map_or(Timestamp::MIN, |r| r.expires))
            }
            (Some(Enrolment::Retrieved | Enrolment::Processed), _) => Enrolled::Retrieved,
            (Some(Enrolment::Finalized), _) if enrolled.is_some() => Enrolled::Done,
            _ => Enrolled::Offer(None),
        };
        page(&state, &ctx, &staff, shown, enrolled.map(|p| p.enrolled), None)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    shown: Enrolled,
    since: Option<Timestamp>,
    wrong: Option<Said>,
) -> Result<Response, Fault> {
    let (l, zone) = (ctx.language, &staff.site.zone);
    let title = l.pick("Téléphone (QR code)", "Phone (QR code)");
    let frame = AppFrame::new(state, ctx, staff, Section::Account, title);
    let stage = shown.stage();
    let (code, expires) = match shown {
        Enrolled::Code(code, expires) => (Some(code), expires),
        _ => (None, Timestamp::MIN),
    };
    let status = if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let shown = PhonePage {
        f: &frame,
        stage,
        since: since.map(|t| locale::moment(t, zone, l)),
        recent: staff.proved_within(state, RECENT),
        asks: guess::has_password(state, &staff.account),
        wrong: wrong.map(|said| l.pick(said.text().0, said.text().1)),
        until: if code.is_some() { locale::clock(expires, zone) } else { String::new() },
        until_epoch: expires.as_second(),
        code,
    };
    html_status(status, &shown)
}

/// `GET /account/phone/status`, for the page's script.
pub(super) async fn status(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let row = under_way(&state, &ctx, &staff).await;
    let word = row.map(|row| progress(row.as_ref()));
    Json(serde_json::json!({ "status": word.unwrap_or("invalid-request") })).into_response()
}

#[derive(Deserialize)]
struct Form {
    csrf: Option<String>,
}

/// `POST /account/phone`: a QR code for one phone.
pub(super) async fn start(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        if !staff.is_ours(Some(typed.get("csrf"))) || !staff.proved_within(&state, RECENT) {
            return see_other(PHONE);
        }
        if guess::has_password(&state, &staff.account)
            && let Some(said) = confirmed(&state, &ctx, &staff, &typed).await?
        {
            let enrolled = state.store.phone_of(staff.entity(), &account_subject(staff.id())).await?;
            let since = enrolled.map(|p| p.enrolled);
            return page(&state, &ctx, &staff, Enrolled::Offer(None), since, Some(said));
        }
        let (keys, key) = (Keys::of(&state)?, tiqr::fresh_key());
        let browser = keys.browser(&state, &ctx, PHONE);
        let uri = tiqr::enrolment_uri(&format!("{}/tiqr/metadata?key={}", state.url, key.expose()));
        let new = NewEnrolment {
            key: keys.hash("enrolment", key.expose()),
            browser,
            entity: staff.entity(),
            subject: account_subject(staff.id()),
            name: staff.account.login.to_string(),
            phone: tiqr::fresh_user(),
            vouched: Assurance::of(&staff.session.passed).methods(),
            sealed: keys.seal("enrolment", &browser, uri.as_bytes())?,
            expires: state.clock.now().checked_add(tiqr::ENROLMENT).unwrap_or(Timestamp::MAX),
        };
        state.store.begin_enrolment(new).await?;
        see_other(PHONE)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// The account whose phone was just enrolled is told.
pub(super) async fn told(state: &WebState, row: &EnrolmentRow, now: Timestamp) -> Result<(), Fault> {
    let Some(id) = account_of_subject(&row.subject) else { return Ok(()) };
    let Some(account) = state.accounts.by_id(id).await? else { return Ok(()) };
    tell(state, &account, "phone", now).await
}

async fn tell(state: &WebState, account: &Account, news: &'static str, now: Timestamp) -> Result<(), Fault> {
    if let Some(row) = mail::news(state, account, news, now).await? {
        state.store.db().write(async move |tx| queue::insert(tx, &row).await).await?;
        (state.hooks.outbound)();
    }
    Ok(())
}

/// `POST /account/phone/remove`
pub(super) async fn remove(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let form: Form = form::read(&state, body).await?;
        if !staff.is_ours(form.csrf.as_deref()) {
            return see_other(PHONE);
        }
        let now = state.clock.now();
        let who = journal::actor(&staff.account);
        let event = journal::changed(&staff.site, &staff.account, who, "phone-off", Detail::new(), now)?;
        if state.store.forget_phone(staff.entity(), account_subject(staff.id()), vec![event]).await? {
            tell(&state, &staff.account, "phone-off", now).await?;
        }
        see_other(PHONE)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
