//! Deposit: what was received and decided becomes one durable transaction.
//!
//! **Job.** Gathers the facts, renders the events with their evidence, derives each recipient's link, plans
//! the outgoing mail, and commits all of it at once. Only after that the client may read `250`.
//!
//! **Standards.** EN 319 522-1 §6.2 (A.1 SubmissionAcceptance, A.2 SubmissionRejection).
//!
//! **Failure.** Nothing is stored, and the content's blobs go; where nobody knows whether a COMMIT came through,
//! they stay and are collected later. The same submission sent again answers the first deposit.

use super::carry::Carried;
use super::content::OpenDeposit;
use super::intake::Received;
use super::meta::Meta;
use super::returns;
use super::spec::{Asked, ReceiptEvent, Spec};
use super::tolerance::Overlooked;
use super::verdict::Verdicts;
use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::failpoint;
use sealpost_envelope::{
    AccountId, DepositId, DsnNotify, EmailAddress, Envelope, EnvelopeRecipient, Language, Observed,
    RecipientNo, Reference, Secret, Sha256Digest, Submitter, Timestamp, Treatment,
};
use sealpost_evidence::{
    Actor, AuthBasis, Authentication, BuiltEvent, DepositFacts, Detail, Event, EventError, EventName,
    PartFacts, Party, Reason, render,
};
use sealpost_gate::{PasswordError, PasswordMethod};
use sealpost_message::{Mailbox, Structure};
use sealpost_policy::{Ask, Decision, Hold};
use sealpost_store::content::Place;
use sealpost_store::crypto::CryptoError;
use sealpost_store::deposit::{DepositError, Deposited, NewConsignment, NewDeposit};
use sealpost_store::keys::{DepositKey, KeyError, token_hash};
use sealpost_store::person::Person;
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Deposit, DepositRow, StoreError, StoredBody};

