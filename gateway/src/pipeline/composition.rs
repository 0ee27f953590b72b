//! Composition: each queue row becomes one exact message, fixed before the first attempt.
//!
//! **Job.** A background task claims rows that wait, makes their recipe (rewrite, S/MIME, DKIM, then nothing),
//! measures and digests the wire bytes, and stores all of it under the deposit's key. From then on every
//! attempt sends the same bytes ("nothing touches a message after its seal").
//!
//! **Standards.** RFC 8551 §3.5.
//!
//! **Failure.** A row that cannot be composed waits and is tried again, as long as the relay would; one whose
//! content is gone fails at once. A failed consignment is journaled, and its sender is told.

use super::content::{ContentError, OpenDeposit};
use super::dkim;
use super::handover::Handover;
use super::letters::{self, Occasion, Told};
use super::manners;
use super::notices;
use super::notifications;
use super::press::Press;
use super::questions;
use super::screening;
use super::spec::Spec;
use crate::antivirus::Silent;
use crate::gateway::{Gateway, Organisation, zone};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use sealpost_certs::{SignError, cms};
use sealpost_envelope::failpoint;
use sealpost_envelope::{EmailAddress, Treatment};
use sealpost_message::SkeletonError;
use sealpost_message::compose::{self, Recipe, Stamp};
use sealpost_relay::{Decision, Delivery, Report};
use sealpost_store::content::Place;
use sealpost_store::crypto::CryptoError;
use sealpost_store::keys::DepositKey;
use sealpost_store::queue::{Composed, Outbound, OutboundId};
use sealpost_store::{ConsignmentRow, StoreError};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Why a message could not be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// Content cannot be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The skeleton is damaged.
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    /// The seal could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The recipe could not be stored.
    #[error(transparent)]
    Seal(#[from] CryptoError),
    /// The row cannot be understood or fulfilled; says why.
    #[error("{0}")]
    Row(String),
    /// Signing keys.
    #[error("{0:#}")]
    Keys(anyhow::Error),
    /// The antivirus has not looked at the content yet.
    #[error(transparent)]
    Unscreened(#[from] Silent),
    /// The content may not leave; says why.
    #[error("{0}")]
    Blocked(String),
    /// The content waits for a person; says why.
    #[error("{0}")]
    Held(String),
    /// Nothing is to be sent after all; says why.
    #[error("{0}")]
    Unneeded(&'static str),
}

impl ComposeError {
    /// Whether trying again cannot help.
    fn is_final(&self) -> bool {
        matches!(self, Self::Content(ContentError::Destroyed) | Self::Row(_) | Self::Blocked(_))
    }
    /// Pause before another try.
    fn pause(&self) -> Duration {
        match self {
            // A scanner that starts again is back within seconds.
            Self::Unscreened(_) => SOON,
            _ => RETRY,
        }
    }
}

/// Rows, or groups of small ones, composed at the same time.
const TOGETHER: usize = 4;
/// Rows claimed in one go.
const CLAIM: usize = 128;
/// Small rows whose recipes are stored in one transaction.
const GROUP: usize = 16;
/// A composer that does not finish in this time is taken for dead.
const LEASE: Duration = Duration::from_secs(300);
/// Without a bell the task looks by itself.
const LOOK: Duration = Duration::from_secs(5);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(30);
/// Pause after one that may be over in a moment.
const SOON: Duration = Duration::from_secs(5);
/// How often codes are looked for while other rows are being composed.
const GLANCE: Duration = Duration::from_millis(250);

/// Runs until `shutdown`; rows under way are finished.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    let holder = format!("{holder}/compose");
    // What this node was composing when it died need not wait for its claims to lapse.
    if let Err(error) = gateway.queue.release(&holder).await {
        tracing::error!(%error, "claims could not be given back; they lapse by themselves");
    }
    while !shutdown.is_cancelled() {
        let now = gateway.clock.now();
        let rows = match gateway.queue.claim_compose(&holder, now, LEASE, CLAIM).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read");
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        if rows.is_empty() {
            gateway.carry.sweep(now);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = gateway.queue.wait_compose(LOOK) => {}
            }
            continue;
        }
        let batch = futures_util::stream::iter(groups(&gateway, rows))
            .for_each_concurrent(TOGETHER, |group| isolated(gateway.clone(), group));
        tokio::select! {
            () = batch => {}
            // Never resolves.
            never = codes(&gateway, &holder) => match never {},
        }
    }
}

