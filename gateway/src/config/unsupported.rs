//! Settings that this version reads but does not act on yet. Using one is refused, never ignored.

use super::sections::Settings;
use super::{Mode, Receipts};
use sealpost_envelope::{Gate, GateMethod};

/// What the file asks for and this version cannot do, one line each.
pub fn unsupported(settings: &Settings) -> Vec<String> {
    let mut asked = Vec::new();
    let mut wants = |is_wanted: bool, text: &str| {
        if is_wanted {
            asked.push(text.to_owned());
        }
    };
    wants(settings.mode == Mode::Observe, "`mode = \"observe\"` is not available yet: leave `mode` out");
    wants(
        settings.trusted.iter().any(|t| !t.tolerate.is_empty()),
        "`trusted.tolerate`: no fault is tolerated yet: leave it out",
    );
    wants(
        settings.accounts.receipts != Receipts::Both,
        "`accounts.receipts`: receipts go by mail for now: leave it out",
    );
    wants(settings.alerts.mail.is_some(), "`alerts.mail`: alerts are not sent yet: leave it out");
    wants(
        settings.store.s3_access_key.is_some(),
        "`store.s3_access_key`: give the S3 keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for now",
    );
    wants(
        settings.listen.card.is_some() && settings.demo.mailboxes.is_empty(),
        "`listen.card`: cards are not read yet: leave it out",
    );
    wants(
        settings.route.iter().any(|r| r.ca.is_some()),
        "`route.ca`: authorities of single routes are not told apart yet: use `relay.smarthost_ca`",
    );
    wants(
        !passable(&settings.gate.default),
        "`gate.default`: only `otp-mail` and `link` can be passed yet: name one of them",
    );
    for rule in &settings.rule {
        let name = &rule.name;
        wants(
            rule.gate.as_ref().is_some_and(|gate| !passable(gate)),
            &format!("`rule` {name:?}: its gate has no way that can be passed yet: add `otp-mail` or `link`"),
        );
        wants(
            !rule.remind.is_empty(),
            &format!("`rule` {name:?}: reminders are not sent yet: leave `remind` out"),
        );
        wants(
            rule.identity.is_some(),
            &format!("`rule` {name:?}: identities are not established yet: leave `identity` out"),
        );
    }
    asked
}

/// Whether one of the gate's ways needs nothing but what this version can ask.
fn passable(gate: &Gate) -> bool {
    let known = |m: &GateMethod| matches!(m, GateMethod::Link | GateMethod::OtpMail);
    gate.alternatives().iter().any(|way| way.iter().all(known))
}
