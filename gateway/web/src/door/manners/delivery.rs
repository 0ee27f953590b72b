//! The truth about a code's delivery, for the page where somebody waits for it: who took the mail, and when.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::state::WebState;
use crate::view::Door;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use sealpost_envelope::{GateMethod, Language};
use sealpost_store::access::{Challenge, CodeDelivery};

/// `GET /m/{token}/gate/{method}/delivery`: one sentence, or none while nothing is known.
pub(super) async fn show(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, method)): Path<(String, String)>,
) -> Response {
    let text = async {
        let door = Door::enter(&state, &token).await?;
        let method: GateMethod = method.parse().map_err(|_| Fault::Unknown)?;
        let (deposit, recipient) = door.id();
        let db = state.store.db();
        let Some(challenge) = Challenge::latest(db, deposit, recipient, &method.to_string()).await? else {
            return Ok(None);
        };
        let found = CodeDelivery::of(db, challenge.id).await?;
        Ok::<_, Fault>(found.map(|delivery| sentence(&ctx, &door, &delivery)))
    };
    Json(serde_json::json!({ "text": text.await.unwrap_or(None) })).into_response()
}

fn sentence(ctx: &Ctx, door: &Door, delivery: &CodeDelivery) -> String {
    let (host, at) = (&delivery.host, locale::clock(delivery.at, &door.site.zone));
    match (ctx.language, delivery.accepted) {
        (Language::Fr, true) => format!("{host} a accepté votre code à {at}."),
        (Language::En, true) => format!("{host} accepted your code at {at}."),
        (Language::Fr, false) => format!("{host} n’a pas accepté votre code ({at})."),
        (Language::En, false) => format!("{host} did not accept your code ({at})."),
    }
}
