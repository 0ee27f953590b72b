//! Actions on a deposit, whoever asks: a command, the API, or a page.
//!
//! **Job.** Each action is one change of the store with its event and the mail it causes. Who may ask for what is
//! decided before (`web/src/actions.rs`; whoever sits at the server may everything).
//!
//! The sender hears of what others change for their recipients (a receipt); a legal hold is told to nobody: whom
//! it concerns is the business of whoever ordered it.
//!
//! **Failure.** A [`Refusal`] says that nothing was changed, and why.

use crate::antivirus::Finding;
use crate::gateway::{Gateway, Organisation};
use crate::pipeline::handover::receipt_row;
use crate::pipeline::space::Room;
use crate::pipeline::spec::{ReceiptEvent, Spec};
use crate::pipeline::{composed, foresight, preview};
use crate::proofs::{self, Options, ProofError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sealpost_envelope::{DepositId, EmailAddress, Language, RecipientNo, Timestamp};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, render};
use sealpost_store::account::Account;
use sealpost_store::keys::{DepositKey, KeyError, token_hash};
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Change, ConsignmentRow, Correction, DepositRow, StoreError};
use sealpost_web::{
    Act, ActionError, DepositDesk, Foreseen, MailSource, NewMail, Preview, ProofFile, ProofWanted, Refusal,
    Submit, SubmitError,
};
use std::sync::Arc;

/// Where actions are done, in the name of the one who asks.
#[derive(Debug)]
pub struct Desk<'a> {
    gateway: &'a Gateway,
    organisation: Arc<Organisation>,
    row: DepositRow,
    by: Actor,
    /// The deposit is theirs: they need not be told what they do.
    own: bool,
}

impl<'a> Desk<'a> {
    /// For one deposit.
    pub async fn open(
        gateway: &'a Gateway,
        deposit: DepositId,
        by: Actor,
        own: bool,
    ) -> Result<Self, ActionError> {
        let row = gateway.store.read_deposit(deposit).await?.row;
        let organisation = gateway
            .organisation(row.entity)
            .cloned()
            .ok_or_else(|| ActionError::fault("the organisation is not configured"))?;
        Ok(Self { gateway, organisation, row, by, own })
    }

    /// Does it; answers how many recipients it concerned.
    pub async fn act(&self, act: Act) -> Result<u64, ActionError> {
        match act {
            Act::Resend { n } => self.resend(n).await,
            Act::Readdress { n, to } => self.readdress(n, to).await.map(|()| 1),
            Act::Revoke { n } => self.revoke(n).await,
            Act::Extend { n, until } => self.extend(n, until).await,
            Act::Hold { reason } => self.hold(reason).await.map(|()| 1),
            Act::Release => self.release().await.map(|()| 1),
            Act::LetGo { n } => self.let_go(n).await,
        }
    }

    /// A new generation of the link; earlier ones stay valid.
    async fn resend(&self, n: Option<RecipientNo>) -> Result<u64, ActionError> {
        let key = self.key()?;
        let mut sent = 0;
        let all = self.consignments(n).await?;
        let open: Vec<_> = all.iter().filter(|c| c.revoked.is_none()).collect();
        if open.iter().all(|c| c.verdict.hold.is_some()) && !open.is_empty() {
            return Err(Refusal::Waits.into());
        }
        // What waits has not been sent once: it leaves when it is let go.
        for c in open.into_iter().filter(|c| c.verdict.hold.is_none()) {
            let generation = c.generation + 1;
            let events =
                self.event(EventName::Resent, Some(c.n), Detail::new().int("generation", generation))?;
            let change = Change { events, outbound: vec![self.again(c, generation)] };
            let hash = token_hash(key.link_token(c.n, generation).expose());
            state(self.gateway.store.add_token(self.row.id, c.n, generation, hash, change).await)?;
            sent += 1;
        }
        if sent == 0 { Err(Refusal::Revoked.into()) } else { Ok(sent) }
    }

