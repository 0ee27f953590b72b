//! From the store to a proof: gathers what happened to a deposit and has it written as one file.
//!
//! **Job.** [`gather`] reads entries, evidence, checkpoint and content into the proof crate's bundle;
//! [`write`] streams it to a file. What the proof crate must not know (store, keys) stays here.
//!
//! **Failure.** [`ProofError::Pending`] while something is not yet sealed, sequenced and stamped; the caller
//! waits or says so. Content that was destroyed is left out, and the report says so by its absence.

use crate::declared::declared;
use crate::gateway::{Gateway, Organisation};
use crate::pipeline::content::{ContentError, ContentStream, OpenDeposit};
use crate::pipeline::handover::wire;
use crate::pipeline::{facts, revocation, seal};
use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt};
use sealpost_certs::{Certificate, Signer, TrustAnchors, cms, verify_timestamp};
use sealpost_envelope::{DepositId, Language, RecipientNo, Sha256Digest, Treatment};
use sealpost_evidence::{Actor, DepositFacts, Detail, Event, EventName, Party, render};
use sealpost_gate::declared_words;
use sealpost_message::compose::Recipe;
use sealpost_proof::bundle::{ExternalTime, Step};
use sealpost_proof::{Bundle, Checkpointed, LoggedEntry, SealedEvidence, Source, export};
use sealpost_store::content::Place;
use sealpost_store::queue::{Filter, State};
use sealpost_store::{Checkpoint, JournalEntry, Returned};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// What to put in.
#[derive(Debug, Clone)]
pub struct Options {
    /// This recipient only; nothing of the others is shown.
    pub recipient: Option<RecipientNo>,
    /// With the message itself.
    pub content: bool,
    /// Language of the report.
    pub language: Language,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Something has not been sealed, sequenced or stamped yet.
    #[error("not complete yet: {0}; try again in a moment, or use --wait")]
    Pending(String),
    /// The deposit has no such recipient.
    #[error("the deposit has no recipient {0}")]
    NoRecipient(RecipientNo),
}

/// Gathers everything about a deposit.
pub async fn gather(gateway: &Gateway, id: DepositId, options: &Options) -> Result<Bundle<'static>> {
    let store = &gateway.store;
    let row = store.read_deposit(id).await?.row;
    let open = match OpenDeposit::open(store, id).await {
        Ok(open) => Some(open),
        Err(ContentError::Destroyed) => None,
        Err(error) => return Err(error.into()),
    };
    let facts = match &open {
        Some(open) => facts::of(store, open).await?,
        None => store.facts(&row, |_| Ok(None)).await?,
    };
    let chosen = choose(store.entries_of_deposit(id).await?, &facts, options)?;
    let (checkpoint, external) = covering(gateway, &chosen).await?;
    let organisation =
        gateway.organisation(row.entity).context("the deposit's organisation is not configured")?;
    let mut evidence = evidence_of(gateway, id).await?;
    let mut bundle = Bundle {
        language: options.language,
        organisation: organisation.settings.name.clone(),
        deposit: id,
        reference: row.reference.clone(),
        message_id: row.message_id.clone(),
        subject: open.as_ref().filter(|_| options.content).map(|o| o.meta.structure.top.subject.clone()),
        sender: facts.sender.clone(),
        delegate: facts.delegate.clone(),
        recipients: recipients(&facts, options),
        submitted: facts.submitted,
        size: facts.size,
        digests: facts.digests,
        parts: facts.parts.clone(),
        steps: chosen.iter().map(|entry| step(entry, options.language)).collect(),
        original: None,
        sent: Vec::new(),
        receipts: Vec::new(),
        verify_url: Some(format!("{}/verify", gateway.config.web.url.as_str().trim_end_matches('/'))),
        evidence: Vec::new(),
        entries: logged(gateway, &chosen, checkpoint.size).await?,
        roots: roots(gateway, organisation, &external),
        revocation: Vec::new(),
        long_term: false,
        enveloped: organisation.settings.seal.xades,
        external_time: external.words,
        checkpoint: stamped(checkpoint)?,
    };
    for entry in &chosen {
        if let Some(found) = evidence.remove(&entry.id) {
            bundle.evidence.push(found?);
        }
    }
    bundle.revocation = revocation::known(gateway, outsiders(&bundle, organisation)).await?;
    if let Some(open) = open.filter(|_| options.content) {
        add_content(gateway, &mut bundle, &open, options, facts.recipients.len()).await?;
    }
    Ok(bundle)
}

