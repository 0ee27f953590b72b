//! Whom the gate knows already, and what a card or provider adds to it.
//!
//! **Job.** A rule may name the person that the gate must establish: another one is refused. Where none is named,
//! what is on record of the mailbox is compared, and the comparison stands in evidence; where nothing is on record,
//! a personal identity together with a code read from the mailbox is bound on first use.

use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::Fault;
use crate::pages::{Back, Frame, NoticePage, html_status};
use crate::state::WebState;
use crate::view::Door;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::{Facts, Identity};
use sealpost_store::Tx;
use sealpost_store::access::{bind_identity, known_identity};

/// How an identity compares with what is known of the recipient; the word in evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// The rule names this person.
    Rule,
    /// The mailbox is on record as this person's.
    Record,
    /// The mailbox is on record as another person's.
    Other,
    /// Nothing is on record.
    Unknown,
}

impl Match {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "matched-rule",
            Self::Record => "matched-record",
            Self::Other => "other-person",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether what was established is the person that a rule or record writes as `rpps:10001234567`.
pub(crate) fn same(known: &str, facts: &Facts) -> bool {
    facts.identity.as_ref().is_some_and(|identity| identity.to_string() == known.trim())
}

/// Compares, and writes down how; `None` when the rule names another person.
pub(crate) async fn compared(state: &WebState, door: &Door, facts: Facts) -> Result<Option<Facts>, Fault> {
    if personal(&facts).is_none() {
        // What establishes nobody can be no other person; a rule that names one is not satisfied by it.
        let wanted = door.row.verdict.identity.is_some() && facts.identity.is_some();
        return Ok((!wanted).then_some(facts));
    }
    let found = match &door.row.verdict.identity {
        Some(wanted) if same(wanted, &facts) => Match::Rule,
        Some(_) => return Ok(None),
        None => match known_identity(state.store.db(), door.link.entity, &door.row.address).await? {
            Some(known) if same(&known, &facts) => Match::Record,
            Some(_) => Match::Other,
            None => Match::Unknown,
        },
    };
    Ok(Some(facts.detail("identity", found.as_str())))
}

/// A person's own identity, as a card or provider vouches for it. A service card stands for several people.
fn personal(facts: &Facts) -> Option<&Identity> {
    let vouched = matches!(facts.method, GateMethod::Cps | GateMethod::Oidc(_));
    let shared = facts.details.iter().any(|(k, v)| k == "card" && matches!(v.as_str(), "CDE" | "CDA"));
    facts.identity.as_ref().filter(|_| vouched && !shared)
}

/// After a passed step: binds the person to the mailbox where nothing is on record and both were shown.
pub(crate) async fn bind_on_first_use(
    tx: &mut Tx,
    scribe: &Scribe,
    facts: &[Facts],
    now: Timestamp,
) -> Result<(), Fault> {
    let door = scribe.door();
    let mailbox = facts.iter().any(|f| f.method == GateMethod::OtpMail);
    let person = facts.iter().rev().find_map(personal);
    let (Some(person), true, None) = (person, mailbox, &door.row.verdict.identity) else { return Ok(()) };
    let (identity, name) = (person.to_string(), person.name.as_deref());
    if bind_identity(tx, door.link.entity, &door.row.address, &identity, name, now).await? {
        tx.append(vec![scribe.identity_bound(&identity, now)?]).await?;
    }
    Ok(())
}

/// Why such a step is refused, in the journal.
pub(crate) const OTHER_PERSON: &str = "other-person";

/// The page of a person whom the rule does not name.
pub(crate) fn other_person(state: &WebState, ctx: &Ctx, door: &Door) -> Result<Response, Fault> {
    let l = ctx.language;
    let heading = l.pick("Ce message est pour une autre personne", "This message is for another person");
    let frame = Frame::new(state, ctx, heading, Some(door.site.clone()));
    let text = l.pick(
        "L’expéditeur a nommé la personne qui peut l’ouvrir, et ce n’est pas celle que vous venez de montrer être. Rien n’a été ouvert.",
        "The sender named the person who may open it, and it is not the one you have just shown to be. Nothing was opened.",
    );
    let page = NoticePage {
        f: &frame,
        kind: l.pick("Authentification", "Sign-in").to_owned(),
        reference: Some(door.deposit.reference.as_str().to_owned()),
        heading: heading.to_owned(),
        paragraphs: vec![text.to_owned()],
        contact: None,
        back: Some(Back {
            href: door.path(),
            label: l.pick("Revenir à l’avis de dépôt", "Back to the delivery notice").to_owned(),
        }),
    };
    html_status(StatusCode::FORBIDDEN, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_persons_are_compared() {
        let at = Timestamp::UNIX_EPOCH;
        let card = Facts::new(GateMethod::Cps, at).identity(Identity::new("rpps", "10001234567"));
        assert!(personal(&card).is_some());
        assert!(same("rpps:10001234567", &card) && same(" rpps:10001234567 ", &card));
        assert!(!same("rpps:10001234568", &card) && !same("10001234567", &card));
        let service = card.clone().detail("card", "CDE");
        assert!(personal(&service).is_none());
        let mail = Facts::new(GateMethod::OtpMail, at).identity(Identity::new("mail", "a@b.test"));
        assert!(personal(&mail).is_none());
    }
}
