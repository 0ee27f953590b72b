//! Verdict: what policy says about each recipient of a message that has arrived.
//!
//! **Job.** Turns what the walk learned into the facts that policy looks at, asks it, and collects the
//! answers. Policy itself is the `policy` crate.
//!
//! **Failure.** A recipient who is to be refused refuses the whole message: the reply names
//! them and the rules that refuse.

use super::archive;
use super::content::ContentError;
use super::deposit::Submission;
use super::inbound::answers;
use super::intake::Received;
use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::{
    DepositId, EmailAddress, EntityId, Envelope, GateMethod, Submitter, Timestamp, Treatment,
};
use sealpost_message::Structure;
use sealpost_policy::{Decision, Hints, Known, MessageFacts, Policy, RecipientFacts};
use sealpost_store::StoreError;
use sealpost_store::person::Person;
use std::collections::BTreeMap;

/// Policy's answers, in the order of the recipients.
#[derive(Debug)]
pub struct Verdicts(pub Vec<Decision>);

impl Verdicts {
    /// Recipients to whom this message may not go, each with the rule that says so.
    pub fn refused<'a>(&'a self, envelope: &'a Envelope) -> Vec<(&'a EmailAddress, &'a str)> {
        envelope
            .recipients
            .iter()
            .zip(&self.0)
            .filter(|(_, d)| d.verdict.treatment == Treatment::Refuse)
            .map(|(r, d)| (&r.address, d.verdict.rule.as_str()))
            .collect()
    }
    /// Whether every recipient gets the bytes as they came: then a journal line is all the evidence.
    pub fn all_pass(&self) -> bool {
        self.0.iter().all(|d| d.verdict.treatment == Treatment::Pass)
    }
    /// The latest end of content among the recipients.
    pub fn retention(&self) -> Option<Timestamp> {
        self.0.iter().map(|d| d.verdict.retention).max()
    }
}

/// Asks the organisation's policy about every recipient of a message that is in.
pub async fn decide(
    gateway: &Gateway,
    submission: &Submission<'_>,
    received: &Received,
) -> Result<Verdicts, ContentError> {
    let (entity, structure) = (submission.organisation.id, &received.meta.structure);
    let replies_to = inherited(gateway, entity, structure).await?;
    let mut facts = facts(submission, structure, replies_to);
    facts.hints = facts.hints.with_password(received.password.is_some());
    if !gateway.config.antivirus.blocked_types.is_empty() {
        facts.archived_names = archive::names(gateway, received).await?;
    }
    let recipients = submission.envelope.recipients.iter().map(|r| &r.address);
    Ok(Verdicts(judge(gateway, submission.organisation, &facts, recipients, submission.now).await?))
}

/// Asks the organisation's policy about each recipient of a message of which these are the facts.
pub async fn judge(
    gateway: &Gateway,
    organisation: &Organisation,
    facts: &MessageFacts,
    recipients: impl Iterator<Item = &EmailAddress>,
    now: Timestamp,
) -> Result<Vec<Decision>, StoreError> {
    let policy = organisation.policy.load();
    let mut decisions = Vec::with_capacity(facts.recipients.len());
    for address in recipients {
        // An answer to us is no mail to anybody: nothing in it is held, or asked for.
        if answers::asked(gateway, address).is_ok_and(|at| at.is_some()) {
            decisions.push(policy.pass("built in: answer to a question", now));
            continue;
        }
        let mut who = RecipientFacts::new(address.clone());
        let mut decision = policy.decide(facts, &who, now);
        // Most gates ask for nothing that would have to be on record.
        if depends_on_record(&decision) {
            who.known = Some(known(gateway, organisation.id, address).await?);
            decision = policy.decide(facts, &who, now);
        }
        if may_be_a_slip(&policy, facts, &decision, address) {
            who.near = nearly(gateway, organisation.id, facts, address).await?;
            if who.near.is_some() {
                decision = policy.decide(facts, &who, now);
            }
        }
        decisions.push(policy.act(decision));
    }
    Ok(decisions)
}

/// Whether every way through the gate needs something of the recipient, or a number might be filled in.
fn depends_on_record(decision: &Decision) -> bool {
    use GateMethod::{Hotp, OtpSms, Password, Tiqr, Totp};
    let verdict = &decision.verdict;
    let mut methods = verdict.gate.alternatives().iter().flatten();
    verdict.treatment.has_link() && methods.any(|m| matches!(m, OtpSms | Totp | Hotp | Tiqr | Password))
}

/// Whether somebody wrote this address by hand and is waiting for an answer anyway if it is wrong. Who answers a message
/// took the address from it; what passes before all rules is no person's mail; a guest does not choose.
fn may_be_a_slip(policy: &Policy, facts: &MessageFacts, decision: &Decision, address: &EmailAddress) -> bool {
    let defaults = policy.defaults();
    let answers = ["in-reply-to", "references"].iter().any(|name| facts.headers.contains_key(*name));
    let automatic = facts.null_reverse_path || facts.is_report || facts.auto_submitted;
    let judged = decision.hold.is_none() && decision.verdict.treatment != Treatment::Refuse;
    // Nobody types more by hand.
    let typed = facts.recipients.len() <= 50;
    defaults.hold_typos
        && typed
        && judged
        && !answers
        && !automatic
        && !facts.guest
        && !defaults.is_own(address)
}

