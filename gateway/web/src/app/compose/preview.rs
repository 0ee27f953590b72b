//! `/compose/preview`: what a recipient will get, before anything is sent: the rule's answer, the mail, the page.
//!
//! **Exposure.** People who have logged in. Mail and page stand in frames without scripts or forms, cleaned as for
//! recipients and marked as a preview; nothing is written or journaled, so that nothing counts as read.
//!
//! **Failure.** A draft that is no message yet leads back to the form, which says what is missing.

use super::draft::{self, Draft};
use super::people;
use super::read::{self, Passwords, Wrong};
use super::uploads;
use crate::actions::{NewMail, Preview};
use crate::app::frame::{AppFrame, Section};
use crate::app::typed::Typed;
use crate::app::viewer::may;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::pages::{ContentPage, FileRow, Frame, html, see_other, show};
use crate::state::WebState;
use crate::view::Summary;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use mail_parser::MessageParser;
use sealpost_envelope::{Language, Secret, Sha256Digest};
use sealpost_message::present::{self, Body, BodyKind, BodySource};
use uuid::Uuid;

/// Our page with two frames of ours in it.
const CSP_PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The mail: its styles are its own, and nothing else is let in.
const CSP_MAIL: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; \
     base-uri 'none'; form-action 'none'";
/// The recipient's page: our styles, no scripts, no forms.
const CSP_SEEN: &str = "sandbox allow-same-origin; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; \
     frame-ancestors 'self'; base-uri 'none'; form-action 'none'";

/// A draft looked at with one recipient's eyes.
struct Looked {
    id: Uuid,
    n: usize,
    mail: NewMail,
    preview: Preview,
}

/// What is looked at, or the way back to the form.
async fn look(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    query: &str,
) -> Result<Result<Looked, Response>, Fault> {
    may(staff, Section::Compose)?;
    let typed = Typed::query(query).await?;
    let id: Uuid = typed.parsed("draft").ok_or(Fault::Unknown)?;
    let (_, draft) = draft::load(state, staff, id).await?.ok_or(Fault::Unknown)?;
    let n = typed.parsed::<usize>("n").unwrap_or(0);
    let Some(mail) = message(state, ctx, staff, &draft, typed.get("password") == "yes").await? else {
        return Ok(Err(see_other(&format!("/compose?draft={id}&people=yes"))?));
    };
    match state.hooks.desk.preview(&staff.account, &mail, n, ctx.language).await {
        Ok(preview) => Ok(Ok(Looked { id, n, mail, preview })),
        Err(_) => Ok(Err(see_other(&format!("/compose?draft={id}"))?)),
    }
}

/// The message, if one can be made of the draft. Passwords are not kept: where one was typed, any stands for it.
async fn message(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    draft: &Draft,
    password: bool,
) -> Result<Option<NewMail>, Fault> {
    let (files, mut wrong) = (uploads(state, staff, &draft.uploads).await?, Wrong::default());
    let mail = read::mail(state, staff, draft, &Passwords("", ""), files, &mut wrong, ctx.language);
    let mail = mail.filter(|_| !wrong.any());
    Ok(mail.map(|m| NewMail { password: password.then(|| Secret::new("preview".to_owned())), ..m }))
}

#[derive(Template)]
#[template(path = "app/preview.html")]
struct Page<'a> {
    f: &'a AppFrame,
    id: Uuid,
    query: String,
    recipients: Vec<(String, bool)>,
    subject: String,
    from: String,
    treatment: &'static str,
    ways: Vec<String>,
    linked: bool,
    expires: String,
    rule: String,
    held: Option<String>,
    files: Vec<(String, String)>,
}

/// The page with both frames.
pub(in crate::app) async fn page(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let looked = match look(&state, &ctx, &staff, &query.unwrap_or_default()).await? {
            Ok(looked) => looked,
            Err(back) => return Ok(back),
        };
        let (l, verdict) = (ctx.language, &looked.preview.seen.verdict);
        let parsed = MessageParser::default().parse(&looked.preview.mail);
        let from = parsed.as_ref().and_then(|m| m.from()).and_then(|a| a.first());
        let from = from.map(|a| match (a.name(), a.address()) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (name, address) => name.or(address).unwrap_or_default().to_owned(),
        });
        let mail = &looked.mail;
        let everybody = mail.to.iter().chain(&mail.cc).chain(&mail.bcc);
        let title = l.pick("Ce que verra le destinataire", "What the recipient will see");
        let frame = AppFrame::new(&state, &ctx, &staff, Section::Compose, title);
        let password = if mail.password.is_some() { "&password=yes" } else { "" };
        let mut response = html(&Page {
            id: looked.id,
            query: format!("draft={}&n={}{password}", looked.id, looked.n),
            recipients: everybody.enumerate().map(|(n, a)| (a.address.to_string(), n == looked.n)).collect(),
            subject: parsed.as_ref().and_then(|m| m.subject()).unwrap_or_default().to_owned(),
            from: from.unwrap_or_default(),
            treatment: treatment(verdict.treatment, l),
            ways: verdict.gate.words().iter().map(|w| people::way(w, l)).collect(),
            linked: verdict.treatment.has_link(),
            expires: locale::moment(verdict.expires, &staff.site.zone, l),
            rule: verdict.rule.clone(),
            held: looked.preview.seen.held.clone(),
            files: mail
                .attachments
                .iter()
                .map(|u| (u.meta.name.clone().unwrap_or_default(), locale::size(u.length, l)))
                .collect(),
            f: &frame,
        })?;
        set(&mut response, CSP_PAGE);
        Ok(response)
    };
    let page = page.await;
    show(&state, &ctx, page)
}

