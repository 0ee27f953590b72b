//! What the door writes into the journal. Rendering is pure; the caller writes in its transaction.

use crate::content::File;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::EntitySite;
use crate::view::Door;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_evidence::{Actor, BuiltEvent, DepositFacts, Detail, Event, EventName, render};
use sealpost_gate::Assurance;
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
    fn recipient(&self, methods: &[GateMethod], passed: Timestamp) -> Actor {
        let mailbox = methods.contains(&GateMethod::OtpMail);
        Actor::Recipient {
            methods: methods.iter().filter(|m| **m != GateMethod::Link).cloned().collect(),
            passed: Some(passed),
            identity: mailbox.then(|| self.door.row.address.as_str().to_owned()),
            network: self.network.clone(),
        }
    }
    fn holder(&self, grant: &Grant) -> Actor {
        self.recipient(&grant.passed, grant.created)
    }

    /// The link was fetched, by a person or a scanner.
    pub(crate) fn fetched(&self, now: Timestamp) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new().int("generation", self.door.link.generation);
        self.event(EventName::NotificationAccessTracking, now, self.anonymous(), detail)
    }
    /// A code is on its way.
    pub(crate) fn challenge_sent(&self, challenge: &Challenge, now: Timestamp) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new()
            .text("method", &challenge.method)
            .text("challenge", challenge.id.to_string())
            .time("expires", challenge.expires)
            .flag("again", challenge.created < now)
            .personal("to", self.door.row.address.as_str());
        self.event(EventName::ChallengeSent, now, self.anonymous(), detail)
    }
    /// A method was passed; `passed` ends with it.
    pub(crate) fn gate_passed(
        &self,
        passed: &[GateMethod],
        whole: bool,
        now: Timestamp,
    ) -> Result<BuiltEvent, Fault> {
        let assurance = Assurance::of(passed);
        let detail = Detail::new()
            .maybe("method", passed.last().map(ToString::to_string))
            .list("factors", assurance.factors().into_iter().map(|f| f.as_str()))
            .flag("multi_factor", assurance.is_multi_factor())
            .flag("complete", whole);
        self.event(EventName::GatePassed, now, self.recipient(passed, now), detail)
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
            .map(|name| self.event(name, now, self.holder(grant), Detail::new()))
            .collect()
    }
    /// A later explicit opening, by another browser or person.
    pub(crate) fn opened_again(&self, grant: &Grant, now: Timestamp) -> Result<BuiltEvent, Fault> {
        let detail = Detail::new().text("kind", "opened-again");
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