/// The address that the sender writes to of which `address`, where they never wrote before, is one slip away. Who names
/// both in one message knows them apart.
async fn nearly(
    gateway: &Gateway,
    entity: EntityId,
    facts: &MessageFacts,
    address: &EmailAddress,
) -> Result<Option<EmailAddress>, StoreError> {
    let (store, sender, key) = (&gateway.store, &facts.sender, address.key());
    if store.has_written(entity, sender, address).await? {
        return Ok(None);
    }
    let mut keys = sealpost_policy::candidates(&key);
    keys.retain(|near| !facts.recipients.iter().any(|r| r.key() == *near));
    store.written_among(entity, sender, &keys).await
}

/// What is on record of a recipient.
async fn known(gateway: &Gateway, entity: EntityId, address: &EmailAddress) -> Result<Known, StoreError> {
    let db = gateway.store.db();
    let person = Person::find(db, entity, address).await?;
    let mut enrolled = gateway.tokens.enrolled(entity, address).await?;
    if gateway.store.phone_of(entity, &sealpost_gate::tiqr::owner(address)).await?.is_some() {
        enrolled.push(sealpost_envelope::GateMethod::Tiqr);
    }
    Ok(Known { phone: person.as_ref().and_then(Person::usable_phone).map(str::to_owned), enrolled })
}

fn facts(submission: &Submission<'_>, structure: &Structure, replies_to: Option<Treatment>) -> MessageFacts {
    let envelope = submission.envelope;
    let top = &structure.top;
    let mut headers = BTreeMap::new();
    for (name, value) in &top.fields {
        headers.entry(name.to_ascii_lowercase()).or_insert_with(|| value.clone());
    }
    let (login, server) = match &submission.submitter {
        Submitter::Account { login, .. } => (Some(login.to_string()), None),
        Submitter::Asserted { server } => (None, Some(server.clone())),
        Submitter::Guest { .. } | Submitter::System => (None, None),
    };
    let recipients: Vec<EmailAddress> = envelope.recipients.iter().map(|r| r.address.clone()).collect();
    MessageFacts {
        sender: submission.sender.clone(),
        login,
        server,
        hints: Hints::read(&top.subject, &recipients, |name| top.all(name)),
        recipients,
        subject: top.subject.clone(),
        size: structure.size,
        attachment_bytes: structure.attachments_size(),
        attachment_names: structure
            .attachments()
            .map(|(node, _)| node.info.filename.clone().unwrap_or_default())
            .collect(),
        archived_names: Vec::new(),
        null_reverse_path: envelope.reverse_path.is_none(),
        is_report: structure.is_report,
        auto_submitted: structure.automatic,
        calendar_method: structure.calendar_method.clone(),
        author_signed: structure.author_signed,
        author_encrypted: structure.author_encrypted,
        replies_to,
        // The built-in authority is not one that the outside knows.
        certificate_public: false,
        guest: matches!(submission.submitter, Submitter::Guest { .. }),
        headers,
    }
}

/// Message-IDs of the answered message that are looked at.
const REFERENCES: usize = 20;

/// The strongest treatment among the secure deposits that this message answers: what we sent is named
/// `<uuid.n@hostname>`; the sender's own copy, and what passed to colleagues, keep the deposit's Message-ID. Deposits of
/// other organisations say nothing here.
async fn inherited(
    gateway: &Gateway,
    entity: EntityId,
    structure: &Structure,
) -> Result<Option<Treatment>, StoreError> {
    let top = &structure.top;
    let mut strongest = None;
    for id in top.in_reply_to.iter().chain(top.references.iter().rev()).take(REFERENCES) {
        let Some((deposit, recipient)) = our_message(id) else {
            strongest = strongest.max(gateway.store.linked_treatment(entity, id).await?);
            continue;
        };
        match gateway.store.consignment(deposit, recipient).await {
            Ok(found) if found.entity == entity && found.verdict.treatment.has_link() => {
                strongest = strongest.max(Some(found.verdict.treatment));
            }
            Ok(_) | Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(strongest)
}

/// Reads `<uuid>.<n>@…`.
pub fn our_message(message_id: &str) -> Option<(DepositId, u32)> {
    let (local, _) = message_id.split_once('@')?;
    let (uuid, n) = local.split_once('.')?;
    Some((uuid.parse().ok()?, n.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::our_message;

    #[test]
    fn our_ids_are_recognised() {
        let id = "0193a7c0-0000-7000-8000-000000000001";
        let (deposit, n) = our_message(&format!("{id}.3@mail.example")).unwrap();
        assert_eq!((deposit.to_string().as_str(), n), (id, 3));
        for other in ["x@y", "0193.3@mail", "no-at", ".1@x"] {
            assert!(our_message(other).is_none(), "{other}");
        }
    }
}
