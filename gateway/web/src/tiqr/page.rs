//! The pages with QR codes, in words.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::pages::{Back, Frame, html, html_status};
use crate::state::{EntitySite, WebState};
use crate::view::Door;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use qrcode::{Color, EcLevel, QrCode};
use sealpost_envelope::{Language, Timestamp};
use sealpost_gate::tiqr::Answer;
use std::fmt::Write;
use std::sync::Arc;

/// Modules of white around a code, which readers need.
const QUIET: usize = 4;

/// A QR code as one path, with the address it holds.
pub(crate) struct Code {
    pub(crate) uri: String,
    pub(crate) path: String,
    pub(crate) size: usize,
}

impl Code {
    pub(crate) fn of(uri: String) -> Result<Self, Fault> {
        let code = QrCode::with_error_correction_level(uri.as_bytes(), EcLevel::M)
            .map_err(|e| Fault::internal("QR code", e))?;
        let width = code.width();
        let mut path = String::new();
        for (y, row) in code.to_colors().chunks(width).enumerate() {
            for (x, _) in row.iter().enumerate().filter(|(_, c)| **c == Color::Dark) {
                // Writing to a String does not fail.
                let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
            }
        }
        Ok(Self { uri, path, size: width + 2 * QUIET })
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(…)")
    }
}

/// Where a challenge is shown: at a recipient's door, or at the login.
pub(super) struct Place {
    pub(super) site: Option<Arc<EntitySite>>,
    pub(super) reference: Option<String>,
    /// Path below which the challenge's own addresses lie, and scope of its browser.
    pub(super) path: String,
    /// Where another code is asked for.
    pub(super) again: String,
    pub(super) csrf: String,
    pub(super) back: Back,
}

/// What the challenge's page shows.
pub(super) enum Shown {
    /// Nothing was asked for yet.
    Start,
    Code(Code, Timestamp),
    Passed,
    Over,
}

/// What it says of the last step.
pub(super) enum Word {
    Offline,
    Waiting,
    Malformed,
    Wrong(u32),
    Blocked(Option<u32>),
    Unknown,
    Trouble,
}

impl Word {
    pub(super) fn of(answer: Answer) -> Self {
        match answer {
            Answer::WrongResponse(left) => Self::Wrong(left),
            Answer::Blocked(minutes) => Self::Blocked(minutes),
            Answer::UnknownUser => Self::Unknown,
            _ => Self::Trouble,
        }
    }
    fn text(&self, l: Language) -> Option<String> {
        Some(match self {
            Self::Offline => return None,
            Self::Waiting => {
                l.pick("Le téléphone n’a pas encore répondu.", "The phone has not answered yet.").to_owned()
            }
            Self::Malformed => l
                .pick(
                    "Un code compte six chiffres. Cet essai n’est pas compté.",
                    "A code has six digits. This try was not counted.",
                )
                .to_owned(),
            Self::Wrong(left) => match l {
                Language::Fr => format!(
                    "Ce code n’est pas le bon : le code PIN saisi sur le téléphone était peut-être faux. Essais restants : {left}."
                ),
                Language::En => format!(
                    "This is not the right code: the PIN typed on the phone may have been wrong. Tries left: {left}."
                ),
            },
            Self::Blocked(Some(minutes)) => match l {
                Language::Fr => format!("Trop d’essais : ce téléphone est bloqué pendant {minutes} minutes."),
                Language::En => format!("Too many tries: this phone is blocked for {minutes} minutes."),
            },
            Self::Blocked(None) => l
                .pick(
                    "Trop d’essais : ce téléphone est bloqué. Adressez-vous à l’assistance.",
                    "Too many tries: this phone is blocked. Please ask for support.",
                )
                .to_owned(),
            Self::Unknown => l
                .pick(
                    "Cet identifiant n’est pas celui du téléphone associé.",
                    "This ID is not that of the enrolled phone.",
                )
                .to_owned(),
            Self::Trouble => l
                .pick(
                    "La réponse n’a pas pu être vérifiée. Réessayez plus tard.",
                    "The answer could not be checked. Please try later.",
                )
                .to_owned(),
        })
    }
}

#[derive(Template)]
#[template(path = "tiqr.html")]
struct Challenge<'a> {
    f: &'a Frame,
    p: Place,
    code: Option<Code>,
    until: String,
    until_epoch: i64,
    start: bool,
    passed: bool,
    word: Option<String>,
    offline: bool,
}

pub(super) fn challenge(
    state: &WebState,
    ctx: &Ctx,
    place: Place,
    shown: Shown,
    word: Option<Word>,
    status: StatusCode,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let frame = Frame::new(state, ctx, l.pick("QR code", "QR code"), place.site.clone());
    let zone = place.site.as_ref().map_or(jiff::tz::TimeZone::UTC, |s| s.zone.clone());
    let (start, passed) = (matches!(shown, Shown::Start), matches!(shown, Shown::Passed));
    let (code, until) = match shown {
        Shown::Code(code, until) => (Some(code), until),
        _ => (None, Timestamp::MIN),
    };
    let typed = matches!(word, Some(Word::Offline | Word::Malformed | Word::Wrong(_) | Word::Unknown));
    html_status(
        status,
        &Challenge {
            f: &frame,
            p: place,
            until: if code.is_some() { locale::clock(until, &zone) } else { String::new() },
            until_epoch: until.as_second(),
            code,
            start,
            passed,
            word: word.and_then(|w| w.text(l)),
            offline: typed,
        },
    )
}

/// What the enrolment's page shows.
pub(super) enum Enrolled {
    /// Nothing yet; since when another phone is enrolled.
    Offer(Option<Timestamp>),
    /// Another phone is enrolled, and this session may not replace it.
    Taken,
    Code(Code, Timestamp),
    Retrieved,
    Done,
}

impl Enrolled {
    /// The word in templates.
    pub(super) fn stage(&self) -> &'static str {
        match self {
            Self::Offer(_) => "offer",
            Self::Taken => "taken",
            Self::Code(..) => "code",
            Self::Retrieved => "retrieved",
            Self::Done => "done",
        }
    }
}

#[derive(Template)]
#[template(path = "phone.html")]
struct EnrolmentPage<'a> {
    f: &'a Frame,
    reference: String,
    path: String,
    csrf: String,
    stage: &'static str,
    since: Option<String>,
    code: Option<Code>,
    until: String,
    until_epoch: i64,
    masked: String,
}

pub(super) fn enrolment(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    shown: Enrolled,
) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Associer votre téléphone", "Enrol your phone");
    let frame = Frame::new(state, ctx, title, Some(door.site.clone()));
    let zone = &door.site.zone;
    let mut page = EnrolmentPage {
        f: &frame,
        reference: door.deposit.reference.as_str().to_owned(),
        path: door.path(),
        csrf: ctx.csrf(state, &door.path()),
        stage: shown.stage(),
        since: None,
        code: None,
        until: String::new(),
        until_epoch: 0,
        masked: door.row.address.masked(),
    };
    match shown {
        Enrolled::Offer(since) => page.since = since.map(|t| locale::moment(t, zone, l)),
        Enrolled::Code(code, until) => {
            page.until = locale::clock(until, zone);
            page.until_epoch = until.as_second();
            page.code = Some(code);
        }
        Enrolled::Taken | Enrolled::Retrieved | Enrolled::Done => {}
    }
    html(&page)
}
