//! Entries: canonical in, canonical out, commitments that open.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{event, facts, issuer};
use proptest::prelude::*;
use sealpost_envelope::EntityId;
use sealpost_evidence::journal::{EntryError, EntryView, OpeningError, check_openings, filter_openings};
use sealpost_evidence::{Actor, Detail, Event, EventError, EventName, Value, merkle, render};
use serde_json::Value as Json;

/// RFC 8785 over serde's values, written again from the RFC, to compare with.
fn jcs(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|k| k.encode_utf16().collect::<Vec<_>>());
            let fields: Vec<String> =
                keys.into_iter().map(|k| format!("{}:{}", string(k), jcs(&map[k]))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(jcs).collect::<Vec<_>>().join(",")),
        Json::String(text) => string(text),
        other => other.to_string(),
    }
}

fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::Text),
        any::<i64>().prop_map(|n| Value::Int(n.into())),
        any::<bool>().prop_map(Value::Bool),
        proptest::collection::vec(any::<String>(), 0..3).prop_map(Value::List),
        any::<String>().prop_map(Value::Personal),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        proptest::collection::vec(("[^.]{0,6}", inner), 0..4)
            .prop_map(|fields| Value::Map(fields.into_iter().fold(Detail::new(), |d, (k, v)| d.set(&k, v))))
    })
}

fn some_event(fields: Vec<(String, Value)>) -> Event {
    let detail = fields.into_iter().fold(Detail::new(), |d, (k, v)| d.set(&k, v));
    event(EventName::GatePassed).detail(detail)
}

proptest! {
    #[test]
    fn what_is_written_is_canonical_and_opens(fields in proptest::collection::vec(("[^.]{0,6}", value()), 0..6)) {
        let built = render(&issuer(), some_event(fields), None).unwrap();
        let view = EntryView::parse(&built.bytes).unwrap();
        prop_assert_eq!(view.id, built.id);
        let canonical = jcs(&view.json());
        prop_assert_eq!(canonical.as_bytes(), built.bytes.as_slice());
        prop_assert_eq!(built.leaf, merkle::leaf_hash(&built.bytes));
        check_openings(&built.bytes, &built.openings).unwrap();
    }
    /// Whatever is done to an entry: what still passes is in its one spelling.
    #[test]
    fn what_passes_is_canonical(at in any::<prop::sample::Index>(), byte in any::<u8>(), insert in any::<bool>()) {
        let mut bytes = render(&issuer(), event(EventName::ContentHandover), Some(&facts())).unwrap().bytes;
        let at = at.index(bytes.len());
        if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        if let Ok(view) = EntryView::parse(&bytes) {
            let canonical = jcs(&view.json());
            prop_assert_eq!(canonical.as_bytes(), bytes.as_slice());
        }
    }
    #[test]
    fn the_scanner_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = EntryView::parse(&bytes);
        let _ = sealpost_evidence::xml::parse(&bytes);
        let _ = sealpost_evidence::checkpoint::SignedCheckpoint::parse(&bytes);
        let _ = sealpost_evidence::checkpoint::TlogProof::parse(&bytes);
    }
}

#[test]
fn an_entry_has_the_shape_of_the_contract() {
    let built = render(&issuer(), event(EventName::ContentHandover), Some(&facts())).unwrap();
    let json: Json = serde_json::from_slice(&built.bytes).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["actor", "deposit", "detail", "entity", "event", "id", "recipient", "time", "v"]);
    assert_eq!(json["time"], "2026-03-02T10:11:12.000005Z");
    assert_eq!(json["v"], 1);
    assert_eq!(json["actor"]["kind"], "recipient");
    assert_eq!(json["actor"]["methods"], serde_json::json!(["password", "otp-mail"]));
    let view = EntryView::parse(&built.bytes).unwrap();
    let evidence = sealpost_envelope::Sha256Digest::of(&built.evidence.unwrap());
    assert_eq!(view.evidence().unwrap(), Some(evidence));
    let text = String::from_utf8(built.bytes).unwrap();
    assert!(!text.contains("dora") && !text.contains("192.0.2.7"), "personal fields stay out of the log");
}

#[test]
fn large_integers_become_strings() {
    let detail =
        Detail::new().int("a", (1i64 << 53) - 1).int("b", 1i64 << 53).int("c", -(1i64 << 53)).int("d", -1);
    let built = render(&issuer(), event(EventName::PolicyLoaded).detail(detail), None).unwrap();
    let json = EntryView::parse(&built.bytes).unwrap().json();
    assert_eq!(json["detail"]["a"], 9_007_199_254_740_991i64);
    assert_eq!(json["detail"]["b"], "9007199254740992");
    assert_eq!(json["detail"]["c"], "-9007199254740992");
    assert_eq!(json["detail"]["d"], -1);
}