/// Certificates of issuers elsewhere that the bundle's seals and tokens bring, and those of the next seal.
fn outsiders(bundle: &Bundle<'_>, organisation: &Organisation) -> Vec<Certificate> {
    let own = bundle.roots.first().map(Certificate::subject);
    let seals = bundle.evidence.iter().map(|e| &e.seal).chain([&bundle.checkpoint.token]);
    let mut all: Vec<Certificate> = seals.flat_map(|cms| cms::certificates(cms)).collect();
    if let Some(signer) = organisation.sealing.known() {
        all.push(signer.certificate().clone());
        all.extend_from_slice(signer.chain());
    }
    let mut seen = HashSet::new();
    all.retain(|c| Some(c.issuer()) != own && seen.insert(c.fingerprint()));
    all
}

/// Entries that belong into this proof. For one recipient of several, what names the others stays out: the
/// deposit's own evidence lists them all, so the recipient's own acceptance stands in its place.
fn choose(entries: Vec<JournalEntry>, facts: &DepositFacts, options: &Options) -> Result<Vec<JournalEntry>> {
    // Earlier exports are not part of what happened to the message.
    let entries = entries.into_iter().filter(|e| e.event != EventName::ProofExported);
    let Some(n) = options.recipient else { return Ok(entries.collect()) };
    if n == 0 || n as usize > facts.recipients.len() {
        return Err(ProofError::NoRecipient(n).into());
    }
    let alone = facts.recipients.len() == 1;
    let belongs =
        |e: &JournalEntry| e.recipient == Some(n) || (e.recipient.is_none() && (alone || !e.event.is_etsi()));
    Ok(entries.filter(belongs).collect())
}

fn recipients(facts: &DepositFacts, options: &Options) -> Vec<(RecipientNo, Party)> {
    let numbered = (1..).zip(facts.recipients.iter().cloned());
    numbered.filter(|(n, _)| options.recipient.is_none_or(|wanted| wanted == *n)).collect()
}

/// What an authority outside says of the checkpoint.
struct Outside {
    words: ExternalTime,
    /// The root that its token leads to.
    root: Option<Certificate>,
}

/// The checkpoint that the proof rests on: one that an authority outside has dated where there is one, and its
/// token then takes the place of the built-in authority's.
async fn covering(gateway: &Gateway, entries: &[JournalEntry]) -> Result<(Checkpoint, Outside)> {
    let mut last = None;
    for entry in entries {
        match entry.index {
            Some(index) => last = last.max(Some(index)),
            None => {
                return Err(ProofError::Pending(format!("{} has no place in the log", entry.event)).into());
            }
        }
    }
    let last = last.context("the journal knows nothing of this deposit")?;
    if let Some((mut checkpoint, anchor)) = gateway.store.anchor_covering(last).await? {
        let words = ExternalTime::Dated { at: anchor.time, authority: anchor.authority };
        let root = outside_root(gateway, &checkpoint, &anchor.token);
        checkpoint.tst = Some(anchor.token);
        return Ok((checkpoint, Outside { words, root }));
    }
    let found = gateway.store.checkpoint_covering(last).await?;
    let found = found.ok_or_else(|| ProofError::Pending("the log's checkpoint is not stamped".to_owned()))?;
    let words = if gateway.external.is_some() { ExternalTime::Pending } else { ExternalTime::None };
    Ok((found, Outside { words, root: None }))
}

/// The root is only shipped for convenience: where the authority is no longer configured, it is left out.
fn outside_root(gateway: &Gateway, checkpoint: &Checkpoint, token: &[u8]) -> Option<Certificate> {
    let trust = TrustAnchors::new(gateway.external.as_ref()?.anchors()).ok()?;
    let verified = verify_timestamp(token, &Sha256Digest::of(&checkpoint.note), &trust).ok()?;
    Some(verified.anchor().clone())
}

