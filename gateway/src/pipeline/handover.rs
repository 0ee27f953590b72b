//! Handover of composed mail: to the next server through the relay, or into a mailbox here.
//!
//! **Job.** The relay's other side: opens a row's bytes as often as it is tried, delivers locally, and writes
//! each outcome with its events in one transaction.
//!
//! **Failure.** Content that is gone fails the row; anything else is tried again by the schedule. A recipient
//! who cannot be reached is told to the sender by mail.

use super::content::{ContentError, ContentStream, OpenDeposit, produce};
use super::inbound::answers;
use super::inbound::verification::{self, Question};
use super::spec::{ReceiptEvent, Spec};
use super::{notifications, returns};
use crate::gateway::Gateway;
use futures_util::{StreamExt, TryStreamExt, stream};
use sealpost_envelope::failpoint;
use sealpost_envelope::{BodyType, EmailAddress, EntityId, Treatment};
use sealpost_message::Step;
use sealpost_message::compose::Recipe;
use sealpost_relay::{Content, Decision, Delivery, DeliveryError, LocalOutcome, Report};
use sealpost_smtp::Reply;
use sealpost_store::access::CodeDelivery;
use sealpost_store::content::Place;
use sealpost_store::keys::DepositKey;
use sealpost_store::mailbox::NewMail;
use sealpost_store::queue::{NewOutbound, Outbound, OutboundId, Priority, forget_recipe, settle};
use std::sync::Arc;

/// The gateway as the relay sees it.
#[derive(Debug, Clone)]
pub struct Handover {
    /// The gateway.
    pub gateway: Arc<Gateway>,
}

fn later(error: impl std::fmt::Display) -> DeliveryError {
    DeliveryError::Temporary(error.to_string())
}

fn content_error(error: ContentError) -> DeliveryError {
    match error {
        ContentError::Destroyed => DeliveryError::Gone(error.to_string()),
        other => later(other),
    }
}

/// What became of mail for an address that answers by itself.
fn answered(taken: Result<(), Reply>) -> Result<LocalOutcome, DeliveryError> {
    match taken {
        Ok(()) => Ok(LocalOutcome::Delivered),
        Err(reply) if reply.is_permanent() => Ok(LocalOutcome::Refused(reply.to_string())),
        Err(reply) => Err(later(reply)),
    }
}

impl Handover {
    /// The row's recipe and the deposit whose parts it refers to; mail of ours may belong to none.
    async fn recipe(&self, item: &Outbound) -> Result<(Option<OpenDeposit>, Recipe), DeliveryError> {
        let Some(id) = item.deposit else {
            let key = self.gateway.store.keys().notices().map_err(later)?;
            return Ok((None, self.read_recipe(item, &key).await?));
        };
        if let Some((carried, recipe)) = self.gateway.carry.recipe(id, item.id, item.sha256) {
            return Ok((Some(carried.open.clone()), recipe));
        }
        let open = OpenDeposit::open(&self.gateway.store, id).await.map_err(content_error)?;
        let recipe = self.read_recipe(item, &open.key).await?;
        Ok((Some(open), recipe))
    }

    async fn read_recipe(&self, item: &Outbound, key: &DepositKey) -> Result<Recipe, DeliveryError> {
        let sealed = self.gateway.queue.recipe(item.id).await.map_err(later)?;
        let plain = Place::recipe(item.id.0).open(key, &sealed).map_err(later)?;
        Recipe::from_bytes(plain.into()).map_err(later)
    }

    /// The address to which bounces come back: one for this recipient, where they can reach us.
    fn reverse_path(
        &self,
        item: &Outbound,
        open: Option<&OpenDeposit>,
    ) -> Result<Option<EmailAddress>, DeliveryError> {
        let organisation = self.gateway.organisation(item.entity);
        let (Some(own), Some(n), Some(organisation), Some(open)) =
            (&item.envelope_from, item.recipient, organisation, open)
        else {
            return Ok(item.envelope_from.clone());
        };
        if !returns::are_used(&self.gateway) {
            return Ok(Some(own.clone()));
        }
        let made =
            returns::address(returns::RETURN, &self.gateway, organisation, &open.deposit.row.reference, n);
        Ok(made.map_err(later)?.or_else(|| Some(own.clone())))
    }

    /// How a consignment's row is treated; nothing for our own notices. A recipient who was withdrawn after
    /// the row was claimed gets no mail any more.
    async fn treatment(&self, item: &Outbound) -> Result<Option<Treatment>, DeliveryError> {
        let spec = Spec::read(&item.spec).map_err(later)?;
        let (true, Some(deposit), Some(n)) = (spec.is_for_recipient(), item.deposit, item.recipient) else {
            return Ok(None);
        };
        let consignment = self.gateway.store.consignment(deposit, n).await.map_err(later)?;
        match consignment.revoked {
            Some(_) => Err(DeliveryError::Gone("the recipient was withdrawn".to_owned())),
            None => Ok(Some(consignment.verdict.treatment)),
        }
    }

