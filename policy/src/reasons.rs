//! Why mail waits or failed, in the reader's language.
//!
//! What is stored, journaled and shown to programs is one English text, whoever wrote it. For people it is put into
//! French here: reasons of policy by their own two texts ([`Hold`]), those of other stages by a table.
//!
//! **Exposure.** Other servers' words may be anything; they are quoted, never translated.

use crate::{Hold, Missing, PhoneError};
use sealpost_envelope::Language;

/// Stands for what differs from one message to the next.
const GAP: [&str; 2] = ["\u{1}", "\u{2}"];
/// A number in its place.
const COUNT: usize = 987_654_321;

/// Reasons of other stages; `{}` is what differs, `{r}` a reason again.
const OTHERS: [(&str, &str); 25] = [
    ("not released in time: {r}", "resté sans réponse jusqu’au terme : {r}"),
    ("given up: {r}", "abandonné après plusieurs essais : {r}"),
    ("held by the administrator", "retenu par l’administrateur"),
    ("taken back by the administrator", "retiré par l’administrateur"),
    ("taken back by an administrator", "retiré par un administrateur"),
    (
        "held by a restore: it may have been sent after the backup was made",
        "retenu par une restauration : il a pu être envoyé après la sauvegarde",
    ),
    (
        "the antivirus does not answer, and nothing leaves before it has looked",
        "l’antivirus ne répond pas, et rien ne part avant qu’il ait examiné le message",
    ),
    ("the antivirus found nothing", "l’antivirus n’a rien trouvé"),
    ("the antivirus found {}", "l’antivirus a trouvé {}"),
    (
        "the antivirus cannot look inside, it is encrypted: {}",
        "l’antivirus ne peut pas l’examiner, car le contenu est chiffré : {}",
    ),
    ("the antivirus cannot look inside: {}", "l’antivirus ne peut pas l’examiner : {}"),
    ("the antivirus does not answer: {}", "l’antivirus ne répond pas : {}"),
    ("the stored content is damaged or missing", "le contenu conservé est endommagé ou manquant"),
    ("the content was destroyed", "le contenu a été détruit"),
    ("there is no route for mail to {}", "aucun chemin n’est configuré vers {}"),
    ("no resolver is configured", "aucun résolveur DNS n’est configuré"),
    ("the domain has no server", "le domaine n’a pas de serveur de messagerie"),
    ("5.1.2 {} does not exist", "le domaine {} n’existe pas (5.1.2)"),
    ("5.4.4 {} does not exist", "le serveur {} n’existe pas (5.4.4)"),
    ("5.4.4 {} has no such record", "le serveur {} n’a pas d’adresse (5.4.4)"),
    ("5.1.10 the domain takes no mail (null MX)", "ce domaine ne reçoit pas de courriel (5.1.10)"),
    (
        "5.4.6 the domain's mail leads back to this server, which does not know it",
        "le courriel de ce domaine revient à ce serveur, qui ne le connaît pas (5.4.6)",
    ),
    ("{} has no mailbox here", "{} n’a pas de boîte ici"),
    ("delivered to the mailbox", "remis dans la boîte"),
    ("withdrawn by the sender", "retiré par l’expéditeur"),
];

/// The reason in a language; what is not known stays as it is.
pub fn reason(english: &str, language: Language) -> String {
    match language {
        Language::En => english.to_owned(),
        Language::Fr => french(english),
    }
}

fn french(english: &str) -> String {
    if answered(english) {
        return format!("le serveur du destinataire a répondu : {english}");
    }
    let of_policy = templates().find_map(|hold| {
        let found = between(english, &shape(&hold.text(Language::En)), &GAP)?;
        let mut said = shape(&hold.text(Language::Fr));
        for (gap, value) in GAP.into_iter().zip(found) {
            let value = if matches!(hold, Hold::CannotServe { .. }) && gap == GAP[1] {
                missing(value)
            } else {
                value.to_owned()
            };
            said = said.replacen(gap, &value, 1);
        }
        Some(said)
    });
    of_policy
        .or_else(|| OTHERS.iter().find_map(|other| by_table(english, *other)))
        .unwrap_or_else(|| english.to_owned())
}

fn by_table(english: &str, (en, fr): (&str, &str)) -> Option<String> {
    let gap = if en.contains("{r}") { "{r}" } else { "{}" };
    let found = between(english, en, &[gap])?;
    let Some(value) = found.first() else { return Some(fr.to_owned()) };
    let value = if gap == "{r}" { french(value) } else { (*value).to_owned() };
    Some(fr.replacen(gap, &value, 1))
}

/// Whether these are another server's words: they begin with a code (RFC 5321 §4.2, RFC 3463 §2).
fn answered(text: &str) -> bool {
    let word = text.split([' ', '-']).next().unwrap_or_default();
    let reply = word.len() == 3 && word.starts_with(['4', '5']) && word.bytes().all(|b| b.is_ascii_digit());
    let status = word.starts_with(['4', '5'])
        && word.split('.').count() == 3
        && word.split('.').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    reply || (status && OTHERS.iter().all(|other| by_table(text, *other).is_none()))
}

