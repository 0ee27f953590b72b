//! The facts of a deposit once more, for the evidence of what happens after it.

use super::content::OpenDeposit;
use super::deposit::part_facts;
use sealpost_evidence::{DepositFacts, EventName, Party, Reason};
use sealpost_message::{Mailbox, Structure};
use sealpost_store::{Store, StoreError};

/// What every evidence about an open deposit repeats.
pub async fn of(store: &Store, open: &OpenDeposit) -> Result<DepositFacts, StoreError> {
    Ok(described(store.facts(&open.deposit.row, |_| Ok(None)).await?, &open.meta.structure))
}

/// The same from what the deposit was made of.
pub fn at_deposit(accepted: DepositFacts, structure: &Structure) -> DepositFacts {
    // How the author proved who they are is said once, of the submission.
    let sender = Party { authentication: None, ..accepted.sender };
    described(DepositFacts { sender, delegate: None, ..accepted }, structure)
}

/// With the author's name and the attachments, which stand in the message.
fn described(mut facts: DepositFacts, structure: &Structure) -> DepositFacts {
    let author = |m: &&Mailbox| m.address.eq_ignore_ascii_case(facts.sender.address.as_str());
    facts.sender.name = structure.top.from.iter().find(author).and_then(|m| m.name.clone());
    facts.parts = part_facts(structure);
    facts
}

/// What it is that a mail with a link was taken, or given up (EN 319 522-1 §6.2): before the recipient has opened, an
/// invitation to accept (C.1, C.2), `again` for a later one; afterwards word of content that is theirs already (D.3,
/// D.4), for which ETSI has no reasons of its own.
pub fn notification(opened: bool, again: bool, sent: bool) -> (EventName, Option<Reason>) {
    match (opened, sent, again) {
        (true, true, _) => (EventName::ConsignmentNotification, None),
        (true, false, _) => (EventName::ConsignmentNotificationFailure, Some(Reason::Other)),
        (false, true, true) => {
            (EventName::NotificationForAcceptance, Some(Reason::SubsequentNotificationSent))
        }
        (false, false, true) => {
            (EventName::NotificationForAcceptanceFailure, Some(Reason::SubsequentNotificationError))
        }
        (false, true, false) => (EventName::NotificationForAcceptance, Some(Reason::NotificationSent)),
        (false, false, false) => {
            (EventName::NotificationForAcceptanceFailure, Some(Reason::NotificationError))
        }
    }
}