    /// Corrects an address: what went to the wrong one opens nothing any more.
    async fn readdress(&self, n: Option<RecipientNo>, to: EmailAddress) -> Result<(), ActionError> {
        let all = self.consignments(None).await?;
        let c = match (n, all.as_slice()) {
            (None, [only]) => only,
            (None, _) => return Err(Refusal::WhichRecipient.into()),
            (Some(n), all) => all.iter().find(|c| c.n == n).ok_or(Refusal::NoRecipient(n))?,
        };
        if all.iter().any(|other| other.address.key() == to.key()) {
            return Err(Refusal::AlreadyRecipient.into());
        }
        let key = self.key()?;
        let generation = c.generation + 1;
        let detail = Detail::new()
            .personal("from", c.address.as_str())
            .personal("to", to.as_str())
            .int("generation", generation);
        let events = self.event(EventName::RecipientCorrected, Some(c.n), detail)?;
        let mut outbound = self.receipt(Some(c.n), ReceiptEvent::Corrected);
        outbound.push(NewOutbound {
            rcpt: to.clone(),
            hold: c.verdict.hold.clone(),
            ..self.again(c, generation)
        });
        let correction = Correction {
            deposit: self.row.id,
            n: c.n,
            language: self.organisation.language_for(&to),
            address: to,
            generation,
            hash: token_hash(key.link_token(c.n, generation).expose()),
        };
        state(self.gateway.store.readdress(correction, Change { events, outbound }).await)
    }

    /// Closes access; a legal hold keeps the content nevertheless.
    async fn revoke(&self, n: Option<RecipientNo>) -> Result<u64, ActionError> {
        self.consignments(n).await?;
        let events = self.event(EventName::Revoked, n, Detail::new())?;
        let outbound = self.receipt(n, ReceiptEvent::Revoked);
        match state(self.gateway.store.revoke(self.row.id, n, Change { events, outbound }).await)? {
            0 => Err(Refusal::Revoked.into()),
            count => Ok(count),
        }
    }

    async fn extend(&self, n: Option<RecipientNo>, until: Timestamp) -> Result<u64, ActionError> {
        let all = self.consignments(n).await?;
        if until <= self.gateway.clock.now() {
            return Err(Refusal::Past.into());
        }
        if all.iter().all(|c| c.revoked.is_some()) {
            return Err(Refusal::Revoked.into());
        }
        let events = self.event(EventName::Extended, n, Detail::new().time("until", until))?;
        let change = Change { events, outbound: self.receipt(n, ReceiptEvent::Extended) };
        state(self.gateway.store.extend(self.row.id, n, until, change).await)
    }

    async fn hold(&self, reason: String) -> Result<(), ActionError> {
        let detail = Detail::new().text("kind", "legal").text("reason", reason.as_str());
        let change = Change::events(self.event(EventName::HoldPlaced, None, detail)?);
        match state(self.gateway.store.place_legal_hold(self.row.id, reason, change).await)? {
            true => Ok(()),
            false => Err(Refusal::HoldStands.into()),
        }
    }

    async fn release(&self) -> Result<(), ActionError> {
        let detail = Detail::new().text("kind", "legal");
        let change = Change::events(self.event(EventName::HoldReleased, None, detail)?);
        match state(self.gateway.store.lift_legal_hold(self.row.id, change).await)? {
            true => Ok(()),
            false => Err(Refusal::NoHold.into()),
        }
    }

    /// The sender's answer to policy's question: send it.
    async fn let_go(&self, n: Option<RecipientNo>) -> Result<u64, ActionError> {
        let mut gone = 0;
        for c in self.consignments(n).await?.iter().filter(|c| c.verdict.hold.is_some()) {
            let scan = self.gateway.store.scan_of(self.row.id, c.n).await?;
            if scan.is_some_and(|s| s.finding == Finding::INFECTED) {
                return Err(Refusal::AdministratorHolds.into());
            }
            if c.verdict.hold.as_deref() == Some(crate::hand::HELD) {
                return Err(Refusal::AdministratorHolds.into());
            }
            let change = Change::events(self.event(EventName::HoldReleased, Some(c.n), Detail::new())?);
            gone += u64::from(state(self.gateway.store.release_hold(self.row.id, c.n, change).await)?);
        }
        if gone == 0 { Err(Refusal::NotHeld.into()) } else { Ok(gone) }
    }

    fn key(&self) -> Result<DepositKey, ActionError> {
        self.gateway.store.deposit_key(&self.row).map_err(|error| match error {
            KeyError::Destroyed(_) => Refusal::Destroyed.into(),
            error => ActionError::fault(error),
        })
    }

    async fn consignments(&self, n: Option<RecipientNo>) -> Result<Vec<ConsignmentRow>, ActionError> {
        let mut all = self.gateway.store.consignments(self.row.id).await?;
        if let Some(n) = n {
            all.retain(|c| c.n == n);
            if all.is_empty() {
                return Err(Refusal::NoRecipient(n).into());
            }
        }
        Ok(all)
    }