    /// A proof that one of our own people sent to be verified.
    async fn verify(&self, item: &Outbound, entity: EntityId) -> Result<LocalOutcome, DeliveryError> {
        let (open, recipe) = self.recipe(item).await?;
        let asker = open.as_ref().map(|o| o.deposit.row.sender.clone());
        let mut question = Question::new(&self.gateway, entity);
        let mut stream = wire(open, recipe);
        while let Some(bytes) = stream.next().await {
            question.push(&bytes.map_err(content_error)?).map_err(later)?;
        }
        answered(question.answer(&self.gateway, asker.as_ref()).await)
    }

    /// Who gets the row's mail here.
    async fn mailbox(
        &self,
        item: &Outbound,
    ) -> Result<Option<sealpost_store::account::Account>, DeliveryError> {
        let accounts = &self.gateway.accounts;
        if let Some(owner) = accounts.owner_of(&item.rcpt).await.map_err(later)? {
            return Ok(Some(owner));
        }
        let demo = &self.gateway.config.demo;
        match (&demo.password, demo.outside_mailboxes && self.gateway.organisation_of(&item.rcpt).is_none()) {
            (Some(source), true) => {
                let password = source.read().map_err(later)?;
                Ok(Some(accounts.ensure_demo(item.entity, &item.rcpt, &password).await.map_err(later)?))
            }
            _ => Ok(None),
        }
    }
}

/// Recipes up to this size are small enough to be made whole.
const WHOLE: u64 = 64 << 10;

/// Streams a recipe's bytes; every time the same.
pub fn wire(open: impl Into<Option<OpenDeposit>>, recipe: Recipe) -> ContentStream {
    let open = open.into();
    // Otherwise as below, which also tells what is wrong with a recipe.
    if recipe.size() <= WHOLE
        && let Ok(Some(whole)) = recipe.literal()
    {
        return stream::once(async move { Ok(whole.into()) }).boxed();
    }
    produce(move |sink| async move {
        let mut rebuilder = recipe.rebuilder();
        while let Some(step) = rebuilder.next_step()? {
            match step {
                Step::Literal(bytes) => sink.send(bytes).await?,
                Step::Part { encoder, .. } => match &open {
                    Some(open) => open.encoded(*encoder, &sink).await?,
                    None => return Err(ContentError::NoDeposit),
                },
            }
        }
        Ok(rebuilder.finish()?)
    })
}

impl Delivery for Handover {
    fn waives_tls(&self, item: &Outbound) -> bool {
        item.deposit.is_none() && matches!(Spec::read(&item.spec), Ok(Spec::TlsReport(_)))
    }

    async fn open(&self, item: &Outbound) -> Result<Content, DeliveryError> {
        failpoint!(RelayClaimed).map_err(later)?;
        let treatment = self.treatment(item).await?;
        let (open, recipe) = self.recipe(item).await?;
        // What we write or sign is 7-bit, except inside an author's own signature. The rest may hold octets
        // over 127, which a server without 8BITMIME does not take.
        let body = match treatment {
            Some(Treatment::Seal) if !open.as_ref().is_some_and(|o| o.meta.structure.author_signed) => {
                BodyType::SevenBit
            }
            Some(treatment) if !treatment.has_link() => BodyType::EightBitMime,
            // What others wrote.
            None if matches!(Spec::read(&item.spec), Ok(Spec::Forward { .. } | Spec::Report(_))) => {
                BodyType::EightBitMime
            }
            _ => BodyType::SevenBit,
        };
        let reverse_path = self.reverse_path(item, open.as_ref())?;
        let asked = notifications::asked(item);
        let size = recipe.size();
        let stream = wire(open, recipe).map_err(content_error).boxed();
        Ok(Content {
            stream,
            size,
            body,
            smtputf8: false,
            reverse_path,
            notify: asked.as_ref().map(|a| a.notify).unwrap_or_default(),
            ret_full: asked.as_ref().and_then(|a| a.ret_full),
            orcpt: asked.as_ref().and_then(|a| a.orcpt.clone()),
            envid: asked.and_then(|a| a.envid),
        })
    }

