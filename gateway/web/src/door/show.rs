//! The door's pages, filled.

use super::gate::Turn;
use super::gate::sms::masked;
use super::ways::{provider, ways};
use crate::content::{Content, File};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::files::viewable;
use crate::locale;
use crate::pages::{
    Back, ChallengePage, ContentPage, FileRow, Form, Frame, Landing, Notice, NoticePage, Ready, Rung, html,
    html_status,
};
use crate::state::WebState;
use crate::view::{Door, Summary};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use sealpost_envelope::{GateMethod, Language, Timestamp};
use sealpost_gate::{Method, Step};
use sealpost_store::access::{Challenge, Grant, completed};

fn summary(ctx: &Ctx, door: &Door, content: &Content) -> Summary {
    Summary::new(door, &content.structure, content.totals(), ctx.language)
}

/// Before the gate is passed.
pub(super) fn landing(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    content: &Content,
    step: Step,
    grant: Option<&Grant>,
) -> Result<Response, Fault> {
    let title = ctx.language.pick("Un message sécurisé vous attend", "A secure message is waiting for you");
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    let ways = match step {
        Step::Choose(methods) => ways(door, methods, ctx.language),
        Step::Passed | Step::Unavailable => Vec::new(),
    };
    html(&Landing {
        f: &frame,
        c: &summary(ctx, door, content),
        ways,
        steps: rungs(door, grant, ctx.language),
        csrf: ctx.csrf(state, &door.path()),
    })
}

/// The form of a challenge; the only page with a field for the answer.
pub(super) fn challenge_page(
    state: &WebState,
    ctx: &Ctx,
    turn: &Turn,
    method: &dyn Method,
    challenge: &Challenge,
    notice: Notice,
    status: StatusCode,
) -> Result<Response, Fault> {
    let door = &turn.door;
    let form = match method.name() {
        GateMethod::Password => Form::Password,
        GateMethod::OtpSms => Form::Sms,
        GateMethod::Totp => Form::App,
        GateMethod::Hotp => Form::Token,
        _ => Form::Mail,
    };
    let title = match form {
        Form::Password => ctx.language.pick("Mot de passe du message", "Message password"),
        Form::Mail | Form::Sms => ctx.language.pick("Code à six chiffres", "Code of six digits"),
        Form::App | Form::Token => ctx.language.pick("Code du jeton", "Code of the token"),
    };
    let to = match form {
        Form::Sms => door.phone.as_deref().map(masked).unwrap_or_default(),
        _ => door.row.address.masked(),
    };
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    let zone = &door.site.zone;
    let sent = challenge.sent.unwrap_or(challenge.created);
    let again = sent.checked_add(method.limits().resend_after).unwrap_or(sent);
    html_status(
        status,
        &ChallengePage {
            f: &frame,
            c: &summary(ctx, door, &turn.content),
            steps: rungs(door, turn.grant.as_ref(), ctx.language),
            csrf: ctx.csrf(state, &door.path()),
            method: method.name().to_string(),
            form,
            to,
            notice,
            left_words: left(challenge.left(), ctx.language),
            expires: locale::clock(challenge.expires, zone),
            expires_machine: locale::machine(challenge.expires),
            expires_epoch: challenge.expires.as_second(),
            resend: locale::clock(again, zone),
            resend_machine: locale::machine(again),
            resend_epoch: again.as_second(),
            reply: challenge.reply.clone(),
        },
    )
}

fn left(n: u32, language: Language) -> String {
    match (n, language) {
        (1, Language::Fr) => "Il vous reste 1 essai.".to_owned(),
        (1, Language::En) => "You have 1 try left.".to_owned(),
        (n, Language::Fr) => format!("Il vous reste {n} essais."),
        (n, Language::En) => format!("You have {n} tries left."),
    }
}

