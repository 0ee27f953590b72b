//! Settings that this version reads but does not act on yet. Using one is refused, never ignored.

use super::sections::Settings;
use sealpost_envelope::{Gate, GateMethod};

/// What the file asks for and this version cannot do, one line each.
pub fn unsupported(settings: &Settings) -> Vec<String> {
    let mut asked = Vec::new();
    let mut wants = |is_wanted: bool, text: &str| {
        if is_wanted {
            asked.push(text.to_owned());
        }
    };
    wants(
        !passable(settings, &settings.gate.default),
        "`gate.default`: none of its ways can be passed here: name one that can, and for `otp-sms` set `gate.sms.provider`",
    );
    for rule in &settings.rule {
        let name = &rule.name;
        wants(
            rule.gate.as_ref().is_some_and(|gate| !passable(settings, gate)),
            &format!(
                "`rule` {name:?}: its gate has no way that can be passed here; `otp-sms` needs `gate.sms.provider`"
            ),
        );
    }
    asked
}

/// Whether one of the gate's ways needs nothing but what this installation can ask.
fn passable(settings: &Settings, gate: &Gate) -> bool {
    let known = |m: &GateMethod| match m {
        GateMethod::Link
        | GateMethod::OtpMail
        | GateMethod::Password
        | GateMethod::Totp
        | GateMethod::Hotp
        | GateMethod::Tiqr => true,
        GateMethod::Cps => settings.listen.card.is_some(),
        GateMethod::OtpSms => settings.gate.sms.provider.is_some(),
        // `check` has seen to it that every provider is there.
        GateMethod::Oidc(_) => true,
    };
    gate.alternatives().iter().any(|way| way.iter().all(known))
}
