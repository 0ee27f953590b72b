//! `sealpost policy …`: what would happen to a message and which rule says so, and what would have happened to those that
//! came while rules were only observed.

use super::{Answer, Unusable, clock, load, store};
use crate::cli::PolicyCommand;
use crate::config::{Config, Mode};
use crate::pipeline::observation::consequence;
use anyhow::Result;
use sealpost_envelope::{EmailAddress, Language, Observed};
use sealpost_policy::{Decision, Hints, MessageFacts, RecipientFacts};
use sealpost_store::Observations;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Runs the command.
pub async fn run(path: &Path, command: PolicyCommand, json: bool) -> Result<Answer> {
    match command {
        PolicyCommand::Test { from, to, size, attachment, subject, header } => {
            let headers = headers(&header)?;
            let recipient: EmailAddress = to.parse().map_err(|e| Unusable(format!("--to: {e}")))?;
            let config = load(path)?;
            let null = matches!(from.trim(), "<>" | "");
            let sender = if null { author(&config, &headers)? } else { address("--from", &from)? };
            let mut facts = facts(sender, &recipient, size, attachment, subject, headers);
            facts.null_reverse_path = null;
            test(&config, &facts, recipient, json)
        }
        PolicyCommand::Observed { days, limit } => observed(path, days, limit, json).await,
    }
}

fn address(argument: &str, text: &str) -> Result<EmailAddress, Unusable> {
    text.parse().map_err(|e| Unusable(format!("{argument}: {e}")))
}

/// Whose message it is when the envelope names nobody (`<>`, RFC 5321 §4.5.5): the author in `From`, else our own
/// postmaster.
fn author(config: &Config, fields: &Fields) -> Result<EmailAddress, Unusable> {
    if let Some((_, from)) = fields.iter().find(|(name, _)| name == "from") {
        let bare =
            from.rsplit_once('<').map_or(from.as_str(), |(_, rest)| rest.trim_end().trim_end_matches('>'));
        return address("--header From", bare.trim());
    }
    let domain = config.entity.first().and_then(|e| e.domains.first());
    let domain = domain.ok_or_else(|| Unusable("no [[entity]] has a domain".to_owned()))?;
    address("--from", &format!("postmaster@{}", domain.as_str()))
}

/// The method of an invitation, from its Content-Type (RFC 5546 §1.4).
fn calendar_method(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').map(str::trim);
    if parameters.next() != Some("text/calendar") {
        return None;
    }
    let method = parameters.find_map(|p| p.split_once('=').filter(|(name, _)| name.trim() == "method"))?.1;
    let method = method.trim().trim_matches('"').to_ascii_uppercase();
    (!method.is_empty()).then_some(method)
}

/// The verdict about a message that nobody sent.
fn test(config: &Config, facts: &MessageFacts, recipient: EmailAddress, json: bool) -> Result<Answer> {
    let domain = facts.sender.domain();
    let place = config.entity_of(domain).ok_or_else(|| {
        Unusable(format!("no [[entity]] has the domain {domain}: this sender could not submit"))
    })?;
    let decision = config.policies[place].decide(facts, &RecipientFacts::new(recipient), clock().now());
    print(&decision, json);
    Ok(Answer::Done)
}

/// Kinds of consequences that are counted.
const KINDS: u32 = 1000;

/// What rules would have done while they were only observed.
async fn observed(path: &Path, days: u16, limit: u32, json: bool) -> Result<Answer> {
    let (config, store) = store(path).await?;
    let span = Duration::from_secs(u64::from(days) * 86_400);
    let which = Observations::Since(None, clock().now().saturating_sub(span)?);
    let counts = store.observed_counts(which, KINDS).await?;
    let named = store.observations(which, limit).await?;
    if json {
        let counts: Vec<_> = counts
            .iter()
            .map(|c| {
                serde_json::json!({
                    "treatment": c.treatment, "rule": c.rule, "held": c.held, "recipients": c.recipients,
                })
            })
            .collect();
        let named: Vec<_> = named
            .iter()
            .map(|o| {
                let Observed { treatment, rule, hold } = &o.observed;
                serde_json::json!({
                    "reference": o.reference, "time": o.time, "sender": o.sender, "recipient": o.recipient,
                    "treatment": treatment, "rule": rule, "hold": hold.as_ref().map(|w| &w.en),
                })
            })
            .collect();
        let mode = config.mode.to_string();
        say!("{}", serde_json::json!({ "mode": mode, "counts": counts, "messages": named }));
        return Ok(Answer::Done);
    }
    if config.mode != Mode::Observe {
        say!("rules are in force (mode = \"enforce\"); this is what was observed before");
    }
    if counts.is_empty() {
        say!("nothing was observed in {days} days");
    }
    for c in &counts {
        let what = consequence(c.treatment, c.held, &c.rule, Language::En);
        say!("{:>8}  {what}", c.recipients);
    }
    for o in &named {
        let Observed { treatment, rule, hold } = &o.observed;
        let what = consequence(*treatment, hold.is_some(), rule, Language::En);
        say!("{}  {}  {} to {}: {what}", o.time, o.reference, o.sender, o.recipient);
        if let Some(why) = hold {
            say!("          {}", why.en);
        }
    }
    Ok(Answer::Done)
}