fn treatment(treatment: sealpost_envelope::Treatment, l: Language) -> &'static str {
    use sealpost_envelope::Treatment::{Link, Notify, Pass, Refuse, Seal, Trace};
    match treatment {
        Pass => l.pick("transmis tel quel", "passed on as it is"),
        Trace => l.pick("transmis et tracé", "passed on and traced"),
        Seal => l.pick("transmis et signé", "passed on and signed"),
        Link => {
            l.pick("texte signé, pièces jointes derrière un lien", "text signed, attachments behind a link")
        }
        Notify => l.pick(
            "avis neutre, tout le contenu derrière un lien",
            "a neutral notice, all content behind a link",
        ),
        Refuse => l.pick("refusé par la règle", "refused by the rule"),
    }
}

fn set(response: &mut Response, policy: &'static str) {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("SAMEORIGIN"));
}

/// The mail, in a frame.
pub(in crate::app) async fn mail(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let looked = match look(&state, &ctx, &staff, &query.unwrap_or_default()).await? {
            Ok(looked) => looked,
            Err(back) => return Ok(back),
        };
        let parsed = MessageParser::default().parse(&looked.preview.mail);
        let body = parsed.as_ref().and_then(|m| m.body_html(0)).unwrap_or_default().into_owned();
        let mut response = Html(body).into_response();
        set(&mut response, CSP_MAIL);
        Ok(response)
    };
    let page = page.await;
    show(&state, &ctx, page)
}

/// The page behind the gate, in a frame.
pub(in crate::app) async fn seen(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let looked = match look(&state, &ctx, &staff, &query.unwrap_or_default()).await? {
            Ok(looked) => looked,
            Err(back) => return Ok(back),
        };
        let mut response = content(&state, &ctx, &staff, &looked)?;
        set(&mut response, CSP_SEEN);
        Ok(response)
    };
    let page = page.await;
    show(&state, &ctx, page)
}

fn content(state: &WebState, ctx: &Ctx, staff: &Staff, looked: &Looked) -> Result<Response, Fault> {
    let (l, mail, zone, now) = (looked.preview.language, &looked.mail, &staff.site.zone, state.clock.now());
    let title = if mail.subject.is_empty() { l.pick("(sans objet)", "(no subject)") } else { &mail.subject };
    let mut frame = Frame::new(state, ctx, title, Some(staff.site.clone()));
    frame.language = l;
    let kind = match mail.html {
        Some(_) => BodyKind::Html,
        None => BodyKind::Plain { flowed: false, delsp: false },
    };
    let body = Body { node: 0, source: BodySource::Skeleton, kind, charset: Some("utf-8".to_owned()) };
    let text = mail.html.as_deref().unwrap_or(&mail.text);
    let shown = present::render(&body, text.as_bytes(), false, &|_| None);
    let files: Vec<FileRow> = (1..).zip(&mail.attachments).map(|(n, u)| file(n, u, l)).collect();
    let bytes = mail.attachments.iter().map(|u| u.length).sum::<u64>();
    let until = looked.preview.seen.verdict.expires;
    html(&ContentPage {
        f: &frame,
        c: &Summary {
            token: String::new(),
            reference: "••••••••".to_owned(),
            sender_name: mail.from.name.clone().unwrap_or_else(|| mail.from.address.to_string()),
            sender_address: mail.from.address.to_string(),
            deposited: locale::moment(now, zone, l),
            deposited_machine: locale::machine(now),
            summary: String::new(),
            expires: locale::moment(until, zone, l),
            expires_machine: locale::machine(until),
        },
        csrf: String::new(),
        print: true,
        reply: false,
        phone: false,
        acknowledged: None,
        opened: locale::moment(now, zone, l),
        opened_machine: locale::machine(now),
        subject: mail.subject.clone(),
        remote_removed: shown.remote_removed,
        truncated: shown.truncated,
        bodies: vec![shown.html],
        files_words: crate::door::files_words((files.len(), bytes), l),
        files,
    })
}

fn file(n: u32, upload: &sealpost_store::upload::Upload, l: Language) -> FileRow {
    let name = upload.meta.name.clone().unwrap_or_else(|| l.pick("fichier", "file").to_owned());
    FileRow {
        n,
        badge: "•••".to_owned(),
        media_type: upload.meta.media_type.clone().unwrap_or_default(),
        bytes: upload.length,
        size: locale::size(upload.length, l),
        exact: locale::grouped(upload.length, l),
        // Known once the message has been taken in.
        sha256: "0".repeat(Sha256Digest::of(b"").to_hex().len()),
        viewable: false,
        holder: None,
        done: false,
        name,
    }
}
