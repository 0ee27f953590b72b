//! One step at the gate: who stands there, and what they may do.

use crate::content::Content;
use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::Fault;
use crate::state::WebState;
use crate::view::Door;
use sealpost_envelope::GateMethod;
use sealpost_gate::{Ladder, Method};
use sealpost_store::access::Grant;
use std::sync::Arc;

/// A request at the gate.
pub(crate) struct Turn {
    pub(crate) door: Door,
    pub(crate) content: Content,
    pub(crate) grant: Option<Grant>,
    pub(crate) scribe: Scribe,
    /// `None` when the method is not the next step: the landing page shows what is.
    pub(crate) method: Option<Arc<dyn Method>>,
}

impl Turn {
    /// For a method as an address names it.
    pub(crate) async fn take(state: &WebState, ctx: &Ctx, door: Door, method: &str) -> Result<Self, Fault> {
        let name: GateMethod = method.parse().map_err(|_| Fault::Unknown)?;
        let content = Content::load(state, &door)?;
        let grant = door.grant(state, ctx).await?;
        let scribe = Scribe::new(&door, content.facts(state, &door).await?, ctx);
        let allowed = {
            let passed = grant.as_ref().map_or(&[][..], |g| &g.passed);
            Ladder::new(&door.row.verdict.gate, &door.methods).allows(passed, &name)
        };
        let method = if allowed { door.methods.get(&name).cloned() } else { None };
        Ok(Self { door, content, grant, scribe, method })
    }
}
