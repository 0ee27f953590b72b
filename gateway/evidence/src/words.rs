//! Events in words that people use, French and English.

use crate::name::EventName as E;

/// French and English words for an event that has a place in a report or on a page.
pub fn words(event: E) -> Option<(&'static str, &'static str)> {
    Some(match event {
        E::SubmissionAcceptance => ("Message déposé et accepté", "Message deposited and accepted"),
        E::SubmissionRejection => ("Message refusé au dépôt", "Message refused at deposit"),
        E::RelayToNonERDS => {
            ("Message remis au serveur du destinataire", "Message handed to the recipient's server")
        }
        E::RelayToNonERDSFailure => {
            ("Message non remis au serveur du destinataire", "Message not taken by the recipient's server")
        }
        E::NotificationForAcceptance => ("Invitation à accepter envoyée", "Invitation to accept sent"),
        E::NotificationForAcceptanceFailure => {
            ("Invitation à accepter non envoyée", "Invitation to accept not sent")
        }
        E::ConsignmentAcceptance => {
            ("Message accepté par le destinataire", "Message accepted by the recipient")
        }
        E::ConsignmentRejection => ("Message refusé par le destinataire", "Message refused by the recipient"),
        E::AcceptanceRejectionExpiry => ("Délai passé sans réponse", "No answer in time"),
        E::ContentConsignment => {
            ("Contenu mis à disposition du destinataire", "Content made available to the recipient")
        }
        E::ContentConsignmentFailure => {
            ("Contenu non mis à disposition", "Content could not be made available")
        }
        E::ConsignmentNotification => {
            ("Avis de mise à disposition envoyé", "Notice of available content sent")
        }
        E::ConsignmentNotificationFailure => {
            ("Avis de mise à disposition non envoyé", "Notice of available content not sent")
        }
        E::NotificationDelivered => ("Avis confirmé par le serveur", "Notice confirmed by the server"),
        E::NotificationAccessTracking => ("Lien de l'avis consulté", "Link of the notice fetched"),
        E::ContentAccessTracking => ("Contenu consulté", "Content looked at"),
        E::ContentHandover => ("Contenu remis au destinataire", "Content handed to the recipient"),
        E::ContentHandoverFailure => ("Contenu non remis dans le délai", "Content not handed over in time"),
        E::ChallengeSent => ("Code envoyé au destinataire", "Code sent to the recipient"),
        E::GatePassed => ("Authentification réussie", "Authentication passed"),
        E::GateFailed => ("Authentification échouée", "Authentication failed"),
        E::IdentityBound => ("Identité rattachée au destinataire", "Identity bound to the recipient"),
        E::ReadReceiptReceived => ("Accusé de lecture reçu", "Read receipt received"),
        E::Resent => ("Avis renvoyé", "Notice sent again"),
        E::RecipientCorrected => ("Adresse corrigée", "Address corrected"),
        E::Revoked => ("Accès révoqué", "Access revoked"),
        E::Extended => ("Accès prolongé", "Access extended"),
        E::HoldPlaced => ("Message retenu", "Message held"),
        E::HoldReleased => ("Message libéré", "Message released"),
        E::ContentDestroyed => ("Contenu détruit", "Content destroyed"),
        E::ProofExported => ("Preuve exportée", "Proof exported"),
        _ => return None,
    })
}
