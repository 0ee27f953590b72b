//! States, treatments and events in words, and how strong each is: the colour says no more than the word.

use sealpost_envelope::{Language, Observed, Timestamp, Treatment};
use sealpost_evidence::EventName;
use sealpost_store::deposit::DepositState;
use sealpost_store::{ConsignmentRow, ConsignmentState, JournalEntry};

/// A word with its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    /// `""`, `info`, `good`, `warn` or `bad`.
    pub(crate) tone: &'static str,
}

/// Where a deposit stands.
pub(crate) fn deposit(state: DepositState, l: Language) -> Badge {
    use DepositState as S;
    let (fr, en, tone) = match state {
        S::Created => ("Créé", "Created", "info"),
        S::Held => ("Retenu", "Held", "warn"),
        S::Sent => ("Envoyé", "Sent", "info"),
        S::PartlyReceived => ("Reçu partiellement", "Partly received", "good"),
        S::Received => ("Reçu", "Received", "good"),
        S::Failed => ("Non distribué", "Not delivered", "bad"),
        S::Expired => ("Expiré sans lecture", "Expired unread", "warn"),
        S::Revoked => ("Retiré", "Withdrawn", ""),
    };
    Badge { word: l.pick(fr, en), tone }
}

/// Where a recipient stands.
pub(crate) fn consignment(state: ConsignmentState, l: Language) -> Badge {
    use ConsignmentState as S;
    let (fr, en, tone) = match state {
        S::Queued => ("Créé", "Created", "info"),
        S::Held => ("Retenu", "Held", "warn"),
        S::Sent => ("Envoyé", "Sent", "info"),
        S::Opened => ("Consulté", "Opened", "good"),
        S::Downloaded => ("Fichiers reçus", "Files received", "good"),
        S::Failed => ("Non distribué", "Not delivered", "bad"),
        S::Expired => ("Expiré sans lecture", "Expired unread", "warn"),
        S::Revoked => ("Retiré", "Withdrawn", ""),
        S::Declined => ("Refusé par le destinataire", "Declined by the recipient", "bad"),
    };
    Badge { word: l.pick(fr, en), tone }
}

/// How a recipient gets the message.
pub(crate) fn treatment(treatment: Treatment, l: Language) -> &'static str {
    match treatment {
        Treatment::Pass => l.pick("tel quel", "as it is"),
        Treatment::Trace => l.pick("courriel tracé", "traced mail"),
        Treatment::Seal => l.pick("courriel scellé", "sealed mail"),
        Treatment::Link => l.pick("courriel avec liens", "mail with links"),
        Treatment::Notify => l.pick("avis et lien", "notice and link"),
        Treatment::Refuse => l.pick("refusé", "refused"),
    }
}

/// What rules would have done to somebody's mail.
pub(crate) fn observed(o: &Observed, l: Language) -> String {
    let (what, rule) = (treatment(o.treatment, l), &o.rule);
    match (&o.hold, l) {
        (None, Language::Fr) => format!("{what}, par la règle « {rule} »"),
        (None, Language::En) => format!("{what}, by the rule “{rule}”"),
        (Some(why), Language::Fr) => format!("{what}, par la règle « {rule} », mais retenu : {}", why.fr),
        (Some(why), Language::En) => format!("{what}, by the rule “{rule}”, but held: {}", why.en),
    }
}

/// An event in words.
pub(crate) fn event(name: EventName, l: Language) -> &'static str {
    if let Some((fr, en)) = sealpost_evidence::words(name) {
        return l.pick(fr, en);
    }
    match name {
        EventName::AccountLogin => l.pick("Connexion d’un compte", "Account logged in"),
        EventName::AccountLoginFailed => l.pick("Connexion refusée", "Login refused"),
        EventName::AccountChanged => l.pick("Compte modifié", "Account changed"),
        EventName::PolicyLoaded => l.pick("Règles chargées", "Rules loaded"),
        EventName::LogRestarted => l.pick("Nouveau journal commencé", "New log begun"),
        other => other.as_str(),
    }
}

/// How much an event says about the recipient having the message.
pub(crate) fn grade(name: EventName) -> &'static str {
    use EventName as E;
    match name {
        E::ConsignmentAcceptance | E::ContentConsignment | E::ContentHandover | E::ContentAccessTracking => {
            "good"
        }
        E::SubmissionAcceptance
        | E::RelayToNonERDS
        | E::NotificationForAcceptance
        | E::ConsignmentNotification
        | E::ReadReceiptReceived => "",
        E::SubmissionRejection
        | E::RelayToNonERDSFailure
        | E::NotificationForAcceptanceFailure
        | E::ConsignmentRejection
        | E::ConsignmentNotificationFailure
        | E::ContentConsignmentFailure
        | E::ContentHandoverFailure => "bad",
        E::GateFailed | E::Revoked | E::HoldPlaced | E::AcceptanceRejectionExpiry | E::ContentDestroyed => {
            "warn"
        }
        _ => "quiet",
    }
}