/// Codes overtake all other mail: those that come in while large messages are being composed
/// are composed beside them.
async fn codes(gateway: &Arc<Gateway>, holder: &str) -> Infallible {
    loop {
        tokio::time::sleep(GLANCE).await;
        let (gateway, holder) = (gateway.clone(), holder.to_owned());
        // A task of its own: a claim that was made is worked on even when the batch ends meanwhile.
        let work = tokio::spawn(async move {
            match gateway.queue.claim_compose_urgent(&holder, gateway.clock.now(), LEASE, TOGETHER).await {
                Ok(rows) => join_all(rows.into_iter().map(|row| isolated(gateway.clone(), vec![row]))).await,
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read");
                    Vec::new()
                }
            }
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "composing codes");
        }
    }
}

/// Rows that take a moment go first and together, others by themselves.
fn groups(gateway: &Gateway, rows: Vec<Outbound>) -> Vec<Vec<Outbound>> {
    let carried = |row: &Outbound| row.deposit.is_some_and(|id| gateway.carry.get(id).is_some());
    let (small, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(carried);
    let (mut groups, mut small) = (Vec::new(), small.into_iter());
    while small.len() > 0 {
        groups.push(small.by_ref().take(GROUP).collect());
    }
    groups.extend(others.into_iter().map(|row| vec![row]));
    groups
}

/// Composes rows in a task of its own, and fixes them together.
async fn isolated(gateway: Arc<Gateway>, rows: Vec<Outbound>) {
    if let Err(error) = tokio::spawn(async move { settle(&gateway, rows).await }).await {
        tracing::error!(%error, "composing broke off; the rows keep their claim until it lapses");
    }
}

async fn settle(gateway: &Arc<Gateway>, rows: Vec<Outbound>) {
    let (mut composed, mut fixing) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in &rows {
        // Signing is work for the processor alone; sessions that wait have their turn in between.
        tokio::task::yield_now().await;
        // What a stranger's message may break in one row breaks nothing else.
        match AssertUnwindSafe(fulfil(gateway, row)).catch_unwind().await {
            Ok(Ok((made, recipe))) => {
                if let Some(deposit) = row.deposit {
                    gateway.carry.put_recipe(deposit, row.id, made.sha256, recipe);
                }
                composed.push((row.id, made));
                fixing.push(row);
            }
            Ok(Err(ComposeError::Unneeded(why))) => {
                settled(gateway, row);
                if let Err(error) = gateway.queue.drop_row(row.id, why, Vec::new()).await {
                    tracing::warn!(%error, row = %row.id, "looked at again when its claim lapses");
                }
            }
            Ok(Err(ComposeError::Held(why))) => {
                settled(gateway, row);
                if let Err(error) = gateway.queue.hold(row.id, &why, gateway.clock.now()).await {
                    tracing::warn!(%error, row = %row.id, "looked at again when its claim lapses");
                }
            }
            Ok(Err(error)) => failed(gateway, row, &error).await,
            Err(_panic) => {
                tracing::error!(row = %row.id, "composing broke off; the row keeps its claim until it lapses");
            }
        }
    }
    if composed.is_empty() {
        return;
    }
    let fixed = async {
        failpoint!(CompositionComposed)?;
        let fixed = gateway.queue.set_recipes(composed).await?;
        failpoint!(CompositionStored)?;
        Ok::<_, StoreError>(fixed)
    };
    match fixed.await {
        // A row that is not among them was composed by somebody else after our claim lapsed, or dropped.
        Ok(fixed) => {
            fixing.iter().filter(|row| !fixed.contains(&row.id)).for_each(|row| settled(gateway, row))
        }
        Err(error) => {
            let error = ComposeError::Store(error);
            for row in fixing {
                settled(gateway, row);
                failed(gateway, row, &error).await;
            }
        }
    }
}

/// Nothing of the row is carried any further.
fn settled(gateway: &Gateway, row: &Outbound) {
    if let Some(deposit) = row.deposit {
        gateway.carry.done(deposit, row.id);
    }
}

async fn failed(gateway: &Arc<Gateway>, row: &Outbound, error: &ComposeError) {
    tracing::error!(%error, row = %row.id, "a message could not be composed");
    let report = verdict(gateway, row, error);
    let handover = Handover { gateway: gateway.clone() };
    let Err(error) = handover.outcome(row, &report).await else { return };
    tracing::error!(%error, row = %row.id, "the failure could not be journaled");
    if let Err(error) = gateway.queue.settle(row.id, report.settlement(), Vec::new()).await {
        tracing::error!(%error, row = %row.id, "the row keeps its claim for now");
        tokio::spawn(release(gateway.clone(), row.id, report));
    }
}

/// Gives a row back once the store can write again: a disk that was full for a moment holds no mail up for minutes.
async fn release(gateway: Arc<Gateway>, row: OutboundId, report: Report) {
    for _ in 0..LEASE.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if gateway.queue.settle(row, report.settlement(), Vec::new()).await.is_ok() {
            return;
        }
    }
}