/// Roots that the proof's signatures lead to: the built-in one, that of a seal from elsewhere, that of the time.
fn roots(gateway: &Gateway, organisation: &Organisation, outside: &Outside) -> Vec<Certificate> {
    let mut roots = vec![gateway.credentials.root().clone()];
    let brought = organisation.sealing.known().and_then(|signer| signer.identity().root());
    for root in brought.into_iter().chain(&outside.root) {
        if !roots.contains(root) {
            roots.push(root.clone());
        }
    }
    roots
}

fn stamped(checkpoint: Checkpoint) -> Result<Checkpointed> {
    let missing = |what: &str| ProofError::Pending(format!("the checkpoint has no {what}"));
    Ok(Checkpointed {
        note: checkpoint.note,
        token: checkpoint.tst.ok_or_else(|| missing("timestamp"))?,
        seal: checkpoint.p7s.ok_or_else(|| missing("seal"))?,
    })
}

type Evidence = HashMap<sealpost_envelope::EntryId, Result<SealedEvidence, ProofError>>;

async fn evidence_of(gateway: &Gateway, id: DepositId) -> Result<Evidence> {
    let stored = gateway.store.evidence_of_deposit(id).await?;
    let sealed = stored.into_iter().map(|e| {
        let sealed = match e.p7s {
            Some(seal) => Ok(SealedEvidence { event: e.event, xml: e.xml, seal }),
            None => Err(ProofError::Pending(format!("the evidence of {} is not sealed", e.event))),
        };
        (e.id, sealed)
    });
    Ok(sealed.collect())
}

async fn logged(gateway: &Gateway, entries: &[JournalEntry], size: u64) -> Result<Vec<LoggedEntry>> {
    let mut logged = Vec::with_capacity(entries.len());
    for entry in entries {
        let index = entry.index.context("an entry without a place")?;
        let json = entry.bytes.clone().context("the entry was pruned at the end of its retention")?;
        let path = gateway.store.inclusion(index, size).await?;
        logged.push(LoggedEntry { index, json, openings: entry.openings.clone(), path });
    }
    logged.sort_by_key(|e| e.index);
    Ok(logged)
}

fn step(entry: &JournalEntry, language: Language) -> Step {
    let said = entry.bytes.as_deref().and_then(|bytes| note(entry.event, bytes, language));
    let who = declared(entry).map(|name| declared_words(&name, language));
    let note = said.into_iter().chain(who).reduce(|said, who| format!("{said}, {who}"));
    Step { time: entry.time, event: entry.event, entry: entry.id, recipient: entry.recipient, note }
}

/// What the entry says beyond its name, for the report.
fn note(event: EventName, entry: &[u8], l: Language) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_slice(entry).ok()?;
    let detail = &entry["detail"];
    let text = |key: &str| detail[key].as_str();
    match event {
        // Nobody has logged in: a server said who writes.
        EventName::SubmissionAcceptance if entry["actor"]["kind"] == "server" => {
            let words = l.pick("identité déclarée par le serveur", "identity asserted by server");
            Some(format!("{words} {}", entry["actor"]["name"].as_str()?))
        }
        EventName::GatePassed => {
            let methods = entry["actor"]["methods"].as_array()?.iter().filter_map(|m| m.as_str());
            Some(methods.map(|m| method(m, l)).collect::<Vec<_>>().join(" + "))
        }
        EventName::ChallengeSent | EventName::GateFailed => Some(method(text("method")?, l)),
        EventName::ContentHandover | EventName::ContentAccessTracking => {
            let (file, sent) = (detail["file"].as_u64()?, detail["sent"].as_u64()?);
            let words = l.pick("fichier", "file");
            Some(format!("{words} {file}, {sent} {}", l.pick("octets envoyés", "bytes sent")))
        }
        EventName::RelayToNonERDS
        | EventName::NotificationForAcceptance
        | EventName::ConsignmentNotification => match (text("host"), text("tls")) {
            (Some(host), Some("none")) => Some(format!("{host}, {}", l.pick("sans TLS", "without TLS"))),
            (Some(host), Some(tls)) => Some(format!("{host}, {tls}")),
            (Some(host), None) => Some(host.to_owned()),
            (None, _) => Some(l.pick("boîte de ce serveur", "a mailbox of this server").to_owned()),
        },
        _ => None,
    }
}

