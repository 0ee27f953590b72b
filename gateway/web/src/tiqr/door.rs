//! The QR code at the recipient's door.
//!
//! **Exposure.** Whoever holds the link sees the code; only the enrolled phone of the recipient, with its PIN,
//! answers it. The browser that asked goes on, and no other: the challenge is tied to its cookie.

use super::keys::{Keys, Standing};
use super::offline;
use super::page::{Code, Place, Shown, Word};
use crate::ctx::Ctx;
use crate::door::gate::{Turn, elsewhere};
use crate::fault::Fault;
use crate::form;
use crate::pages::{Back, see_other, show as respond};
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
use sealpost_store::access::{NewTiqrSession, Phone};
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

async fn standing(state: &WebState, ctx: &Ctx, door: &Door) -> Result<Standing, Fault> {
    Standing::of(state, ctx, &path(door)).await
}

fn place(state: &WebState, ctx: &Ctx, door: &Door) -> Place {
    let label = ctx.language.pick("Revenir à l’avis de dépôt", "Back to the delivery notice").to_owned();
    Place {
        site: Some(door.site.clone()),
        reference: Some(door.deposit.reference.as_str().to_owned()),
        path: path(door),
        again: format!("{}/gate/tiqr", door.path()),
        csrf: ctx.csrf(state, &door.path()),
        back: Back { href: door.path(), label },
    }
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
        Standing::Absent | Standing::Over => Shown::Over,
    };
    super::page::challenge(state, ctx, place(state, ctx, door), shown, word, status)
}

/// `GET /m/{token}/tiqr/status`, for the page's script.
pub(super) async fn status(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let word = async {
        let door = Door::enter(&state, &token).await?;
        Ok::<_, Fault>(standing(&state, &ctx, &door).await?.word())
    };
    Json(serde_json::json!({ "status": word.await.unwrap_or("invalid-request") })).into_response()
}

/// What a phone that answered shows.
pub(super) fn proven(phone: &Phone, now: Timestamp) -> Facts {
    Facts::new(GateMethod::Tiqr, now)
        .detail("phone", phone.id.as_str())
        .detail("enrolled", phone.enrolled.to_string())
        .detail("vouched", phone.vouched.as_str())
}

#[derive(Deserialize)]
pub(super) struct Fields {
    pub(super) csrf: Option<String>,
    identifier: Option<String>,
    code: Option<String>,
}

impl Fields {
    /// The phone's name and code as they were typed; a slip of the keyboard is neither.
    pub(super) fn typed(self) -> Option<(String, String)> {
        let digits = Digits::typed(&self.code.unwrap_or_default())?;
        let user = self.identifier.unwrap_or_default().trim().to_ascii_lowercase();
        Some((user.chars().take(64).collect(), digits.expose().to_owned()))
    }
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
    let facts = proven(&phone, state.clock.now()).identity(Identity::new("mail", door.row.address.as_str()));
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
        // A slip of the keyboard costs no try.
        let Some(typed) = fields.typed() else {
            return render(&state, &ctx, &door, Some(Word::Malformed), StatusCode::FORBIDDEN).await;
        };
        match offline::judged(&state, &ctx, waiting.0.key, typed).await? {
            Answer::Ok => pass(&state, &ctx, &door).await,
            Answer::BadChallenge => render(&state, &ctx, &door, None, StatusCode::FORBIDDEN).await,
            answer => render(&state, &ctx, &door, Some(Word::of(answer)), StatusCode::FORBIDDEN).await,
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