/// Another try, for as long as the relay would try; then the end, of which the sender hears.
fn verdict(gateway: &Gateway, row: &Outbound, error: &ComposeError) -> Report {
    let at = gateway.clock.now();
    let next = at.saturating_add(error.pause()).unwrap_or(row.next_at);
    let patience = gateway.config.relay.give_up.duration();
    let last = row.created.saturating_add(patience).unwrap_or(row.created);
    let decision = if error.is_final() || next > last { Decision::Failed } else { Decision::Retry(next) };
    let attempt = row.attempts.saturating_add(1);
    Report { decision, remote: None, reply: None, text: error.to_string(), attempt, at }
}

async fn fulfil(gateway: &Gateway, row: &Outbound) -> Result<(Composed, Recipe), ComposeError> {
    failpoint!(CompositionClaimed).map_err(StoreError::from)?;
    let Some(reader) = reader(gateway, row).await? else { return made(gateway, row).await };
    let row = Outbound { rcpt: reader.clone(), ..row.clone() };
    let (composed, recipe) = made(gateway, &row).await?;
    Ok((Composed { rcpt: Some(reader), ..composed }, recipe))
}

/// Word to a sender who is an application, or has left, goes to the person who answers for it now.
async fn reader(gateway: &Gateway, row: &Outbound) -> Result<Option<EmailAddress>, ComposeError> {
    match Spec::read(&row.spec) {
        Ok(spec) if spec.is_for_sender() => Ok(gateway.accounts.reads_for(row.entity, &row.rcpt).await?),
        _ => Ok(None),
    }
}

async fn made(gateway: &Gateway, row: &Outbound) -> Result<(Composed, Recipe), ComposeError> {
    let organisation = gateway
        .organisation(row.entity)
        .ok_or_else(|| ComposeError::Row("the row's organisation is not configured".to_owned()))?
        .clone();
    let Some(deposit) = row.deposit else {
        let recipe = notices::compose(gateway, &organisation, row).await?;
        let key = gateway.store.keys().notices().map_err(ContentError::from)?;
        return fixed(&Press { gateway, organisation: &organisation, row, open: None }, &key, recipe).await;
    };
    let open = match gateway.carry.get(deposit) {
        Some(carried) => carried.open.clone(),
        None => OpenDeposit::open(&gateway.store, deposit).await?,
    };
    let desk = Desk { gateway, organisation: &organisation, row, open: &open };
    let recipe = compose(&desk).await?;
    fixed(&desk.press(), &open.key, recipe).await
}

/// The recipe as it is stored, with the size and digest of the message it makes.
async fn fixed(
    press: &Press<'_>,
    key: &DepositKey,
    recipe: Recipe,
) -> Result<(Composed, Recipe), ComposeError> {
    let (size, sha256) = (recipe.size(), press.digest(&recipe).await?);
    let sealed = Place::recipe(press.row.id.0).seal(key, recipe.as_bytes())?;
    Ok((Composed { recipe: sealed, size, sha256, rcpt: None }, recipe))
}

/// What one row is composed from.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// The gateway.
    pub gateway: &'a Gateway,
    /// In whose name.
    pub organisation: &'a Organisation,
    /// The row.
    pub row: &'a Outbound,
    /// Its deposit.
    pub open: &'a OpenDeposit,
}

impl<'a> Desk<'a> {
    /// Where what was composed is signed.
    pub fn press(&self) -> Press<'a> {
        Press { gateway: self.gateway, organisation: self.organisation, row: self.row, open: Some(self.open) }
    }
}

