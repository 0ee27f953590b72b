//! The forms and answers of the door's manners, in words.

use crate::content::Content;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::pages::{Back, Contact, Frame, NoticePage, html, html_status};
use crate::state::WebState;
use crate::view::Door;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::Timestamp;
use sealpost_store::NoteKind;

/// One of several answers to choose.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) hint: String,
}

/// A form that says one thing.
#[derive(Template)]
#[template(path = "manners.html")]
pub(super) struct Manners<'a> {
    pub(super) f: &'a Frame,
    pub(super) kind: String,
    pub(super) reference: String,
    pub(super) heading: String,
    pub(super) paragraphs: Vec<String>,
    pub(super) facts: Vec<(String, String)>,
    pub(super) action: String,
    pub(super) csrf: String,
    pub(super) choices: Vec<Choice>,
    /// The colleague's address is asked for; what was typed before and is none.
    pub(super) colleague: Option<String>,
    pub(super) malformed: bool,
    /// Label of the field for own words.
    pub(super) words: Option<String>,
    /// Buttons: value of `answer`, label.
    pub(super) buttons: Vec<(String, String)>,
    pub(super) back: Option<Back>,
}

fn back(ctx: &Ctx, door: &Door) -> Option<Back> {
    let label = ctx.language.pick("Revenir à l’avis de dépôt", "Back to the delivery notice").to_owned();
    Some(Back { href: door.path(), label })
}

fn form<'a>(
    frame: &'a Frame,
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    below: &str,
    button: &str,
) -> Manners<'a> {
    let l = ctx.language;
    Manners {
        f: frame,
        kind: l.pick("Votre réponse", "Your answer").to_owned(),
        reference: door.deposit.reference.as_str().to_owned(),
        heading: frame.title.clone(),
        paragraphs: Vec::new(),
        facts: Vec::new(),
        action: format!("{}/{below}", door.path()),
        csrf: ctx.csrf(state, &door.path()),
        choices: Vec::new(),
        colleague: None,
        malformed: false,
        words: Some(
            l.pick("Votre message à l’expéditeur (facultatif)", "Your words to the sender (optional)")
                .to_owned(),
        ),
        buttons: vec![(String::new(), button.to_owned())],
        back: back(ctx, door),
    }
}

/// "Not for me", or refused.
pub(super) fn decline(state: &WebState, ctx: &Ctx, door: &Door) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Refuser ce message", "Refuse this message");
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    let mut page = form(
        &frame,
        state,
        ctx,
        door,
        "decline",
        l.pick("Refuser et fermer l’accès", "Refuse and close access"),
    );
    page.paragraphs = vec![
        l.pick(
            "Votre accès sera fermé et l’expéditeur en sera informé aussitôt. Le contenu ne sera plus consultable par ce lien.",
            "Your access will be closed and the sender told at once. The content can no longer be opened by this link.",
        )
        .to_owned(),
    ];
    page.choices = vec![
        Choice {
            value: "not-for-me",
            label: l.pick("Ce message n’est pas pour moi", "This message is not for me").to_owned(),
            hint: l
                .pick("L’expéditeur s’est trompé d’adresse.", "The sender used a wrong address.")
                .to_owned(),
        },
        Choice {
            value: "declined",
            label: l.pick("Je ne souhaite pas le recevoir", "I do not wish to receive it").to_owned(),
            hint: l
                .pick(
                    "C’est bien mon adresse, mais je refuse ce message.",
                    "The address is mine, but I refuse this message.",
                )
                .to_owned(),
        },
    ];
    html(&page)
}

/// More time.
pub(super) fn extension(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    until: Option<Timestamp>,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let Some(until) = until else {
        let heading = l.pick("L’accès ne peut pas être prolongé", "Access cannot be extended");
        let text = l.pick(
            "Il dure déjà aussi longtemps que le contenu est conservé. Demandez à l’expéditeur de vous l’adresser de nouveau.",
            "It already lasts as long as the content is kept. Ask the sender to send it again.",
        );
        return notice(state, ctx, door, StatusCode::CONFLICT, heading, text, None);
    };
    let title = l.pick("Demander plus de temps", "Ask for more time");
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    let mut page =
        form(&frame, state, ctx, door, "extension", l.pick("Envoyer la demande", "Send the request"));
    page.paragraphs = vec![
        l.pick(
            "L’expéditeur reçoit votre demande par courriel et peut l’accorder en un clic. Vous serez prévenu, et votre lien restera le même.",
            "The sender gets your request by mail and can grant it in one click. You will be told, and your link stays the same.",
        )
        .to_owned(),
    ];
    let zone = &door.site.zone;
    page.facts = vec![
        (
            l.pick("Accès actuel jusqu’au", "Access now until").to_owned(),
            locale::moment(door.row.verdict.expires, zone, l),
        ),
        (
            l.pick("Prolongation demandée jusqu’au", "Extension asked until").to_owned(),
            locale::moment(until, zone, l),
        ),
    ];
    html(&page)
}

