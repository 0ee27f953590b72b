//! Screening: content is shown to the antivirus before anything of it leaves.
//!
//! **Job.** Between deposit and composition, where an antivirus is configured: each file as it was decoded, each text,
//! and the message as a whole, since other programs may see other parts in it than we do. What was found is kept, so
//! that a deposit is looked at once.
//!
//! **Exposure.** Strangers' bytes, streamed and never interpreted here.
//!
//! **Failure.** While the antivirus does not answer nothing leaves: the row is tried again as long as the relay
//! would, and after the second time its sender is told. What is held for what was found waits for its sender, or for
//! an administrator where something was found; nobody but a person releases it.

use super::composition::{ComposeError, Desk, skeleton};
use super::content::ContentError;
use super::handover::receipt_row;
use super::inbound::answers::question;
use super::returns;
use super::spec::{ReceiptEvent, Spec};
use crate::antivirus::{Clamd, Finding, ScanError, Silent};
use crate::config::{AntivirusSettings, OnFinding};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sealpost_envelope::Wording;
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_message::{Coding, ContentDecoder, Record, SkeletonReader, Stored, Transfer};
use sealpost_policy::Ask;
use sealpost_store::{Change, ConsignmentRow, Scan, StoreError};
use tokio::sync::Mutex;

/// Why mail is held while nobody answers.
const SILENT: &str = "the antivirus does not answer, and nothing leaves before it has looked";
/// Attempts without an answer after which the sender is told: a restart is over sooner.
const PATIENCE: u32 = 1;
/// Turns; deposits share them by chance.
const TURNS: usize = 16;

/// The antivirus, and whose turn it is.
#[derive(Debug)]
pub struct Screen {
    clamd: Clamd,
    /// Recipients of one deposit are composed at the same time; the first of them has its content looked at.
    turns: [Mutex<()>; TURNS],
}

impl Screen {
    /// As configured; `None` where no antivirus is.
    pub fn open(settings: &AntivirusSettings) -> Option<Self> {
        Clamd::open(settings).map(|clamd| Self { clamd, turns: std::array::from_fn(|_| Mutex::new(())) })
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), Silent> {
        self.clamd.ping().await
    }
}

/// Lets the row's mail pass, or says why not.
pub async fn pass(desk: &Desk<'_>, consignment: &ConsignmentRow) -> Result<(), ComposeError> {
    let Some(screen) = &desk.gateway.screen else { return Ok(()) };
    let (deposit, n) = (consignment.deposit, consignment.n);
    if desk.gateway.store.observed_of(deposit, n).await?.is_some() {
        return observe(desk, consignment, &screen.clamd).await;
    }
    let turn = usize::from(deposit.0.as_bytes()[15]) % TURNS;
    let _turn = screen.turns[turn].lock().await;
    let kept = desk.gateway.store.scan_of(deposit, n).await?;
    if let Some(scan) = &kept
        && scan.recipient == n
        && scan.held.is_some()
    {
        // What is no longer held was released by a person.
        return match &consignment.verdict.hold {
            Some(reason) => Err(ComposeError::Held(reason.clone())),
            None => Ok(()),
        };
    }
    let known =
        kept.and_then(|scan| Some((Finding::read(&scan.finding, scan.name.as_deref())?, scan.recipient)));
    let (finding, of) = match known {
        Some(known) => known,
        None => match look(desk, &screen.clamd).await {
            // No recipient has this number.
            Ok(finding) => (finding, 0),
            Err(ScanError::Content(error)) => return Err(error),
            Err(ScanError::Silent(silent)) => {
                told(desk, consignment, &silent).await?;
                return Err(ComposeError::Unscreened(silent));
            }
        },
    };
    answered(desk, consignment).await?;
    match finding.consequence(&desk.gateway.config.antivirus) {
        OnFinding::Pass if of == n => Ok(()),
        OnFinding::Pass => Ok(keep(desk, consignment, &finding, None).await?),
        OnFinding::Refuse => {
            keep(desk, consignment, &finding, None).await?;
            Err(ComposeError::Blocked(finding.to_string()))
        }
        OnFinding::Hold => {
            let change = asked(desk, consignment, &finding)?;
            keep(desk, consignment, &finding, Some((finding.to_string(), change))).await?;
            Err(ComposeError::Held(finding.to_string()))
        }
    }
}

