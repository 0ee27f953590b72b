//! Why a message waits for its sender, in words for the sender.

use crate::PhoneError;
use sealpost_envelope::{Language, Wording};

/// A reason to ask the sender before anything leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Something that was nearly a tag.
    NearMiss {
        /// As typed.
        text: String,
    },
    /// An invitation cannot be protected without breaking it.
    TaggedInvitation,
    /// A rule's condition cannot be evaluated.
    Condition {
        /// The rule's name.
        rule: String,
        /// Why.
        error: String,
    },
    /// A header that cannot be read.
    BadHint {
        /// Header.
        name: String,
        /// Its value.
        value: String,
    },
    /// One number for several outside recipients.
    PhoneForMany {
        /// How many there are.
        recipients: usize,
    },
    /// A number for someone who is no recipient.
    PhoneForStranger {
        /// As typed.
        address: String,
    },
    /// A number that cannot receive a code.
    BadPhone {
        /// As typed.
        number: String,
        /// Why.
        error: PhoneError,
    },
    /// A code by SMS was asked for and cannot be sent.
    SmsUnavailable,
    /// A gate that the rule does not offer.
    GateNotOffered {
        /// As asked for.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// Access would end before it begins.
    EndsInThePast,
    /// Nobody was ever written to at this address, and it is one letter away from one that the sender writes to.
    NearAddress {
        /// That one.
        known: String,
    },
    /// The recipient cannot pass the gate in any way: something is missing that the sender or an administrator
    /// can give.
    CannotServe {
        /// The gate.
        gate: String,
        /// What would open it.
        missing: Vec<Missing>,
    },
}

/// What a recipient lacks for a way through the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// A telephone number.
    Phone,
    /// A telephone number that codes may go to; the one given is not.
    NearPhone,
    /// The message's password.
    Password,
    /// A token or app.
    Token,
    /// A service for SMS.
    SmsService,
    /// A way that establishes who opens: a card or an identity provider.
    Identity,
}

impl Missing {
    pub(crate) fn text(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Phone, Language::Fr) => {
                "un numéro de mobile, par exemple dans l’objet : [secure sms:+33612345678]"
            }
            (Self::Phone, Language::En) => {
                "a mobile number, for instance in the subject: [secure sms:+33612345678]"
            }
            (Self::NearPhone, Language::Fr) => {
                "un numéro de mobile auquel des codes peuvent être envoyés : l’indicatif de celui-ci n’est pas admis"
            }
            (Self::NearPhone, Language::En) => {
                "a mobile number that codes may be sent to: the country code of this one is not admitted"
            }
            (Self::Password, Language::Fr) => {
                "un mot de passe pour ce message, par l’en-tête X-Sealpost-Password ou depuis l’application"
            }
            (Self::Password, Language::En) => {
                "a password for this message, by the header X-Sealpost-Password or in the application"
            }
            (Self::Token, Language::Fr) => {
                "un jeton ou une application d’authentification, que votre administrateur attribue"
            }
            (Self::Token, Language::En) => {
                "a token or an authenticator app, which your administrator gives out"
            }
            (Self::SmsService, Language::Fr) => "un service de SMS, que votre administrateur configure",
            (Self::SmsService, Language::En) => "an SMS service, which your administrator sets up",
            (Self::Identity, Language::Fr) => {
                "une carte professionnelle ou un fournisseur d’identité parmi les authentifications de la règle, pour établir qui ouvre"
            }
            (Self::Identity, Language::En) => {
                "a professional’s card or an identity provider among the rule’s ways, to establish who opens"
            }
        }
    }
}

fn joined(missing: &[Missing], language: Language) -> String {
    let or = match language {
        Language::Fr => " ; ou ",
        Language::En => "; or ",
    };
    missing.iter().map(|m| m.text(language)).collect::<Vec<_>>().join(or)
}

impl Hold {
    /// The reason in the sender's language.
    pub fn text(&self, language: Language) -> String {
        match language {
            Language::Fr => self.french(),
            Language::En => self.english(),
        }
    }

