//! Templates and what they are filled with; faults as pages.

mod fault;

use crate::assets;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login;
use crate::state::{EntitySite, WebState};
use crate::view::Summary;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use sealpost_envelope::Language;
use std::sync::Arc;

/// What stands around every page.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) language: Language,
    pub(crate) title: String,
    pub(crate) entity: Option<Arc<EntitySite>>,
    pub(crate) style: String,
    pub(crate) script: String,
    pub(crate) icon: String,
    /// Seconds since 1970, against wrong clocks of clients.
    pub(crate) now: i64,
    pub(crate) wide: bool,
    /// This page in the other language.
    pub(crate) other_language: String,
}

impl Frame {
    pub(crate) fn new(state: &WebState, ctx: &Ctx, title: &str, entity: Option<Arc<EntitySite>>) -> Self {
        Self {
            language: ctx.language,
            title: title.to_owned(),
            entity,
            style: assets::style(),
            script: assets::script(),
            icon: assets::icon(),
            now: state.clock.now().as_second(),
            wide: false,
            other_language: ctx.with_query("lang", ctx.language.pick("en", "fr")),
        }
    }
    /// One of both texts.
    pub(crate) fn t<'a>(&self, fr: &'a str, en: &'a str) -> &'a str {
        self.language.pick(fr, en)
    }
    pub(crate) fn french(&self) -> bool {
        self.language == Language::Fr
    }
}

/// A method to choose.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) method: String,
    /// Name of its pictogram.
    pub(crate) icon: &'static str,
    pub(crate) title: String,
    /// What one needs for it.
    pub(crate) needs: String,
    pub(crate) button: String,
}

/// What the form of a challenge asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Mail,
    Sms,
    Password,
    App,
    Token,
}
impl Form {
    fn is_sent(self) -> bool {
        matches!(self, Self::Mail | Self::Sms)
    }
    fn is_password(self) -> bool {
        self == Self::Password
    }
}

/// A step of a combination.
#[derive(Debug)]
pub(crate) struct Rung {
    pub(crate) label: String,
    pub(crate) done: bool,
    pub(crate) current: bool,
}

/// What the form's page says about the last try or sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    None,
    Wrong,
    Malformed,
    Wait,
    Resent,
    Limited,
}
impl Notice {
    fn is_bad(self) -> bool {
        matches!(self, Self::Wrong | Self::Malformed)
    }
}

#[derive(Template)]
#[template(path = "landing.html")]
pub(crate) struct Landing<'a> {
    pub(crate) f: &'a Frame,
    pub(crate) c: &'a Summary,
    pub(crate) ways: Vec<Way>,
    pub(crate) steps: Vec<Rung>,
    pub(crate) csrf: String,
}

#[derive(Template)]
#[template(path = "challenge.html")]
pub(crate) struct ChallengePage<'a> {
    pub(crate) f: &'a Frame,
    pub(crate) c: &'a Summary,
    pub(crate) steps: Vec<Rung>,
    pub(crate) csrf: String,
    pub(crate) method: String,
    pub(crate) form: Form,
    /// Where the code went, masked.
    pub(crate) to: String,
    pub(crate) notice: Notice,
    pub(crate) left_words: String,
    pub(crate) expires: String,
    pub(crate) expires_machine: String,
    pub(crate) expires_epoch: i64,
    pub(crate) resend: String,
    pub(crate) resend_machine: String,
    pub(crate) resend_epoch: i64,
    pub(crate) reply: Option<String>,
}

#[derive(Template)]
#[template(path = "effort.html")]
pub(crate) struct EffortPage<'a> {
    pub(crate) f: &'a Frame,
    pub(crate) reference: String,
    pub(crate) action: String,
    pub(crate) back: String,
    pub(crate) csrf: String,
    /// The question for the script, JSON.
    pub(crate) question: String,
    pub(crate) wait: String,
    /// When the note is good, in seconds since 1970.
    pub(crate) from: i64,
    pub(crate) seconds: u64,
}

