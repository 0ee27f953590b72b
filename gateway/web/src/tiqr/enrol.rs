//! Associating a phone with a recipient who has passed the gate.
//!
//! **Exposure.** Whoever holds a session at this door may enrol a phone for its recipient's address, at this
//! organisation. Holding the link alone is not enough; and where a phone is enrolled already, another one takes its
//! place only for somebody who has shown as much as that phone is worth.

use super::keys::Keys;
use super::page::{Code, Enrolled};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form;
use crate::pages::{see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::tiqr::{self, Enrolment};
use sealpost_gate::{Assurance, Step};
use sealpost_store::access::{EnrolmentRow, Grant, NewEnrolment};
use serde::Deserialize;

fn path(door: &Door) -> String {
    format!("{}/phone", door.path())
}

/// The session of somebody who may enrol: the whole gate is passed, and it asked for more than the link.
async fn inside(state: &WebState, ctx: &Ctx, token: &str) -> Result<(Door, Grant), Fault> {
    let door = Door::enter(state, token).await?;
    if state.methods.get(&GateMethod::Tiqr).is_none() {
        return Err(Fault::Unknown);
    }
    let grant = door.grant(state, ctx).await?;
    match grant {
        Some(g) if door.step(Some(&g)) == Step::Passed && g.passed.iter().any(|m| *m != GateMethod::Link) => {
            Ok((door, g))
        }
        _ => Err(Fault::NoSession(Box::new(door))),
    }
}

/// Whether this session may take the place of an enrolled phone.
fn may_replace(grant: &Grant) -> bool {
    Assurance::of(&grant.passed).is_multi_factor()
}

async fn under_way(state: &WebState, ctx: &Ctx, door: &Door) -> Result<Option<EnrolmentRow>, Fault> {
    let browser = Keys::of(state)?.browser(state, ctx, &path(door));
    let row = state.store.enrolment_of(browser).await?;
    Ok(row.filter(|r| {
        r.expires > state.clock.now() || Enrolment::from_number(r.status) == Some(Enrolment::Finalized)
    }))
}

/// `GET /m/{token}/phone`
pub(super) async fn show(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        let (door, grant) = inside(&state, &ctx, &token).await?;
        let enrolled = state.store.phone_of(door.link.entity, &tiqr::owner(&door.row.address)).await?;
        let row = under_way(&state, &ctx, &door).await?;
        let status = row.as_ref().and_then(|r| Enrolment::from_number(r.status));
        let shown = match (status, row.as_ref().and_then(|r| r.sealed.as_deref())) {
            (Some(Enrolment::Initialized), Some(sealed)) => {
                let browser = Keys::of(&state)?.browser(&state, &ctx, &path(&door));
                let uri = Keys::of(&state)?.open("enrolment", &browser, sealed)?;
                let uri = String::from_utf8_lossy(uri.expose()).into_owned();
                let expires = row.map_or(Timestamp::MIN, |r| r.expires);
                Enrolled::Code(Code::of(uri)?, expires)
            }
            (Some(Enrolment::Retrieved | Enrolment::Processed), _) => Enrolled::Retrieved,
            (Some(Enrolment::Finalized), _) => Enrolled::Done,
            _ if enrolled.is_some() && !may_replace(&grant) => Enrolled::Taken,
            _ => Enrolled::Offer(enrolled.map(|p| p.enrolled)),
        };
        super::page::enrolment(&state, &ctx, &door, shown)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// How far an enrolment is, for a page's script.
pub(super) fn progress(row: Option<&EnrolmentRow>) -> &'static str {
    match row.and_then(|r| Enrolment::from_number(r.status)) {
        Some(Enrolment::Initialized) => "pending",
        Some(Enrolment::Retrieved | Enrolment::Processed) => "retrieved",
        Some(Enrolment::Finalized) => "needs-refresh",
        None => "challenge-expired",
    }
}

/// `GET /m/{token}/phone/status`, for the page's script.
pub(super) async fn status(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let word = async {
        let (door, _) = inside(&state, &ctx, &token).await?;
        let row = under_way(&state, &ctx, &door).await?;
        Ok::<_, Fault>(progress(row.as_ref()))
    };
    Json(serde_json::json!({ "status": word.await.unwrap_or("invalid-request") })).into_response()
}

#[derive(Deserialize)]
struct Fields {
    csrf: Option<String>,
}

/// `POST /m/{token}/phone`: a QR code for one phone.
pub(super) async fn start(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let (door, grant) = inside(&state, &ctx, &token).await?;
        let fields: Fields = form::read(&state, body).await?;
        if !ctx.is_ours(&state, &door.path(), fields.csrf.as_deref()) {
            return Err(Fault::Forged(Box::new(door)));
        }
        let subject = tiqr::owner(&door.row.address);
        let enrolled = state.store.phone_of(door.link.entity, &subject).await?;
        if enrolled.is_some() && !may_replace(&grant) {
            return super::page::enrolment(&state, &ctx, &door, Enrolled::Taken);
        }
        let (keys, key) = (Keys::of(&state)?, tiqr::fresh_key());
        let browser = keys.browser(&state, &ctx, &path(&door));
        let uri = tiqr::enrolment_uri(&format!("{}/tiqr/metadata?key={}", state.url, key.expose()));
        let new = NewEnrolment {
            key: keys.hash("enrolment", key.expose()),
            browser,
            entity: door.link.entity,
            subject,
            name: door.row.address.to_string(),
            phone: tiqr::fresh_user(),
            vouched: Assurance::of(&grant.passed).methods(),
            sealed: keys.seal("enrolment", &browser, uri.as_bytes())?,
            expires: state.clock.now().checked_add(tiqr::ENROLMENT).unwrap_or(Timestamp::MAX),
        };
        state.store.begin_enrolment(new).await?;
        see_other(&path(&door))
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