/// Names in lower case; a field may stand there several times.
type Fields = Vec<(String, String)>;

fn headers(lines: &[String]) -> Result<Fields, Unusable> {
    lines
        .iter()
        .map(|line| match line.split_once(':') {
            Some((name, value)) => Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
            None => Err(Unusable(format!("--header {line:?}: write 'Name: value'"))),
        })
        .collect()
}

/// What is known of a message that nobody sent.
pub fn facts(
    sender: EmailAddress,
    recipient: &EmailAddress,
    size: u64,
    mut names: Vec<String>,
    subject: String,
    fields: Fields,
) -> MessageFacts {
    if size > 0 && names.is_empty() {
        names.push("document".to_owned());
    }
    // As for a message that came in: rules see the first of each name, the sender's wishes are all of them.
    let mut headers = BTreeMap::new();
    for (name, value) in &fields {
        headers.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let automatic = |v: &String| !v.eq_ignore_ascii_case("no");
    let content_type = headers.get("content-type").map(|v| v.to_ascii_lowercase()).unwrap_or_default();
    MessageFacts {
        login: Some(sender.to_string()),
        sender,
        server: None,
        hints: Hints::read(&subject, std::slice::from_ref(recipient), |name| {
            let named = fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        }),
        recipients: vec![recipient.clone()],
        subject,
        size,
        attachment_bytes: size,
        attachment_names: names,
        archived_names: Vec::new(),
        null_reverse_path: false,
        is_report: content_type.starts_with("multipart/report"),
        auto_submitted: headers.get("auto-submitted").is_some_and(automatic),
        calendar_method: calendar_method(&content_type),
        author_signed: content_type.starts_with("multipart/signed"),
        author_encrypted: content_type.starts_with("multipart/encrypted"),
        replies_to: None,
        certificate_public: false,
        guest: false,
        headers,
    }
}

fn print(decision: &Decision, json: bool) {
    let verdict = &decision.verdict;
    if json {
        say!(
            "{}",
            serde_json::json!({
                "treatment": verdict.treatment, "gate": verdict.gate, "expires": verdict.expires,
                "retention": verdict.retention, "rule": verdict.rule, "phone": verdict.phone, "hold": verdict.hold,
                "explanation": decision.explanation,
            })
        );
        return;
    }
    say!("treatment  {}", verdict.treatment);
    say!("rule       {}", verdict.rule);
    if verdict.treatment.has_link() {
        say!("gate       {}", verdict.gate.words().join(", "));
        say!("expires    {}", verdict.expires);
    }
    say!("retention  {}", verdict.retention);
    if let Some(text) = decision.hold_text(Language::En) {
        say!("held       {text}");
    }
    for line in &decision.explanation {
        say!("           {line}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn repeated_fields_are_all_read() {
        let lines = ["Sensitivity: private", "sensitivity: personal", "X-Topic: one", "x-topic: two"];
        let fields = headers(&lines.map(str::to_owned)).unwrap();
        let bob: EmailAddress = "bob@example.test".parse().unwrap();
        let facts = facts(bob.clone(), &bob, 0, Vec::new(), String::new(), fields);
        assert!(facts.hints.sensitive);
        assert_eq!(facts.headers["x-topic"], "one");
        assert!(headers(&["no colon".to_owned()]).is_err());
    }
}
