//! What an accepted card says, as the session, the journal and evidence keep it.

use sealpost_certs::card::{Category, Holder};
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::{Facts, Identity, Level};

/// Key of the detail that names the member of the family.
pub(super) const KIND: &str = "card";

/// Of an accepted card.
pub(super) fn facts(holder: &Holder, now: Timestamp) -> Facts {
    let card = &holder.card;
    let identity = Identity::new(card.id.kind().scheme(), card.id.number()).named(card.name());
    // A named card was handed over in person and needs its PIN; a service card tells the service only.
    let level = if card.kind.is_shared() { Level::Substantial } else { Level::High };
    let mut facts = Facts::new(GateMethod::Cps, now)
        .level(level)
        .identity(identity)
        .detail(KIND, card.kind.as_str())
        .detail("certificate_serial", &card.serial)
        .detail("certificate_issuer", &card.issuer);
    let more = [
        ("card_number", card.number.as_ref().map(ToString::to_string)),
        ("profession", card.profession.map(|p| p.to_string())),
        ("title", card.title.clone()),
        ("structure", card.structure.as_ref().map(|s| s.name.clone())),
        ("structure_id", card.structure.as_ref().and_then(|s| s.id.clone())),
        ("test_card", (card.category == Category::Test).then(|| "yes".to_owned())),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            facts = facts.detail(key, value);
        }
    }
    let checked = holder.checked.map_or_else(|| "not checked".to_owned(), |at| at.to_string());
    facts.detail("revocation_list", checked)
}

/// The detail of that name.
pub(super) fn detail<'a>(facts: &'a Facts, key: &str) -> Option<&'a str> {
    facts.details.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}
