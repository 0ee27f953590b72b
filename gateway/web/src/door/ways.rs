//! The ways through the gate as the landing page shows them: a pictogram, what it is, what one needs for it.

use super::gate::sms::masked;
use crate::pages::Way;
use crate::view::Door;
use sealpost_envelope::{GateMethod, Language};

/// The methods that may be taken now. A card comes first where it is allowed (it proves the most, in one step), the
/// others as the rule orders them.
pub(super) fn ways(door: &Door, mut methods: Vec<GateMethod>, l: Language) -> Vec<Way> {
    methods.sort_by_key(|m| *m != GateMethod::Cps);
    methods.iter().map(|m| way(door, m, l)).collect()
}

fn way(door: &Door, method: &GateMethod, l: Language) -> Way {
    let (icon, title, needs, button) = match method {
        GateMethod::Link => (
            "link",
            l.pick("Lien personnel", "Personal link").to_owned(),
            l.pick("Le lien que vous avez suivi suffit.", "The link you followed is enough.").to_owned(),
            l.pick("Continuer", "Continue"),
        ),
        GateMethod::OtpMail => (
            "mail",
            l.pick("Code à usage unique par courriel", "One-time code by mail").to_owned(),
            format!(
                "{} {}",
                l.pick("Six chiffres, envoyés à", "Six digits, sent to"),
                door.row.address.masked()
            ),
            l.pick("Envoyer le code par courriel", "Send the code by mail"),
        ),
        GateMethod::OtpSms => (
            "phone",
            l.pick("Code à usage unique par SMS", "One-time code by SMS").to_owned(),
            format!(
                "{} {}",
                l.pick("Six chiffres, envoyés au", "Six digits, sent to"),
                door.phone.as_deref().map(masked).unwrap_or_default()
            ),
            l.pick("Envoyer le code par SMS", "Send the code by SMS"),
        ),
        GateMethod::Totp => (
            "app",
            l.pick("Code d’une application", "Code of an app").to_owned(),
            l.pick(
                "Le code que montre votre application (FreeOTP, Google Authenticator…) ou votre jeton.",
                "The code shown by your app (FreeOTP, Google Authenticator…) or your token.",
            )
            .to_owned(),
            l.pick("Saisir le code", "Enter the code"),
        ),
        GateMethod::Hotp => (
            "token",
            l.pick("Code d’un jeton", "Code of a token").to_owned(),
            l.pick(
                "Le jeton que votre organisme vous a remis.",
                "The token that your organisation gave you.",
            )
            .to_owned(),
            l.pick("Saisir le code", "Enter the code"),
        ),
        GateMethod::Tiqr => (
            "qr",
            l.pick("QR code", "QR code").to_owned(),
            l.pick(
                "Votre téléphone avec l’application tiqr, et son code PIN.",
                "Your telephone with the tiqr app, and its PIN.",
            )
            .to_owned(),
            l.pick("Afficher le QR code", "Show the QR code"),
        ),
        GateMethod::Cps => (
            "card",
            l.pick("Carte professionnelle de santé (recommandé)", "Health professional card (recommended)")
                .to_owned(),
            l.pick(
                "Votre carte CPS, CPE ou CPF dans son lecteur, et son code porteur.",
                "Your CPS, CPE or CPF card in its reader, and its PIN.",
            )
            .to_owned(),
            l.pick("Se connecter avec la carte", "Sign in with the card"),
        ),
        GateMethod::Oidc(name) => {
            ("provider", provider(door, name), about(name, l), l.pick("Continuer", "Continue"))
        }
        GateMethod::Password => (
            "password",
            l.pick("Mot de passe du message", "Message password").to_owned(),
            l.pick(
                "L’expéditeur vous l’a transmis par un autre moyen.",
                "The sender gave it to you in another way.",
            )
            .to_owned(),
            l.pick("Saisir le mot de passe", "Enter the password"),
        ),
    };
    Way { method: method.to_string(), icon, title, needs, button: button.to_owned() }
}

/// What people know a provider as.
pub(super) fn provider(door: &Door, name: &str) -> String {
    let method = door.methods.get(&GateMethod::Oidc(name.to_owned()));
    method.and_then(|m| m.label()).unwrap_or(name).to_owned()
}

fn about(name: &str, l: Language) -> String {
    match name {
        "psc" => l.pick(
            "Votre e-CPS sur téléphone, ou votre carte CPS ; aussi quand le code de la carte est oublié.",
            "Your e-CPS on the telephone, or your CPS card; also when the card’s PIN is forgotten.",
        ),
        _ => l.pick(
            "Vous vous identifiez auprès de ce service, puis revenez ici.",
            "You sign in there and come back.",
        ),
    }
    .to_owned()
}
