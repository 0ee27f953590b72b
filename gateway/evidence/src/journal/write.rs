//! The canonical writer (RFC 8785).

use super::{MAX_SAFE, opening};
use crate::{Actor, Detail, Event, Value};
use sealpost_envelope::{Timestamp, hex};
use std::cmp::Ordering;

/// RFC 3339, UTC, exactly six decimals.
pub fn format_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Property order of RFC 8785 §3.2.3: by UTF-16 code units. Byte order agrees unless both have characters
/// outside ASCII.
pub(super) fn utf16_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() || b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// String of RFC 8785 §3.2.2.2: shortest escapes, nothing else escaped.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (at, &b) in bytes.iter().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean..at]);
        clean = at + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            _ => out.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
}

/// A commitment that was made while writing.
struct Made {
    path: String,
    salt: [u8; 16],
    value: String,
}

struct Writer<'a> {
    out: Vec<u8>,
    salts: &'a mut dyn FnMut() -> [u8; 16],
    made: Vec<Made>,
}

impl Writer<'_> {
    /// `"key":`, with a comma unless it is the first.
    fn key(&mut self, key: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        push_string(&mut self.out, key);
        self.out.push(b':');
    }
    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        push_string(&mut self.out, value);
    }
    fn map(&mut self, path: &str, detail: &Detail) {
        let mut fields: Vec<&(String, Value)> = detail.0.iter().collect();
        fields.sort_by(|a, b| utf16_order(&a.0, &b.0));
        self.out.push(b'{');
        for (key, value) in fields {
            self.key(key);
            match value {
                Value::Text(text) => push_string(&mut self.out, text),
                Value::Int(n) if n.unsigned_abs() <= MAX_SAFE as u128 => {
                    self.out.extend_from_slice(n.to_string().as_bytes());
                }
                Value::Int(n) => push_string(&mut self.out, &n.to_string()),
                Value::Bool(b) => self.out.extend_from_slice(if *b { b"true" } else { b"false" }),
                Value::List(items) => self.list(items),
                Value::Map(inner) => self.map(&format!("{path}.{key}"), inner),
                Value::Personal(clear) => self.commit(format!("{path}.{key}"), clear),
            }
        }
        self.out.push(b'}');
    }
    fn list(&mut self, items: &[String]) {
        self.out.push(b'[');
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            push_string(&mut self.out, item);
        }
        self.out.push(b']');
    }
    fn commit(&mut self, path: String, value: &str) {
        let salt = (self.salts)();
        let hash = opening::commitment(&salt, &path, value);
        self.out.extend_from_slice(b"{\"sha256\":");
        push_string(&mut self.out, &hash);
        self.out.push(b'}');
        self.made.push(Made { path, salt, value: value.to_owned() });
    }
}

/// The entry and its openings.
pub(crate) fn write(event: &Event, salts: &mut dyn FnMut() -> [u8; 16]) -> (Vec<u8>, Vec<u8>) {
    let id = event.id.to_string();
    let mut w = Writer { out: Vec::with_capacity(768), salts, made: Vec::new() };
    w.out.push(b'{');
    w.key("actor");
    w.map("actor", &actor(&event.actor));
    if let Some(deposit) = event.deposit {
        w.text("deposit", &deposit.to_string());
    }
    w.key("detail");
    w.map("detail", &event.detail);
    w.key("entity");
    w.out.extend_from_slice(event.entity.to_string().as_bytes());
    w.text("event", event.name.as_str());
    w.text("id", &id);
    if let Some(recipient) = event.recipient {
        w.key("recipient");
        w.out.extend_from_slice(recipient.to_string().as_bytes());
    }
    w.text("time", &format_time(event.time));
    w.out.extend_from_slice(b",\"v\":1}");
    let openings = write_openings(&id, &mut w.made);
    (w.out, openings)
}

fn write_openings(id: &str, made: &mut [Made]) -> Vec<u8> {
    made.sort_by(|a, b| utf16_order(&a.path, &b.path));
    opening::write(id, made.iter().map(|m| (m.path.as_str(), hex::encode(&m.salt), m.value.as_str())))
}

/// The `actor` object.
fn actor(actor: &Actor) -> Detail {
    let personal = |detail: Detail, key: &str, value: &Option<String>| match value {
        Some(v) => detail.personal(key, v.as_str()),
        None => detail,
    };
    match actor {
        Actor::Account { id, login } => {
            Detail::new().text("kind", "account").int("account", id.0).personal("login", login.as_str())
        }
        Actor::Server { name, asserts } => {
            personal(Detail::new().text("kind", "server").text("name", name.as_str()), "asserts", asserts)
        }
        Actor::Recipient { methods, passed, identity, network, level, .. } => {
            let mut detail = Detail::new()
                .text("kind", "recipient")
                .list("methods", methods.iter().map(ToString::to_string))
                .maybe("level", level.as_deref());
            if let Some(time) = passed {
                detail = detail.time("passed", *time);
            }
            personal(personal(detail, "identity", identity), "network", network)
        }
        Actor::Anonymous { network, agent } => {
            personal(personal(Detail::new().text("kind", "anonymous"), "network", network), "agent", agent)
        }
        Actor::Remote { host } => Detail::new().text("kind", "remote").text("host", host.as_str()),
        Actor::System => Detail::new().text("kind", "system"),
        Actor::Operator { user } => personal(Detail::new().text("kind", "operator"), "user", user),
    }
}