#[derive(Template)]
#[template(path = "ready.html")]
pub(crate) struct Ready<'a> {
    pub(crate) f: &'a Frame,
    pub(crate) c: &'a Summary,
    pub(crate) csrf: String,
    pub(crate) again: bool,
    /// Several people read the mailbox: a name is asked for.
    pub(crate) shared: bool,
}

/// A file on the content page.
#[derive(Debug)]
pub(crate) struct FileRow {
    pub(crate) n: u32,
    pub(crate) name: String,
    pub(crate) badge: String,
    pub(crate) media_type: String,
    pub(crate) bytes: u64,
    pub(crate) size: String,
    pub(crate) exact: String,
    pub(crate) sha256: String,
    pub(crate) viewable: bool,
    /// Name of the file that holds it.
    pub(crate) holder: Option<String>,
    pub(crate) done: bool,
}

#[derive(Template)]
#[template(path = "content.html")]
pub(crate) struct ContentPage<'a> {
    pub(crate) f: &'a Frame,
    pub(crate) c: &'a Summary,
    pub(crate) csrf: String,
    pub(crate) print: bool,
    /// When the recipient confirmed having read it.
    pub(crate) acknowledged: Option<String>,
    /// Whether an answer with files reaches the sender.
    pub(crate) reply: bool,
    /// Whether a telephone may be enrolled.
    pub(crate) phone: bool,
    pub(crate) opened: String,
    pub(crate) opened_machine: String,
    pub(crate) subject: String,
    pub(crate) bodies: Vec<String>,
    pub(crate) remote_removed: bool,
    pub(crate) truncated: bool,
    pub(crate) files: Vec<FileRow>,
    pub(crate) files_words: String,
}

/// Whom to ask.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) subject: String,
}

/// A way on.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub(crate) href: String,
    pub(crate) label: String,
}

#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct NoticePage<'a> {
    pub(crate) f: &'a Frame,
    pub(crate) kind: String,
    pub(crate) reference: Option<String>,
    pub(crate) heading: String,
    pub(crate) paragraphs: Vec<String>,
    pub(crate) contact: Option<Contact>,
    pub(crate) back: Option<Back>,
}

/// A way to log in that leads to a page or listener of its own.
#[derive(Debug)]
pub(crate) struct LoginWay {
    pub(crate) href: String,
    pub(crate) label: String,
    pub(crate) hint: String,
    /// Which pictogram: `card`, `phone`, `provider`.
    pub(crate) icon: &'static str,
    pub(crate) recommended: bool,
}

#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct Login<'a> {
    pub(crate) f: &'a Frame,
    pub(crate) csrf: String,
    pub(crate) next: Option<String>,
    pub(crate) identifier: &'a str,
    /// The password need not be typed again.
    pub(crate) remembered: bool,
    pub(crate) word: Option<login::Word>,
    pub(crate) code_minutes: u64,
    pub(crate) code_by_mail: bool,
    pub(crate) code_by_sms: bool,
    pub(crate) sms_minutes: u64,
    pub(crate) ways: Vec<LoginWay>,
    pub(crate) url: &'a str,
    pub(crate) demo: bool,
}

/// Renders a page.
pub(crate) fn html(page: &impl Template) -> Result<Response, Fault> {
    let text = page.render()?;
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response())
}

/// [`html`] with another status.
pub(crate) fn html_status(status: StatusCode, page: &impl Template) -> Result<Response, Fault> {
    let mut response = html(page)?;
    *response.status_mut() = status;
    Ok(response)
}

/// After a POST: the browser fetches the page by GET, so that reloading repeats nothing.
pub(crate) fn see_other(path: &str) -> Result<Response, Fault> {
    let location = http::HeaderValue::from_str(path).map_err(|e| Fault::internal("location", e))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// The fault's page, where no cookies are set.
pub(crate) fn plain_fault(state: &WebState, ctx: &Ctx, fault: Fault) -> Result<Response, Fault> {
    fault::page(state, ctx, fault)
}

/// The response, or the fault's page; with the cookies that the request made necessary.
pub(crate) fn show(state: &WebState, ctx: &Ctx, result: Result<Response, Fault>) -> Response {
    let response = result.or_else(|fault| fault::page(state, ctx, fault));
    // Only a template can have failed twice.
    ctx.finish(response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
}