fn method(name: &str, l: Language) -> String {
    let (fr, en) = match name {
        "otp-mail" => ("code reçu par courriel", "code by mail"),
        "otp-sms" => ("code reçu par SMS", "code by SMS"),
        "totp" | "hotp" => ("code d'un générateur", "code of an authenticator"),
        "tiqr" => ("application tiqr", "tiqr app"),
        "cps" => ("carte CPS", "CPS card"),
        "password" => ("mot de passe du message", "password of the message"),
        "link" => ("lien seul", "link alone"),
        other => return other.to_owned(),
    };
    l.pick(fr, en).to_owned()
}

async fn add_content(
    gateway: &Gateway,
    bundle: &mut Bundle<'static>,
    open: &OpenDeposit,
    options: &Options,
    all: usize,
) -> Result<()> {
    // The author's header names all recipients.
    let alone = options.recipient.is_none() || all == 1;
    if alone {
        let (open, size) = (open.clone(), open.deposit.row.size);
        bundle.original = Some(Source::new(size, move || Ok(Box::new(reader(open.original())))));
    }
    let id = open.deposit.row.id;
    let mut rows = gateway.queue.list(&Filter { deposit: Some(id), ..Filter::default() });
    while let Some(row) = rows.next().await {
        let row = row?;
        let (Some(n), State::Sent) = (row.recipient, row.state) else { continue };
        let spec = crate::pipeline::spec::Spec::read(&row.spec)?;
        if !matches!(spec, crate::pipeline::spec::Spec::Consignment { .. })
            || options.recipient.is_some_and(|wanted| wanted != n)
        {
            continue;
        }
        let treatment = gateway.store.consignment(id, n).await?.verdict.treatment;
        if treatment.has_link() || alone {
            bundle.sent.push((n, sent(gateway, open, &row, n, treatment).await?));
        }
    }
    bundle.sent.sort_by_key(|(n, _)| *n);
    for kept in gateway.store.returned(id).await? {
        // What people answered is theirs, and no proof of delivery.
        let wanted = options.recipient.is_none_or(|wanted| wanted == kept.recipient);
        if wanted && kept.kind != "other" {
            bundle.receipts.push((kept.recipient, receipt(gateway, open, kept)?));
        }
    }
    Ok(())
}

/// A report as it was received.
fn receipt(gateway: &Gateway, open: &OpenDeposit, kept: Returned) -> Result<Source<'static>> {
    let (place, size) = (Place::returned(kept.id), kept.size);
    let stream = gateway.store.read_body(&open.key, &place, &kept.body, size, 0..size)?;
    let stream = stream.map_err(ContentError::from).boxed();
    Ok(Source::new(size, move || Ok(Box::new(reader(stream)))))
}

/// What a recipient was sent, the link's token blanked out.
async fn sent(
    gateway: &Gateway,
    open: &OpenDeposit,
    row: &sealpost_store::queue::Outbound,
    n: RecipientNo,
    treatment: Treatment,
) -> Result<Source<'static>> {
    let sealed = gateway.queue.recipe(row.id).await?;
    let recipe = Recipe::from_bytes(Place::recipe(row.id.0).open(&open.key, &sealed)?.into())?;
    let open = open.clone();
    if !treatment.has_link() {
        let size = recipe.size();
        return Ok(Source::new(size, move || Ok(Box::new(reader(wire(open, recipe))))));
    }
    // Ours, and small: a body of bounded size and a few pictures.
    let mut message = Vec::new();
    let mut stream = wire(open.clone(), recipe);
    while let Some(bytes) = stream.next().await {
        message.extend_from_slice(&bytes?);
    }
    let token = open.key.link_token(n, crate::pipeline::deposit::FIRST_GENERATION);
    blank(&mut message, token.expose().as_bytes());
    Ok(Source::bytes(message))
}

/// Overwrites every occurrence of `token`, also where a soft line break of quoted-printable (RFC 2045 §6.7)
/// divides it.
fn blank(message: &mut [u8], token: &[u8]) {
    let mut start = 0;
    while start < message.len() {
        if let Some(places) = occurrence(&message[start..], token) {
            for place in places {
                message[start + place] = b'x';
            }
        }
        start += 1;
    }
}

