//! Hashes and seals of tiqr's keys, under one purpose key; and the judgement of an answer.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::{EntitySite, WebState};
use sealpost_envelope::{Secret, Timestamp};
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_gate::tiqr::{Answer, Patience, Question, Strikes};
use sealpost_store::StoreError;
use sealpost_store::access::{Judgement, Phone, TiqrSession};
use sealpost_store::keys::PurposeKey;
use std::sync::Arc;

/// The purpose key "tiqr".
#[derive(Clone)]
pub(super) struct Keys(PurposeKey);

impl Keys {
    pub(super) fn of(state: &WebState) -> Result<Self, Fault> {
        Ok(Self(state.store.keys().purpose("tiqr")?))
    }
    /// What is kept of a key.
    pub(super) fn hash(&self, what: &str, key: &str) -> [u8; 32] {
        self.0.hmac(&[what.as_bytes(), key.as_bytes()])
    }
    /// This browser on these pages; no phone ever sees it.
    pub(super) fn browser(&self, state: &WebState, ctx: &Ctx, scope: &str) -> [u8; 32] {
        self.hash("browser", &ctx.csrf(state, &format!("tiqr {scope}")))
    }
    pub(super) fn seal(&self, place: &str, row: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.0.seal(place, row, plain).map_err(|e| StoreError::damaged("tiqr", e))
    }
    pub(super) fn open(&self, place: &str, row: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, StoreError> {
        self.0.open(place, row, sealed).map(Secret::new).map_err(|e| StoreError::damaged("tiqr", e))
    }
    /// The question of a challenge that waits.
    pub(super) fn question(&self, session: &TiqrSession) -> Result<Option<Question>, StoreError> {
        let Some(sealed) = &session.sealed else { return Ok(None) };
        let plain = self.open("question", &session.key, sealed)?;
        Ok(std::str::from_utf8(plain.expose()).ok().and_then(Question::from_text))
    }
}

/// Who judges an answer, and what is journaled of a wrong one.
pub(super) struct Judge {
    pub(super) keys: Keys,
    pub(super) response: String,
    pub(super) now: Timestamp,
    pub(super) actor: Actor,
    pub(super) sites: Vec<Arc<EntitySite>>,
}

impl Judge {
    pub(super) fn new(state: &WebState, ctx: &Ctx, keys: Keys, response: String) -> Self {
        Self {
            keys,
            response,
            now: state.clock.now(),
            actor: Actor::Anonymous { network: ctx.peer.map(|ip| ip.to_string()), agent: ctx.agent.clone() },
            sites: state.entities(),
        }
    }

    /// A blocked phone is refused whatever it says; a wrong answer counts.
    pub(super) fn judge(
        self,
        session: &TiqrSession,
        phone: &Phone,
    ) -> Result<(Judgement, Answer), StoreError> {
        let strikes = Strikes { failures: phone.failures, blocks: phone.blocks, until: phone.blocked };
        if let Some(answer) = strikes.refusal(self.now) {
            return Ok((Judgement::Refused, answer));
        }
        let secret = self.keys.open("secret", phone.id.as_bytes(), &phone.secret)?;
        let question = self.keys.question(session)?;
        if question.is_some_and(|q| q.is_answered(&secret, &self.response)) {
            return Ok((Judgement::Right, Answer::Ok));
        }
        let (counted, answer) = strikes.wrong(Patience::default(), self.now);
        let Strikes { failures, blocks, until: blocked } = counted;
        let events = self.failed(session, answer)?.into_iter().collect();
        Ok((Judgement::Wrong { failures, blocks, blocked, events }, answer))
    }

    fn failed(
        &self,
        session: &TiqrSession,
        answer: Answer,
    ) -> Result<Option<sealpost_evidence::BuiltEvent>, StoreError> {
        let (Some((deposit, recipient)), Some(site)) =
            (session.consignment, self.sites.iter().find(|s| s.issuer.entity == session.entity))
        else {
            return Ok(None);
        };
        let detail = Detail::new().text("method", "tiqr");
        let detail = match answer {
            Answer::WrongResponse(left) => detail.text("reason", "wrong-response").int("tries_left", left),
            _ => detail.text("reason", "blocked").int("tries_left", 0),
        };
        let event = Event::new(EventName::GateFailed, session.entity, self.now)
            .deposit(deposit)
            .recipient(recipient)
            .actor(self.actor.clone())
            .detail(detail);
        let built = render(&site.issuer, event, None);
        built.map(Some).map_err(|_| StoreError::Conflict("a wrong answer could not be put into words"))
    }
}
