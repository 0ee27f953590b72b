//! The ways back in: the forgotten password, and the first connection with an identifier alone.
//!
//! **Exposure.** Strangers ask for links to other people's accounts. Every answer is the same, after the same time,
//! whether the account exists or not; nothing on a page shows an address; a link goes to the address on file only.
//! Opening a link by GET changes nothing (scanners do that); its POST uses it up.
//!
//! **Standards.** OWASP ASVS 5.0 6.4; F39 to F51. A second factor stays in force, and nobody is logged in by a link.
//! A phone that logs in alone is taken off: whoever had the account may have enrolled it.

use super::mail;
use super::page::weak;
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::journal::{self, Origin};
use crate::login::slow::{allowed, until_asked};
use crate::pages::{Back, Frame, NoticePage, html, html_status, show as respond};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::{Language, Secret, Timestamp};
use sealpost_evidence::Detail;
use sealpost_gate::strength;
use sealpost_store::access::{account_subject, drop_phone};
use sealpost_store::account::{Account, AccountError, AccountLink, Accounts, LinkPurpose, Role};
use sealpost_store::queue;
use sealpost_store::session::StaffSession;
use std::time::Duration;
use tokio::time::Instant;

/// How long a link holds.
const LIFE: Duration = Duration::from_secs(3600);
/// Links for one account in an hour.
const LINKS: u32 = 4;

/// What somebody without an address on file leaves, as typed, and what of it cannot be used.
#[derive(Debug, Default)]
pub(super) struct Details {
    pub(super) address: String,
    pub(super) phone: String,
    pub(super) bad_address: bool,
    pub(super) bad_phone: bool,
}

#[derive(Template)]
#[template(path = "recover.html")]
pub(super) struct Ask<'a> {
    pub(super) f: &'a Frame,
    pub(super) csrf: String,
    pub(super) action: &'static str,
    pub(super) title: &'static str,
    pub(super) lead: &'static str,
    pub(super) identifier: String,
    /// Asks for an address and a telephone number too.
    pub(super) details: Option<Details>,
    pub(super) wrong: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "newpassword.html")]
struct Choose<'a> {
    f: &'a Frame,
    csrf: String,
    action: String,
    login: &'a str,
    until: String,
    wrong: Option<&'static str>,
}

/// The two pages that differ in their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Forgotten,
    First,
}

impl Kind {
    fn action(self) -> &'static str {
        match self {
            Self::Forgotten => "/password/forgotten",
            Self::First => "/password/first",
        }
    }
    fn title(self, l: Language) -> &'static str {
        match self {
            Self::Forgotten => l.pick("Mot de passe oublié", "Forgotten password"),
            Self::First => l.pick("Première connexion", "First connection"),
        }
    }
    fn lead(self, l: Language) -> &'static str {
        match self {
            Self::Forgotten => l.pick(
                "Indiquez votre identifiant. Un lien pour choisir un nouveau mot de passe part à l’adresse connue de votre organisme : un mot de passe n’est jamais envoyé.",
                "Give your identifier. A link to choose a new password goes to the address that your organisation knows: a password is never sent.",
            ),
            Self::First => l.pick(
                "Indiquez le code d’accès ou l’adresse que votre organisme vous a communiqué. Un lien pour choisir votre mot de passe part à l’adresse qu’il connaît.",
                "Give the access code or address that your organisation gave you. A link to choose your password goes to the address that it knows.",
            ),
        }
    }
}

/// `GET /password/forgotten`
pub(super) async fn forgotten(State(state): State<WebState>, ctx: Ctx) -> Response {
    let page = ask_page(&state, &ctx, Kind::Forgotten, None);
    respond(&state, &ctx, page)
}

/// `GET /password/first`
pub(super) async fn first(State(state): State<WebState>, ctx: Ctx) -> Response {
    let page = ask_page(&state, &ctx, Kind::First, None);
    respond(&state, &ctx, page)
}

fn ask_page(state: &WebState, ctx: &Ctx, kind: Kind, wrong: Option<&'static str>) -> Result<Response, Fault> {
    let l = ctx.language;
    let frame = Frame::new(state, ctx, kind.title(l), state.only_entity());
    let page = Ask {
        f: &frame,
        csrf: ctx.csrf(state, kind.action()),
        action: kind.action(),
        title: kind.title(l),
        lead: kind.lead(l),
        identifier: String::new(),
        details: None,
        wrong,
    };
    html_status(if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK }, &page)
}

/// `POST /password/forgotten`
pub(super) async fn ask_forgotten(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = ask(&state, &ctx, Kind::Forgotten, body).await;
    respond(&state, &ctx, page)
}

/// `POST /password/first`
pub(super) async fn ask_first(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = ask(&state, &ctx, Kind::First, body).await;
    respond(&state, &ctx, page)
}

