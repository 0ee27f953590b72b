//! The facts of a deposit once more, for the evidence of what happens after it.

use super::content::OpenDeposit;
use super::deposit::part_facts;
use sealpost_evidence::DepositFacts;
use sealpost_store::{Store, StoreError};

/// What every evidence about an open deposit repeats.
pub async fn of(store: &Store, open: &OpenDeposit) -> Result<DepositFacts, StoreError> {
    let structure = &open.meta.structure;
    let mut facts = store.facts(&open.deposit.row, |_| Ok(None)).await?;
    let author =
        |m: &&sealpost_message::Mailbox| m.address.eq_ignore_ascii_case(facts.sender.address.as_str());
    facts.sender.name = structure.top.from.iter().find(author).and_then(|m| m.name.clone());
    facts.parts = part_facts(structure);
    Ok(facts)
}