/// The journal's types (F31): what was done with a document, or about the service.
pub(crate) fn kind(name: EventName, l: Language) -> &'static str {
    use EventName as E;
    match name {
        E::AccountLogin | E::AccountLoginFailed | E::AccountChanged => l.pick("Compte", "Account"),
        E::PolicyLoaded | E::LogRestarted => l.pick("Service", "Service"),
        E::ContentAccessTracking
        | E::ContentHandover
        | E::ContentHandoverFailure
        | E::ContentDestroyed
        | E::ProofExported
        | E::HoldPlaced
        | E::HoldReleased => l.pick("Action sur un document", "Action on a document"),
        _ => l.pick("Mail sécurisé", "Secure mail"),
    }
}

/// `2 sur 3`.
pub(crate) fn of(n: usize, all: usize, l: Language) -> String {
    format!("{n} {} {all}", l.pick("sur", "of"))
}

/// A method of authentication.
pub(crate) fn method(word: &str, l: Language) -> String {
    let known = match word {
        "link" => l.pick("lien personnel", "personal link"),
        "otp-mail" => l.pick("code par courriel", "code by mail"),
        "otp-sms" => l.pick("code par SMS", "code by text message"),
        "totp" => l.pick("application à codes", "code app"),
        "hotp" => l.pick("jeton matériel", "hardware token"),
        "tiqr" => l.pick("QR code", "QR code"),
        "cps" => l.pick("carte CPS", "CPS card"),
        "password" => l.pick("mot de passe", "password"),
        other => match other.strip_prefix("oidc:") {
            Some(name) => return name.to_owned(),
            None => return other.to_owned(),
        },
    };
    known.to_owned()
}

/// The alternatives of a gate: `code par courriel, ou carte CPS`.
pub(crate) fn gate(words: &[String], l: Language) -> String {
    let one = |w: &String| w.split('+').map(|m| method(m, l)).collect::<Vec<_>>().join(" + ");
    words.iter().map(one).collect::<Vec<_>>().join(l.pick(", ou ", ", or "))
}

/// Recipients with a link who had opened by `time`, and how many there are.
fn readers(all: &[ConsignmentRow], time: Timestamp) -> (usize, usize) {
    let tracked = || all.iter().filter(|c| c.verdict.treatment.has_link());
    (tracked().filter(|c| c.opened.is_some_and(|t| t <= time)).count(), tracked().count())
}

/// The event of a line (F33), and where it is the last of its kind, what that makes together (F34).
pub(crate) fn message(entry: &JournalEntry, all: &[ConsignmentRow], l: Language) -> String {
    if entry.event != EventName::ContentConsignment {
        return event(entry.event, l).to_owned();
    }
    match readers(all, entry.time) {
        (read, tracked) if tracked > 0 && read == tracked => {
            l.pick("Tous les destinataires ont consulté le message", "All recipients have opened the message")
        }
        _ => l.pick("Un destinataire a consulté le message", "A recipient has opened the message"),
    }
    .to_owned()
}

/// Where the document stands after an event (F32); empty where the event does not change that.
pub(crate) fn state_after(entry: &JournalEntry, all: &[ConsignmentRow], l: Language) -> &'static str {
    use EventName as E;
    match entry.event {
        E::SubmissionAcceptance => l.pick("Créé", "Created"),
        E::RelayToNonERDS | E::NotificationForAcceptance | E::NotificationDelivered | E::Resent => {
            l.pick("Envoyé", "Sent")
        }
        E::ConsignmentAcceptance | E::ContentAccessTracking => l.pick("Consulté", "Opened"),
        E::ContentConsignment | E::ContentHandover => match readers(all, entry.time) {
            (read, tracked) if read == tracked => l.pick("Reçu", "Received"),
            _ => l.pick("Reçu partiellement", "Partly received"),
        },
        E::SubmissionRejection | E::ConsignmentRejection => l.pick("Refusé", "Refused"),
        E::RelayToNonERDSFailure | E::NotificationForAcceptanceFailure | E::ContentConsignmentFailure => {
            l.pick("Non distribué", "Not delivered")
        }
        E::Revoked => l.pick("Retiré", "Withdrawn"),
        E::AcceptanceRejectionExpiry | E::ContentHandoverFailure => l.pick("Expiré", "Expired"),
        E::ContentDestroyed => l.pick("Détruit", "Destroyed"),
        _ => "",
    }
}