#[test]
fn keys_sort_by_utf16() {
    // RFC 8785 §3.2.3: U+1F600 (D83D DE00) comes before U+FB33.
    let detail =
        Detail::new().flag("\u{fb33}", true).flag("\u{1f600}", true).flag("\u{20ac}", true).flag("1", true);
    let built = render(&issuer(), event(EventName::PolicyLoaded).detail(detail), None).unwrap();
    let text = String::from_utf8(built.bytes.clone()).unwrap();
    assert!(text.contains("{\"1\":true,\"\u{20ac}\":true,\"\u{1f600}\":true,\"\u{fb33}\":true}"), "{text}");
    assert!(EntryView::parse(&built.bytes).is_ok());
}

#[test]
fn other_spellings_are_refused() {
    let good = r#"{"actor":{"kind":"system"},"detail":{"a":"é\n","b":[1,true,{}]},"entity":1,"event":"PolicyLoaded","id":"0191a5b0-0000-7000-8000-0000000000ee","time":"2026-03-02T10:11:12.000005Z","v":1}"#;
    assert!(EntryView::parse(good.as_bytes()).is_ok());
    for (from, to) in [
        ("\"a\":", "\"a\": "),
        ("\\n", "\\u000a"),
        ("\\n", "\\/"),
        ("\\n", "\\u001F"),
        ("é", "\\u00e9"),
        ("[1,", "[1.0,"),
        ("[1,", "[01,"),
        ("[1,", "[-0,"),
        ("[1,", "[1e0,"),
        ("[1,", "[9007199254740992,"),
        ("[1,", "[null,"),
        ("[1,", "[1,,"),
        ("\"b\":", "\"a\":"),
        ("\"b\":", "\"A\":"),
        ("\"v\":1", "\"v\":2"),
        (":12.000005Z", ":12.5Z"),
        (":12.000005Z", ":60.000005Z"),
        ("000005Z", "00005Z0"),
        ("0000000000ee", "0000000000EE"),
        ("PolicyLoaded", "policyLoaded"),
        ("\"entity\":1", "\"entity\":\"1\""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(EntryView::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let deep = good.replacen("[1,", &format!("[{}{},", "[".repeat(40), "]".repeat(40)), 1);
    assert!(EntryView::parse(deep.as_bytes()).is_err());
    assert!(EntryView::parse(format!("{good}\n").as_bytes()).is_err());
    assert_eq!(EntryView::parse(&[b' '; 70_000]), Err(EntryError::TooLarge));
}

#[test]
fn too_large_an_entry_is_refused() {
    let detail = Detail::new().text("reply", "x".repeat(65_536));
    let error = render(&issuer(), event(EventName::PolicyLoaded).detail(detail), None).unwrap_err();
    assert!(matches!(error, EventError::TooLarge(n) if n > 65_535));
}

#[test]
fn openings_open_and_lies_are_named() {
    let detail = Detail::new().nest("to", Detail::new().personal("address", "bob@example.test"));
    let event = event(EventName::ChallengeSent).detail(detail).actor(Actor::Account {
        id: sealpost_envelope::AccountId(4),
        login: "alice@clinique.example".to_owned(),
    });
    let built = render(&issuer(), event, None).unwrap();
    let clear = check_openings(&built.bytes, &built.openings).unwrap();
    assert_eq!(clear["detail.to.address"], "bob@example.test");
    assert_eq!(clear["actor.login"], "alice@clinique.example");

    let some = filter_openings(&built.openings, |path| path.starts_with("detail.")).unwrap();
    assert_eq!(check_openings(&built.bytes, &some).unwrap().len(), 1);

    let text = String::from_utf8(built.openings.clone()).unwrap();
    let check = |text: String| check_openings(&built.bytes, text.as_bytes()).unwrap_err();
    assert!(
        matches!(check(text.replace("bob@", "eve@")), OpeningError::Mismatch(p) if p == "detail.to.address")
    );
    assert!(matches!(check(text.replace("actor.login", "actor.kind")), OpeningError::NoCommitment(_)));
    assert!(matches!(check(text.replace("\"v\":1", "\"v\":2")), OpeningError::Form));
    assert!(matches!(check(text.replacen(":", ": ", 1)), OpeningError::Form));
    assert!(matches!(check(text.replace("0000000000ee", "0000000000ef")), OpeningError::OtherEntry(_)));
}

#[test]
fn two_salts_differ() {
    let make = || {
        let detail = Detail::new().personal("p", "same");
        render(&issuer(), event(EventName::PolicyLoaded).detail(detail), None).unwrap().bytes
    };
    assert_ne!(make(), make());
    assert_eq!(issuer().entity, EntityId(1));
}
