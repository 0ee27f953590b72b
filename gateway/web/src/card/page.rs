//! What people read on their way with a card.

use super::facts::{KIND, detail};
use crate::ctx::Ctx;
use crate::door::gate::Turn;
use crate::fault::Fault;
use crate::pages::{self, Back, Frame, NoticePage, Rung, html, html_status};
use crate::state::WebState;
use crate::view::Door;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use sealpost_certs::card::Refusal;
use sealpost_envelope::GateMethod;
use sealpost_gate::Facts;

/// Before the card listener: a reader is needed, the PIN is typed in the middleware's window.
#[derive(Template)]
#[template(path = "card_start.html")]
struct StartPage<'a> {
    f: &'a Frame,
    reference: Option<String>,
    steps: Vec<Rung>,
    /// The card listener's address …
    href: String,
    /// … or, before there is one, the form that asks for it.
    form: Option<(&'static str, String)>,
    back: String,
    provider: bool,
}

/// No card, or one that was refused.
#[derive(Template)]
#[template(path = "card_refused.html")]
struct RefusedPage<'a> {
    f: &'a Frame,
    reference: Option<String>,
    heading: &'static str,
    advice: &'static str,
    code: &'static str,
    none: bool,
    again: String,
    back: String,
    provider: bool,
}

/// Back on the main listener: whose card it was, and the one button.
#[derive(Template)]
#[template(path = "card_read.html")]
struct ReadPage<'a> {
    f: &'a Frame,
    reference: Option<String>,
    name: String,
    number: Option<String>,
    kind: Option<String>,
    title: Option<String>,
    structure: Option<String>,
    test: bool,
    csrf: String,
    action: String,
    back: String,
}

/// A refusal, with what the page needs of its surroundings.
pub(super) struct Refused<'a> {
    door: Option<&'a Door>,
    ticket: &'a str,
    refusal: &'a Refusal,
}

impl<'a> Refused<'a> {
    pub(super) fn new(door: &'a Option<Door>, ticket: &'a str, refusal: &'a Refusal) -> Self {
        Self { door: door.as_ref(), ticket, refusal }
    }
}

/// A card that was accepted, on its way back.
pub(super) struct Read {
    pub(super) door: Option<Door>,
    pub(super) facts: Facts,
    pub(super) action: String,
}

/// What to do, and the way to the card listener.
pub(super) fn start(state: &WebState, ctx: &Ctx, turn: &Turn, href: String) -> Result<Response, Fault> {
    let door = &turn.door;
    let title = ctx.language.pick("Votre carte professionnelle", "Your professional card");
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    html(&StartPage {
        f: &frame,
        reference: Some(door.deposit.reference.as_str().to_owned()),
        steps: crate::door::rungs(door, turn.grant.as_ref(), ctx.language),
        href,
        form: None,
        back: door.path(),
        provider: offers_provider(door),
    })
}

/// The same at the login, before the way begins.
pub(super) fn before(
    state: &WebState,
    ctx: &Ctx,
    action: &'static str,
    csrf: String,
    back: &str,
) -> Result<Response, Fault> {
    staff_start(state, ctx, String::new(), Some((action, csrf)), back)
}

/// The way to the card listener, for people of ours.
pub(super) fn go(state: &WebState, ctx: &Ctx, href: String, back: &str) -> Result<Response, Fault> {
    staff_start(state, ctx, href, None, back)
}