    async fn local(&self, item: &Outbound) -> Result<LocalOutcome, DeliveryError> {
        failpoint!(RelayClaimed).map_err(later)?;
        self.treatment(item).await?;
        let Some(account) = self.mailbox(item).await? else {
            if let Some(entity) = verification::asked(&self.gateway, &item.rcpt) {
                return self.verify(item, entity).await;
            }
            if let Some(at) = answers::asked(&self.gateway, &item.rcpt).map_err(later)? {
                let (open, recipe) = self.recipe(item).await?;
                let taken = answers::own(&self.gateway, &at, wire(open, recipe)).await;
                return answered(taken.map_err(content_error)?);
            }
            return Ok(LocalOutcome::Refused(format!("{} has no mailbox here", item.rcpt)));
        };
        let (open, recipe) = self.recipe(item).await?;
        let mailboxes = &self.gateway.mailboxes;
        let now = self.gateway.clock.now();
        let organisation = self.gateway.organisation(item.entity);
        let organisation = organisation.ok_or_else(|| later("the row's organisation is not configured"))?;
        let keep = organisation.settings.retention.evidence.after(now);
        let mut writer = mailboxes.writer(keep).map_err(later)?;
        let mut stream = wire(open, recipe);
        while let Some(bytes) = stream.next().await {
            writer.write(&bytes.map_err(content_error)?).await.map_err(later)?;
        }
        let body = writer.finish().await.map_err(later)?;
        failpoint!(MailboxWritten).map_err(later)?;
        let inbox = mailboxes.ensure_folder(account.id, "INBOX", None).await.map_err(later)?;
        let mail = NewMail { origin: Some(item.id.to_string()), ..NewMail::plain(inbox.id, body, now) };
        mailboxes.deliver(mail, Vec::new()).await.map_err(later)?;
        failpoint!(MailboxDelivered).map_err(later)?;
        Ok(LocalOutcome::Delivered)
    }

    async fn outcome(&self, item: &Outbound, report: &Report) -> Result<(), DeliveryError> {
        failpoint!(RelayHanded).map_err(later)?;
        self.record(item, report).await?;
        failpoint!(RelaySettled).map_err(later)?;
        let mut reference = None;
        if let Some(deposit) = item.deposit {
            reference = self.reference(deposit).await.ok();
            self.gateway.carry.done(deposit, item.id);
        }
        tracing::info!(
            reference = reference.as_ref().map(|r| r.as_str()), outbound = %item.id,
            deposit = item.deposit.map(|d| d.to_string()), recipient = item.recipient, attempt = report.attempt,
            decision = ?report.decision, reply = report.text, "relay attempt"
        );
        Ok(())
    }
}

impl Handover {
    async fn record(&self, item: &Outbound, report: &Report) -> Result<(), DeliveryError> {
        let spec = Spec::read(&item.spec).map_err(later)?;
        match spec {
            Spec::Consignment { .. } | Spec::Resend { .. } | Spec::Reminder { .. } | Spec::Granted { .. } => {
                self.consignment_outcome(item, report).await
            }
            Spec::Code { challenge } => {
                let (id, settlement, reply) = (item.id, report.settlement(), report.text.clone());
                let delivery = delivery(item, report);
                let db = self.gateway.store.db();
                db.write(async move |tx| {
                    settle(tx, id, &settlement).await?;
                    if let Some(delivery) = delivery {
                        delivery.note(tx, challenge).await?;
                    }
                    sealpost_store::access::Challenge::note_reply(tx, challenge, &reply).await
                })
                .await
            }
            Spec::Receipt { .. }
            | Spec::Said { .. }
            | Spec::Question { .. }
            | Spec::Answered { .. }
            | Spec::Report(_)
            | Spec::Forward { .. } => {
                self.gateway.queue.settle(item.id, report.settlement(), Vec::new()).await.map(drop)
            }
            Spec::AccountCode { .. }
            | Spec::AccountLink { .. }
            | Spec::AccountNews { .. }
            | Spec::Invitation { .. }
            | Spec::GuestReceipt { .. }
            | Spec::Alert(_)
            | Spec::Observed { .. }
            | Spec::TlsReport(_)
            | Spec::Verification(_) => {
                let (id, settlement) = (item.id, report.settlement());
                let sent = report.decision == Decision::Sent;
                let db = self.gateway.store.db();
                db.write(async move |tx| {
                    settle(tx, id, &settlement).await?;
                    if sent { forget_recipe(tx, id).await } else { Ok(()) }
                })
                .await
            }
        }
        .map_err(later)
    }
}

/// What the person who waits for a code is told; nothing while it is tried again.
fn delivery(item: &Outbound, report: &Report) -> Option<CodeDelivery> {
    let accepted = match report.decision {
        Decision::Sent => true,
        Decision::Failed => false,
        _ => return None,
    };
    let host = report.remote.as_ref().map_or_else(|| item.rcpt.domain().to_owned(), |r| r.host.clone());
    Some(CodeDelivery { accepted, host, at: report.at })
}

/// A row for a receipt to the sender.
pub fn receipt_row(
    rcpt: EmailAddress,
    entity: sealpost_envelope::EntityId,
    deposit: sealpost_envelope::DepositId,
    recipient: Option<u32>,
    event: ReceiptEvent,
    gateway: &Gateway,
) -> NewOutbound {
    let now = gateway.clock.now();
    NewOutbound {
        id: OutboundId::generate(),
        entity,
        deposit: Some(deposit),
        recipient,
        priority: Priority::Receipt,
        spec: Spec::Receipt { event }.to_json(),
        // RFC 3834 §3.3: automatic answers leave under the null path, so that nothing answers them.
        envelope_from: None,
        rcpt,
        next_at: now,
        created: now,
        hold: None,
    }
}

#[cfg(test)]
mod tests;
