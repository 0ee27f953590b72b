//! An entry of the journal told to people: who did it, and what is worth knowing of its details.
//!
//! The clear values of personal fields stand beside the entry; once they are forgotten, what they said is
//! missing here as well.

use super::words;
use crate::locale;
use jiff::tz::TimeZone;
use sealpost_envelope::{Language, Timestamp};
use sealpost_evidence::EventName;
use sealpost_store::JournalEntry;
use serde_json::Value;

/// An entry, opened.
pub(super) struct Told {
    name: EventName,
    actor: Value,
    detail: Value,
    open: Value,
}

impl Told {
    pub(super) fn of(entry: &JournalEntry) -> Self {
        let read = |bytes: &Option<Vec<u8>>| -> Value {
            bytes.as_ref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default()
        };
        let mut json = read(&entry.bytes);
        let mut openings = read(&entry.openings);
        Self {
            name: entry.event,
            actor: json["actor"].take(),
            detail: json["detail"].take(),
            open: openings["open"].take(),
        }
    }
    fn personal(&self, path: &str) -> Option<&str> {
        self.open.get(path)?.get("value")?.as_str()
    }
    fn text(&self, key: &str) -> Option<&str> {
        self.detail.get(key)?.as_str()
    }
    fn int(&self, key: &str) -> Option<u64> {
        self.detail.get(key)?.as_u64()
    }

    /// The person of ours who did it; nobody for what the system, a recipient or a stranger did.
    pub(super) fn user(&self) -> Option<String> {
        match self.actor.get("kind")?.as_str()? {
            "account" => self.personal("actor.login").map(str::to_owned),
            "operator" => Some(self.personal("actor.user").map_or("sealpost", |u| u).to_owned()),
            _ => None,
        }
    }

    /// Who did it.
    pub(super) fn by(&self, l: Language) -> String {
        let network = self.personal("actor.network").map(|n| format!(" ({n})")).unwrap_or_default();
        match self.actor.get("kind").and_then(Value::as_str).unwrap_or_default() {
            "account" => self.personal("actor.login").unwrap_or("").to_owned(),
            "operator" => {
                let user = self.personal("actor.user").unwrap_or("");
                format!("{} {user}", l.pick("en ligne de commande", "at the command line"))
                    .trim_end()
                    .to_owned()
            }
            "recipient" => {
                let who =
                    self.personal("actor.identity").unwrap_or(l.pick("le destinataire", "the recipient"));
                format!("{who}{network}")
            }
            "anonymous" => {
                format!("{}{network}", l.pick("quelqu’un, ou un robot", "somebody, or a scanner"))
            }
            "server" => format!(
                "{} {}",
                l.pick("serveur", "server"),
                self.actor.get("name").and_then(Value::as_str).unwrap_or("")
            ),
            "remote" => self.actor.get("host").and_then(Value::as_str).unwrap_or("").to_owned(),
            _ => String::new(),
        }
    }

    /// The name that somebody gave at a shared mailbox's door, as what it is.
    fn declared(&self, l: Language) -> Option<String> {
        self.personal("detail.declared").map(|name| sealpost_gate::declared_words(name, l))
    }

    /// What is worth knowing beside the event's own words.
    pub(super) fn more(&self, l: Language, zone: &TimeZone) -> Option<String> {
        use EventName as E;
        let time = |key: &str| -> Option<String> {
            let at: Timestamp = self.text(key)?.parse().ok()?;
            Some(locale::moment(at, zone, l))
        };
        match self.name {
            E::GatePassed => self.text("method").map(|m| words::method(m, l)),
            E::ChallengeSent => {
                let method = self.text("method").map(|m| words::method(m, l))?;
                match self.personal("detail.to") {
                    Some(to) => Some(format!("{method}, {to}")),
                    None => Some(method),
                }
            }
            E::GateFailed => {
                let method = self.text("method").map(|m| words::method(m, l)).unwrap_or_default();
                match self.int("tries_left") {
                    Some(n) => Some(format!("{method}, {n} {}", l.pick("essai(s) restant(s)", "tries left"))),
                    None => Some(method),
                }
            }
            E::ConsignmentAcceptance | E::ContentConsignment => self.declared(l),
            E::ContentHandover | E::ContentAccessTracking => {
                let size = self.int("size").map(|s| locale::size(s, l));
                match (self.int("file"), size, self.text("kind")) {
                    (Some(n), Some(size), _) => Some(format!("{} {n}, {size}", l.pick("fichier", "file"))),
                    (_, _, Some("opened-again")) => {
                        let words = l.pick("message rouvert", "message opened again");
                        let who = self.declared(l).map(|who| format!(", {who}")).unwrap_or_default();
                        Some(format!("{words}{who}"))
                    }
                    _ => None,
                }
            }
            E::RelayToNonERDS
            | E::RelayToNonERDSFailure
            | E::NotificationForAcceptance
            | E::NotificationForAcceptanceFailure
            | E::ConsignmentNotification
            | E::ConsignmentNotificationFailure
            | E::NotificationDelivered => {
                let host = self.text("server").or(self.text("host")).or(self.text("peer"));
                let reply = self.personal("detail.reply").or(self.personal("detail.diagnostic"));
                let parts = host
                    .map(str::to_owned)
                    .into_iter()
                    .chain(reply.map(|reply| sealpost_policy::reason(reply, l)));
                let parts: Vec<String> = parts.collect();
                (!parts.is_empty()).then(|| parts.join(" : "))
            }
            E::Extended => time("until").map(|t| format!("{} {t}", l.pick("jusqu’au", "until"))),
            E::RecipientCorrected => {
                let (from, to) = (self.personal("detail.from")?, self.personal("detail.to")?);
                Some(format!("{from} → {to}"))
            }
            E::ContentConsignmentFailure => self.text("unreadable").map(str::to_owned),
            E::HoldPlaced => self.text("reason").map(str::to_owned),
            E::AccountChanged => {
                let change = self.text("change").unwrap_or("");
                let whom = self.personal("detail.login").unwrap_or("");
                Some(format!("{change} {whom}").trim().to_owned()).filter(|t| !t.is_empty())
            }
            E::AccountLogin | E::AccountLoginFailed => {
                let whom = self.personal("detail.login").unwrap_or("");
                let how = self.text("protocol").unwrap_or("");
                Some(format!("{how} {whom}").trim().to_owned()).filter(|t| !t.is_empty())
            }
            _ => None,
        }
    }
}
