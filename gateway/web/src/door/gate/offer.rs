//! Which methods this recipient can take: a gate is never a promise that nobody can keep.

use super::sms;
use crate::fault::Fault;
use crate::state::Shared;
use sealpost_envelope::GateMethod;
use sealpost_gate::{Methods, Needs};
use sealpost_store::ConsignmentRow;
use sealpost_store::access::{Link, verifier};
use sealpost_store::person::Tokens;
use std::collections::HashSet;

/// What this recipient can take, and the number that codes by SMS would go to.
pub(crate) struct Offer {
    pub(crate) methods: Methods,
    pub(crate) phone: Option<String>,
}

/// The installation's methods, without those for which nothing is on record of the recipient. Only what the gate
/// names is looked up.
pub(crate) async fn offered(state: &Shared, link: &Link, row: &ConsignmentRow) -> Result<Offer, Fault> {
    let named: HashSet<_> = row.verdict.gate.alternatives().iter().flatten().collect();
    let (db, mut missing, mut phone) = (state.store.db(), HashSet::new(), None);
    for method in state.methods.iter() {
        let name = method.name();
        if !named.contains(&name) {
            continue;
        }
        let on_record = match method.needs() {
            Needs::Nothing => true,
            Needs::Verifier => verifier(db, link.deposit, link.recipient, &name).await?.is_some(),
            Needs::Phone => {
                phone = sms::number(db, link, row).await?;
                phone.is_some()
            }
            Needs::Enrolment if name == GateMethod::Tiqr => {
                state.store.phone_of(link.entity, &sealpost_gate::tiqr::owner(&row.address)).await?.is_some()
            }
            Needs::Enrolment => {
                Tokens::new(&state.store)?.enrolled(link.entity, &row.address).await?.contains(&name)
            }
        };
        if !on_record {
            missing.insert(name);
        }
    }
    Ok(Offer { methods: state.methods.only(|m| !missing.contains(&m.name())), phone })
}
