//! What the door writes into the journal. Rendering is pure; the caller writes in its transaction.

use crate::content::File;
use crate::ctx::Ctx;
use crate::door::declared::declared;
use crate::fault::Fault;
use crate::state::EntitySite;
use crate::view::Door;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_evidence::{Actor, BuiltEvent, DepositFacts, Detail, Event, EventName, Reason, render};
use sealpost_gate::{Assurance, Facts, Level};
use sealpost_store::access::{Challenge, Grant, Span};
use std::sync::Arc;

/// Writes events about one consignment. Owned, so that it can go into a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Scribe {
    site: Arc<EntitySite>,
    door: Arc<Door>,
    facts: Arc<DepositFacts>,
    network: Option<String>,
    agent: Option<String>,
}

impl Scribe {
    pub(crate) fn new(door: &Door, facts: DepositFacts, ctx: &Ctx) -> Self {
        Self {
            site: door.site.clone(),
            door: Arc::new(door.clone()),
            facts: Arc::new(facts),
            network: ctx.peer.map(|ip| ip.to_string()),
            agent: ctx.agent.clone(),
        }
    }

    /// The consignment it writes about.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    fn event(
        &self,
        name: EventName,
        time: Timestamp,
        actor: Actor,
        detail: Detail,
    ) -> Result<BuiltEvent, Fault> {
        let (deposit, recipient) = self.door.id();
        let event = Event::new(name, self.door.link.entity, time)
            .deposit(deposit)
            .recipient(recipient)
            .actor(actor)
            .detail(detail.text("reference", self.door.deposit.reference.as_str()));
        Ok(render(&self.site.issuer, event, Some(&self.facts))?)
    }
    fn anonymous(&self) -> Actor {
        Actor::Anonymous { network: self.network.clone(), agent: self.agent.clone() }
    }
    fn recipient(&self, facts: &[Facts], passed: Timestamp) -> Actor {
        let known = facts.iter().flat_map(|f| {
            let name = f.identity.as_ref().and_then(|i| i.name.clone()).map(|name| ("name".to_owned(), name));
            name.into_iter().chain(f.details.iter().map(|(k, v)| (k.to_string(), v.clone())))
        });
        Actor::Recipient {
            methods: facts.iter().map(|f| f.method.clone()).filter(|m| *m != GateMethod::Link).collect(),
            passed: Some(passed),
            identity: Facts::person(facts).map(ToString::to_string),
            network: self.network.clone(),
            level: Some(Level::together(facts).as_str().to_owned()),
            known: known.collect(),
        }
    }
    fn holder(&self, grant: &Grant) -> Actor {
        self.recipient(&facts_of(grant), grant.created)
    }

    /// The link was fetched, by a person or a scanner.
    pub(crate) fn fetched(&self, now: Timestamp) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new().int("generation", self.door.link.generation);
        self.event(EventName::NotificationAccessTracking, now, self.anonymous(), detail)
    }
    /// A code is on its way.
    pub(crate) fn challenge_sent(
        &self,
        challenge: &Challenge,
        to: &str,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new()
            .text("method", &challenge.method)
            .text("challenge", challenge.id.to_string())
            .time("expires", challenge.expires)
            .flag("again", challenge.created < now)
            .personal("to", to);
        self.event(EventName::ChallengeSent, now, self.anonymous(), detail)
    }
    /// Somebody's telephone is about to be asked.
    pub(crate) fn rung(
        &self,
        method: &GateMethod,
        identifier: &str,
        binding: &str,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new()
            .text("method", method.to_string())
            .text("binding", binding)
            .personal("to", identifier);
        self.event(EventName::ChallengeSent, now, self.anonymous(), detail)
    }
    /// Whoever reads the mailbox says that the number is not theirs.
    pub(crate) fn number_refused(&self, phone: &str, now: Timestamp) -> Result<BuiltEvent, Fault> {
        let detail =
            Detail::new().text("method", "otp-sms").text("reason", "not-my-number").personal("to", phone);
        self.event(EventName::GateFailed, now, self.anonymous(), detail)
    }
    /// A method was passed; `facts` ends with it.
    pub(crate) fn gate_passed(
        &self,
        facts: &[Facts],
        whole: bool,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let methods: Vec<_> = facts.iter().map(|f| f.method.clone()).collect();
        let assurance = Assurance::of(&methods);
        let last = facts.last();
        let known = last.map_or(&[][..], |f| &f.details);
        let known = known.iter().fold(Detail::new(), |d, (key, value)| d.personal(key, value.as_str()));
        let mut detail = Detail::new()
            .maybe("method", last.map(|f| f.method.to_string()))
            .maybe("level", last.map(|f| f.level.as_str()))
            .list("factors", assurance.factors().into_iter().map(|f| f.as_str()))
            .flag("multi_factor", assurance.is_multi_factor())
            .flag("complete", whole);
        if !known.is_empty() {
            detail = detail.nest("known", known);
        }
        self.event(EventName::GatePassed, now, self.recipient(facts, now), detail)
    }
    /// A method that is passed elsewhere was not, for a reason in one of our words.
    pub(crate) fn gate_refused(
        &self,
        method: &GateMethod,
        reason: &str,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new().text("method", method.to_string()).text("reason", reason);
        self.event(EventName::GateFailed, now, self.anonymous(), detail)
    }
    /// From now on the mailbox is on record as this person's.
    pub(crate) fn identity_bound(&self, identity: &str, now: Timestamp) -> Result<BuiltEvent, Fault> {
        let detail =
            Detail::new().personal("identity", identity).personal("address", self.door.row.address.as_str());
        self.event(EventName::IdentityBound, now, self.anonymous(), detail)
    }
    /// A wrong answer.
    pub(crate) fn gate_failed(
        &self,
        method: &GateMethod,
        left: u32,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new().text("method", method.to_string()).int("tries_left", left);
        self.event(EventName::GateFailed, now, self.anonymous(), detail)
    }
    /// The first explicit opening of the consignment: accepted, and its content available.
    pub(crate) fn opened(&self, grant: &Grant, now: Timestamp) -> Result<Vec<BuiltEvent>, Fault> {
        [EventName::ConsignmentAcceptance, EventName::ContentConsignment]
            .into_iter()
            .map(|name| self.event(name, now, self.holder(grant), said_by(grant, Detail::new())))
            .collect()
    }
    /// They passed the gate and asked for the content, which could not be read.
    pub(crate) fn not_consigned(
        &self,
        grant: &Grant,
        piece: &str,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let (deposit, recipient) = self.door.id();
        let reference = self.door.deposit.reference.as_str();
        let event = Event::new(EventName::ContentConsignmentFailure, self.door.link.entity, now)
            .deposit(deposit)
            .recipient(recipient)
            .actor(self.holder(grant))
            .reason(Reason::NotConsignedForMalfunction, Some(piece))
            .detail(Detail::new().text("reference", reference).text("unreadable", piece));
        Ok(render(&self.site.issuer, event, Some(&self.facts))?)
    }
    /// What a recipient, or whoever holds their link, says to the sender. An evidence is made where somebody
    /// was identified.
    pub(crate) fn said(
        &self,
        name: EventName,
        grant: Option<&Grant>,
        detail: Detail,
        evidenced: bool,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let (deposit, recipient) = self.door.id();
        let actor = grant.map_or_else(|| self.anonymous(), |g| self.holder(g));
        let event = Event::new(name, self.door.link.entity, now)
            .deposit(deposit)
            .recipient(recipient)
            .actor(actor)
            .detail(detail.text("reference", self.door.deposit.reference.as_str()));
        Ok(render(&self.site.issuer, event, evidenced.then_some(&*self.facts))?)
    }
    /// A later explicit opening, by another browser or person.
    pub(crate) fn opened_again(&self, grant: &Grant, now: Timestamp) -> Result<BuiltEvent, Fault> {
        let detail = said_by(grant, Detail::new().text("kind", "opened-again"));
        self.event(EventName::ContentAccessTracking, now, self.holder(grant), detail)
    }
    /// A file was looked at, or begun.
    pub(crate) fn tracked(
        &self,
        grant: &Grant,
        file: &File,
        span: Span,
        look: bool,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new()
            .text("kind", if look { "viewed" } else { "partial" })
            .int("file", file.n)
            .sha256("sha256", file.sha256)
            .int("size", file.size)
            .int("first", span.first)
            .int("sent", span.past - span.first);
        self.event(EventName::ContentAccessTracking, now, self.holder(grant), detail)
    }
    /// A file was sent whole.
    pub(crate) fn handed_over(
        &self,
        grant: &Grant,
        file: &File,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new()
            .int("file", file.n)
            .sha256("sha256", file.sha256)
            .int("size", file.size)
            .int("sent", file.size);
        self.event(EventName::ContentHandover, now, self.holder(grant), detail)
    }
}

/// With the name that whoever opened gave, where they gave one.
fn said_by(grant: &Grant, detail: Detail) -> Detail {
    match declared(&facts_of(grant)) {
        Some(name) => detail.personal("declared", name),
        None => detail,
    }
}

/// What the session's methods said. One begun before an upgrade knows its methods only.
pub(crate) fn facts_of(grant: &Grant) -> Vec<Facts> {
    match serde_json::from_str::<Vec<Facts>>(&grant.facts) {
        Ok(facts) if facts.len() == grant.passed.len() => facts,
        _ => grant.passed.iter().map(|m| Facts::new(m.clone(), grant.created)).collect(),
    }
}