fn staff_start(
    state: &WebState,
    ctx: &Ctx,
    href: String,
    form: Option<(&'static str, String)>,
    back: &str,
) -> Result<Response, Fault> {
    let title = ctx.language.pick("Votre carte professionnelle", "Your professional card");
    let frame = Frame::new(state, ctx, title, state.only_entity());
    let page = StartPage {
        f: &frame,
        reference: None,
        steps: Vec::new(),
        href,
        form,
        back: back.to_owned(),
        provider: false,
    };
    html(&page)
}

/// A good card that is bound to no account.
pub(super) fn no_account(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let l = ctx.language;
    let heading = l.pick("Cette carte n’est liée à aucun compte", "This card is tied to no account");
    let text = l.pick(
        "Connectez-vous d’abord avec votre mot de passe et votre code, puis liez la carte dans « Sécurité ».",
        "Log in with your password and code first, then tie the card under “Security”.",
    );
    notice(state, ctx, StatusCode::FORBIDDEN, heading, text)
}

/// A card that another account has, or a service card.
pub(super) fn bound_elsewhere(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let l = ctx.language;
    let heading = l.pick("Cette carte ne peut pas être liée ici", "This card cannot be tied here");
    let text = l.pick(
        "Elle est déjà liée à un autre compte, ou c’est une carte de service, que plusieurs personnes utilisent.",
        "It is tied to another account already, or it is a service card that several people use.",
    );
    notice(state, ctx, StatusCode::CONFLICT, heading, text)
}

/// Whether the gate may be passed by a provider (Pro Santé Connect) instead.
fn offers_provider(door: &Door) -> bool {
    let named = door.row.verdict.gate.alternatives().iter().flatten();
    named.into_iter().any(|m| matches!(m, GateMethod::Oidc(_)) && door.methods.get(m).is_some())
}

/// On the card listener.
pub(super) fn refused(state: &WebState, ctx: &Ctx, refused: &Refused<'_>) -> Result<Response, Fault> {
    let heading = refused.refusal.heading(ctx.language);
    let entity = refused.door.map(|d| d.site.clone()).or_else(|| state.only_entity());
    let frame = Frame::new(state, ctx, heading, entity);
    let path = refused.door.map_or_else(|| "/".to_owned(), Door::path);
    let page = RefusedPage {
        f: &frame,
        reference: refused.door.map(|d| d.deposit.reference.as_str().to_owned()),
        heading,
        advice: refused.refusal.advice(ctx.language),
        code: refused.refusal.code(),
        none: *refused.refusal == Refusal::None,
        again: format!("/card/{}", refused.ticket),
        back: format!("{}{path}", state.url),
        provider: refused.door.is_some_and(offers_provider),
    };
    html_status(StatusCode::FORBIDDEN, &page)
}

/// On the main listener.
pub(super) fn arrived(state: &WebState, ctx: &Ctx, read: &Read) -> Result<Response, Fault> {
    let title = ctx.language.pick("Votre carte est reconnue", "Your card was recognised");
    let door = read.door.as_ref();
    let frame = Frame::new(state, ctx, title, door.map(|d| d.site.clone()).or_else(|| state.only_entity()));
    let known = |key| detail(&read.facts, key).map(str::to_owned);
    let identity = read.facts.identity.as_ref();
    html(&ReadPage {
        f: &frame,
        reference: door.map(|d| d.deposit.reference.as_str().to_owned()),
        name: identity.and_then(|i| i.name.clone()).unwrap_or_default(),
        number: identity.map(|i| format!("{} {}", i.scheme.to_uppercase(), i.value)),
        kind: known(KIND),
        title: known("title"),
        structure: known("structure"),
        test: detail(&read.facts, "test_card").is_some(),
        csrf: ctx.csrf(state, &read.action),
        action: read.action.clone(),
        back: door.map_or_else(|| "/".to_owned(), Door::path),
    })
}

/// The ticket is unknown, used or too old.
pub(super) fn over(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let l = ctx.language;
    let heading = l.pick("Cette étape est terminée", "This step has ended");
    let text = l.pick(
        "Elle a déjà servi, ou elle a duré trop longtemps. Rien n’est perdu : rouvrez le lien du courriel d’avis et reprenez.",
        "It was used before, or took too long. Nothing is lost: open the link of the notification mail again and start over.",
    );
    notice(state, ctx, StatusCode::GONE, heading, text)
}

/// The way was begun in another browser.
pub(super) fn other_browser(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let l = ctx.language;
    let heading = l.pick("Reprenez dans le même navigateur", "Go on in the same browser");
    let text = l.pick(
        "La lecture de la carte a été demandée depuis un autre navigateur, ou celui-ci refuse les cookies. Si ce n’était pas vous, fermez cette page et retirez votre carte.",
        "The card was asked for from another browser, or this one refuses cookies. If it was not you, close this page and take out your card.",
    );
    notice(state, ctx, StatusCode::FORBIDDEN, heading, text)
}

fn notice(
    state: &WebState,
    ctx: &Ctx,
    status: StatusCode,
    heading: &str,
    text: &str,
) -> Result<Response, Fault> {
    let frame = Frame::new(state, ctx, heading, state.only_entity());
    let label = ctx.language.pick("Accueil", "Home").to_owned();
    let page = NoticePage {
        f: &frame,
        kind: ctx.language.pick("Carte professionnelle", "Professional card").to_owned(),
        reference: None,
        heading: heading.to_owned(),
        paragraphs: vec![text.to_owned()],
        contact: None,
        back: Some(Back { href: format!("{}/", state.url), label }),
    };
    html_status(status, &page)
}

/// A fault on the card listener, which sets no cookies.
pub(super) fn fault(state: &WebState, ctx: &Ctx, fault: Fault) -> Response {
    pages::plain_fault(state, ctx, fault)
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
