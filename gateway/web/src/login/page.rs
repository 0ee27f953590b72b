//! The page of the login, and the one after logging out.

use super::local_path;
use super::session::Staff;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form::LoginFields;
use crate::pages::{Back, Frame, Login, LoginWay, NoticePage, html, html_status, see_other, show};
use crate::state::{SentCodes, WebState};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

/// Scope of the login's forms.
pub(super) const SCOPE: &str = "/login";

/// What the page says about the last try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Something was wrong.
    Wrong,
    /// Too many wrong ones.
    Throttled,
    /// If identifier and password were right, a code is on its way.
    Sent,
    /// The same by SMS, to the number on file.
    Texted,
    /// The form is too old, or another site's.
    Stale,
    /// Identifier and password come first.
    Incomplete,
}

/// The form as it is shown.
#[derive(Debug, Default)]
pub(super) struct Form {
    identifier: String,
    remembered: bool,
    next: Option<String>,
    word: Option<Word>,
}

impl Form {
    /// With what was typed and is no secret.
    pub(super) fn again(fields: &LoginFields, remembered: bool) -> Self {
        let next = fields.next.as_deref().and_then(local_path).map(str::to_owned);
        Self { identifier: fields.identifier.clone(), remembered, next, word: None }
    }
    pub(super) fn word(self, word: Word) -> Self {
        // What was wrong may have been the password.
        let remembered = match word {
            Word::Sent | Word::Texted => true,
            Word::Wrong => false,
            _ => self.remembered,
        };
        Self { word: Some(word), remembered, ..self }
    }
}

/// `GET /` and `GET /login`
pub(super) async fn start(State(state): State<WebState>, ctx: Ctx, RawQuery(query): RawQuery) -> Response {
    let next = query.as_deref().and_then(next_of);
    let page = async {
        match Staff::find(&state, &ctx).await? {
            Some(_) => see_other(next.as_deref().and_then(local_path).unwrap_or(super::START)),
            None => form(&state, &ctx, Form { next, ..Form::default() }, StatusCode::OK),
        }
    };
    let page = page.await;
    show(&state, &ctx, page)
}

fn next_of(query: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Query {
        next: Option<String>,
    }
    let uri: http::Uri = format!("/?{query}").parse().ok()?;
    let axum::extract::Query(query) = axum::extract::Query::<Query>::try_from_uri(&uri).ok()?;
    query.next.filter(|n| local_path(n).is_some())
}

/// The form's page.
pub(super) fn form(state: &WebState, ctx: &Ctx, form: Form, status: StatusCode) -> Result<Response, Fault> {
    let title = ctx.language.pick("Connexion", "Log in");
    let mut frame = Frame::new(state, ctx, title, state.only_entity());
    frame.wide = true;
    let page = Login {
        f: &frame,
        csrf: ctx.csrf(state, SCOPE),
        next: form.next,
        identifier: &form.identifier,
        remembered: form.remembered,
        word: form.word,
        code_minutes: state.staff.codes.lifetime.as_secs().div_ceil(60),
        code_by_mail: state.staff.code_by_mail != SentCodes::None,
        code_by_sms: state.texts.as_ref().is_some_and(|t| t.login != SentCodes::None),
        sms_minutes: state.texts.as_ref().map_or(0, |t| t.rule.lifetime.as_secs().div_ceil(60)),
        ways: ways(state, ctx),
        url: &state.url,
        demo: state.demo,
    };
    html_status(status, &page)
}

/// The ways that lead elsewhere; each stands here as soon as it is offered.
fn ways(state: &WebState, ctx: &Ctx) -> Vec<LoginWay> {
    let mut ways = crate::card::staff::ways(state, ctx);
    ways.extend(crate::oidc::ways(state, ctx));
    ways.push(crate::tiqr::staff::way(ctx));
    ways
}

/// `GET /logout`
pub(super) async fn left(State(state): State<WebState>, ctx: Ctx) -> Response {
    let page = async {
        if Staff::find(&state, &ctx).await?.is_some() {
            return see_other(super::START);
        }
        let l = ctx.language;
        let back = Back {
            href: "/login".to_owned(),
            label: l.pick("Se connecter de nouveau", "Log in again").to_owned(),
        };
        if let Some(page) = crate::oidc::left(&state, &ctx, None, back.clone()) {
            return page;
        }
        let frame = Frame::new(&state, &ctx, l.pick("Déconnexion", "Logged out"), state.only_entity());
        html(&NoticePage {
            f: &frame,
            kind: l.pick("Déconnexion", "Logged out").to_owned(),
            reference: None,
            heading: l.pick("Vous êtes déconnecté", "You are logged out").to_owned(),
            paragraphs: vec![
                l.pick(
                    "Fermez maintenant toutes les fenêtres du navigateur, surtout sur un poste partagé : ce qu’il a \
                     encore en mémoire disparaît avec elles.",
                    "Now close all windows of the browser, above all on a shared computer: what it still holds in \
                     memory goes with them.",
                )
                .to_owned(),
            ],
            contact: None,
            back: Some(back),
        })
    };
    let page = page.await;
    show(&state, &ctx, page)
}
