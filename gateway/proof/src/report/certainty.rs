//! How sure each step is, and how far a recipient has come. Only a verified identity and an explicit opening
//! count as reading.

use crate::bundle::Step;
use sealpost_envelope::{Language, RecipientNo};
use sealpost_evidence::EventName as E;

/// On whose word a step rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// Done or seen by the gateway itself.
    Own,
    /// Told by another server or program.
    Told,
    /// May have been a machine.
    Hint,
}

impl Certainty {
    pub(super) fn of(event: E) -> Self {
        match event {
            E::RelayToNonERDS
            | E::RelayToNonERDSFailure
            | E::NotificationForAcceptance
            | E::NotificationForAcceptanceFailure
            | E::ConsignmentNotification
            | E::ConsignmentNotificationFailure
            | E::NotificationDelivered
            | E::ReadReceiptReceived => Self::Told,
            E::NotificationAccessTracking => Self::Hint,
            _ => Self::Own,
        }
    }

    pub(super) fn word(self, l: Language) -> &'static str {
        match self {
            Self::Own => l.pick("établi", "established"),
            Self::Told => l.pick("déclaré", "declared"),
            Self::Hint => l.pick("indicatif", "indicative"),
        }
    }

    pub(super) fn meaning(self, l: Language) -> &'static str {
        match self {
            Self::Own => l.pick(
                "établi : l'organisme l'a fait ou constaté lui-même.",
                "established: the organisation did or saw it itself.",
            ),
            Self::Told => l.pick(
                "déclaré : l'autre serveur l'a dit (sa réponse est au journal) ; ce qu'il en a fait ensuite n'est pas connu.",
                "declared: the other server said so (its answer is in the journal); what it did afterwards is not known.",
            ),
            Self::Hint => l.pick(
                "indicatif : peut être le fait d'un logiciel de sécurité qui suit les liens.",
                "indicative: may be the work of security software that follows links.",
            ),
        }
    }
}

/// The furthest point that a recipient has reached, in words, and whether that is reading.
pub(super) fn reading(steps: &[Step], recipient: RecipientNo, l: Language) -> (String, bool) {
    let mine = || steps.iter().filter(move |s| s.recipient == Some(recipient));
    let first = |event: E| mine().find(|s| s.event == event);
    let at = |s: &Step| s.time.strftime(l.pick("%d/%m/%Y à %H:%M:%S", "%Y-%m-%d at %H:%M:%S")).to_string();
    let said = |fr: &str, en: &str, s: &Step| format!("{} {}", l.pick(fr, en), at(s));
    if let Some(opened) = first(E::ConsignmentAcceptance) {
        let passed = mine().rfind(|s| s.event == E::GatePassed && s.time <= opened.time);
        let how = passed.and_then(|s| s.note.as_deref()).map(|note| format!(" ({note})")).unwrap_or_default();
        let mut text = format!(
            "{}{how}, {}",
            l.pick("identité vérifiée", "identity verified"),
            said("ouvert le", "opened", opened)
        );
        let files = mine().filter(|s| s.event == E::ContentHandover).count();
        if files > 0 {
            let words = match l {
                Language::Fr if files == 1 => " ; 1 fichier remis en entier".to_owned(),
                Language::Fr => format!(" ; {files} fichiers remis en entier"),
                Language::En if files == 1 => "; 1 file handed over whole".to_owned(),
                Language::En => format!("; {files} files handed over whole"),
            };
            text.push_str(&words);
        }
        return (text, true);
    }
    let ladder = [
        (E::AcceptanceRejectionExpiry, "délai passé sans ouverture, le", "not opened in time,"),
        (E::Revoked, "accès retiré le", "access withdrawn"),
        (
            E::ContentConsignmentFailure,
            "identité vérifiée ; le contenu n'a pas pu être présenté, le",
            "identity verified; the content could not be shown,",
        ),
        (E::GatePassed, "identité vérifiée le", "identity verified"),
        (E::NotificationAccessTracking, "lien consulté le", "link fetched"),
        (E::NotificationDelivered, "avis confirmé par son serveur le", "notice confirmed by their server"),
        (E::RelayToNonERDS, "accepté par son serveur le", "taken by their server"),
        (E::NotificationForAcceptance, "avis accepté par son serveur le", "notice taken by their server"),
        (E::RelayToNonERDSFailure, "non remis, le", "not delivered,"),
        (E::NotificationForAcceptanceFailure, "avis non remis, le", "notice not delivered,"),
        (E::SubmissionAcceptance, "déposé le", "deposited"),
    ];
    let reached = ladder.iter().find_map(|(event, fr, en)| Some(said(fr, en, first(*event)?)));
    (reached.unwrap_or_else(|| l.pick("en cours", "under way").to_owned()), false)
}
