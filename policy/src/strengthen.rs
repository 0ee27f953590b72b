//! What the sender asks for: upward in treatment, fewer gates, an earlier end; never the other way.

use crate::decide::Draft;
use crate::hints::Ending;
use crate::hold::Missing;
use crate::{Defaults, Hold, MessageFacts, RecipientFacts, to_e164};
use sealpost_envelope::{Gate, GateMethod, Timestamp, Treatment};

/// Applies all hints of the message to the draft.
pub(crate) fn apply(
    draft: &mut Draft,
    message: &MessageFacts,
    recipient: &RecipientFacts,
    defaults: &Defaults,
    now: Timestamp,
) {
    let hints = &message.hints;
    if let Some(fault) = &hints.fault {
        draft.hold(fault.clone());
    }
    raise(draft, hints.tagged.then_some(Treatment::Notify), "the tag in the subject");
    raise(draft, hints.treatment, "X-Sealpost-Treatment");
    // A password can be asked only where something is behind a link.
    if hints.password && !draft.treatment.has_link() {
        raise(draft, Some(Treatment::Notify), "the message's password");
    }
    let personal = hints.wishes.of(&recipient.address);
    if let Some(wanted) = personal.and_then(|p| p.gate.as_ref()).or(hints.gate.as_ref()) {
        narrow(draft, wanted);
    }
    if let Some(ending) = personal.and_then(|p| p.ending).or(hints.ending) {
        shorten(draft, ending, now);
    }
    if let Some(identity) = personal.and_then(|p| p.identity.as_deref()) {
        establish(draft, identity);
    }
    phone(draft, message, recipient, defaults);
    if hints.password {
        demand(draft, &GateMethod::Password, |way| format!("password+{way}"));
        draft.say("the message has a password");
    }
    // Only where nothing else already protects it fully.
    match &hints.near_miss {
        Some(text) if draft.treatment < Treatment::Notify => {
            draft.hold(Hold::NearMiss { text: text.clone() })
        }
        _ => {}
    }
}

fn raise(draft: &mut Draft, wanted: Option<Treatment>, source: &str) {
    let Some(wanted) = wanted else { return };
    if wanted > draft.treatment {
        draft.treatment = wanted;
        draft.say(format!("{source} strengthens it: {wanted}"));
    } else if wanted < draft.treatment {
        draft.say(format!("{source} asks for {wanted}, which is weaker: ignored"));
    }
}

fn narrow(draft: &mut Draft, wanted: &Gate) {
    if let Some(gate) = draft.gate.subset(wanted) {
        draft.say(format!("the sender narrows the gate: {}", gate.words().join(", ")));
        draft.gate = gate;
        return;
    }
    // Asking for less than any of the rule's ways is harmless: the rule's ways stay.
    let weaker = wanted.alternatives().iter().all(|asked| {
        asked.iter().all(|method| *method == GateMethod::Link)
            || draft.gate.alternatives().iter().all(|offered| asked.iter().all(|m| offered.contains(m)))
    });
    if weaker {
        draft
            .say(format!("X-Sealpost-Gate asks for {}, which is weaker: ignored", wanted.words().join(", ")));
        return;
    }
    let offered = draft.gate.words().join(", ");
    draft.hold(Hold::GateNotOffered { wanted: wanted.words().join(", "), offered });
}

fn shorten(draft: &mut Draft, ending: Ending, now: Timestamp) {
    let wanted = match ending {
        Ending::After(period) => period.after(now),
        Ending::At(time) => time,
    };
    if wanted <= now {
        draft.hold(Hold::EndsInThePast);
    } else if wanted < draft.expires {
        draft.expires = wanted;
        draft.say("the sender ends access earlier");
    } else {
        draft.say("X-Sealpost-Expires asks for a later end: ignored");
    }
}

/// Whom the gate must establish. What a rule demands stands; ways that establish nobody are closed.
fn establish(draft: &mut Draft, identity: &str) {
    match &draft.identity {
        Some(theirs) if theirs != identity => {
            return draft.say("another identity than the rule's is asked for: ignored");
        }
        Some(_) => return,
        None => {}
    }
    draft.say(format!("the sender says who must be established: {identity}"));
    draft.identity = Some(identity.to_owned());
    if !draft.treatment.has_link() {
        raise(draft, Some(Treatment::Notify), "the identity to establish");
    }
    let Some(gate) = draft.gate.establishing() else {
        let gate = draft.gate.words().join(", ");
        return draft.hold(Hold::CannotServe { gate, missing: vec![Missing::Identity] });
    };
    if gate != draft.gate {
        draft.say(format!("only what establishes an identity opens it: {}", gate.words().join(", ")));
        draft.gate = gate;
    }
}

/// Finds this recipient's number and makes the gate use it.
fn phone(draft: &mut Draft, message: &MessageFacts, recipient: &RecipientFacts, defaults: &Defaults) {
    let wishes = &message.hints.wishes;
    if let Some(address) = &wishes.stranger {
        draft.hold(Hold::PhoneForStranger { address: address.clone() });
    }
    if let Some(number) = wishes.phone_of(&recipient.address) {
        return use_number(draft, number, defaults);
    }
    let Some(number) = wishes.phone() else { return };
    match message.recipients.iter().filter(|r| !defaults.is_own(r)).count() {
        1 => use_number(draft, number, defaults),
        outside => draft.hold(Hold::PhoneForMany { recipients: outside }),
    }
}

fn use_number(draft: &mut Draft, number: &str, defaults: &Defaults) {
    match to_e164(number, &defaults.country) {
        Err(error) => draft.hold(Hold::BadPhone { number: number.to_owned(), error }),
        Ok(number) => {
            draft.say(format!("codes by SMS go to {number}"));
            draft.phone = Some(number);
            demand_sms(draft, defaults);
        }
    }
}

/// Who gives a number wants it used: keep the ways that use it, or add it to each way.
fn demand_sms(draft: &mut Draft, defaults: &Defaults) {
    if !draft.treatment.has_link() {
        draft.say("the number is not used: nothing is behind a link");
        return;
    }
    if !defaults.sms {
        draft.hold(Hold::SmsUnavailable);
        return;
    }
    demand(draft, &GateMethod::OtpSms, |way| format!("{way}+otp-sms"));
}

/// Keeps the ways that use `method`, or adds it to each; `link` asks nothing that could be combined.
fn demand(draft: &mut Draft, method: &GateMethod, combined: impl Fn(&str) -> String) {
    let words = draft.gate.words();
    let name = method.to_string();
    let with: Vec<String> = words.iter().filter(|w| w.split('+').any(|m| m == name)).cloned().collect();
    let add = |w: &String| if w == "link" { name.clone() } else { combined(w) };
    let wanted = if with.is_empty() { words.iter().map(add).collect() } else { with };
    if let Ok(gate) = Gate::parse(&wanted) {
        draft.say(format!("gate with {}: {}", what(method), gate.words().join(", ")));
        draft.gate = gate;
    }
}

fn what(method: &GateMethod) -> &'static str {
    if *method == GateMethod::Password { "the message's password" } else { "a code by SMS" }
}