/// Why a deposit could not be made. All of it is ours; the client should try again.
#[derive(Debug, thiserror::Error)]
pub enum DepositFailure {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key store failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Sealing content failed.
    #[error(transparent)]
    Seal(#[from] CryptoError),
    /// An event could not be rendered.
    #[error(transparent)]
    Event(#[from] EventError),
    /// What was learned about the message could not be written as JSON.
    #[error("the message's structure cannot be stored: {0}")]
    Meta(#[from] serde_json::Error),
    /// The message's password cannot be kept.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// No free reference was found.
    #[error("no free reference found")]
    Reference,
}

/// A submission about to become a deposit.
#[derive(Debug)]
pub struct Submission<'a> {
    /// Whose it is.
    pub organisation: &'a Organisation,
    /// Who handed it over.
    pub submitter: Submitter,
    /// How they proved who they are; empty for a trusted server.
    pub mechanism: &'static str,
    /// When they did.
    pub authenticated: Option<Timestamp>,
    /// The author, as in From.
    pub sender: EmailAddress,
    /// Envelope.
    pub envelope: &'a Envelope,
    /// What the client called itself.
    pub helo: String,
    /// How it spoke: `ESMTPSA` and its like (RFC 3848).
    pub protocol: &'static str,
    /// What makes this submission the same one sent again, where its client says so (RFC 9110 §9.2.2 leaves that
    /// to POST's users); its content otherwise.
    pub once: Option<Sha256Digest>,
    /// Faults of the server that handed it over which were overlooked.
    pub overlooked: Overlooked,
    /// Time of acceptance.
    pub now: Timestamp,
}

/// How often another reference is drawn: with 2^40 of them, a second collision is a fault, not chance.
const DRAWS: usize = 4;

/// Makes the deposit durable; answers its id, or that of the same submission made before.
pub async fn deposit(
    gateway: &Gateway,
    submission: &Submission<'_>,
    mut received: Received,
    verdicts: &Verdicts,
) -> Result<DepositId, DepositFailure> {
    // Until the plan stands nothing can name the blobs: they go with whatever goes wrong.
    let mut unclaimed = received.unclaimed.take();
    let small = received.parts.iter().all(|part| matches!(part.body, StoredBody::Inline(_)));
    let password = verifier(gateway, received.password.take()).await?;
    let (mut plan, mut facts, key, meta) = plan(gateway, submission, received, verdicts, password)?;
    speak(gateway, &mut plan).await?;
    failpoint!(DepositPlanned).map_err(StoreError::from)?;
    let blobs = unclaimed.claim();
    for _ in 0..DRAWS {
        match gateway.store.deposit(plan.clone()).await {
            Ok(Deposited::New) => {
                failpoint!(DepositCommitted).map_err(StoreError::from)?;
                let id = plan.id;
                if small {
                    carry(gateway, plan, facts, key, meta);
                }
                gateway.queue.wake();
                gateway.bells.seal.notify_one();
                return Ok(id);
            }
            Ok(Deposited::Repeated(first)) => {
                blobs.give_up();
                return Ok(first);
            }
            Err(DepositError::ReferenceTaken) => {
                plan.reference = Reference::generate();
                facts.reference = plan.reference.clone();
                plan.events = events(submission, &facts, verdicts)?;
            }
            Err(DepositError::Store(error)) => {
                // A full disk took nothing for certain, and needs their room; otherwise nobody knows.
                if error.is_full() {
                    blobs.give_up();
                }
                return Err(error.into());
            }
        }
    }
    blobs.give_up();
    Err(DepositFailure::Reference)
}

/// What is kept of the message's password; hashing takes its time, away from the asynchronous workers.
async fn verifier(
    gateway: &Gateway,
    password: Option<Secret<String>>,
) -> Result<Option<String>, DepositFailure> {
    let Some(password) = password else { return Ok(None) };
    let hashed = gateway.accounts.hashing(move || Ok(PasswordMethod::verifier(&password))).await;
    Ok(Some(hashed.map_err(|_| PasswordError::Hash)??))
}

/// Saves the stages that follow in this process from reading it all again.
fn carry(gateway: &Gateway, plan: NewDeposit, facts: DepositFacts, key: DepositKey, meta: Meta) {
    let facts = super::facts::at_deposit(facts, &meta.structure);
    let row = DepositRow {
        id: plan.id,
        entity: plan.entity,
        account: plan.account,
        submitter: plan.submitter,
        sender: plan.sender,
        reference: plan.reference,
        message_id: plan.message_id,
        created: plan.created,
        size: plan.size,
        digests: plan.digests,
        wrapped_key: Some(plan.wrapped_key),
        key_week: plan.key_week,
        meta: plan.meta,
    };
    let deposit = Deposit { row, skeleton: Some(plan.skeleton) };
    let treatments = plan.consignments.iter().map(|c| c.verdict.treatment).collect();
    let open = OpenDeposit::from_parts(&gateway.store, deposit, key, meta);
    let mails = plan.outbound.iter().filter(|row| row.hold.is_none()).count();
    gateway.carry.put(Carried { open, facts, treatments }, mails, plan.created);
}

fn plan(
    gateway: &Gateway,
    submission: &Submission<'_>,
    received: Received,
    verdicts: &Verdicts,
    password: Option<String>,
) -> Result<(NewDeposit, DepositFacts, DepositKey, Meta), DepositFailure> {
    let id = received.id;
    let (mut wrapped, mut week) = (received.wrapped, received.week);
    if let Some(retention) = verdicts.retention() {
        (wrapped, week) = gateway.store.keys().rewrap(&week, &wrapped.bytes, retention)?;
    }
    let meta = serde_json::to_vec(&received.meta)?;
    let consignments = consignments(submission, &received.key, verdicts);
    let mut plan = NewDeposit {
        id,
        entity: submission.organisation.id,
        account: account(&submission.submitter),
        submitter: submission.submitter.clone(),
        sender: submission.sender.clone(),
        reference: Reference::generate(),
        idempotency: idempotency(
            submission,
            &received.meta.structure.top.message_id,
            &received.digests.sha256,
        )?,
        message_id: received.meta.structure.top.message_id.clone(),
        created: submission.now,
        size: received.size,
        digests: received.digests,
        wrapped_key: wrapped.bytes,
        key_week: week,
        meta: Place::meta(id).seal(&received.key, &meta)?,
        skeleton: received.skeleton,
        parts: received.parts,
        password,
        outbound: outbound(gateway, submission, id, verdicts),
        consignments,
        events: Vec::new(),
    };
    let facts = facts(submission, &plan, &received.meta.structure);
    plan.events = events(submission, &facts, verdicts)?;
    Ok((plan, facts, received.key, received.meta))
}

fn account(submitter: &Submitter) -> Option<AccountId> {
    match submitter {
        Submitter::Account { id, .. } => Some(*id),
        Submitter::Asserted { .. } | Submitter::Guest { .. } | Submitter::System => None,
    }
}

/// What makes two submissions the same one sent again (durable before 250).
fn idempotency(
    submission: &Submission<'_>,
    message_id: &Option<String>,
    digest: &Sha256Digest,
) -> Result<Sha256Digest, serde_json::Error> {
    if let Some(once) = submission.once {
        return Ok(Sha256Digest::of(&serde_json::to_vec(&(&submission.submitter, "once", once))?));
    }
    if message_id.is_none() {
        // Nothing tells a repetition from a second message of the same words: none is swallowed.
        return Ok(Sha256Digest::of(uuid::Uuid::now_v7().as_bytes()));
    }
    let same = (&submission.submitter, message_id, submission.envelope, digest);
    Ok(Sha256Digest::of(&serde_json::to_vec(&same)?))
}

fn consignments(submission: &Submission<'_>, key: &DepositKey, verdicts: &Verdicts) -> Vec<NewConsignment> {
    let numbered = (1..).zip(submission.envelope.recipients.iter().zip(&verdicts.0));
    numbered
        .map(|(n, (recipient, decision))| NewConsignment {
            n,
            address: recipient.address.clone(),
            language: submission.organisation.language_for(&recipient.address),
            token_hash: decision
                .verdict
                .treatment
                .has_link()
                .then(|| token_hash(key.link_token(n, FIRST_GENERATION).expose())),
            verdict: decision.verdict.clone(),
            remind: decision.remind.iter().map(|p| p.as_seconds()).collect(),
            observed: decision.observed.clone(),
        })
        .collect()
}

/// Who gets mail and pages of ours gets them in the language on record, where one is.
async fn speak(gateway: &Gateway, plan: &mut NewDeposit) -> Result<(), StoreError> {
    for consignment in plan.consignments.iter_mut().filter(|c| c.verdict.treatment.has_link()) {
        let known = Person::language(gateway.store.db(), plan.entity, &consignment.address).await?;
        consignment.language = known.unwrap_or(consignment.language);
    }
    Ok(())
}

/// Generation of the link that the first mail carries.
pub const FIRST_GENERATION: u32 = 1;

/// One mail for each recipient. Ours leave under our own address, the others under the author's.
fn outbound(
    gateway: &Gateway,
    submission: &Submission<'_>,
    id: DepositId,
    verdicts: &Verdicts,
) -> Vec<NewOutbound> {
    let mut rows = mails(submission, id, verdicts);
    let (questions, told) = match returns::are_used(gateway) {
        true => questions(verdicts),
        false => (Vec::new(), verdicts.0.iter().any(|d| d.verdict.hold.is_some())),
    };
    if told {
        rows.push(held_receipt(submission, id));
    }
    rows.extend(
        questions.iter().map(|spec| NewOutbound { spec: spec.to_json(), ..held_receipt(submission, id) }),
    );
    rows
}

/// Questions that one message may raise; what else waits is told in the receipt.
const QUESTIONS: usize = 5;

/// What the sender can answer by mail about what waits: for each reason a question, about all who wait for it, since an
/// answer ends the holds that it was asked about, and no others. A number is asked of one. Whether the receipt has to
/// tell of more.
fn questions(verdicts: &Verdicts) -> (Vec<Spec>, bool) {
    let mut asked = Vec::<(Ask, &Hold, Vec<RecipientNo>)>::new();
    let mut told = verdicts.0.iter().any(|d| d.verdict.hold.is_some() && d.hold.is_none());
    let held = (1..).zip(&verdicts.0).filter_map(|(n, d)| Some((n, d.hold.as_ref()?)));
    for (n, hold) in held {
        let room = asked.len() < QUESTIONS;
        let known = asked.iter_mut().find(|(ask, other, _)| *ask != Ask::Phone && *other == hold);
        match (known, hold.ask()) {
            (Some((.., recipients)), _) => recipients.push(n),
            (None, Some(ask)) if room => asked.push((ask, hold, vec![n])),
            _ => told = true,
        }
    }
    let specs = asked.into_iter().map(|(ask, hold, recipients)| {
        let (fr, en) = (hold.text(Language::Fr), hold.text(Language::En));
        Spec::Question { ask, recipients, fr, en, again: false }
    });
    (specs.collect(), told)
}

/// The sender is told at once that something waits, and why.
fn held_receipt(submission: &Submission<'_>, id: DepositId) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: submission.organisation.id,
        deposit: Some(id),
        // No recipient: the hold on a recipient's mail must not hold this one.
        recipient: None,
        priority: Priority::Receipt,
        spec: Spec::Receipt { event: ReceiptEvent::Held }.to_json(),
        envelope_from: None,
        rcpt: submission.sender.clone(),
        next_at: submission.now,
        created: submission.now,
        hold: None,
    }
}

fn mails(submission: &Submission<'_>, id: DepositId, verdicts: &Verdicts) -> Vec<NewOutbound> {
    let own = Some(submission.organisation.seal_address.clone());
    let numbered = (1..).zip(submission.envelope.recipients.iter().zip(&verdicts.0));
    numbered
        .map(|(n, (recipient, decision))| NewOutbound {
            id: OutboundId::generate(),
            entity: submission.organisation.id,
            deposit: Some(id),
            recipient: Some(n),
            priority: Priority::Mail,
            spec: spec(submission, recipient),
            envelope_from: match decision.verdict.treatment.has_link() {
                true => own.clone(),
                false => submission.envelope.reverse_path.clone(),
            },
            rcpt: recipient.address.clone(),
            next_at: submission.now,
            created: submission.now,
            hold: decision.verdict.hold.clone(),
        })
        .collect()
}

fn spec(submission: &Submission<'_>, recipient: &EnvelopeRecipient) -> String {
    let envelope = submission.envelope;
    let asked = Asked {
        notify: recipient.notify,
        orcpt: recipient.orcpt.clone(),
        envid: envelope.envid.clone(),
        ret_full: envelope.ret_full,
    };
    let nothing = Asked { notify: DsnNotify::default(), orcpt: None, envid: None, ret_full: None };
    let (helo, protocol) = (submission.helo.clone(), submission.protocol.to_owned());
    Spec::Consignment { helo, protocol, dsn: (asked != nothing).then_some(asked) }.to_json()
}

fn facts(submission: &Submission<'_>, plan: &NewDeposit, structure: &Structure) -> DepositFacts {
    let author = structure.top.from.iter().find(|m| same(m, &submission.sender));
    let basis = match &submission.submitter {
        Submitter::Asserted { server } => AuthBasis::Asserted(server.clone()),
        Submitter::Guest { methods, .. } => AuthBasis::Gate { methods: methods.clone(), level: None },
        Submitter::Account { .. } | Submitter::System => AuthBasis::Login(submission.mechanism.to_owned()),
    };
    // A server that relays says who writes, now; nobody has logged in.
    let asserted = matches!(basis, AuthBasis::Asserted(_)).then_some(plan.created);
    let authentication = submission.authenticated.or(asserted).map(|time| Authentication { time, basis });
    let sender = Party { name: author.and_then(|m| m.name.clone()), ..Party::new(submission.sender.clone()) };
    let (sender, delegate) = match &submission.submitter {
        // The account acts for somebody else: the evidence names both.
        Submitter::Account { login, .. } if login.key() != submission.sender.key() => {
            (sender, Some(Party { authentication, ..Party::new(login.clone()) }))
        }
        _ => (Party { authentication, ..sender }, None),
    };
    DepositFacts {
        id: plan.id,
        reference: plan.reference.clone(),
        message_id: plan.message_id.clone(),
        sender,
        delegate,
        recipients: plan.consignments.iter().map(|c| Party::new(c.address.clone())).collect(),
        submitted: plan.created,
        size: plan.size,
        digests: plan.digests,
        parts: part_facts(structure),
    }
}

fn same(mailbox: &Mailbox, address: &EmailAddress) -> bool {
    mailbox.address.eq_ignore_ascii_case(address.as_str())
}

/// The attachments, as evidence names them.
pub fn part_facts(structure: &Structure) -> Vec<PartFacts> {
    let attachments = structure.attachments();
    attachments
        .map(|(node, stored)| PartFacts {
            number: stored.n,
            name: node.info.filename.clone(),
            media_type: node.info.media_type.clone(),
            size: stored.size,
            digests: stored.digests,
        })
        .collect()
}

/// A.1, with evidence unless every recipient gets the bytes as they came. Its evidence names all recipients;
/// where there are several, each gets one of their own too, so that a proof for one shows none of the others.
fn events(
    submission: &Submission<'_>,
    facts: &DepositFacts,
    verdicts: &Verdicts,
) -> Result<Vec<BuiltEvent>, EventError> {
    let mut events = vec![acceptance(submission, facts, None, &verdicts.0, !verdicts.all_pass())?];
    if verdicts.0.len() > 1 {
        for (n, decision) in (1..).zip(&verdicts.0) {
            let evidenced = decision.verdict.treatment != Treatment::Pass;
            events.push(acceptance(submission, facts, Some(n), std::slice::from_ref(decision), evidenced)?);
        }
    }
    Ok(events)
}

fn acceptance(
    submission: &Submission<'_>,
    facts: &DepositFacts,
    recipient: Option<RecipientNo>,
    decisions: &[Decision],
    evidenced: bool,
) -> Result<BuiltEvent, EventError> {
    let organisation = submission.organisation;
    let mut detail = Detail::of_deposit(facts)
        .list("treatments", decisions.iter().map(|d| d.verdict.treatment.as_str()))
        .list("rules", decisions.iter().map(|d| d.verdict.rule.as_str()))
        // One recipient's own entry does not tell how many others there are.
        .int("recipients", decisions.len() as u64);
    let observed: Vec<_> = decisions.iter().filter_map(|d| d.observed.as_ref()).collect();
    if !observed.is_empty() {
        let would =
            |o: &&Observed| format!("{}{}", o.treatment, if o.hold.is_some() { ", held" } else { "" });
        detail = detail
            .list("observed", observed.iter().map(would))
            .list("observed_rules", observed.iter().map(|o| o.rule.as_str()));
    }
    let Overlooked { faults, received } = &submission.overlooked;
    if !faults.is_empty() {
        detail = detail.list("tolerated", faults.iter().copied());
    }
    if let Some(received) = received {
        detail = detail.sha256("received_sha256", received.sha256);
    }
    let mut event = Event::new(EventName::SubmissionAcceptance, organisation.id, submission.now)
        .deposit(facts.id)
        .actor(actor(&submission.submitter, &submission.sender))
        .reason(Reason::MessageAccepted, None)
        .detail(detail);
    event.recipient = recipient;
    render(&organisation.issuer, event, evidenced.then_some(facts))
}

/// Who acts, as the journal names them.
pub fn actor(submitter: &Submitter, sender: &EmailAddress) -> Actor {
    match submitter {
        Submitter::Account { id, login } => Actor::Account { id: *id, login: login.to_string() },
        Submitter::Asserted { server } => {
            Actor::Server { name: server.clone(), asserts: Some(sender.to_string()) }
        }
        Submitter::Guest { address, methods } => Actor::Recipient {
            methods: methods.clone(),
            passed: None,
            identity: Some(address.to_string()),
            network: None,
            level: None,
            known: Vec::new(),
        },
        Submitter::System => Actor::System,
    }
}