    fn event(
        &self,
        name: EventName,
        n: Option<RecipientNo>,
        detail: Detail,
    ) -> Result<Vec<BuiltEvent>, ActionError> {
        let mut event = Event::new(name, self.row.entity, self.gateway.clock.now())
            .deposit(self.row.id)
            .actor(self.by.clone())
            .detail(detail.text("reference", self.row.reference.as_str()));
        event.recipient = n;
        // None of these is an event of ETSI's, so that no evidence repeats the deposit's facts.
        Ok(vec![render(&self.organisation.issuer, event, None).map_err(ActionError::fault)?])
    }

    fn receipt(&self, n: Option<RecipientNo>, event: ReceiptEvent) -> Vec<NewOutbound> {
        if self.own {
            return Vec::new();
        }
        let sender = self.row.sender.clone();
        vec![receipt_row(sender, self.row.entity, self.row.id, n, event, self.gateway)]
    }

    /// The work of sending one consignment once more, with a link of this generation.
    fn again(&self, c: &ConsignmentRow, generation: u32) -> NewOutbound {
        let now = self.gateway.clock.now();
        NewOutbound {
            id: OutboundId::generate(),
            entity: self.row.entity,
            deposit: Some(self.row.id),
            recipient: Some(c.n),
            priority: Priority::Mail,
            spec: Spec::Resend { generation }.to_json(),
            envelope_from: Some(match c.verdict.treatment.has_link() {
                true => self.organisation.seal_address.clone(),
                false => self.row.sender.clone(),
            }),
            rcpt: c.address.clone(),
            next_at: now,
            created: now,
            hold: None,
        }
    }
}

/// What a change answered; a state that forbids it is a refusal.
fn state<T>(result: Result<T, StoreError>) -> Result<T, ActionError> {
    result.map_err(|error| match error {
        StoreError::Conflict(why) => Refusal::State(why).into(),
        error => error.into(),
    })
}

/// The desk of a running gateway, as the pages and the API know it.
#[derive(Debug)]
pub struct RunningDesk(pub Arc<Gateway>);

impl DepositDesk for RunningDesk {
    fn act(
        &self,
        deposit: DepositId,
        act: Act,
        by: Actor,
        own: bool,
    ) -> BoxFuture<'_, Result<u64, ActionError>> {
        async move {
            let done = Desk::open(&self.0, deposit, by, own).await?.act(act).await;
            self.0.queue.wake();
            self.0.bells.seal.notify_one();
            done
        }
        .boxed()
    }

    fn proof(
        &self,
        deposit: DepositId,
        wanted: ProofWanted,
        by: Actor,
    ) -> BoxFuture<'_, Result<ProofFile, ActionError>> {
        proof(&self.0, deposit, wanted, by).boxed()
    }

    fn has_room(&self, octets: u64) -> bool {
        Room::new(&self.0.config).has(octets)
    }

    fn foresee<'a>(
        &'a self,
        account: &'a Account,
        mail: &'a NewMail,
        language: Language,
    ) -> BoxFuture<'a, Result<Vec<Foreseen>, SubmitError>> {
        foresight::foresee(&self.0, account, mail, language).boxed()
    }

    fn preview<'a>(
        &'a self,
        account: &'a Account,
        mail: &'a NewMail,
        n: usize,
        language: Language,
    ) -> BoxFuture<'a, Result<Preview, SubmitError>> {
        preview::preview(&self.0, account, mail, n, language).boxed()
    }

    fn submit(&self, by: Submit, mail: MailSource) -> BoxFuture<'_, Result<DepositId, SubmitError>> {
        composed::submit(&self.0, by, mail).boxed()
    }
}

/// The file is finished before its first octet leaves, so that a proof is whole or not there.
async fn proof(
    gateway: &Gateway,
    deposit: DepositId,
    wanted: ProofWanted,
    by: Actor,
) -> Result<ProofFile, ActionError> {
    let options = Options { recipient: wanted.recipient, content: wanted.content, language: wanted.language };
    let file = proofs::unnamed(gateway, deposit, &options).await.map_err(|error| {
        match error.downcast_ref::<ProofError>() {
            Some(ProofError::Pending(_)) => Refusal::Pending.into(),
            Some(ProofError::NoRecipient(n)) => Refusal::NoRecipient(*n).into(),
            None => ActionError::fault(format!("{error:#}")),
        }
    })?;
    let size = file.metadata().map_err(ActionError::fault)?.len();
    proofs::record(gateway, deposit, &options, by).await.map_err(ActionError::fault)?;
    Ok(ProofFile { file, size, name: format!("{deposit}.asice") })
}
