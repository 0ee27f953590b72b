//! A sender's answer, by mail, to the question about a message that waits.
//!
//! **Job.** The question's Reply-To names the deposit and a recipient, and cannot be guessed (130 bits of a MAC). One
//! answer alone on the first line ends the hold as it says; the sender is told how it was taken. With that the address
//! is spent: what is held later, for another reason, is not what was asked about.
//!
//! **Exposure.** Anybody may write here. An answer counts from the address that was asked only, and never from a
//! program: out-of-office notes, reports and what has no return path change nothing. What is quoted is no answer.
//!
//! **Standards.** RFC 3834 §2, RFC 5322 §3.6.2.
//!
//! **Failure.** What is not understood is told to the sender, a few times an hour; the message goes on waiting.

use super::reading::{Read, Reading};
use crate::antivirus::Finding;
use crate::gateway::Gateway;
use crate::pipeline::content::{ContentError, ContentStream, OpenDeposit};
use crate::pipeline::deposit::{FIRST_GENERATION, actor};
use crate::pipeline::handover::receipt_row;
use crate::pipeline::returns::{self, Return};
use crate::pipeline::spec::{ReceiptEvent, Spec};
use crate::pipeline::submission::ours;
use futures_util::StreamExt;
use sealpost_envelope::{DepositId, EmailAddress, RecipientNo, Treatment};
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_policy::{Answer, Ask};
use sealpost_smtp::Reply;
use sealpost_store::account::{Account, AccountError};
use sealpost_store::keys::{KeyError, token_hash};
use sealpost_store::queue::{Filter, NewOutbound, insert};
use sealpost_store::{Change, ConsignmentRow, DepositRow, HoldAnswer, Scan, StoreError};
use std::time::Duration;

/// Answers that are not understood and still told of, in an hour.
const PATIENCE: u32 = 5;
const HOUR: Duration = Duration::from_secs(3600);

/// The question that an address answers; nothing for all that we did not make.
pub fn asked(gateway: &Gateway, address: &EmailAddress) -> Result<Option<Asked>, KeyError> {
    for ask in [Ask::Protect, Ask::Confirm, Ask::Phone] {
        let kind = returns::answer(ask);
        if returns::is_shaped(kind, address)
            && let Some(at) = returns::read(kind, gateway, address)?
        {
            return Ok(Some(Asked { at, ask }));
        }
    }
    Ok(None)
}

/// Whether the address has the shape of one, true or not.
pub fn is_shaped(address: &EmailAddress) -> bool {
    [Ask::Protect, Ask::Confirm, Ask::Phone]
        .iter()
        .any(|ask| returns::is_shaped(returns::answer(*ask), address))
}

/// What the address of an answer says.
#[derive(Debug, Clone)]
pub struct Asked {
    at: Return,
    ask: Ask,
}

/// The row that asks.
pub fn question(
    gateway: &Gateway,
    (deposit, sender): (DepositId, &EmailAddress),
    entity: sealpost_envelope::EntityId,
    spec: &Spec,
) -> NewOutbound {
    // No recipient: the hold on a recipient's mail must not hold this one.
    let row = receipt_row(sender.clone(), entity, deposit, None, ReceiptEvent::Held, gateway);
    NewOutbound { spec: spec.to_json(), ..row }
}

/// Takes an answer that one of our own people submitted.
pub async fn own(
    gateway: &Gateway,
    at: &Asked,
    mut message: ContentStream,
) -> Result<Result<(), Reply>, ContentError> {
    let mut reading = Reading::new();
    while let Some(bytes) = message.next().await {
        reading.push(&bytes?);
    }
    Ok(take(gateway, at, &reading.finish(), false).await)
}

