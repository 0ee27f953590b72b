//! Faults in words: what happened, what to do next, whom to ask.

use super::{Back, Contact, Frame, NoticePage, html_status};
use crate::content::Content;
use crate::ctx::Ctx;
use crate::fault::{Ended, Fault};
use crate::locale;
use crate::state::WebState;
use crate::view::Door;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::Language;

struct Words {
    status: StatusCode,
    kind: &'static str,
    heading: String,
    paragraphs: Vec<&'static str>,
}

/// The page of a fault.
pub(super) fn page(state: &WebState, ctx: &Ctx, fault: Fault) -> Result<Response, Fault> {
    match fault {
        Fault::Ended(why, door) => ended(state, ctx, why, &door),
        Fault::NoSession(door) => {
            let words = no_session(ctx.language);
            way_back(state, ctx, &door, words)
        }
        Fault::Forged(door) => {
            let words = forged(ctx.language);
            way_back(state, ctx, &door, words)
        }
        Fault::Damaged(door) => {
            let words = damaged(ctx.language);
            way_back(state, ctx, &door, words)
        }
        other => {
            let words = plain(&other, ctx.language);
            let frame = Frame::new(state, ctx, &words.heading, state.only_entity());
            render(&frame, words, None, None, None)
        }
    }
}

fn render(
    frame: &Frame,
    words: Words,
    reference: Option<String>,
    contact: Option<Contact>,
    back: Option<Back>,
) -> Result<Response, Fault> {
    let page = NoticePage {
        f: frame,
        kind: words.kind.to_owned(),
        reference,
        heading: words.heading,
        paragraphs: words.paragraphs.into_iter().map(str::to_owned).collect(),
        contact,
        back,
    };
    html_status(words.status, &page)
}

fn ended(state: &WebState, ctx: &Ctx, why: Ended, door: &Door) -> Result<Response, Fault> {
    let l = ctx.language;
    let until = locale::moment(door.row.verdict.expires, &door.site.zone, l);
    let (heading, paragraphs, ask) = match why {
        Ended::Expired => (
            match l {
                Language::Fr => format!("La consultation a pris fin le {until}"),
                Language::En => format!("Access ended on {until}"),
            },
            vec![l.pick(
                "Le message existe peut-être encore. Demandez une prolongation à l’expéditeur : il peut rouvrir l’accès, et votre lien fonctionnera de nouveau.",
                "The message may still exist. Ask the sender for an extension: they can reopen access, and your link will work again.",
            )],
            l.pick("Demande de prolongation", "Request for an extension"),
        ),
        Ended::Revoked => (
            l.pick("L’expéditeur a retiré ce message", "The sender withdrew this message").to_owned(),
            vec![l.pick(
                "Il ne peut plus être ouvert. Si vous l’attendiez, demandez à l’expéditeur de vous l’adresser de nouveau.",
                "It can no longer be opened. If you were expecting it, ask the sender to send it again.",
            )],
            l.pick("Message retiré", "Withdrawn message"),
        ),
        Ended::Declined => (
            l.pick("Ce message a été refusé", "This message was refused").to_owned(),
            vec![l.pick(
                "Quelqu’un qui détenait ce lien a indiqué ne pas vouloir du message, ou ne pas en être le destinataire. L’expéditeur en est prévenu et peut vous l’adresser de nouveau.",
                "Somebody who held this link said that they do not want the message, or are not its recipient. The sender was told and can send it again.",
            )],
            l.pick("Message refusé", "Refused message"),
        ),
        Ended::Replaced => (
            l.pick("Un lien plus récent remplace celui-ci", "A newer link replaces this one").to_owned(),
            vec![l.pick(
                "Ouvrez le dernier courriel d’avis que vous avez reçu pour cette référence ; regardez aussi dans les courriers indésirables.",
                "Open the latest notification you received for this reference; look into your spam folder too.",
            )],
            l.pick("Lien remplacé", "Replaced link"),
        ),
        Ended::Destroyed => (
            l.pick("Le contenu a été détruit comme prévu", "The content was destroyed as planned").to_owned(),
            vec![l.pick(
                "Sa durée de conservation est écoulée. Les preuves de dépôt et de remise sont gardées ; le contenu, lui, ne peut plus être rétabli. L’expéditeur peut vous l’adresser de nouveau.",
                "Its retention has ended. Proofs of deposit and delivery are kept; the content itself cannot be restored. The sender can send it again.",
            )],
            l.pick("Contenu détruit", "Destroyed content"),
        ),
    };
    let reference = door.deposit.reference.as_str().to_owned();
    // The name is part of the content, and gone with it.
    let structure = Content::load(state, door).ok().map(|c| c.structure);
    let contact = Contact {
        name: door.sender_name(structure.as_ref()),
        address: door.deposit.sender.as_str().to_owned(),
        subject: format!("{ask} – {reference}"),
    };
    let kind = l.pick("Lien non valable", "Link not valid");
    let frame = Frame::new(state, ctx, &heading, Some(door.site.clone()));
    let words = Words { status: StatusCode::GONE, kind, heading, paragraphs };
    // The sender answers in one click.
    let more_time = l.pick("Demander plus de temps", "Ask for more time").to_owned();
    let back = (why == Ended::Expired)
        .then(|| Back { href: format!("{}/extension", door.path()), label: more_time });
    render(&frame, words, Some(reference), Some(contact), back)
}