/// Where rules are only observed nothing is stopped or delayed: what was found is told to the administrator.
async fn observe(desk: &Desk<'_>, consignment: &ConsignmentRow, clamd: &Clamd) -> Result<(), ComposeError> {
    let finding = match look(desk, clamd).await {
        Ok(finding) => finding,
        Err(ScanError::Content(error)) => return Err(error),
        Err(ScanError::Silent(silent)) => {
            tracing::warn!(%silent, "only observed: mail passes without the antivirus");
            return Ok(());
        }
    };
    if !matches!(finding.consequence(&desk.gateway.config.antivirus), OnFinding::Pass) {
        let why = Wording { fr: finding.french(), en: finding.to_string() };
        desk.gateway.store.observe_finding(consignment.deposit, consignment.n, why).await?;
    }
    Ok(())
}

async fn keep(
    desk: &Desk<'_>,
    consignment: &ConsignmentRow,
    finding: &Finding,
    hold: Option<(String, Change)>,
) -> Result<(), StoreError> {
    let scan = Scan {
        recipient: consignment.n,
        finding: finding.word().to_owned(),
        name: finding.name().map(str::to_owned),
        held: None,
    };
    let held = hold.is_some();
    desk.gateway.store.keep_scan(consignment.entity, consignment.deposit, scan, hold).await?;
    if held {
        desk.gateway.bells.seal.notify_one();
        desk.gateway.queue.wake();
    }
    Ok(())
}

/// The event of a hold, and the question to the sender: what nobody could look into they may send nevertheless, what is
/// infected only an administrator may.
fn asked(desk: &Desk<'_>, consignment: &ConsignmentRow, finding: &Finding) -> Result<Change, ComposeError> {
    let mut change = hold(desk, consignment, &finding.to_string())?;
    if !matches!(finding, Finding::Infected(_)) && returns::are_used(desk.gateway) {
        let spec = Spec::Question {
            ask: Ask::Confirm,
            recipients: vec![consignment.n],
            fr: finding.french(),
            en: finding.to_string(),
            again: false,
        };
        let row = &desk.open.deposit.row;
        change.outbound = vec![question(desk.gateway, (row.id, &row.sender), row.entity, &spec)];
    }
    Ok(change)
}

/// The event of a hold, and the mail that tells of it.
fn hold(desk: &Desk<'_>, consignment: &ConsignmentRow, why: &str) -> Result<Change, ComposeError> {
    let outbound = receipt_row(
        desk.open.deposit.row.sender.clone(),
        consignment.entity,
        consignment.deposit,
        // The hold on the recipient's mail must not hold this one.
        None,
        ReceiptEvent::Held,
        desk.gateway,
    );
    let events = vec![event(desk, consignment, EventName::HoldPlaced, why)?];
    Ok(Change { events, outbound: vec![outbound] })
}

fn event(
    desk: &Desk<'_>,
    consignment: &ConsignmentRow,
    name: EventName,
    why: &str,
) -> Result<sealpost_evidence::BuiltEvent, ComposeError> {
    let event = Event::new(name, consignment.entity, desk.gateway.clock.now())
        .deposit(consignment.deposit)
        .recipient(consignment.n)
        .actor(Actor::System)
        .detail(Detail::new().personal("recipient", consignment.address.as_str()).text("antivirus", why));
    render(&desk.organisation.issuer, event, None)
        .map_err(|e| ComposeError::Row(format!("a hold could not be journaled: {e}")))
}

/// Nobody answers: from the second time on the message is held in the eyes of its sender, who is told once.
async fn told(desk: &Desk<'_>, consignment: &ConsignmentRow, silent: &Silent) -> Result<(), ComposeError> {
    if desk.row.attempts < PATIENCE || consignment.verdict.hold.is_some() {
        return Ok(());
    }
    let change = hold(desk, consignment, &silent.to_string())?;
    let (deposit, n) = (consignment.deposit, consignment.n);
    match desk.gateway.store.hold(deposit, n, SILENT.to_owned(), change).await {
        // Withdrawn, or held by somebody else meanwhile.
        Err(StoreError::Conflict(_)) => Ok(()),
        other => Ok(other?),
    }
}

