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

/// How far a browser's challenge is.
pub(super) enum Standing {
    /// None was asked for.
    Absent,
    Waits(Box<(TiqrSession, Question)>),
    Passed,
    Over,
}

impl Standing {
    /// Of the challenge that this browser was shown in `scope`.
    pub(super) async fn of(state: &WebState, ctx: &Ctx, scope: &str) -> Result<Self, Fault> {
        let keys = Keys::of(state)?;
        let session = match state.store.tiqr_of(keys.browser(state, ctx, scope)).await? {
            None => return Ok(Self::Absent),
            Some(session) if session.expires <= state.clock.now() => return Ok(Self::Over),
            Some(session) if session.passed.is_some() => return Ok(Self::Passed),
            Some(session) => session,
        };
        let question = keys.question(&session)?;
        Ok(question.map_or(Self::Over, |question| Self::Waits(Box::new((session, question)))))
    }
    /// For the page's script.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Waits(_) => "pending",
            Self::Passed => "needs-refresh",
            Self::Absent | Self::Over => "challenge-expired",
        }
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
        let events = self.failed(session, phone, answer)?.into_iter().collect();
        Ok((Judgement::Wrong { failures, blocks, blocked, events }, answer))
    }

    fn failed(
        &self,
        session: &TiqrSession,
        phone: &Phone,
        answer: Answer,
    ) -> Result<Option<sealpost_evidence::BuiltEvent>, StoreError> {
        let Some(site) = self.sites.iter().find(|s| s.issuer.entity == phone.entity) else {
            return Ok(None);
        };
        let detail = Detail::new().text("method", "tiqr");
        let detail = match answer {
            Answer::WrongResponse(left) => detail.text("reason", "wrong-response").int("tries_left", left),
            _ => detail.text("reason", "blocked").int("tries_left", 0),
        };
        let event = match session.consignment {
            Some((deposit, recipient)) => Event::new(EventName::GateFailed, phone.entity, self.now)
                .deposit(deposit)
                .recipient(recipient)
                .detail(detail),
            // At the login.
            None => Event::new(EventName::AccountLoginFailed, phone.entity, self.now)
                .detail(detail.text("protocol", "web").personal("subject", phone.subject.as_str())),
        };
        let event = event.actor(self.actor.clone());
        let built = render(&site.issuer, event, None);
        built.map(Some).map_err(|_| StoreError::Conflict("a wrong answer could not be put into words"))
    }
}
