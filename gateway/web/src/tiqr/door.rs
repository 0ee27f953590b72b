//! The QR code at the recipient's door.
//!
//! **Exposure.** Whoever holds the link sees the code; only the enrolled phone of the recipient, with its PIN,
//! answers it. The browser that asked goes on, and no other: the challenge is tied to its cookie.

use super::keys::Keys;
use super::page::{Code, Shown, Word};
use super::phone::answered;
use crate::ctx::Ctx;
use crate::door::gate::{Turn, elsewhere};
use crate::fault::Fault;
use crate::form;
use crate::pages::{see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::tiqr::{self, Answer, Question};
use sealpost_gate::{Code as Digits, Facts, Identity};
use sealpost_store::access::{NewTiqrSession, TiqrSession};
use serde::Deserialize;

fn path(door: &Door) -> String {
    format!("{}/tiqr", door.path())
}

/// Asking for the method: a fresh challenge, for the phone of this recipient alone.
pub(crate) async fn begin(state: &WebState, ctx: &Ctx, turn: Turn) -> Result<Response, Fault> {
    let door = &turn.door;
    let (keys, now, question) = (Keys::of(state)?, state.clock.now(), Question::fresh());
    let key = keys.hash("session", question.session.expose());
    let new = NewTiqrSession {
        key,
        browser: keys.browser(state, ctx, &path(door)),
        entity: door.link.entity,
        subject: Some(tiqr::owner(&door.row.address)),
        sealed: keys.seal("question", &key, question.to_text().expose().as_bytes())?,
        consignment: Some(door.id()),
        expires: now.checked_add(tiqr::CHALLENGE).unwrap_or(Timestamp::MAX),
    };
    state.store.begin_tiqr(new).await?;
    see_other(&path(door))
}

/// How far this browser's challenge is.
enum Standing {
    Waits(Box<(TiqrSession, Question)>),
    Passed,
    Over,
}

async fn standing(state: &WebState, ctx: &Ctx, door: &Door) -> Result<Standing, Fault> {
    let keys = Keys::of(state)?;
    let session = state.store.tiqr_of(keys.browser(state, ctx, &path(door))).await?;
    let living = session.filter(|s| s.expires > state.clock.now());
    let Some(session) = living else { return Ok(Standing::Over) };
    if session.passed.is_some() {
        return Ok(Standing::Passed);
    }
    let question = keys.question(&session)?;
    Ok(question.map_or(Standing::Over, |question| Standing::Waits(Box::new((session, question)))))
}

#[derive(Deserialize)]
pub(super) struct ShowQuery {
    offline: Option<String>,
}

/// `GET /m/{token}/tiqr`
pub(super) async fn show(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        let word = query.offline.is_some().then_some(Word::Offline);
        render(&state, &ctx, &door, word, StatusCode::OK).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn render(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    word: Option<Word>,
    status: StatusCode,
) -> Result<Response, Fault> {
    let shown = match standing(state, ctx, door).await? {
        Standing::Waits(waiting) => {
            let (session, question) = *waiting;
            let phone = state.store.phone_of(door.link.entity, &tiqr::owner(&door.row.address)).await?;
            let user = phone.map(|p| p.id);
            let uri = question.uri(user.as_deref(), &tiqr::identifier(&state.url), &door.site.name);
            Shown::Code(Code::of(uri)?, session.expires)
        }
        Standing::Passed => Shown::Passed,
        Standing::Over => Shown::Over,
    };
    super::page::challenge(state, ctx, door, shown, word, status)
}

/// `GET /m/{token}/tiqr/status`, for the page's script.
pub(super) async fn status(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let word = async {
        let door = Door::enter(&state, &token).await?;
        Ok::<_, Fault>(match standing(&state, &ctx, &door).await? {
            Standing::Waits(_) => "pending",
            Standing::Passed => "needs-refresh",
            Standing::Over => "challenge-expired",
        })
    };
    Json(serde_json::json!({ "status": word.await.unwrap_or("invalid-request") })).into_response()
}

#[derive(Deserialize)]
struct Fields {
    csrf: Option<String>,
    identifier: Option<String>,
    code: Option<String>,
}

async fn posted(state: &WebState, ctx: &Ctx, token: &str, body: Body) -> Result<(Door, Fields), Fault> {
    let door = Door::enter(state, token).await?;
    let fields: Fields = form::read(state, body).await?;
    match ctx.is_ours(state, &door.path(), fields.csrf.as_deref()) {
        true => Ok((door, fields)),
        false => Err(Fault::Forged(Box::new(door))),
    }
}

/// `POST /m/{token}/tiqr/done`: the phone has answered, the browser goes on.
pub(super) async fn done(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let (door, _) = posted(&state, &ctx, &token, body).await?;
        pass(&state, &ctx, &door).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Takes what the phone proved, once.
async fn pass(state: &WebState, ctx: &Ctx, door: &Door) -> Result<Response, Fault> {
    let browser = Keys::of(state)?.browser(state, ctx, &path(door));
    let Some(phone) = state.store.take_tiqr(browser, state.clock.now()).await? else {
        return render(state, ctx, door, Some(Word::Waiting), StatusCode::OK).await;
    };
    if phone.subject != tiqr::owner(&door.row.address) {
        return Err(Fault::NoSession(Box::new(door.clone())));
    }
    let facts = Facts::new(GateMethod::Tiqr, state.clock.now())
        .identity(Identity::new("mail", door.row.address.as_str()))
        .detail("phone", phone.id)
        .detail("enrolled", phone.enrolled.to_string())
        .detail("vouched", phone.vouched);
    elsewhere::pass(state, ctx, door, &GateMethod::Tiqr, facts).await
}

/// `POST /m/{token}/tiqr/code`: the phone had no network; its code was read from its screen (F15).
pub(super) async fn code(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let (door, fields) = posted(&state, &ctx, &token, body).await?;
        let Standing::Waits(waiting) = standing(&state, &ctx, &door).await? else {
            return render(&state, &ctx, &door, None, StatusCode::FORBIDDEN).await;
        };
        let user = fields.identifier.unwrap_or_default().trim().to_ascii_lowercase();
        let typed = fields.code.unwrap_or_default();
        // A slip of the keyboard costs no try.
        let Some(digits) = Digits::typed(&typed) else {
            return render(&state, &ctx, &door, Some(Word::Malformed), StatusCode::FORBIDDEN).await;
        };
        let keys = Keys::of(&state)?;
        let user: String = user.chars().take(64).collect();
        match answered(&state, &ctx, keys, waiting.0.key, user, digits.expose().to_owned()).await? {
            Answer::Ok => pass(&state, &ctx, &door).await,
            Answer::BadChallenge => render(&state, &ctx, &door, None, StatusCode::FORBIDDEN).await,
            answer => render(&state, &ctx, &door, Some(Word::of(answer)), StatusCode::FORBIDDEN).await,
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
