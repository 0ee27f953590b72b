//! The tables beside this file: subjects with their reading, messages with their decision, rules with
//! what is wrong with them.
#![allow(missing_docs, clippy::unwrap_used)]

use jiff::Timestamp;
use sealpost_envelope::{EmailAddress, Gate};
use sealpost_policy::{
    Defaults, Hints, Known, MessageFacts, Period, Policy, RecipientFacts, RuleConfig, read_tags, strip_tags,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[test]
fn subjects() {
    let mut count = 0;
    for line in include_str!("tags.txt").lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let [subject, reading, stripped] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let tags = read_tags(subject);
        let mut words = Vec::new();
        words.extend(tags.secure.then(|| "secure".to_owned()));
        for phone in &tags.phones {
            let address = phone.address.as_ref().map(|a| format!("{a}=")).unwrap_or_default();
            words.push(format!("sms {address}{}", phone.number));
        }
        words.extend(tags.near_miss.map(|t| format!("near {t}")));
        let words = if words.is_empty() { "-".to_owned() } else { words.join(" ") };
        assert_eq!((words.as_str(), strip_tags(subject).as_str()), (reading, stripped), "{line}");
        count += 1;
    }
    assert!(count > 35);
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct RuleRow {
    name: String,
    when: Option<String>,
    treatment: String,
    gate: Option<Vec<String>>,
    expires: Option<String>,
    retention: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Fields that stand after these, of the same names.
    #[serde(default)]
    again: Vec<(String, String)>,
    to: Option<String>,
    #[serde(default)]
    others: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
    /// Files in the archives among them.
    #[serde(default)]
    inside: Vec<String>,
    #[serde(default)]
    blocked: Vec<String>,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    kind: String,
    replies_to: Option<String>,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    guest: bool,
    #[serde(default)]
    always: bool,
    #[serde(default)]
    sms: bool,
    /// What is on record of the recipient: a number, methods.
    known: Option<Vec<String>>,
    #[serde(default)]
    password: bool,
    #[serde(default)]
    rules: Vec<RuleRow>,
    expect: String,
    hold: Option<String>,
    says: Option<String>,
    phone: Option<String>,
    expires: Option<String>,
    retention: Option<String>,
}

impl Case {
    fn fields(&self, name: &str) -> Vec<&str> {
        let again = self.again.iter().filter(|(n, _)| n == name).map(|(_, v)| v);
        self.headers.get(name).into_iter().chain(again).map(String::as_str).collect()
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

fn rule(row: &RuleRow) -> RuleConfig {
    RuleConfig {
        name: row.name.clone(),
        when: row.when.clone(),
        treatment: row.treatment.parse().unwrap(),
        gate: row.gate.as_ref().map(|g| Gate::parse(g).unwrap()),
        expires: row.expires.as_deref().map(period),
        retention: row.retention.as_deref().map(period),
        remind: Vec::new(),
        identity: None,
    }
}

fn known(record: &[String]) -> Known {
    Known {
        phone: record.iter().find(|r| r.starts_with('+')).cloned(),
        enrolled: record.iter().filter_map(|r| r.parse().ok()).collect(),
    }
}

fn facts(case: &Case, to: &EmailAddress) -> MessageFacts {
    let mut recipients = vec![to.clone()];
    recipients.extend(case.others.iter().map(|a| address(a)));
    MessageFacts {
        sender: address("alice@lilas.test"),
        login: Some("alice@lilas.test".to_owned()),
        server: None,
        hints: Hints::read(&case.subject, &recipients, |name| case.fields(name)).with_password(case.password),
        recipients,
        subject: case.subject.clone(),
        headers: case.headers.clone(),
        size: 10_000 + case.bytes,
        attachment_bytes: case.bytes,
        attachment_names: case.files.clone(),
        archived_names: case.inside.clone(),
        null_reverse_path: case.kind == "null",
        is_report: case.kind == "report",
        auto_submitted: case.kind == "auto",
        calendar_method: (case.kind == "calendar").then(|| "REQUEST".to_owned()),
        author_signed: case.kind == "signed",
        author_encrypted: false,
        replies_to: case.replies_to.as_ref().map(|t| t.parse().unwrap()),
        certificate_public: case.public,
        guest: case.guest,
    }
}

#[test]
fn decisions() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("decisions.json")).unwrap();
    let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    for case in &cases {
        let defaults = Defaults {
            domains: vec!["lilas.test".to_owned()],
            seal_always: case.always,
            sms: case.sms,
            blocked_types: case.blocked.clone(),
            ..Defaults::default()
        };
        let rules: Vec<_> = case.rules.iter().map(rule).collect();
        let policy = Policy::compile(&rules, defaults).unwrap_or_else(|e| panic!("{}: {e:?}", case.case));
        let to = address(case.to.as_deref().unwrap_or("bob@example.test"));
        let got = policy.decide(
            &facts(case, &to),
            &RecipientFacts { known: case.known.as_deref().map(known), ..RecipientFacts::new(to.clone()) },
            now,
        );
        let v = &got.verdict;
        let summary = format!("{}; {}; {}", v.treatment, v.gate.words().join(", "), v.rule);
        assert_eq!(summary, case.expect, "{}\n{:#?}", case.case, got.explanation);
        assert_eq!(v.phone, case.phone, "{}", case.case);
        match (&case.hold, &v.hold) {
            (None, None) => {}
            (Some(part), Some(text)) if text.contains(part) => {}
            (wanted, got) => panic!("{}: hold {got:?} instead of {wanted:?}", case.case),
        }
        if let Some(part) = &case.says {
            assert!(got.explanation.iter().any(|l| l.contains(part)), "{}: {:?}", case.case, got.explanation);
        }
        let expires = case.expires.as_deref().map_or(Period::days(30), period);
        assert_eq!(v.expires, expires.after(now), "{}", case.case);
        if let Some(retention) = &case.retention {
            assert_eq!(v.retention, period(retention).after(now), "{}", case.case);
        }
        assert!(v.retention >= v.expires && !got.explanation.is_empty(), "{}", case.case);
        let french = got.hold_text(sealpost_envelope::Language::Fr);
        assert_eq!(french.is_some(), v.hold.is_some());
    }
    assert!(cases.len() > 60);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    name: Option<String>,
    when: String,
    expires: Option<String>,
    retention: Option<String>,
    #[serde(default)]
    remind: Vec<String>,
    key: Option<String>,
    message: String,
    suggestion: Option<String>,
}

#[test]
fn mistakes() {
    let rows: Vec<Mistake> = serde_json::from_str(include_str!("mistakes.json")).unwrap();
    let rules: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(n, row)| RuleConfig {
            name: row.name.clone().unwrap_or(format!("rule {n}")),
            when: Some(row.when.clone()),
            treatment: sealpost_envelope::Treatment::Notify,
            gate: None,
            expires: row.expires.as_deref().map(period),
            retention: row.retention.as_deref().map(period),
            remind: row.remind.iter().map(|t| period(t)).collect(),
            identity: None,
        })
        .collect();
    // All at once, not one after the other.
    let errors = Policy::compile(&rules, Defaults::default()).unwrap_err();
    for (n, row) in rows.iter().enumerate() {
        let key = row.key.as_deref().unwrap_or("when");
        assert!(
            errors.iter().any(|e| e.index == n
                && e.key == key
                && e.message.contains(&row.message)
                && (row.suggestion.is_none() || e.suggestion == row.suggestion)),
            "{n} {:?}: {:#?}",
            row.when,
            errors.iter().filter(|e| e.index == n).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_rule_after_an_unconditional_one_is_a_mistake() {
    let row = |name: &str| RuleRow {
        name: name.to_owned(),
        when: None,
        treatment: "seal".to_owned(),
        gate: None,
        expires: None,
        retention: None,
    };
    let rules = [rule(&row("a")), rule(&row("a"))];
    let errors = Policy::compile(&rules, Defaults::default()).unwrap_err();
    let keys: Vec<_> = errors.iter().map(|e| e.key).collect();
    assert_eq!(keys, ["name", "when"]);
}