/// Takes an answer.
pub(super) async fn take(
    gateway: &Gateway,
    asked: &Asked,
    read: &Read,
    null_path: bool,
) -> Result<(), Reply> {
    if null_path || !read.personal {
        tracing::info!(reference = %asked.at.reference, "an automatic message to a question was left aside");
        return Ok(());
    }
    let fault = |e: &dyn std::fmt::Display| ours("taking an answer", e);
    let desk = Desk::open(gateway, asked).await.map_err(|e| fault(&e))?;
    let Some(mut desk) = desk else {
        return Err(Reply::new(550, 1, 1, "Nothing is asked here any more"));
    };
    if !desk.was_asked(read.author()).await.map_err(|e| fault(&e))? {
        return Err(Reply::new(550, 7, 1, "Answer from the address that was asked"));
    }
    desk.take(&read.words).await.map_err(|e| fault(&e))
}

/// A question and what still waits for its answer.
struct Desk<'a> {
    gateway: &'a Gateway,
    row: DepositRow,
    ask: Ask,
    recipients: Vec<RecipientNo>,
    waiting: Vec<ConsignmentRow>,
    /// Who answers, where it is not the sender.
    by: Option<Account>,
}

impl<'a> Desk<'a> {
    async fn open(
        gateway: &'a Gateway,
        Asked { at, ask: wanted }: &Asked,
    ) -> Result<Option<Self>, StoreError> {
        let Some(deposit) = gateway.store.deposit_by_reference(at.entity, &at.reference).await? else {
            return Ok(None);
        };
        let mut rows = gateway.queue.list(&Filter { deposit: Some(deposit), ..Filter::default() });
        let mut found = None;
        while let Some(row) = rows.next().await {
            if let Ok(Spec::Question { ask, recipients, en, .. }) = Spec::read(&row?.spec)
                && ask == *wanted
                && recipients.first() == Some(&at.recipient)
            {
                found = Some((ask, recipients, en));
            }
        }
        let Some((ask, recipients, reason)) = found else { return Ok(None) };
        let mut waiting = gateway.store.consignments(deposit).await?;
        waiting.retain(|c| {
            let asked_about = waits_for(c.verdict.hold.as_deref(), &reason);
            recipients.contains(&c.n) && asked_about && c.revoked.is_none() && c.failed.is_none()
        });
        let row = gateway.store.read_deposit(deposit).await?.row;
        Ok(Some(Self { gateway, row, ask, recipients, waiting, by: None }))
    }

    /// Whether the question went to this author: the sender, or who answers for an application that sent it.
    async fn was_asked(&mut self, author: Option<&str>) -> Result<bool, AccountError> {
        let Some(author) = author else { return Ok(false) };
        if author.eq_ignore_ascii_case(self.row.sender.as_str()) {
            return Ok(true);
        }
        let accounts = &self.gateway.accounts;
        let reader = accounts.reads_for(self.row.entity, &self.row.sender).await?;
        let Some(reader) = reader.filter(|reader| author.eq_ignore_ascii_case(reader.as_str())) else {
            return Ok(false);
        };
        self.by = accounts.by_login(&reader).await?;
        Ok(true)
    }

    async fn take(&self, words: &str) -> Result<(), ContentError> {
        let answer = self.ask.read(words, &self.gateway.config.gate.country);
        let mut done = false;
        if let Some(answer) = &answer {
            for consignment in &self.waiting {
                done |= self.carry_out(consignment, answer).await?;
            }
        }
        let late = self.waiting.is_empty() || (answer.is_some() && !done);
        if !done && !self.may_tell().await? {
            return Ok(());
        }
        let answer = answer.filter(|_| done);
        let told = Spec::Answered { recipients: self.recipients.clone(), answer, late };
        let row = question(self.gateway, (self.row.id, &self.row.sender), self.row.entity, &told);
        self.gateway.store.db().write(async move |tx| insert(tx, &row).await).await?;
        self.gateway.queue.wake();
        self.gateway.bells.seal.notify_one();
        Ok(())
    }

    /// Whether another word of an answer that led to nothing is not one too many.
    async fn may_tell(&self) -> Result<bool, ContentError> {
        let rates = self.gateway.store.keys().purpose("rates")?;
        let key = rates.hmac(&[b"answers", self.row.id.0.as_bytes()]);
        Ok(self.gateway.store.db().rate_allows(key, HOUR, PATIENCE, self.gateway.clock.now()).await?)
    }