    /// The reason in both.
    pub fn wording(&self) -> Wording {
        Wording { fr: self.french(), en: self.english() }
    }

    fn french(&self) -> String {
        match self {
            Self::NearMiss { text } => {
                format!("L’objet contient « {text} », qui ressemble à une demande de protection mais n’en est pas une. Écrivez [sécurisé] pour protéger ce message.")
            }
            Self::TaggedInvitation => {
                "Une invitation à une réunion ne peut pas être protégée : le calendrier du destinataire ne saurait plus la lire.".into()
            }
            Self::Condition { rule, error } => {
                format!("La règle « {rule} » n’a pas pu être évaluée ({error}). Prévenez votre administrateur.")
            }
            Self::BadHint { name, value } => format!("L’en-tête {name} contient « {value} », qui n’est pas compris."),
            Self::PhoneForMany { recipients } => {
                format!("Un seul numéro est donné pour {recipients} destinataires extérieurs. Écrivez [secure sms:adresse=numéro] pour chacun.")
            }
            Self::PhoneForStranger { address } => {
                format!("Un numéro est donné pour « {address} », qui n’est pas destinataire de ce message.")
            }
            Self::BadPhone { number, error } => {
                let why = match error {
                    PhoneError::Shape => "n’est pas un numéro de téléphone",
                    PhoneError::Country => "doit commencer par + et l’indicatif du pays",
                    PhoneError::NotMobile => "n’est pas un numéro de mobile",
                };
                format!("« {number} » {why}.")
            }
            Self::SmsUnavailable => "Un code par SMS est demandé, mais aucun service de SMS n’est configuré.".into(),
            Self::GateNotOffered { wanted, offered } => {
                format!("L’authentification « {wanted} » est demandée, mais la règle n’offre que « {offered} ».")
            }
            Self::EndsInThePast => "La date de fin d’accès demandée est déjà passée.".into(),
            Self::NearAddress { known } => {
                format!("Vous n’avez jamais écrit à cette adresse, et elle ressemble à {known}, à qui vous écrivez. Est-ce la bonne ?")
            }
            Self::CannotServe { gate, missing } => {
                format!("L’authentification demandée ({gate}) est impossible pour ce destinataire. Il manque : {}.", joined(missing, Language::Fr))
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::NearMiss { text } => {
                format!("The subject holds “{text}”, which looks like a request for protection but is none. Write [secure] to protect this message.")
            }
            Self::TaggedInvitation => {
                "An invitation to a meeting cannot be protected: the recipient’s calendar could no longer read it.".into()
            }
            Self::Condition { rule, error } => {
                format!("The rule “{rule}” could not be evaluated ({error}). Tell your administrator.")
            }
            Self::BadHint { name, value } => format!("The header {name} holds “{value}”, which is not understood."),
            Self::PhoneForMany { recipients } => {
                format!("One number is given for {recipients} outside recipients. Write [secure sms:address=number] for each.")
            }
            Self::PhoneForStranger { address } => {
                format!("A number is given for “{address}”, who is no recipient of this message.")
            }
            Self::BadPhone { number, error } => {
                let why = match error {
                    PhoneError::Shape => "is not a telephone number",
                    PhoneError::Country => "must begin with + and the country’s code",
                    PhoneError::NotMobile => "is not a mobile number",
                };
                format!("“{number}” {why}.")
            }
            Self::SmsUnavailable => "A code by SMS is asked for, but no SMS service is configured.".into(),
            Self::GateNotOffered { wanted, offered } => {
                format!("The authentication “{wanted}” is asked for, but the rule offers only “{offered}”.")
            }
            Self::EndsInThePast => "Access shall end at a time that has already passed.".into(),
            Self::NearAddress { known } => {
                format!("You have never written to this address, and it looks like {known}, to whom you write. Is it the right one?")
            }
            Self::CannotServe { gate, missing } => {
                format!("This recipient cannot pass the gate ({gate}). What is missing: {}.", joined(missing, Language::En))
            }
        }
    }
}
