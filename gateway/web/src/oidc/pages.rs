//! The pages of a sign-in elsewhere.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::pages::{Back, Frame, NoticePage, html, html_status};
use crate::state::WebState;
use crate::view::Door;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::Language;
use sealpost_oidc::{Answer, Preset, Provider};

/// Goes on to the provider by itself.
#[derive(Template)]
#[template(path = "oidc/away.html")]
struct Away<'a> {
    f: &'a Frame,
    label: &'a str,
    url: &'a str,
    back: Option<String>,
}

/// The provider, or the telephone.
#[derive(Template)]
#[template(path = "oidc/choose.html")]
struct Choose<'a> {
    f: &'a Frame,
    label: &'a str,
    door: String,
    name: &'a str,
    csrf: String,
    psc: bool,
    malformed: bool,
}

/// The provider's answer, to be carried on by POST.
#[derive(Template)]
#[template(path = "oidc/returned.html")]
pub(super) struct Returned<'a> {
    pub(super) f: &'a Frame,
    pub(super) label: &'a str,
    pub(super) action: String,
    pub(super) csrf: String,
    pub(super) answer: Answer,
}

/// Waits for the telephone.
#[derive(Template)]
#[template(path = "oidc/wait.html")]
pub(super) struct Waiting<'a> {
    pub(super) f: &'a Frame,
    pub(super) label: &'a str,
    pub(super) door: String,
    pub(super) action: String,
    pub(super) csrf: String,
    pub(super) binding: &'a str,
    pub(super) confirmed: bool,
    pub(super) seconds: i64,
    pub(super) until: String,
    pub(super) until_machine: String,
    pub(super) until_epoch: i64,
}

/// Asks before the browser leaves, where a link led here.
#[derive(Template)]
#[template(path = "oidc/enter.html")]
pub(super) struct Enter<'a> {
    pub(super) f: &'a Frame,
    pub(super) heading: String,
    pub(super) text: String,
    pub(super) button: String,
    pub(super) action: String,
    pub(super) csrf: String,
    pub(super) back: Back,
    pub(super) auto: bool,
}

pub(super) fn frame(state: &WebState, ctx: &Ctx, title: &str, door: Option<&Door>) -> Frame {
    let entity = door.map(|d| d.site.clone()).or_else(|| state.only_entity());
    Frame::new(state, ctx, title, entity)
}

pub(super) fn away(
    state: &WebState,
    ctx: &Ctx,
    door: Option<&Door>,
    label: &str,
    url: &str,
) -> Result<Response, Fault> {
    let title = match ctx.language {
        Language::Fr => format!("Vous allez vers {label}"),
        Language::En => format!("You are going to {label}"),
    };
    html(&Away { f: &frame(state, ctx, &title, door), label, url, back: door.map(Door::path) })
}

pub(super) fn choose(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    provider: &Provider,
    malformed: bool,
) -> Result<Response, Fault> {
    let settings = provider.settings();
    let status = if malformed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    html_status(
        status,
        &Choose {
            f: &frame(state, ctx, &settings.label, Some(door)),
            label: &settings.label,
            door: door.path(),
            name: &settings.name,
            csrf: ctx.csrf(state, &door.path()),
            psc: settings.preset == Preset::Psc,
            malformed,
        },
    )
}

pub(super) fn returned_title(ctx: &Ctx, provider: &Provider) -> String {
    let label = &provider.settings().label;
    match ctx.language {
        Language::Fr => format!("Retour de {label}"),
        Language::En => format!("Back from {label}"),
    }
}

/// At the telephone these look the same from outside: whether an identifier is known is nobody's business here.
pub(super) fn at_telephone(reason: &str) -> &str {
    match reason {
        "denied" | "expired" | "unknown-user" => "not-confirmed",
        other => other,
    }
}

/// Why it came to nothing, and what to do next.
pub(super) fn refused(
    state: &WebState,
    ctx: &Ctx,
    door: Option<&Door>,
    label: &str,
    reason: &str,
) -> Result<Response, Fault> {
    let (heading, mut paragraphs) = words(reason, label, ctx.language);
    if door.is_some() {
        let text = ctx.language.pick(
            "Rien n’est perdu : reprenez depuis l’avis de dépôt.",
            "Nothing is lost: start again from the delivery notice.",
        );
        paragraphs.push(text.to_owned());
    }
    let status = match reason {
        "unreachable" | "discovery" => StatusCode::BAD_GATEWAY,
        _ => StatusCode::FORBIDDEN,
    };
    let l = ctx.language;
    let back = match door {
        Some(door) => Back {
            href: door.path(),
            label: l.pick("Revenir à l’avis de dépôt", "Back to the delivery notice").to_owned(),
        },
        None => Back {
            href: "/".to_owned(),
            label: l.pick("Revenir à l’accueil", "Back to the start").to_owned(),
        },
    };
    html_status(
        status,
        &NoticePage {
            f: &frame(state, ctx, &heading, door),
            kind: l.pick("Authentification", "Sign-in").to_owned(),
            reference: door.map(|d| d.deposit.reference.as_str().to_owned()),
            heading,
            paragraphs,
            contact: None,
            back: Some(back),
        },
    )
}

