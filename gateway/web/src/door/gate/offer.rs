//! Which methods this recipient can take: a gate is never a promise that nobody can keep.

use crate::fault::Fault;
use crate::state::Shared;
use sealpost_gate::{Methods, Needs};
use sealpost_store::ConsignmentRow;
use sealpost_store::access::{Link, verifier};
use std::collections::HashSet;

/// The installation's methods, without those for which nothing is on record of the recipient. Only what the gate
/// names is looked up.
pub(crate) async fn offered(state: &Shared, link: &Link, row: &ConsignmentRow) -> Result<Methods, Fault> {
    let named: HashSet<_> = row.verdict.gate.alternatives().iter().flatten().collect();
    let mut missing = HashSet::new();
    for method in state.methods.iter() {
        let name = method.name();
        if !named.contains(&name) {
            continue;
        }
        let on_record = match method.needs() {
            Needs::Nothing => true,
            Needs::Verifier => {
                verifier(state.store.db(), link.deposit, link.recipient, &name).await?.is_some()
            }
            Needs::Phone => row.verdict.phone.is_some(),
            Needs::Enrolment => false,
        };
        if !on_record {
            missing.insert(name);
        }
    }
    Ok(state.methods.only(|m| !missing.contains(&m.name())))
}
