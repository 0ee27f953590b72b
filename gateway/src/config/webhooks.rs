//! Settings of programs that are told of events.

use super::places::{SecretSource, WebUrl};
use super::reader::Context;
use super::section::section;
use super::sections::Settings;
use sealpost_evidence::EventName;
use sealpost_policy::Period;
use std::net::IpAddr;
use std::path::PathBuf;

section! {
    /// A program of the organisation's that is told what happens to its deposits: one signed request for each event
    /// (Standard Webhooks), in the order of the journal.
    pub struct Webhook {
        /// Where each event is posted: `https`, or `http` on this machine.
        url: WebUrl = required("\"https://erp.lilas.example/sealpost\"");
        /// Shared secret, 24 octets or more, that signs every request.
        secret: SecretSource = required("\"file:webhook.secret\"");
        /// Events that are told, as the journal calls them; all of them when there are none here.
        events: Vec<String> = default(Vec::new());
        /// Authorities that the server's certificate must chain to, PEM; the system's when absent.
        ca: Option<PathBuf> = unset("\"erp-ca.pem\"");
        /// A request that takes longer is made again.
        timeout: Period = default(Period::seconds(10));
    }
}

/// What no single key can know of them.
pub(super) fn check(settings: &Settings, context: &mut Context) {
    let hooks = settings.entity.iter().enumerate().flat_map(|(n, entity)| {
        entity.webhook.iter().enumerate().map(move |(m, hook)| (format!("entity[{n}].webhook[{m}]"), hook))
    });
    for (at, hook) in hooks {
        let here = hook.url.host() == "localhost"
            || hook.url.host().trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if !hook.url.is_https() && !here {
            context.wrong_at(&format!("{at}.url"), "events leave this machine by https only");
        }
        for (k, name) in hook.events.iter().enumerate() {
            if EventName::parse(name).is_none() {
                context.wrong_at(&format!("{at}.events[{k}]"), format!("there is no event called {name:?}"));
            }
        }
        if !(1..=60).contains(&hook.timeout.duration().as_secs()) {
            context.wrong_at(&format!("{at}.timeout"), "between 1 second and 1 minute");
        }
    }
}