async fn ask(state: &WebState, ctx: &Ctx, kind: Kind, body: Body) -> Result<Response, Fault> {
    let typed = Typed::posted(state, body).await?;
    let l = ctx.language;
    if !ctx.is_ours(state, kind.action(), Some(typed.get("csrf"))) {
        let stale = l.pick(
            "Cette page était restée ouverte trop longtemps. Recommencez.",
            "This page had been open for too long. Please start again.",
        );
        return ask_page(state, ctx, kind, Some(stale));
    }
    let started = Instant::now();
    if !allowed(state, ctx).await? {
        return Err(Fault::TooMany);
    }
    if let Some(account) = state.accounts.identify(typed.get("identifier")).await? {
        let purpose = if account.has_password { LinkPurpose::Reset } else { LinkPurpose::First };
        send_link(state, &account, purpose).await?;
    }
    until_asked(started).await;
    sent(state, ctx, kind.title(l))
}

/// The one answer, whatever happened.
fn sent(state: &WebState, ctx: &Ctx, title: &str) -> Result<Response, Fault> {
    let l = ctx.language;
    let frame = Frame::new(state, ctx, title, state.only_entity());
    html(&NoticePage {
        f: &frame,
        kind: title.to_owned(),
        reference: None,
        heading: l.pick("Consultez votre messagerie", "Look into your mailbox").to_owned(),
        paragraphs: vec![
            l.pick(
                "Si un compte correspond à cet identifiant et qu’une adresse y est connue, un mail contenant le lien vient d’y être envoyé. Le lien sert une fois, pendant une heure. Pensez aux courriers indésirables.",
                "If an account has this identifier and an address is known for it, a mail with the link has just been sent there. The link works once, for an hour. Look into your spam folder too.",
            )
            .to_owned(),
            l.pick(
                "Rien n’arrive, ou votre adresse a changé ? Demandez à votre organisme de la mettre à jour :",
                "Nothing arrives, or your address has changed? Ask your organisation to correct it:",
            )
            .to_owned(),
        ],
        contact: None,
        back: Some(Back {
            href: "/password/unknown".to_owned(),
            label: l.pick("Signaler une adresse manquante ou changée", "Report a missing or changed address").to_owned(),
        }),
    })
}

/// Makes a link and queues its mail, for an account whose address is on file.
async fn send_link(state: &WebState, account: &Account, purpose: LinkPurpose) -> Result<(), Fault> {
    let Some(contact) = state.accounts.profile(account).await?.contact else { return Ok(()) };
    if account.role == Role::Demo {
        return Ok(());
    }
    let now = state.clock.now();
    let key = state.store.keys().purpose("rates")?.hmac(&[b"account-link", &account.id.0.to_be_bytes()]);
    if !state.store.db().rate_allows(key, LIFE, LINKS, now).await? {
        return Ok(());
    }
    let (accounts, account) = (state.accounts.clone(), account.clone());
    state
        .store
        .db()
        .write(async move |tx| {
            let link = accounts.issue_link(tx, &account, purpose, &contact, (now, LIFE)).await?;
            queue::insert(tx, &mail::link(&account, &link, now)).await
        })
        .await?;
    (state.hooks.outbound)();
    Ok(())
}

/// A link that still works, and its account.
async fn living(
    state: &WebState,
    token: &str,
    now: Timestamp,
) -> Result<Option<(AccountLink, Account)>, Fault> {
    let Some(link) = state.accounts.link(token).await?.filter(|l| l.is_live(now)) else { return Ok(None) };
    let account = state.accounts.by_id(link.account).await?.filter(|a| a.disabled.is_none());
    Ok(account.map(|a| (link, a)))
}

fn dead(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Lien inutilisable", "This link does not work");
    let frame = Frame::new(state, ctx, title, state.only_entity());
    html_status(
        StatusCode::NOT_FOUND,
        &NoticePage {
            f: &frame,
            kind: l.pick("Mot de passe", "Password").to_owned(),
            reference: None,
            heading: l.pick("Ce lien ne peut pas servir", "This link cannot be used").to_owned(),
            paragraphs: vec![
                l.pick(
                    "Il a déjà servi, il a expiré, un lien plus récent l’a remplacé, ou l’adresse n’a pas été copiée en entier.",
                    "It was used already, it is over, a newer link took its place, or the address was not copied whole.",
                )
                .to_owned(),
            ],
            contact: None,
            back: Some(Back {
                href: "/password/forgotten".to_owned(),
                label: l.pick("Demander un nouveau lien", "Ask for a new link").to_owned(),
            }),
        },
    )
}

