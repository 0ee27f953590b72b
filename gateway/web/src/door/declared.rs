//! Who opens, as they say themselves, where several people read the mailbox.
//!
//! **Job.** The page before opening asks for a name; what is given stands beside the session's facts, and so in every
//! event of the session from the opening on. It is never an identity: no gate looks at it.
//!
//! **Exposure.** Anybody who passed the gate. Where the mailbox is not known as shared, nothing is asked or kept.

use crate::events::facts_of;
use crate::fault::Fault;
use crate::state::WebState;
use crate::view::Door;
use sealpost_gate::{DECLARED, DeclaredName, Facts};
use sealpost_store::access::Grant;
use sealpost_store::person::Person;

/// Whether several people are known to read this mailbox.
pub(super) async fn is_shared(state: &WebState, door: &Door) -> Result<bool, Fault> {
    let person = Person::find(state.store.db(), door.link.entity, &door.row.address).await?;
    Ok(person.is_some_and(|p| p.shared))
}

/// The session with the name that was given, before it opens for the first time.
pub(super) async fn taken(
    state: &WebState,
    door: &Door,
    grant: Grant,
    typed: Option<&str>,
) -> Result<Grant, Fault> {
    let Some(name) = typed.and_then(DeclaredName::read) else { return Ok(grant) };
    if grant.opened.is_some() || !is_shared(state, door).await? {
        return Ok(grant);
    }
    let mut facts = facts_of(&grant);
    let Some(last) = facts.last_mut() else { return Ok(grant) };
    last.details.retain(|(key, _)| key != DECLARED);
    last.details.push((DECLARED.into(), name.to_string()));
    let facts = serde_json::to_string(&facts).map_err(|e| Fault::internal("facts", e))?;
    Grant::set_facts(state.store.db(), grant.hash, &facts).await?;
    Ok(Grant { facts, ..grant })
}

/// The name given in a session.
pub(crate) fn declared(facts: &[Facts]) -> Option<&str> {
    let mut details = facts.iter().rev().flat_map(|f| &f.details);
    details.find(|(key, _)| key == DECLARED).map(|(_, name)| name.as_str())
}
