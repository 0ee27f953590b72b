//! Rejection: policy refuses a recipient, so the whole message is refused and nothing is deposited.
//!
//! **Standards.** EN 319 522-1 A.2 SubmissionRejection, reason RA05; policy's `refuse`.

use super::deposit::{Submission, actor};
use super::intake::Received;
use crate::gateway::Gateway;
use sealpost_envelope::EmailAddress;
use sealpost_envelope::Reference;
use sealpost_evidence::{DepositFacts, Detail, Event, EventName, Party, Reason, render};
use sealpost_smtp::Reply;

/// At most so many refused recipients are named in one reply.
const NAMED: usize = 10;

/// `550 5.7.1` that names the refused recipients and the rules.
pub fn reply(refused: &[(&EmailAddress, &str)]) -> Reply {
    let mut lines: Vec<String> = refused
        .iter()
        .take(NAMED)
        .map(|(address, rule)| format!("{address} is refused by the rule \"{rule}\""))
        .collect();
    if refused.len() > NAMED {
        lines.push(format!("and {} more", refused.len() - NAMED));
    }
    lines.push("Nothing was sent to anybody: remove these recipients and send again".to_owned());
    Reply::new(550, 7, 1, lines.join("\n"))
}

/// Writes the refusal to the journal, with its evidence.
pub async fn record(
    gateway: &Gateway,
    submission: &Submission<'_>,
    received: &Received,
    refused: &[(&EmailAddress, &str)],
) -> anyhow::Result<()> {
    let organisation = submission.organisation;
    let facts = DepositFacts {
        id: received.id,
        reference: Reference::generate(),
        message_id: received.meta.structure.top.message_id.clone(),
        sender: Party::new(submission.sender.clone()),
        delegate: None,
        recipients: submission.envelope.recipients.iter().map(|r| Party::new(r.address.clone())).collect(),
        submitted: submission.now,
        size: received.size,
        digests: received.digests,
        parts: super::deposit::part_facts(&received.meta.structure),
    };
    let rules: Vec<&str> = refused.iter().map(|(_, rule)| *rule).collect();
    let event = Event::new(EventName::SubmissionRejection, organisation.id, submission.now)
        .actor(actor(&submission.submitter, &submission.sender))
        .deposit(facts.id)
        .reason(Reason::PolicyViolation, Some(&rules.join(", ")))
        .detail(Detail::of_deposit(&facts).list("rules", rules));
    let built = render(&organisation.issuer, event, Some(&facts))?;
    gateway.store.record(vec![built]).await?;
    gateway.bells.seal.notify_one();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_names_recipients_and_rules() {
        let address = EmailAddress::parse("x@bad.example").unwrap();
        let text = reply(&[(&address, "no mail to bad.example")]).to_string();
        assert!(
            text.starts_with("550 5.7.1 x@bad.example is refused by the rule \"no mail to bad.example\"")
        );
        let many = vec![(&address, "r"); 30];
        assert_eq!(reply(&many).text.lines().count(), NAMED + 2);
    }
}
