//! The pages of an invitation: the form, and what became of it.

use super::{Draft, Visit};
use crate::assets;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::pages::{Contact, Frame, NoticePage, html, html_status};
use crate::state::WebState;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::Language;
use sealpost_store::invitation::Kind;
use sealpost_store::upload::Upload;
use uuid::Uuid;

/// What is wrong, beside which field.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    pub(super) files: Option<&'static str>,
    pub(super) all: Option<&'static str>,
}

impl Wrong {
    pub(super) fn any(&self) -> bool {
        self.files.is_some() || self.all.is_some()
    }
}

/// A file that is there.
struct Attached {
    id: Uuid,
    name: String,
    size: String,
    complete: bool,
}

#[derive(Template)]
#[template(path = "guest.html")]
struct Page<'a> {
    f: &'a Frame,
    app_style: String,
    app_script: String,
    action: String,
    csrf: String,
    kind: &'static str,
    host: &'a str,
    address: String,
    guest: &'a str,
    /// What the host wrote.
    words: &'a str,
    subject: Option<&'a str>,
    most: String,
    until: String,
    until_machine: String,
    typed: &'a str,
    files: Vec<Attached>,
    wrong: Wrong,
}

/// The form, with what was typed before.
pub(super) fn form(
    state: &WebState,
    ctx: &Ctx,
    visit: &Visit,
    draft: &Draft,
    files: Vec<Upload>,
    wrong: Wrong,
) -> Result<Response, Fault> {
    let (l, invitation, zone) = (ctx.language, &visit.invitation, &visit.site.zone);
    let title = match invitation.kind {
        Kind::Reply => l.pick("Répondre avec des fichiers", "Answer with files"),
        Kind::Guest | Kind::Files => l.pick("Déposer des fichiers", "Deposit files"),
    };
    let frame = Frame::new(state, ctx, title, Some(visit.site.clone()));
    let files = files.into_iter().map(|u| Attached {
        id: u.id,
        complete: u.is_complete(),
        size: locale::size(u.length, l),
        name: u.meta.name.unwrap_or_else(|| l.pick("fichier", "file").to_owned()),
    });
    let status = if wrong.any() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Page {
        app_style: assets::app_style(),
        app_script: assets::app_script(),
        action: visit.path(),
        csrf: ctx.csrf(state, &visit.path()),
        kind: l.pick("Dépôt protégé", "Protected deposit"),
        host: if visit.host.name.is_empty() { visit.host.login.as_str() } else { &visit.host.name },
        address: visit.recipient().to_string(),
        guest: invitation.address.as_str(),
        words: &visit.words.words,
        subject: Some(visit.words.subject.as_str()).filter(|s| !s.is_empty()),
        most: locale::size(invitation.most, l),
        until: locale::moment(invitation.expires, zone, l),
        until_machine: locale::machine(invitation.expires),
        typed: &draft.words,
        files: files.collect(),
        wrong,
        f: &frame,
    };
    html_status(status, &page)
}

/// No form: it has served, or its time is over.
pub(super) async fn over(state: &WebState, ctx: &Ctx, visit: &Visit) -> Result<Response, Fault> {
    let (l, invitation) = (ctx.language, &visit.invitation);
    let made = match invitation.made {
        Some(deposit) if !visit.elsewhere => Some(state.store.read_deposit(deposit).await?.row),
        _ => None,
    };
    let (heading, text) = match &made {
        Some(row) => {
            let at = locale::moment(row.created, &visit.site.zone, l);
            (l.pick("Votre dépôt est enregistré", "Your deposit is recorded"), received(&at, l))
        }
        None => ended(visit, l),
    };
    let frame = Frame::new(state, ctx, heading, Some(visit.site.clone()));
    let page = NoticePage {
        f: &frame,
        kind: l.pick("Dépôt protégé", "Protected deposit").to_owned(),
        reference: made.as_ref().map(|row| row.reference.as_str().to_owned()),
        heading: heading.to_owned(),
        paragraphs: text,
        contact: made.is_none().then(|| Contact {
            name: visit.host.name.clone(),
            address: visit.recipient().to_string(),
            subject: l.pick("Dépôt de fichiers", "File deposit").to_owned(),
        }),
        back: None,
    };
    match made {
        Some(_) => html(&page),
        None => html_status(StatusCode::GONE, &page),
    }
}

fn received(at: &str, l: Language) -> Vec<String> {
    match l {
        Language::Fr => vec![
            format!("Déposé le {at}, scellé et horodaté. Un courriel de confirmation vous est envoyé."),
            "Gardez la référence : elle désigne votre dépôt et n’ouvre rien. Ce lien a servi et ne reçoit plus de fichiers.".to_owned(),
        ],
        Language::En => vec![
            format!("Deposited on {at}, sealed and timestamped. A mail that confirms it is on its way to you."),
            "Keep the reference: it names your deposit and opens nothing. This link has served and takes no more files.".to_owned(),
        ],
    }
}

fn ended(visit: &Visit, l: Language) -> (&'static str, Vec<String>) {
    if visit.elsewhere {
        let text = l.pick(
            "Cette réponse a été commencée dans un autre navigateur. Ouvrez de nouveau le message par votre lien, puis répondez.",
            "This answer was begun in another browser. Open the message again by your link, then answer.",
        );
        return (l.pick("Réponse d’un autre navigateur", "Another browser’s answer"), vec![text.to_owned()]);
    }
    let text = l.pick(
        "Ce lien ne reçoit plus de fichiers : son délai est passé, ou la personne l’a retiré. Demandez-lui-en un autre.",
        "This link takes no more files: its time is over, or the person withdrew it. Ask them for another.",
    );
    (l.pick("Ce lien n’est plus valable", "This link is no longer valid"), vec![text.to_owned()])
}