/// What stands in the gaps of `shape`, if `text` has that shape.
fn between<'t>(text: &'t str, shape: &str, gaps: &[&str]) -> Option<Vec<&'t str>> {
    let mut pieces = vec![shape];
    for gap in gaps {
        let last = pieces.pop()?;
        match last.split_once(gap) {
            Some((before, after)) => pieces.extend([before, after]),
            None => pieces.push(last),
        }
    }
    let (first, rest) = pieces.split_first()?;
    let mut left = text.strip_prefix(first)?;
    let mut found = Vec::new();
    for (n, piece) in rest.iter().enumerate() {
        let at = if n + 1 == rest.len() { left.strip_suffix(piece)?.len() } else { left.find(piece)? };
        found.push(&left[..at]);
        left = &left[at + piece.len()..];
    }
    left.is_empty().then_some(found)
}

/// Every reason of policy, with gaps for what differs.
fn templates() -> impl Iterator<Item = Hold> {
    let gap = |n: usize| GAP[n].to_owned();
    let bad_phone = [PhoneError::Shape, PhoneError::Country, PhoneError::NotMobile];
    [
        Hold::NearMiss { text: gap(0) },
        Hold::TaggedInvitation,
        Hold::Condition { rule: gap(0), error: gap(1) },
        Hold::BadHint { name: gap(0), value: gap(1) },
        Hold::PhoneForMany { recipients: COUNT },
        Hold::PhoneForStranger { address: gap(0) },
        Hold::SmsUnavailable,
        Hold::GateNotOffered { wanted: gap(0), offered: gap(1) },
        Hold::EndsInThePast,
        Hold::CannotServe { gate: gap(0), missing: Vec::new() },
        Hold::NearAddress { known: gap(0) },
    ]
    .into_iter()
    .chain(bad_phone.map(move |error| Hold::BadPhone { number: GAP[0].to_owned(), error }))
}

/// A text of a template, its gaps all of one kind.
fn shape(text: &str) -> String {
    // What is missing stands before the last full stop.
    text.replacen(&COUNT.to_string(), GAP[0], 1).replacen(": .", &format!(": {}.", GAP[1]), 1).replacen(
        " : .",
        &format!(" : {}.", GAP[1]),
        1,
    )
}

/// What a recipient lacks, from one language into the other.
fn missing(english: &str) -> String {
    let all = [
        Missing::Phone,
        Missing::NearPhone,
        Missing::Password,
        Missing::Token,
        Missing::SmsService,
        Missing::Identity,
    ];
    let named = english.split("; or ").map(|one| {
        let known = all.into_iter().find(|m| m.text(Language::En) == one);
        known.map_or(one, |m| m.text(Language::Fr))
    });
    named.collect::<Vec<_>>().join(" ; ou ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_policy_is_read_back() {
        let text = || "« [secur] » ; ou : .".to_owned();
        let holds = [
            Hold::NearMiss { text: text() },
            Hold::TaggedInvitation,
            Hold::Condition { rule: "a rule".into(), error: "no such key: x".into() },
            Hold::BadHint { name: "X-Sealpost-Expires".into(), value: text() },
            Hold::PhoneForMany { recipients: 3 },
            Hold::PhoneForStranger { address: "bob@example.test".into() },
            Hold::BadPhone { number: "0123".into(), error: PhoneError::NotMobile },
            Hold::BadPhone { number: "x".into(), error: PhoneError::Shape },
            Hold::BadPhone { number: "12".into(), error: PhoneError::Country },
            Hold::SmsUnavailable,
            Hold::GateNotOffered { wanted: "cps".into(), offered: "otp-mail, totp".into() },
            Hold::EndsInThePast,
            Hold::CannotServe { gate: "otp-sms".into(), missing: vec![Missing::Phone, Missing::SmsService] },
            Hold::CannotServe { gate: "password".into(), missing: vec![Missing::Password] },
            Hold::CannotServe { gate: "otp-mail".into(), missing: vec![Missing::Identity] },
            Hold::NearAddress { known: "bob@example.test".into() },
        ];
        for hold in holds {
            assert_eq!(reason(&hold.text(Language::En), Language::Fr), hold.text(Language::Fr));
            assert_eq!(reason(&hold.text(Language::En), Language::En), hold.text(Language::En));
        }
    }

    #[test]
    fn other_stages_and_other_servers() {
        for (english, french) in [
            ("held by the administrator", "retenu par l’administrateur"),
            (
                "not released in time: held by the administrator",
                "resté sans réponse jusqu’au terme : retenu par l’administrateur",
            ),
            (
                "the antivirus found Eicar-Test in facture.bin",
                "l’antivirus a trouvé Eicar-Test in facture.bin",
            ),
            (
                "550 5.1.1 No such user here; or so",
                "le serveur du destinataire a répondu : 550 5.1.1 No such user here; or so",
            ),
            (
                "given up: 451 4.7.1 Greylisted",
                "abandonné après plusieurs essais : le serveur du destinataire a répondu : 451 4.7.1 Greylisted",
            ),
            (
                "5.1.1 user unknown (mx.example)",
                "le serveur du destinataire a répondu : 5.1.1 user unknown (mx.example)",
            ),
            ("5.1.2 nowhere.example does not exist", "le domaine nowhere.example n’existe pas (5.1.2)"),
            ("something new", "something new"),
            ("", ""),
        ] {
            assert_eq!(reason(english, Language::Fr), french);
        }
    }
}
