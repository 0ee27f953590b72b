//! Methods whose proof happens on another page or listener: where they begin, and how they come back.
//!
//! **Exposure.** [`pass`] believes its caller about the facts and nothing else: whether the method is the next step of
//! this consignment's gate is judged again, against the session in the store.

use super::identity;
use super::passed::advance;
use super::turn::Turn;
use crate::content::Content;
use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::Fault;
use crate::pages::see_other;
use crate::state::WebState;
use crate::view::Door;
use axum::response::Response;
use sealpost_envelope::GateMethod;
use sealpost_gate::{Facts, Ladder};

/// Where asking for such a method leads. A method is on offer only once its own module has put it into
/// the installation's list, and then has its arm here.
pub(crate) async fn begin(state: &WebState, ctx: &Ctx, turn: Turn) -> Result<Response, Fault> {
    match turn.method.as_ref().map(|m| m.name()) {
        Some(GateMethod::Cps) => crate::card::begin(state, ctx, turn).await,
        Some(GateMethod::Oidc(_)) => crate::oidc::begin(state, ctx, turn).await,
        Some(GateMethod::Tiqr) => crate::tiqr::begin(state, ctx, turn).await,
        _ => see_other(&turn.door.path()),
    }
}

/// A method was passed elsewhere: writes GatePassed and the session, and leads back to the landing page with the
/// session's cookie. Writes nothing when the method is not the next step.
pub(crate) async fn pass(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    method: &GateMethod,
    facts: Facts,
) -> Result<Response, Fault> {
    let grant = door.grant(state, ctx).await?;
    let mut response = see_other(&door.path())?;
    let allowed = {
        let passed = grant.as_ref().map_or(&[][..], |g| &g.passed);
        Ladder::new(&door.row.verdict.gate, &door.methods).allows(passed, method)
    };
    if !allowed || facts.method != *method {
        return Ok(response);
    }
    let Some(facts) = identity::compared(state, door, facts).await? else {
        fail(state, ctx, door, method, identity::OTHER_PERSON).await?;
        return identity::other_person(state, ctx, door);
    };
    let scribe = Scribe::new(door, Content::load(state, door)?.facts(state, door).await?, ctx);
    let (_, cookie) = advance(state, door, grant.as_ref(), facts, &scribe).await?;
    door.set_session(&mut response, &cookie);
    Ok(response)
}

/// A method failed elsewhere, for a `reason` in one of our words (`revoked`, `expired`, `test-card`…): writes
/// GateFailed. What the person is told is the caller's page.
pub(crate) async fn fail(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    method: &GateMethod,
    reason: &str,
) -> Result<(), Fault> {
    let scribe = Scribe::new(door, Content::load(state, door)?.facts(state, door).await?, ctx);
    let event = scribe.gate_refused(method, reason, state.clock.now())?;
    state
        .store
        .db()
        .write_as(async move |tx| {
            tx.append(vec![event]).await?;
            Ok::<_, Fault>(())
        })
        .await
}