/// Somebody answers again.
async fn answered(desk: &Desk<'_>, consignment: &ConsignmentRow) -> Result<(), ComposeError> {
    if consignment.verdict.hold.as_deref() != Some(SILENT) {
        return Ok(());
    }
    let change = Change::events(vec![event(desk, consignment, EventName::HoldReleased, "answers again")?]);
    desk.gateway.store.release_hold(consignment.deposit, consignment.n, change).await?;
    Ok(())
}

type Scanned = Result<Finding, ScanError<ComposeError>>;

/// Has all content looked at; of several findings the worst counts.
async fn look(desk: &Desk<'_>, clamd: &Clamd) -> Scanned {
    let structure = &desk.open.meta.structure;
    let mut found = match structure.author_encrypted {
        true => Finding::Encrypted("by its author".to_owned()),
        false => Finding::Clean,
    };
    for (node, stored) in structure.stored() {
        let next = file(desk, clamd, stored).await?;
        let name = node.info.filename.as_deref().unwrap_or("document");
        found = found.worse(next.within(name));
        if matches!(found, Finding::Infected(_)) {
            return Ok(found);
        }
    }
    found = found.worse(texts(desk, clamd).await?);
    // Its parts were looked at: a message that is too large as a whole is none that nobody has looked into.
    if structure.size <= clamd.largest() && !matches!(found, Finding::Infected(_)) {
        let whole = desk.open.original().map(|bytes| bytes.map_err(ComposeError::from));
        found = found.worse(clamd.scan(structure.size, whole).await?);
    }
    Ok(found)
}

/// One file, decoded.
async fn file(desk: &Desk<'_>, clamd: &Clamd, stored: &Stored) -> Scanned {
    if stored.size > clamd.largest() {
        return clamd.scan(stored.size, stream::empty()).await;
    }
    let content = desk.open.part(stored.n, stored.stored_len).await.map_err(broken)?;
    clamd.scan(stored.size, decoded(content, stored.coding).boxed()).await
}

fn broken(error: ContentError) -> ScanError<ComposeError> {
    ScanError::Content(error.into())
}

/// Content from stored bytes, as they come.
fn decoded(
    stored: sealpost_store::blob::BlobStream,
    coding: Coding,
) -> impl Stream<Item = Result<Bytes, ComposeError>> {
    let start = (stored, Some(ContentDecoder::new(coding)));
    stream::try_unfold(start, |(mut stored, mut decoder)| async move {
        let mut out = Vec::new();
        while let Some(open) = &mut decoder {
            match stored.next().await {
                Some(bytes) => open.push(&bytes.map_err(ContentError::from)?, &mut out),
                None => {
                    if let Some(done) = decoder.take() {
                        done.finish(&mut out);
                    }
                }
            }
            if !out.is_empty() {
                return Ok(Some((out.into(), (stored, decoder))));
            }
        }
        Ok(None)
    })
}

/// The texts that stand in the skeleton, decoded, one after the other.
async fn texts(desk: &Desk<'_>, clamd: &Clamd) -> Scanned {
    let skeleton = skeleton(desk.open).await.map_err(broken)?;
    let (mut reader, mut found) = (SkeletonReader::new(), Finding::Clean);
    reader.push(&skeleton);
    while let Some(record) = reader.next_record().map_err(|e| ScanError::Content(e.into()))? {
        let Record::Text { info, raw, .. } = record else { continue };
        let coding = match info.transfer {
            Transfer::QuotedPrintable => Coding::QpRaw,
            Transfer::Base64 => Coding::Base64Tail { decoded: 0, tail: true },
            _ => Coding::Identity,
        };
        let (mut decoder, mut text) = (ContentDecoder::new(coding), Vec::new());
        decoder.push(&raw, &mut text);
        decoder.finish(&mut text);
        let size = text.len() as u64;
        let content = stream::once(std::future::ready(Ok::<_, ComposeError>(text.into())));
        found = found.worse(clamd.scan(size, content).await?);
    }
    Ok(found)
}