fn occurrence(bytes: &[u8], token: &[u8]) -> Option<Vec<usize>> {
    let mut places = Vec::with_capacity(token.len());
    let mut at = 0;
    for wanted in token {
        if !places.is_empty() && bytes[at..].starts_with(b"=\r\n") {
            at += 3;
        }
        if bytes.get(at) != Some(wanted) {
            return None;
        }
        places.push(at);
        at += 1;
    }
    Some(places)
}

/// Blocking reader over a stream; used on a blocking thread.
fn reader(stream: ContentStream) -> impl std::io::Read {
    SyncIoBridge::new(StreamReader::new(stream.map_err(std::io::Error::other)))
}

/// Gathers and writes the proof to `path`, renamed into place when complete.
pub async fn write(gateway: &Gateway, id: DepositId, options: &Options, path: &Path) -> Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().context("the output needs a file name")?;
    let partial = directory.join(format!(".{}.part", name.to_string_lossy()));
    let bundle = gather(gateway, id, options).await?;
    let file = std::fs::File::create(&partial).with_context(|| format!("create {}", partial.display()))?;
    let finished = sealed(gateway, bundle, file).and_then(|file| {
        file.sync_all()?;
        std::fs::rename(&partial, path).with_context(|| format!("write {}", path.display()))
    });
    if finished.is_err() {
        // Half a proof is worth nothing; a failure to remove it changes nothing about that.
        let _ = std::fs::remove_file(&partial);
    }
    finished
}

/// Gathers and writes the proof into a file without a name, which goes when it is closed; at its beginning.
pub async fn unnamed(gateway: &Gateway, id: DepositId, options: &Options) -> Result<std::fs::File> {
    use std::io::Seek;
    let bundle = gather(gateway, id, options).await?;
    let file = tempfile::tempfile().context("make a temporary file")?;
    let mut file = sealed(gateway, bundle, file)?;
    file.rewind()?;
    Ok(file)
}

fn sealed(gateway: &Gateway, mut bundle: Bundle<'static>, file: std::fs::File) -> Result<std::fs::File> {
    let organisation = gateway.organisations.iter().find(|o| o.settings.name == bundle.organisation);
    let organisation = organisation.context("the deposit's organisation is not configured")?;
    let signer = organisation.sealing.signer(gateway, &organisation.settings)?;
    let now = gateway.clock.now();
    let written = tokio::task::block_in_place(|| {
        let stamp = |imprint: &sealpost_envelope::Sha256Digest| gateway.time.stamp(imprint);
        let signer: &dyn Signer = &*signer;
        if let Err(error) = sealpost_proof::complete(&mut bundle, signer, now) {
            tracing::warn!(deposit = %bundle.deposit, %error, "a proof without revocation values in its seals");
        }
        export(bundle, signer, stamp, now, std::io::BufWriter::with_capacity(1 << 18, file))
    });
    Ok(written?.into_inner().map_err(|e| e.into_error())?)
}

/// ProofExported, by whoever asked for it.
pub async fn record(gateway: &Gateway, deposit: DepositId, options: &Options, by: Actor) -> Result<()> {
    let row = gateway.store.read_deposit(deposit).await?.row;
    let Some(organisation) = gateway.organisation(row.entity) else { return Ok(()) };
    let mut event = Event::new(EventName::ProofExported, row.entity, gateway.clock.now())
        .deposit(deposit)
        .actor(by)
        .detail(Detail::new().flag("content", options.content).text("reference", row.reference.as_str()));
    event.recipient = options.recipient;
    gateway.store.record(vec![render(&organisation.issuer, event, None)?]).await?;
    gateway.bells.seal.notify_one();
    Ok(())
}

/// Completes what a proof waits for: with a gateway running, by waiting; without one, by doing its work.
pub async fn complete(gateway: &Arc<Gateway>) -> Result<()> {
    seal::round(gateway, &format!("{}/proof", gateway.holder())).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_blanked_even_across_lines() {
        let mut text = *b"a /m/TOKEN b /m/TO=\r\nKEN c TOKEX";
        blank(&mut text, b"TOKEN");
        assert_eq!(&text, b"a /m/xxxxx b /m/xx=\r\nxxx c TOKEX");
    }
}
