//! What administrators and senders write: conditions, hints, the configuration.

use sealpost_envelope::EmailAddress;
use sealpost_policy::{Defaults, HINT_HEADERS, Hints, Policy, RuleConfig, read_tags, strip_tags, to_e164};
use std::path::Path;

/// A condition compiles or says what is wrong; nothing else.
pub(crate) fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let rule = RuleConfig {
        name: "rule".to_owned(),
        when: Some(text.to_owned()),
        treatment: sealpost_envelope::Treatment::Link,
        gate: None,
        expires: None,
        retention: None,
        remind: Vec::new(),
        identity: None,
    };
    let _ = Policy::compile(&[rule], Defaults::default());
}

/// Tags, hints and telephone numbers.
pub(crate) fn hints(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let subject = lines.next().unwrap_or("");
    let values: Vec<&str> = lines.collect();
    let header = |name: &str| {
        let at = HINT_HEADERS.iter().position(|n| *n == name).unwrap_or(HINT_HEADERS.len());
        values.get(at).copied()
    };
    let recipients: Vec<EmailAddress> = subject.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    let hints = Hints::read(subject, &recipients, header);
    let _ = hints.asks();
    let tags = read_tags(subject);
    let stripped = strip_tags(subject);
    if tags.secure {
        assert!(stripped.len() < subject.len(), "{subject:?} is tagged and loses nothing");
    }
    let _ = to_e164(subject, "FR");
}

/// A configuration is used whole or refused with what is wrong.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(mistakes) = crate::config::parse(text, Path::new("/etc/sealpost/sealpost.toml")) {
        assert!(!mistakes.to_string().is_empty());
    }
}