/// No living challenge: expired, answered, or tried too often; or, until `free`, asked for too often.
pub(super) fn dead_end(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    free: Option<Timestamp>,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let (status, heading, text) = match free {
        None => (
            StatusCode::FORBIDDEN,
            l.pick("Ce code n’est plus valable", "This code is no longer valid"),
            l.pick(
                "Il a expiré, a déjà servi, ou a été essayé trop souvent. Demandez-en un autre depuis l’avis de dépôt.",
                "It has expired, was used before, or was tried too often. Ask for another one from the delivery notice.",
            )
            .to_owned(),
        ),
        Some(free) => {
            let at = locale::clock(free, &door.site.zone);
            let text = match l {
                Language::Fr => format!("Pour la sécurité du message, un nouvel envoi est possible à partir de {at}."),
                Language::En => format!("For the message’s safety, another can be sent from {at} on."),
            };
            let heading = l.pick("Trop de codes demandés", "Too many codes were asked for");
            (StatusCode::TOO_MANY_REQUESTS, heading, text)
        }
    };
    let frame = Frame::new(state, ctx, heading, Some(door.site.clone()));
    let mut response = html_status(
        status,
        &NoticePage {
            f: &frame,
            kind: l.pick("Authentification", "Sign-in").to_owned(),
            reference: Some(door.deposit.reference.as_str().to_owned()),
            heading: heading.to_owned(),
            paragraphs: vec![text],
            contact: None,
            back: Some(Back {
                href: door.path(),
                label: l.pick("Revenir à l’avis de dépôt", "Back to the delivery notice").to_owned(),
            }),
        },
    )?;
    if let Some(free) = free {
        let seconds = (free.as_second() - state.clock.now().as_second()).max(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// Passed, not opened yet: says that opening sends a receipt.
pub(super) fn ready(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    content: &Content,
    shared: bool,
) -> Result<Response, Fault> {
    let title = ctx.language.pick("Votre message est prêt", "Your message is ready");
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    html(&Ready {
        f: &frame,
        c: &summary(ctx, door, content),
        csrf: ctx.csrf(state, &door.path()),
        again: door.row.opened.is_some(),
        shared,
    })
}

/// The message and its files.
pub(super) async fn content(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    content: &Content,
    grant: &Grant,
    print: bool,
) -> Result<Response, Fault> {
    let subject = content.subject.clone();
    let title = if subject.is_empty() { ctx.language.pick("(sans objet)", "(no subject)") } else { &subject };
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    let done = completed(state.store.db(), grant.hash).await?;
    let bodies = content.bodies(state, door).await?;
    let files: Vec<FileRow> =
        content.files().iter().map(|f| file_row(f, done.contains(&f.n), ctx.language)).collect();
    let opened = grant.opened.unwrap_or(grant.created);
    html(&ContentPage {
        f: &frame,
        c: &summary(ctx, door, content),
        csrf: ctx.csrf(state, &door.path()),
        print,
        reply: !print && crate::guest::answered(state, door).await?.is_some(),
        phone: state.methods.get(&GateMethod::Tiqr).is_some()
            && grant.passed.iter().any(|m| *m != GateMethod::Link),
        acknowledged: door.row.acknowledged.map(|at| locale::moment(at, &door.site.zone, ctx.language)),
        opened: locale::moment(opened, &door.site.zone, ctx.language),
        opened_machine: locale::machine(opened),
        subject: subject.clone(),
        remote_removed: bodies.iter().any(|b| b.remote_removed),
        truncated: bodies.iter().any(|b| b.truncated),
        bodies: bodies.into_iter().map(|b| b.html).collect(),
        files_words: files_words(content.totals(), ctx.language),
        files,
    })
}

/// `2 fichiers · 12 Mo`.
pub(crate) fn files_words((count, bytes): (usize, u64), language: Language) -> String {
    let size = locale::size(bytes, language);
    match (count, language) {
        (1, Language::Fr) => format!("1 fichier · {size}"),
        (1, Language::En) => format!("1 file · {size}"),
        (n, Language::Fr) => format!("{n} fichiers · {size}"),
        (n, Language::En) => format!("{n} files · {size}"),
    }
}

fn file_row(file: &File, done: bool, language: Language) -> FileRow {
    let extension = file.name.rsplit_once('.').map_or("", |(_, e)| e);
    let short = (1..=4).contains(&extension.chars().count()) && extension.chars().all(char::is_alphanumeric);
    let exact = locale::grouped(file.size, language);
    FileRow {
        n: file.n,
        name: file.name.clone(),
        badge: if short { extension.to_uppercase() } else { "•••".to_owned() },
        media_type: file.media_type.clone(),
        bytes: file.size,
        size: locale::size(file.size, language),
        exact: format!("{exact} {}", language.pick("octets", "bytes")),
        sha256: file.sha256.to_hex(),
        viewable: viewable(file).is_some(),
        holder: file.holder.clone(),
        done,
    }
}

/// The steps of a combination, where the gate is one.
pub(crate) fn rungs(door: &Door, grant: Option<&Grant>, language: Language) -> Vec<Rung> {
    let [combination] = door.row.verdict.gate.alternatives() else { return Vec::new() };
    let passed = grant.map_or(&[][..], |g| &g.passed);
    let current = combination.iter().take_while(|m| passed.contains(m)).count();
    combination
        .iter()
        .enumerate()
        .map(|(i, m)| Rung { label: label(door, m, language), done: i < current, current: i == current })
        .collect()
}

fn label(door: &Door, method: &GateMethod, l: Language) -> String {
    match method {
        GateMethod::Link => l.pick("Lien personnel", "Personal link").to_owned(),
        GateMethod::OtpMail => l.pick("Code par courriel", "Code by mail").to_owned(),
        GateMethod::OtpSms => l.pick("Code par SMS", "Code by SMS").to_owned(),
        GateMethod::Password => l.pick("Mot de passe", "Password").to_owned(),
        GateMethod::Totp | GateMethod::Hotp => l.pick("Code de l’application", "Code of the app").to_owned(),
        GateMethod::Tiqr => l.pick("QR code", "QR code").to_owned(),
        GateMethod::Cps => l.pick("Carte professionnelle", "Professional card").to_owned(),
        GateMethod::Oidc(name) => provider(door, name),
    }
}