    async fn carry_out(&self, consignment: &ConsignmentRow, answer: &Answer) -> Result<bool, ContentError> {
        let (store, deposit, n) = (&self.gateway.store, self.row.id, consignment.n);
        if *answer == Answer::Cancel {
            let change = Change::events(vec![self.event(EventName::Revoked, consignment, answer)?]);
            return Ok(store.revoke(deposit, Some(n), change).await? > 0);
        }
        // Here, since the antivirus may have found it after the question was asked.
        let scan = store.scan_of(deposit, n).await?;
        if !may_leave(scan.as_ref()) {
            return Ok(false);
        }
        let mut changed =
            HoldAnswer { deposit, n, treatment: None, token: None, envelope_from: None, phone: None };
        match answer {
            Answer::Protect if !consignment.verdict.treatment.has_link() => {
                let key = store.deposit_key(&self.row)?;
                changed.treatment = Some(Treatment::Notify);
                let token = key.link_token(n, FIRST_GENERATION);
                changed.token = Some((FIRST_GENERATION, token_hash(token.expose())));
                changed.envelope_from =
                    self.gateway.organisation(self.row.entity).map(|o| o.seal_address.clone());
            }
            // An invitation that waits is one that would be broken.
            Answer::Send if self.ask == Ask::Protect && self.is_invitation().await? => {
                changed.treatment = Some(Treatment::Pass);
            }
            Answer::Phone(number) => changed.phone = Some((number.clone(), self.row.sender.to_string())),
            Answer::Protect | Answer::Send | Answer::Cancel => {}
        }
        let change = Change::events(vec![self.event(EventName::HoldReleased, consignment, answer)?]);
        Ok(store.answer_hold(changed, change).await?)
    }

    async fn is_invitation(&self) -> Result<bool, ContentError> {
        let open = OpenDeposit::open(&self.gateway.store, self.row.id).await?;
        Ok(open.meta.structure.calendar_method.is_some())
    }

    fn event(
        &self,
        name: EventName,
        consignment: &ConsignmentRow,
        answer: &Answer,
    ) -> Result<sealpost_evidence::BuiltEvent, StoreError> {
        let organisation = self
            .gateway
            .organisation(self.row.entity)
            .ok_or(StoreError::Conflict("the deposit's organisation is not configured"))?;
        let detail = Detail::new()
            .personal("recipient", consignment.address.as_str())
            .text("basis", "answer by mail to a one-time address")
            .text("answer", word(answer));
        let event = Event::new(name, self.row.entity, self.gateway.clock.now())
            .deposit(self.row.id)
            .recipient(consignment.n)
            .actor(match &self.by {
                Some(account) => Actor::Account { id: account.id, login: account.login.to_string() },
                None => actor(&self.row.submitter, &self.row.sender),
            })
            .detail(detail);
        render(&organisation.issuer, event, None).map_err(|error| {
            tracing::error!(%error, "an answer could not be journaled");
            StoreError::Conflict("an answer could not be journaled")
        })
    }
}

/// Whether mail waits for the reason that the question gave, not for one that came later.
fn waits_for(hold: Option<&str>, reason: &str) -> bool {
    hold == Some(reason)
}

/// What is infected an administrator alone may let go.
fn may_leave(scan: Option<&Scan>) -> bool {
    scan.is_none_or(|scan| scan.finding != Finding::INFECTED)
}

/// As the journal names it; a number stays out of it.
fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Protect => "protect",
        Answer::Send => "send",
        Answer::Cancel => "cancel",
        Answer::Phone(_) => "phone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_about_is_answered() {
        assert!(waits_for(Some("near miss"), "near miss"));
        assert!(!waits_for(Some("the antivirus found something"), "near miss"));
        assert!(!waits_for(None, "near miss"));
    }

    #[test]
    fn what_is_infected_is_let_go_by_no_answer() {
        let scan = |finding: &str| Scan { recipient: 1, finding: finding.to_owned(), name: None, held: None };
        assert!(!may_leave(Some(&scan(Finding::INFECTED))));
        assert!(may_leave(Some(&scan("encrypted"))));
        assert!(may_leave(None));
    }
}
