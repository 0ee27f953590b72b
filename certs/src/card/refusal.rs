//! Why a card was not accepted: one reason, a code for journals, words for the person who holds it.

use super::CardError;
use jiff::Timestamp;
use sealpost_envelope::Language;
use thiserror::Error;

/// Why a card is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The browser sent no certificate.
    #[error("no certificate was presented")]
    None,
    /// What was sent is no certificate in DER.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// The certificate is not one of a card, or names nobody.
    #[error(transparent)]
    NotACard(#[from] CardError),
    /// The RPPS number's key is wrong.
    #[error("the RPPS number's check digit is wrong")]
    Identifier,
    /// A test card where real ones are asked for.
    #[error("a test card where real cards are asked for")]
    Test,
    /// A real card where test ones are asked for.
    #[error("a real card where test cards are asked for")]
    Real,
    /// The card's certificate for signatures.
    #[error("the certificate is for signatures, not for authentication")]
    SignatureOnly,
    /// keyUsage or extended key usage allow no TLS client authentication.
    #[error("the certificate is not for the authentication of clients")]
    Purpose,
    /// Another member of the family than those that are accepted.
    #[error("cards of the kind {0} are not accepted")]
    Kind(&'static str),
    /// It was not issued by an accepted authority.
    #[error("no chain to an accepted authority: {0}")]
    Chain(String),
    /// Its validity has not begun.
    #[error("not valid before {0}")]
    NotYet(Timestamp),
    /// Its validity is over.
    #[error("expired on {0}")]
    Expired(Timestamp),
    /// Its issuer revoked it.
    #[error("revoked on {0}")]
    Revoked(Timestamp),
    /// No valid revocation list of its issuer is at hand, and no responder's answer; or the answer leaves it open.
    #[error("its revocation cannot be checked: {0}")]
    RevocationUnknown(String),
    /// Good, but of another person than the message is for.
    #[error("the card belongs to another person than the one addressed")]
    OtherPerson,
}

impl Refusal {
    /// Code in the journal and in metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "no-certificate",
            Self::Unreadable(_) => "unreadable",
            Self::NotACard(_) => "not-a-card",
            Self::Identifier => "identifier",
            Self::Test => "test-card",
            Self::Real => "real-card",
            Self::SignatureOnly => "signature-only",
            Self::Purpose => "purpose",
            Self::Kind(_) => "card-kind",
            Self::Chain(_) => "wrong-chain",
            Self::NotYet(_) => "not-yet-valid",
            Self::Expired(_) => "expired",
            Self::Revoked(_) => "revoked",
            Self::RevocationUnknown(_) => "revocation-unknown",
            Self::OtherPerson => "other-person",
        }
    }

    /// What happened, as a heading.
    pub fn heading(&self, l: Language) -> &'static str {
        match self {
            Self::None => l.pick("Aucune carte n’a été lue", "No card was read"),
            Self::Unreadable(_) => {
                l.pick("Le certificat ne peut pas être lu", "The certificate cannot be read")
            }
            Self::NotACard(_) => l.pick(
                "Ce certificat n’est pas celui d’une carte professionnelle",
                "This certificate is not one of a professional card",
            ),
            Self::Identifier => {
                l.pick("L’identifiant de la carte est erroné", "The card’s identifier is wrong")
            }
            Self::Test => l.pick("C’est une carte de test", "This is a test card"),
            Self::Real => l.pick(
                "C’est une carte réelle, sur un service de test",
                "This is a real card, on a test service",
            ),
            Self::SignatureOnly => {
                l.pick("C’est le certificat de signature", "This is the signature certificate")
            }
            Self::Purpose => l.pick(
                "Ce certificat ne sert pas à s’identifier",
                "This certificate is not meant for signing in",
            ),
            Self::Kind(_) => {
                l.pick("Ce type de carte n’est pas accepté ici", "This kind of card is not accepted here")
            }
            Self::Chain(_) => l.pick(
                "L’émetteur de ce certificat n’est pas reconnu",
                "The issuer of this certificate is not accepted",
            ),
            Self::NotYet(_) => l.pick("Cette carte n’est pas encore valable", "This card is not valid yet"),
            Self::Expired(_) => l.pick("Cette carte a expiré", "This card has expired"),
            Self::Revoked(_) => l.pick("Cette carte est révoquée", "This card has been revoked"),
            Self::RevocationUnknown(_) => l.pick(
                "La validité de la carte ne peut pas être vérifiée",
                "The card’s validity cannot be checked",
            ),
            Self::OtherPerson => {
                l.pick("Cette carte est celle d’une autre personne", "This card belongs to another person")
            }
        }
    }

    /// What to do about it.
    pub fn advice(&self, l: Language) -> &'static str {
        match self {
            Self::None => l.pick(
                "Le navigateur n’a présenté aucun certificat. Insérez la carte dans le lecteur, attendez quelques secondes, puis réessayez.",
                "The browser presented no certificate. Insert the card into the reader, wait a few seconds, then try again.",
            ),
            Self::Unreadable(_) | Self::Identifier => l.pick(
                "La carte est peut-être endommagée. Essayez sur un autre poste, puis adressez-vous à l’Agence du numérique en santé.",
                "The card may be damaged. Try another computer, then ask the Agence du numérique en santé.",
            ),
            Self::NotACard(_) => l.pick(
                "Choisissez le certificat d’authentification de votre carte CPS, CPF, CPE ou CPA dans la fenêtre du navigateur.",
                "Choose the authentication certificate of your CPS, CPF, CPE or CPA card in the browser’s window.",
            ),
            Self::Test => l.pick(
                "Les cartes de test n’ouvrent pas de messages réels. Prenez votre propre carte.",
                "Test cards open no real messages. Use your own card.",
            ),
            Self::Real => l.pick(
                "Ce service est un essai : il n’accepte que des cartes de test, et n’a rien gardé de la vôtre.",
                "This service is a trial: it accepts test cards only, and kept nothing of yours.",
            ),
            Self::SignatureOnly => l.pick(
                "Une carte porte deux certificats. Fermez le navigateur, revenez ici et choisissez le certificat d’authentification.",
                "A card holds two certificates. Close the browser, come back and choose the authentication certificate.",
            ),
            Self::Purpose => l.pick(
                "Fermez le navigateur, revenez ici et choisissez le certificat d’authentification de votre carte.",
                "Close the browser, come back and choose the authentication certificate of your card.",
            ),
            Self::Kind(_) => l.pick(
                "Demandez à l’expéditeur quel moyen convient, ou choisissez-en un autre.",
                "Ask the sender which means is right, or choose another one.",
            ),
            Self::Chain(_) => l.pick(
                "Seules les cartes de l’IGC-Santé sont acceptées. Si la vôtre est ancienne, faites-la renouveler.",
                "Only cards of the IGC-Santé are accepted. If yours is an old one, have it renewed.",
            ),
            Self::NotYet(_) => l.pick(
                "Vérifiez sa date de début ; elle pourra servir ensuite.",
                "Look at its first day of validity; it can be used from then on.",
            ),
            Self::Expired(_) => l.pick(
                "Demandez son renouvellement à l’Agence du numérique en santé. D’ici là, choisissez un autre moyen.",
                "Ask the Agence du numérique en santé for a new one. Until then, choose another means.",
            ),
            Self::Revoked(_) => l.pick(
                "Son émetteur l’a mise en opposition (perte, vol, changement d’activité). Elle n’ouvre plus rien.",
                "Its issuer withdrew it (loss, theft, change of activity). It opens nothing any more.",
            ),
            Self::RevocationUnknown(_) => l.pick(
                "L’émetteur de la carte n’a pas pu dire si elle est révoquée. Par prudence, elle n’est pas acceptée pour le moment : réessayez plus tard ou choisissez un autre moyen.",
                "The card’s issuer could not say whether it has been revoked. To be safe, it is not accepted for now: try again later or choose another means.",
            ),
            Self::OtherPerson => l.pick(
                "Le message est destiné à un autre professionnel. Reprenez avec la carte du destinataire.",
                "The message is for another professional. Start again with the recipient’s card.",
            ),
        }
    }
}