fn choose(
    state: &WebState,
    ctx: &Ctx,
    token: &str,
    (link, account): &(AccountLink, Account),
    wrong: Option<(&'static str, &'static str)>,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let site = state.entity(account.entity).ok_or(Fault::Unknown)?;
    let zone = site.zone.clone();
    let frame = Frame::new(state, ctx, l.pick("Votre mot de passe", "Your password"), Some(site));
    let page = Choose {
        f: &frame,
        csrf: ctx.csrf(state, "/password/set"),
        action: format!("/password/set/{token}"),
        login: account.login.as_str(),
        until: crate::locale::moment(link.expires, &zone, l),
        wrong: wrong.map(|(fr, en)| l.pick(fr, en)),
    };
    html_status(if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK }, &page)
}

/// `GET /password/set/{token}`: changes nothing.
pub(super) async fn open_link(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
) -> Response {
    let page = async {
        match living(&state, &token, state.clock.now()).await? {
            Some(found) => choose(&state, &ctx, &token, &found, None),
            None => dead(&state, &ctx),
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /password/set/{token}`: sets the password and uses the link up.
pub(super) async fn use_link(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        let now = state.clock.now();
        let Some(found) = living(&state, &token, now).await? else { return dead(&state, &ctx) };
        if !ctx.is_ours(&state, "/password/set", Some(typed.get("csrf"))) {
            let stale = (
                "Cette page était restée ouverte trop longtemps. Recommencez.",
                "This page had been open for too long. Please start again.",
            );
            return choose(&state, &ctx, &token, &found, Some(stale));
        }
        let fresh = Secret::new(typed.raw("new").to_owned());
        if typed.raw("again") != fresh.expose() {
            let differ = ("Les deux saisies diffèrent.", "It was typed in two ways.");
            return choose(&state, &ctx, &token, &found, Some(differ));
        }
        let site = state.entity(found.1.entity).ok_or(Fault::Unknown)?;
        let names = [found.1.login.as_str(), found.1.name.as_str(), site.name.as_str()];
        if let Err(weakness) = strength::judge(fresh.expose(), &names) {
            return choose(&state, &ctx, &token, &found, Some(weak(weakness)));
        }
        if set(&state, &ctx, found, &fresh, now).await? { done(&state, &ctx) } else { dead(&state, &ctx) }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Everything that a new password by link changes, in one transaction. `false`: somebody was faster.
async fn set(
    state: &WebState,
    ctx: &Ctx,
    (link, account): (AccountLink, Account),
    fresh: &Secret<String>,
    now: Timestamp,
) -> Result<bool, Fault> {
    let hashed = state.accounts.stretch(fresh).await?;
    let site = state.entity(account.entity).ok_or(Fault::Unknown)?;
    let detail = Detail::new().text("by", "link").text("purpose", link.purpose.as_str());
    let who = Origin::of(ctx).anonymous();
    let event = journal::changed(&site, &account, who.clone(), "password", detail, now)?;
    let by = Detail::new().text("by", "link");
    let phone_event = journal::changed(&site, &account, who, "phone-off", by, now)?;
    let phone_news = mail::news(state, &account, "phone-off", now).await?;
    // The address on file hears of it, and so does the one that the link went to, where they differ.
    let mut news: Vec<_> = mail::news(state, &account, "password", now).await?.into_iter().collect();
    if news.iter().all(|row| row.rcpt != link.address) {
        news.push(mail::news_to(&account, link.address.clone(), "password", now));
    }
    let done = state
        .store
        .db()
        .write_as(async move |tx| {
            if !link.consume(tx, now).await? {
                return Ok::<_, AccountError>(false);
            }
            Accounts::write_password(tx, account.id, &hashed).await?;
            AccountLink::end_all(tx, account.id, now).await?;
            StaffSession::end_all(tx, account.id, None).await?;
            let mut events = vec![event];
            if drop_phone(tx, account.entity, &account_subject(account.id)).await? {
                events.push(phone_event);
                news.extend(phone_news);
            }
            queue::insert_all(tx, &news).await?;
            tx.append(events).await?;
            Ok(true)
        })
        .await?;
    (state.hooks.outbound)();
    Ok(done)
}

fn done(state: &WebState, ctx: &Ctx) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Mot de passe enregistré", "Password saved");
    let frame = Frame::new(state, ctx, title, state.only_entity());
    html(&NoticePage {
        f: &frame,
        kind: l.pick("Mot de passe", "Password").to_owned(),
        reference: None,
        heading: l.pick("Votre mot de passe est enregistré", "Your password is saved").to_owned(),
        paragraphs: vec![
            l.pick(
                "Un courriel vous le confirme. Les sessions ouvertes sont fermées. Connectez-vous maintenant : le code à usage unique reste demandé.",
                "A mail confirms it. Open sessions were ended. Log in now: the one-time code is still asked for.",
            )
            .to_owned(),
        ],
        contact: None,
        back: Some(Back { href: "/login".to_owned(), label: l.pick("Se connecter", "Log in").to_owned() }),
    })
}
