//! `/journal/verify`: the whole log recomputed on demand, as `sealpost journal verify` does it.

use crate::app::act::stale;
use crate::app::frame::{AppFrame, Section};
use crate::app::operations::LogVerdict;
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::pages::{html, show};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use sealpost_store::account::Role;

#[derive(Template)]
#[template(path = "app/verify.html")]
struct Page<'a> {
    f: &'a AppFrame,
    verdict: Option<LogVerdict>,
    entries: String,
    checkpoints: String,
    wrong: Option<&'static str>,
}

/// The page before.
pub(in crate::app) async fn verify_page(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = shown(&state, &ctx, &staff, None, None);
    show(&state, &ctx, page)
}

/// Verifies.
pub(in crate::app) async fn verify(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    body: Body,
) -> Response {
    let done = async {
        let typed = Typed::posted(&state, body).await?;
        staff.require(&[Role::Auditor, Role::Admin, Role::Operator])?;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return shown(&state, &ctx, &staff, None, Some(stale(ctx.language)));
        }
        match state.hooks.operations.verify_log().await {
            Ok(verdict) => shown(&state, &ctx, &staff, Some(verdict), None),
            Err(cause) => Err(Fault::internal("verification of the log", cause)),
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}

fn shown(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    verdict: Option<LogVerdict>,
    wrong: Option<&'static str>,
) -> Result<Response, Fault> {
    staff.require(&[Role::Auditor, Role::Admin, Role::Operator])?;
    let l = ctx.language;
    let title = l.pick("Vérification du journal", "Verification of the journal");
    let frame = AppFrame::new(state, ctx, staff, Section::Journal, title);
    let number = |n: Option<u64>| n.map(|n| locale::grouped(n, l)).unwrap_or_default();
    html(&Page {
        entries: number(verdict.as_ref().map(|v| v.entries)),
        checkpoints: number(verdict.as_ref().map(|v| v.checkpoints)),
        verdict,
        wrong,
        f: &frame,
    })
}
