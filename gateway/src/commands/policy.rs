//! `sealpost policy test`: what would happen to a message, and which rule says so.

use super::{Answer, Unusable, clock, load};
use crate::cli::PolicyCommand;
use anyhow::Result;
use sealpost_envelope::{EmailAddress, Language};
use sealpost_policy::{Decision, Hints, MessageFacts, RecipientFacts};
use std::collections::BTreeMap;
use std::path::Path;

/// Runs the command.
pub fn run(path: &Path, command: PolicyCommand, json: bool) -> Result<Answer> {
    let PolicyCommand::Test { from, to, size, attachment, subject, header } = command;
    let config = load(path)?;
    let sender: EmailAddress = from.parse().map_err(|e| Unusable(format!("--from: {e}")))?;
    let recipient: EmailAddress = to.parse().map_err(|e| Unusable(format!("--to: {e}")))?;
    let headers = headers(&header)?;
    let place = config.entity_of(sender.domain()).ok_or_else(|| {
        Unusable(format!("no [[entity]] has the domain {}: this sender could not submit", sender.domain()))
    })?;
    let facts = facts(sender, &recipient, size, attachment, subject, headers);
    let decision = config.policies[place].decide(&facts, &RecipientFacts::new(recipient), clock().now());
    print(&decision, json);
    Ok(Answer::Done)
}

fn headers(lines: &[String]) -> Result<BTreeMap<String, String>, Unusable> {
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
    headers: BTreeMap<String, String>,
) -> MessageFacts {
    if size > 0 && names.is_empty() {
        names.push("document".to_owned());
    }
    let automatic = |v: &String| !v.eq_ignore_ascii_case("no");
    let content_type = headers.get("content-type").map(|v| v.to_ascii_lowercase()).unwrap_or_default();
    MessageFacts {
        login: Some(sender.to_string()),
        sender,
        server: None,
        hints: Hints::read(&subject, std::slice::from_ref(recipient), |name| {
            headers.get(&name.to_ascii_lowercase()).map(String::as_str)
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
        calendar_method: None,
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
