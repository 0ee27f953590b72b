//! Whether a recipient can be served as the gate asks. Where not, the message waits and its sender is told: it never
//! leaves with less, and never ends at a door that nobody can open.

use crate::decide::Draft;
use crate::hold::Missing;
use crate::{Defaults, Hold, Known, MessageFacts, RecipientFacts};
use sealpost_envelope::GateMethod;

/// Fills in the number on record, and holds where no way through the gate can be taken.
pub(crate) fn check(
    draft: &mut Draft,
    message: &MessageFacts,
    recipient: &RecipientFacts,
    defaults: &Defaults,
) {
    if !draft.treatment.has_link() {
        return;
    }
    let Some(known) = &recipient.known else {
        return explain(draft);
    };
    let wants_sms = draft.gate.alternatives().iter().flatten().any(|m| *m == GateMethod::OtpSms);
    if wants_sms && draft.phone.is_none() {
        draft.phone.clone_from(&known.phone);
        if let Some(phone) = &known.phone {
            draft.say(format!("codes by SMS go to {phone}, the number on record"));
        }
    }
    let mut missing = Vec::new();
    for way in draft.gate.alternatives() {
        let lacks: Vec<_> = way.iter().filter_map(|m| lack(m, draft, message, known, defaults)).collect();
        if lacks.is_empty() {
            return;
        }
        missing.extend(lacks);
    }
    missing.sort_unstable();
    missing.dedup();
    draft.hold(Hold::CannotServe { gate: draft.gate.words().join(", "), missing });
}

/// What one method lacks.
fn lack(
    method: &GateMethod,
    draft: &Draft,
    message: &MessageFacts,
    known: &Known,
    defaults: &Defaults,
) -> Option<Missing> {
    match method {
        GateMethod::OtpSms if !defaults.sms => Some(Missing::SmsService),
        GateMethod::OtpSms => match &draft.phone {
            None => Some(Missing::Phone),
            Some(phone) if !reached(phone, &defaults.sms_prefixes) => Some(Missing::NearPhone),
            Some(_) => None,
        },
        GateMethod::Password if !message.hints.password => Some(Missing::Password),
        GateMethod::Totp | GateMethod::Hotp | GateMethod::Tiqr if !known.enrolled.contains(method) => {
            Some(Missing::Token)
        }
        _ => None,
    }
}

/// Says what the gate will need of the recipient, where nobody has looked yet.
fn explain(draft: &mut Draft) {
    let methods: Vec<_> = draft.gate.alternatives().iter().flatten().cloned().collect();
    for (method, line) in [
        (GateMethod::OtpSms, "otp-sms needs the recipient\u{2019}s mobile number"),
        (GateMethod::Password, "password needs X-Sealpost-Password"),
        (GateMethod::Totp, "totp needs a token or app of the recipient"),
        (GateMethod::Hotp, "hotp needs a token of the recipient"),
        (GateMethod::Tiqr, "tiqr needs a telephone that the recipient has enrolled"),
    ] {
        let given = method == GateMethod::OtpSms && draft.phone.is_some();
        if methods.contains(&method) && !given {
            draft.say(line);
        }
    }
}

/// Whether codes may go to a number; distant and premium ones cost money that a stranger would like to earn.
fn reached(phone: &str, prefixes: &[String]) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| phone.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn distant_numbers_are_not_reached() {
        let near = ["+33".to_owned(), "+262".to_owned()];
        assert!(reached("+33612345678", &near) && reached("+262692123456", &near));
        assert!(!reached("+881612345678", &near) && !reached("33612345678", &near));
        assert!(reached("+881612345678", &[]));
    }
}
