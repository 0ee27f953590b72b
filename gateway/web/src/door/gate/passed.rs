//! A step is passed: the session under a fresh cookie, and the event, in one transaction.

use super::{identity, later};
use crate::ctx::random;
use crate::events::{Scribe, facts_of};
use crate::fault::Fault;
use crate::state::WebState;
use crate::view::Door;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::{Facts, Identity, Ladder, Step};
use sealpost_store::Tx;
use sealpost_store::access::{Grant, GrantHash, GrantStep};

/// A session about to be written, with the cookie that will open it.
pub(crate) struct Fresh {
    pub(crate) step: GrantStep,
    pub(crate) cookie: String,
    facts: Vec<Facts>,
    whole: bool,
}

impl Fresh {
    /// After `former`'s steps, this one.
    pub(crate) fn new(
        state: &WebState,
        door: &Door,
        former: Option<&Grant>,
        passed: Facts,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let cookie = random();
        let mut facts = former.map_or_else(Vec::new, facts_of);
        facts.push(passed);
        let methods: Vec<GateMethod> = facts.iter().map(|f| f.method.clone()).collect();
        let whole = Ladder::new(&door.row.verdict.gate, &door.methods).step(&methods) == Step::Passed;
        let (deposit, recipient) = door.id();
        let step = GrantStep {
            hash: GrantHash::of(&cookie),
            former: former.map(|g| g.hash),
            entity: door.link.entity,
            deposit,
            recipient,
            passed: methods,
            facts: serde_json::to_string(&facts).map_err(|e| Fault::internal("facts", e))?,
            now,
            expires: later(now, state.limits.session),
        };
        Ok(Self { step, cookie, facts, whole })
    }

    /// What is to be written.
    pub(crate) fn parts(&self) -> (GrantStep, Vec<Facts>, bool) {
        (self.step.clone(), self.facts.clone(), self.whole)
    }
}

/// Writes the session and its event.
pub(crate) async fn write(
    tx: &mut Tx,
    scribe: &Scribe,
    (step, facts, whole): &(GrantStep, Vec<Facts>, bool),
    now: Timestamp,
) -> Result<(), Fault> {
    Grant::advance(tx, step).await?;
    tx.append(vec![scribe.gate_passed(facts, *whole, now)?]).await?;
    identity::bind_on_first_use(tx, scribe, facts, now).await
}

/// What passing one of our own methods says of the person: a code by mail shows who reads the mailbox.
pub(crate) fn facts(door: &Door, method: GateMethod, now: Timestamp) -> Facts {
    let mailbox = method == GateMethod::OtpMail;
    let facts = Facts::new(method, now);
    if mailbox { facts.identity(Identity::new("mail", door.row.address.as_str())) } else { facts }
}

/// Writes a step that needed no answer here; the session and its cookie.
pub(crate) async fn advance(
    state: &WebState,
    door: &Door,
    former: Option<&Grant>,
    passed: Facts,
    scribe: &Scribe,
) -> Result<(Grant, String), Fault> {
    let now = state.clock.now();
    let fresh = Fresh::new(state, door, former, passed, now)?;
    let (parts, scribe) = (fresh.parts(), scribe.clone());
    state.store.db().write_as(async move |tx| write(tx, &scribe, &parts, now).await).await?;
    let Fresh { step, cookie, .. } = fresh;
    let grant = Grant {
        hash: step.hash,
        entity: step.entity,
        deposit: step.deposit,
        recipient: step.recipient,
        passed: step.passed,
        facts: step.facts,
        created: now,
        expires: step.expires,
        opened: None,
    };
    Ok((grant, cookie))
}

/// Whether taking `link` now would pass the whole gate.
pub(crate) fn link_alone_opens(door: &Door, grant: Option<&Grant>) -> bool {
    let mut passed = grant.map_or_else(Vec::new, |g| g.passed.clone());
    let ladder = Ladder::new(&door.row.verdict.gate, &door.methods);
    if !ladder.allows(&passed, &GateMethod::Link) {
        return false;
    }
    passed.push(GateMethod::Link);
    ladder.step(&passed) == Step::Passed
}