/// Somebody else. `typed` is no address.
pub(super) fn colleague(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    typed: Option<&str>,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Proposer un autre destinataire", "Propose another recipient");
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    let mut page =
        form(&frame, state, ctx, door, "colleague", l.pick("Transmettre à l’expéditeur", "Tell the sender"));
    page.paragraphs = vec![
        l.pick(
            "Ne transférez pas votre lien : il est personnel. L’expéditeur décidera d’adresser ou non le message à cette personne, qui aura son propre lien.",
            "Do not forward your link: it is yours alone. The sender decides whether to send the message to that person, who will get a link of their own.",
        )
        .to_owned(),
    ];
    page.malformed = typed.is_some();
    page.colleague = Some(typed.unwrap_or_default().chars().take(320).collect());
    let status = if typed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html_status(status, &page)
}

/// Refused: it is done.
pub(super) fn declined(state: &WebState, ctx: &Ctx, door: &Door, kind: NoteKind) -> Result<Response, Fault> {
    let l = ctx.language;
    let heading = l.pick("C’est noté, l’accès est fermé", "Noted: access is closed");
    let text = match kind {
        NoteKind::NotForMe => l.pick(
            "Merci de l’avoir signalé. L’expéditeur est prévenu. Vous pouvez effacer le courriel d’avis.",
            "Thank you for telling. The sender is informed. You can delete the notification mail.",
        ),
        _ => l.pick(
            "L’expéditeur est prévenu de votre refus. S’il vous adresse le message de nouveau, vous recevrez un autre avis.",
            "The sender is told of your refusal. If they send the message again, you will get another notification.",
        ),
    };
    notice(state, ctx, door, StatusCode::OK, heading, text, None)
}

/// A request was passed on, or waits already.
pub(super) fn requested(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    kind: NoteKind,
    fresh: bool,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let (heading, text) = match (fresh, kind) {
        (false, _) => (
            l.pick("Votre demande est déjà partie", "Your request was sent already"),
            l.pick(
                "L’expéditeur ne l’a pas encore traitée. Vous pourrez en envoyer une autre demain, ou lui écrire directement.",
                "The sender has not answered yet. You can send another tomorrow, or write to them directly.",
            ),
        ),
        (true, NoteKind::Extension) => (
            l.pick("Votre demande est envoyée", "Your request was sent"),
            l.pick(
                "L’expéditeur peut l’accorder en un clic. Vous recevrez un courriel, et votre lien s’ouvrira de nouveau.",
                "The sender can grant it in one click. You will get a mail, and your link will open again.",
            ),
        ),
        (true, _) => (
            l.pick("L’expéditeur est prévenu", "The sender was told"),
            l.pick(
                "Il décidera d’adresser ou non le message à cette personne. Votre propre accès ne change pas.",
                "They decide whether to send the message to that person. Your own access does not change.",
            ),
        ),
    };
    notice(state, ctx, door, StatusCode::OK, heading, text, back(ctx, door))
}

fn notice(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    status: StatusCode,
    heading: &str,
    text: &str,
    back: Option<Back>,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let frame = Frame::new(state, ctx, heading, Some(door.site.clone()));
    let reference = door.deposit.reference.as_str().to_owned();
    html_status(
        status,
        &NoticePage {
            f: &frame,
            kind: l.pick("Votre réponse", "Your answer").to_owned(),
            heading: heading.to_owned(),
            paragraphs: vec![text.to_owned()],
            contact: Some(Contact {
                name: door.sender_name(Content::load(state, door).ok().map(|c| c.structure).as_ref()),
                address: door.deposit.sender.as_str().to_owned(),
                subject: format!("{heading} – {reference}"),
            }),
            reference: Some(reference),
            back,
        },
    )
}