fn words(reason: &str, label: &str, l: Language) -> (String, Vec<String>) {
    let t = |fr: &str, en: &str| l.pick(fr, en).replace("{}", label);
    let (heading, text) = match reason {
        "denied" => (
            t("{} n’a pas confirmé votre identité", "{} did not confirm your identity"),
            t(
                "La demande a été refusée ou abandonnée. Vous pouvez recommencer, ou choisir un autre moyen s’il y en a un.",
                "The request was refused or abandoned. You can try again, or choose another way if there is one.",
            ),
        ),
        "not-confirmed" => (
            t("La confirmation n’est pas venue", "The confirmation did not come"),
            t(
                "Elle a été refusée sur le téléphone, ou n’a pas été donnée à temps, ou l’identifiant n’est pas celui d’un compte {}. Vérifiez l’identifiant et recommencez.",
                "It was refused on the telephone, or not given in time, or the identifier is not that of a {} account. Check the identifier and try again.",
            ),
        ),
        "expired" => (
            t("Le temps pour confirmer est écoulé", "The time to confirm is over"),
            t("Recommencez : une nouvelle demande partira.", "Try again: a new request will be sent."),
        ),
        "unknown-user" => return words("not-confirmed", label, l),
        "unreachable" | "discovery" => (
            t("{} ne répond pas", "{} does not answer"),
            t(
                "La panne n’est pas de votre fait. Réessayez dans quelques minutes, ou choisissez un autre moyen s’il y en a un.",
                "The failure is not yours. Try again in a few minutes, or choose another way if there is one.",
            ),
        ),
        "level" => (
            t("Le niveau d’authentification est insuffisant", "The level of authentication is too low"),
            t(
                "L’expéditeur demande un niveau que {} n’a pas confirmé. Recommencez avec un moyen plus fort.",
                "The sender asks for a level that {} did not confirm. Try again with a stronger means.",
            ),
        ),
        "authentication-too-old" => (
            t("Authentifiez-vous de nouveau auprès de {}", "Sign in again at {}"),
            t("Votre dernière authentification est trop ancienne.", "Your last sign-in is too long ago."),
        ),
        "identity-missing" => (
            t("{} n’a pas dit qui vous êtes", "{} did not say who you are"),
            t(
                "Une donnée nécessaire manque dans sa réponse : votre compte n’y est peut-être pas complet.",
                "Something needed is missing from its answer: your account there may not be complete.",
            ),
        ),
        "state-unknown" | "state-expired" | "state-replayed" | "stale" => (
            t("Cette authentification est terminée", "This sign-in is over"),
            t(
                "Elle a déjà servi, ou a attendu plus de dix minutes. Les touches « Précédent » et « Actualiser » n’y mènent plus.",
                "It was used before, or waited for more than ten minutes. “Back” and “Reload” no longer lead to it.",
            ),
        ),
        "other-browser" => (
            t(
                "Cette authentification a commencé dans un autre navigateur",
                "This sign-in began in another browser",
            ),
            t(
                "Terminez-la là où vous l’avez commencée, ou rouvrez ici le lien de l’avis de dépôt et recommencez.",
                "Finish it where you began it, or open the link of the delivery notice here and start again.",
            ),
        ),
        "bound-elsewhere" => (
            t("Cette identité est liée à un autre compte", "This identity is bound to another account"),
            t(
                "Une identité {} n’ouvre qu’un compte. Adressez-vous à votre administrateur.",
                "An identity of {} opens one account only. Ask your administrator.",
            ),
        ),
        "no-account" => (
            t("Aucun compte n’est lié à cette identité", "No account is bound to this identity"),
            t(
                "Connectez-vous d’abord autrement, puis liez {} à votre compte dans « Sécurité ».",
                "Log in another way first, then bind {} to your account under “Security”.",
            ),
        ),
        _ => (
            t("La réponse de {} n’a pas pu être acceptée", "The answer of {} could not be accepted"),
            t(
                "Elle n’a pas passé nos contrôles, et personne n’a été authentifié. Recommencez ; si cela se répète, prévenez l’assistance.",
                "It did not pass our checks, and nobody was signed in. Try again; if it happens again, tell support.",
            ),
        ),
    };
    (heading, vec![text])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_words_and_the_telephone_keeps_a_secret() {
        let general = words("anything", "X", Language::Fr).0;
        for reason in
            ["denied", "expired", "unreachable", "level", "state-replayed", "other-browser", "no-account"]
        {
            assert_ne!(words(reason, "X", Language::Fr).0, general, "{reason}");
        }
        for reason in ["denied", "expired", "unknown-user"] {
            assert_eq!(at_telephone(reason), "not-confirmed");
        }
        assert_eq!(words("unknown-user", "X", Language::En), words("not-confirmed", "X", Language::En));
        for l in [Language::Fr, Language::En] {
            assert!(words("denied", "Y", l).0.contains('Y') && !words("level", "Y", l).1[0].contains("{}"));
        }
    }
}