async fn compose(desk: &Desk<'_>) -> Result<Recipe, ComposeError> {
    let spec = Spec::read(&desk.row.spec).map_err(|e| ComposeError::Row(format!("unknown request: {e}")))?;
    let draft = match spec {
        Spec::Consignment { helo, protocol, .. } => {
            let consignment = consignment(desk).await?;
            screening::pass(desk, &consignment).await?;
            match consignment.verdict.treatment {
                Treatment::Link | Treatment::Notify => {
                    letters::secure(desk, &consignment, super::deposit::FIRST_GENERATION, Occasion::First)
                        .await?
                }
                treatment => return authored(desk, treatment, &helo, &protocol).await,
            }
        }
        Spec::Resend { generation } => {
            let consignment = consignment(desk).await?;
            screening::pass(desk, &consignment).await?;
            match consignment.verdict.treatment {
                Treatment::Link | Treatment::Notify => {
                    letters::secure(desk, &consignment, generation, Occasion::Again).await?
                }
                treatment => return authored(desk, treatment, "", "ESMTP").await,
            }
        }
        Spec::Reminder { generation } => manners::reminder(desk, &consignment(desk).await?, generation),
        Spec::Granted { generation } => manners::granted(desk, &consignment(desk).await?, generation),
        Spec::Said { note } => manners::said(desk, note).await?,
        Spec::Code { challenge } => letters::code(desk, challenge).await?,
        Spec::Receipt { event } => match letters::receipt(desk, event).await? {
            Told::Letter(draft) => draft,
            Told::Report(report) => {
                return dkim::signed(&desk.press(), report, &desk.organisation.seal_address).await;
            }
        },
        // Programs look for a report at the top of the message: no signature goes around it.
        Spec::Report(status) => {
            let report = notifications::report(desk, &status).await?;
            return dkim::signed(&desk.press(), report, &desk.organisation.seal_address).await;
        }
        Spec::Question { ask, recipients, fr, en, again } => {
            questions::ask(desk, ask, &recipients, (&fr, &en), again).await?
        }
        Spec::Answered { recipients, answer, late } => {
            questions::answered(desk, &recipients, answer.as_ref(), late).await?
        }
        Spec::Forward { returned } => return notifications::forward(desk, returned).await,
        Spec::Verification(_)
        | Spec::Alert(_)
        | Spec::Observed { .. }
        | Spec::TlsReport(_)
        | Spec::AccountCode { .. }
        | Spec::AccountLink { .. }
        | Spec::AccountNews { .. }
        | Spec::Invitation { .. }
        | Spec::GuestReceipt { .. } => {
            return Err(ComposeError::Row("such a mail belongs to no deposit".to_owned()));
        }
    };
    desk.press().letter(draft).await
}

async fn consignment(desk: &Desk<'_>) -> Result<ConsignmentRow, ComposeError> {
    let (deposit, n) = (desk.open.deposit.row.id, desk.row.recipient);
    let n = n.ok_or_else(|| ComposeError::Row("the row names no recipient".to_owned()))?;
    Ok(desk.gateway.store.consignment(deposit, n).await?)
}

/// The author's own message: as it came, traced, or sealed with a certificate of the author's address.
async fn authored(
    desk: &Desk<'_>,
    treatment: Treatment,
    helo: &str,
    protocol: &str,
) -> Result<Recipe, ComposeError> {
    let skeleton = skeleton(desk.open).await?;
    let row = &desk.open.deposit.row;
    let zone = zone();
    let stamp = Stamp {
        deposit: row.id,
        reference: &row.reference,
        hostname: &desk.organisation.settings.hostname,
        helo: (!helo.is_empty()).then_some(helo),
        protocol,
        accepted: row.created,
        zone: &zone,
        recipient: Some(&desk.row.rcpt),
    };
    match treatment {
        Treatment::Pass => Ok(compose::pass(skeleton.into())?),
        Treatment::Trace => {
            dkim::signed(&desk.press(), compose::trace(&skeleton, &stamp)?, &author(desk)).await
        }
        Treatment::Seal => {
            let structure = &desk.open.meta.structure;
            let draft = compose::prepare_seal(&skeleton, structure, &stamp)?;
            let name = structure.top.from.first().and_then(|m| m.name.clone());
            let sealed = desk
                .press()
                .sign(draft, &row.sender, name.as_deref(), dated(desk, structure.top.date))
                .await?;
            dkim::signed(&desk.press(), sealed, &author(desk)).await
        }
        other => Err(ComposeError::Row(format!("{other} is no way to send the author's own message"))),
    }
}

/// Whose domain answers for the author's own message: the address in From, or the sender where it is none.
fn author(desk: &Desk<'_>) -> EmailAddress {
    let from = desk.open.meta.structure.top.from.first();
    from.and_then(|m| EmailAddress::parse(&m.address).ok())
        .unwrap_or_else(|| desk.open.deposit.row.sender.clone())
}

/// Readers compare the author's Date with the signing-time and tolerate an hour.
fn dated(desk: &Desk<'_>, date: Option<jiff::Timestamp>) -> cms::Use {
    const TOLERATED: i64 = 3500;
    let now = desk.gateway.clock.now();
    match date {
        Some(date) if (now.as_second() - date.as_second()).abs() < TOLERATED => cms::Use::Mail,
        _ => cms::Use::UndatedMail,
    }
}

/// The skeleton whole; the walk bounds it to a few megabytes.
pub async fn skeleton(open: &OpenDeposit) -> Result<Vec<u8>, ContentError> {
    let mut stream = open.skeleton()?;
    let mut skeleton = Vec::with_capacity(usize::try_from(open.meta.skeleton_len).unwrap_or(0).min(1 << 22));
    while let Some(bytes) = stream.next().await {
        skeleton.extend_from_slice(&bytes?);
    }
    Ok(skeleton)
}
