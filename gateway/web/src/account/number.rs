//! The telephone number to which codes by SMS go: shown masked, changed once a code proves that it is the person's.
//!
//! **Exposure.** For people who have logged in; a change asks for the current password, ends with a code that went to
//! the new number, and is told by mail. A code confirms the one number it was sent to.

use super::change::confirmed;
use super::mail;
use super::page::Word as Said;
use crate::app::frame::{AppFrame, Section};
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::door::gate::sms::masked;
use crate::fault::Fault;
use crate::login::{Staff, journal, text};
use crate::pages::{html_status, see_other, show as respond};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::Secret;
use sealpost_evidence::Detail;
use sealpost_gate::Code;
use sealpost_store::account::{AccountError, CodePurpose};
use sealpost_store::queue;
use sealpost_store::session::StaffSession;
use uuid::Uuid;

const NUMBER: &str = "/account/number";

/// What the page says about the last step.
#[derive(Debug, Clone, Copy)]
enum Word {
    /// As on the page of the account.
    Said(Said),
    /// No number that codes may go to.
    Unusable,
    /// Too many codes were asked for.
    Limited,
    WrongCode,
}

impl Word {
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Said(said) => said.text(),
            Self::Unusable => (
                "Aucun code ne peut être envoyé à ce numéro. Écrivez un numéro de mobile, comme 06 12 34 56 78.",
                "No code can be sent to this number. Write a mobile number, as 06 12 34 56 78.",
            ),
            Self::Limited => (
                "Trop de codes ont été demandés : patientez avant le prochain.",
                "Too many codes were asked for: wait before the next one.",
            ),
            Self::WrongCode => (
                "Ce code n’est pas le bon, ou il n’est plus valable.",
                "This is not the right code, or it is no longer valid.",
            ),
        }
    }
}

/// A number that waits for its code.
struct Waiting {
    masked: String,
    sealed: String,
}

#[derive(Template)]
#[template(path = "account_number.html")]
struct Page<'a> {
    f: &'a AppFrame,
    word: Option<Word>,
    current: Option<String>,
    waiting: Option<Waiting>,
    minutes: u64,
}

async fn show(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    word: Option<Word>,
    waiting: Option<Waiting>,
) -> Result<Response, Fault> {
    let texts = state.texts.as_ref().ok_or(Fault::Unknown)?;
    let title = ctx.language.pick("Numéro pour les codes par SMS", "Number for codes by SMS");
    let frame = AppFrame::new(state, ctx, staff, Section::Account, title);
    let phone = state.accounts.profile(&staff.account).await?.phone;
    let status = if word.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    html_status(
        status,
        &Page {
            f: &frame,
            word,
            current: phone.map(|p| masked(&(texts.number)(&p).unwrap_or(p))),
            waiting,
            minutes: texts.rule.lifetime.as_secs().div_ceil(60),
        },
    )
}

/// `GET /account/number`
pub(super) async fn start(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = show(&state, &ctx, &staff, None, None).await;
    respond(&state, &ctx, page)
}

/// `POST /account/number`: a code to the number that is to be used.
pub(super) async fn ask(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let texts = state.texts.as_ref().ok_or(Fault::Unknown)?;
        let typed = Typed::posted(&state, body).await?;
        if let Some(said) = confirmed(&state, &ctx, &staff, &typed).await? {
            return show(&state, &ctx, &staff, Some(Word::Said(said)), None).await;
        }
        let Some(phone) = (texts.number)(typed.get("number")) else {
            return show(&state, &ctx, &staff, Some(Word::Unusable), None).await;
        };
        let now = state.clock.now();
        let sent = text::send(&state, &ctx, &staff.account, CodePurpose::Number, phone.clone(), now).await?;
        let Some(challenge) = sent else {
            return show(&state, &ctx, &staff, Some(Word::Limited), None).await;
        };
        let until = now.saturating_add(texts.rule.lifetime).unwrap_or(staff.session.expires);
        let plain = Secret::new(format!("{challenge} {phone}").into_bytes());
        let sealed = state.accounts.seal_enrolment(staff.id(), &plain, until)?;
        let sealed = base64_simd::URL_SAFE_NO_PAD.encode_to_string(sealed);
        let waiting = Waiting { masked: masked(&phone), sealed };
        show(&state, &ctx, &staff, None, Some(waiting)).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// The challenge and the number that a form holds sealed.
fn opened(state: &WebState, staff: &Staff, sealed: &str) -> Option<(Uuid, String)> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(sealed).ok()?;
    let plain = state.accounts.open_enrolment(staff.id(), &bytes, state.clock.now())?;
    let (challenge, phone) = std::str::from_utf8(plain.expose()).ok()?.split_once(' ')?;
    Some((challenge.parse().ok()?, phone.to_owned()))
}

/// `POST /account/number/confirm`
pub(super) async fn confirm(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        let found = opened(&state, &staff, typed.get("sealed"));
        let (true, Some((challenge, phone))) = (staff.is_ours(Some(typed.get("csrf"))), found) else {
            return show(&state, &ctx, &staff, Some(Word::Said(Said::Stale)), None).await;
        };
        let now = state.clock.now();
        let right = match Code::typed(typed.get("code")) {
            Some(code) => {
                let (purpose, only) = (CodePurpose::Number, Some(challenge));
                text::judge(&state, &staff.account, purpose, only, &code, now).await?
            }
            // A slip of the keyboard costs no try.
            None => false,
        };
        if right {
            return keep(&state, &staff, Some(phone)).await;
        }
        let waiting = Waiting { masked: masked(&phone), sealed: typed.get("sealed").to_owned() };
        show(&state, &ctx, &staff, Some(Word::WrongCode), Some(waiting)).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /account/number/remove`
pub(super) async fn remove(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        match confirmed(&state, &ctx, &staff, &typed).await? {
            Some(said) => show(&state, &ctx, &staff, Some(Word::Said(said)), None).await,
            None => keep(&state, &staff, None).await,
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn keep(state: &WebState, staff: &Staff, phone: Option<String>) -> Result<Response, Fault> {
    let (now, account) = (state.clock.now(), staff.account.clone());
    let what = if phone.is_some() { "number" } else { "number-off" };
    let detail = phone.as_deref().map_or_else(Detail::new, |p| Detail::new().personal("phone", p));
    let event = journal::changed(&staff.site, &account, journal::actor(&account), what, detail, now)?;
    let news = mail::news(state, &account, what, now).await?;
    let mut profile = state.accounts.own_profile(&account).await?;
    profile.phone = phone;
    let (accounts, kept) = (state.accounts.clone(), staff.session.id);
    state
        .store
        .db()
        .write_as(async move |tx| {
            accounts.write_profile(tx, &account, &profile).await?;
            // Other sessions stand on the former second factor.
            StaffSession::end_all(tx, account.id, Some(kept)).await?;
            queue::insert_all(tx, news.as_slice()).await?;
            Ok::<_, AccountError>(tx.append(vec![event]).await?)
        })
        .await?;
    (state.hooks.outbound)();
    see_other(NUMBER)
}