fn way_back(state: &WebState, ctx: &Ctx, door: &Door, words: Words) -> Result<Response, Fault> {
    let frame = Frame::new(state, ctx, &words.heading, Some(door.site.clone()));
    let label = ctx.language.pick("Revenir à l’avis de dépôt", "Back to the delivery notice").to_owned();
    let reference = Some(door.deposit.reference.as_str().to_owned());
    render(&frame, words, reference, None, Some(Back { href: door.path(), label }))
}

fn no_session(l: Language) -> Words {
    Words {
        status: StatusCode::FORBIDDEN,
        kind: l.pick("Session", "Session"),
        heading: l.pick("Confirmez d’abord que c’est bien vous", "Please confirm first that it is you").to_owned(),
        paragraphs: vec![l.pick(
            "Votre session n’est pas ouverte, ou elle est terminée. Rien n’est perdu : reprenez depuis l’avis de dépôt.",
            "Your session is not open, or it has ended. Nothing is lost: start again from the delivery notice.",
        )],
    }
}

fn damaged(l: Language) -> Words {
    Words {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        kind: l.pick("Message illisible", "Unreadable message"),
        heading: l.pick("Ce message ne peut pas être affiché", "This message cannot be shown").to_owned(),
        paragraphs: vec![l.pick(
            "Votre identification est correcte ; c’est chez nous que le contenu manque ou est endommagé. L’expéditeur en est prévenu et peut vous l’adresser de nouveau. Si le contenu est rétabli, ce même lien l’ouvrira.",
            "You were identified correctly; the content is missing or damaged on our side. The sender has been told and can send it again. If it is restored, this same link will open it.",
        )],
    }
}

fn forged(l: Language) -> Words {
    Words {
        status: StatusCode::FORBIDDEN,
        kind: l.pick("Sécurité", "Security"),
        heading: l.pick("Cette page n’était plus à jour", "This page was out of date").to_owned(),
        paragraphs: vec![l.pick(
            "Elle est restée ouverte trop longtemps, ou votre navigateur refuse les cookies de ce site. Rien n’a été fait : reprenez depuis l’avis de dépôt.",
            "It was open for too long, or your browser refuses this site’s cookies. Nothing was done: start again from the delivery notice.",
        )],
    }
}

fn plain(fault: &Fault, l: Language) -> Words {
    let (status, heading, paragraph) = match fault {
        Fault::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            l.pick("Trop de demandes", "Too many requests"),
            l.pick("Réessayez dans une heure.", "Please try again in an hour."),
        ),
        Fault::BadForm | Fault::TooLarge => (
            if matches!(fault, Fault::TooLarge) { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST },
            l.pick("La demande n’est pas lisible", "The request cannot be read"),
            l.pick("Revenez en arrière et réessayez.", "Go back and try again."),
        ),
        Fault::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            l.pick("Une erreur est survenue de notre côté", "Something went wrong on our side"),
            l.pick("Elle est consignée. Réessayez plus tard.", "It has been recorded. Please try again later."),
        ),
        Fault::LoginElsewhere => (
            StatusCode::SERVICE_UNAVAILABLE,
            l.pick("Votre mot de passe ne peut pas être vérifié", "Your password cannot be checked"),
            l.pick(
                "L’annuaire ou la messagerie de votre organisme ne répond pas en ce moment. Réessayez dans quelques minutes ; cet essai n’est pas compté.",
                "Your organisation’s directory or mail server does not answer at the moment. Try again in a few minutes; this try is not counted.",
            ),
        ),
        Fault::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            l.pick("Le service est très occupé", "The service is very busy"),
            l.pick("Réessayez dans une minute.", "Please try again in a minute."),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            l.pick("Cette adresse ne mène à rien", "This address leads nowhere"),
            l.pick(
                "Elle est incomplète, ou n’a jamais existé. Ouvrez le lien en entier, depuis le courriel d’avis que vous avez reçu.",
                "It is incomplete, or never existed. Open the whole link from the notification mail you received.",
            ),
        ),
    };
    Words { status, kind: "Sealpost", heading: heading.to_owned(), paragraphs: vec![paragraph] }
}
