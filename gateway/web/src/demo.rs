//! The demonstration's mailboxes on a page, so that a newcomer plays both sides without a mail program.
//! Mounted by `sealpost demo` only, on loopback.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::pages::{Frame, html, show};
use crate::state::WebState;
use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::future::BoxFuture;
use mail_parser::{Address, Message, MessageParser};
use sealpost_envelope::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Octets of a message that the page reads at most.
pub(crate) const MAX_READ: usize = 512 * 1024;

/// A mailbox of an outside recipient.
#[derive(Debug, Clone)]
pub struct DemoMailbox {
    /// Address, which is also the IMAP login.
    pub login: String,
    /// Its password.
    pub password: String,
    /// Messages, newest first.
    pub messages: Vec<DemoMessage>,
}

/// A message in a list.
#[derive(Debug, Clone)]
pub struct DemoMessage {
    /// IMAP UID.
    pub uid: u32,
    /// When it came.
    pub received: Timestamp,
    /// Its first octets; the header block suffices.
    pub head: Vec<u8>,
}

/// Where the mailboxes are read.
pub trait DemoMail: Send + Sync {
    /// All of them.
    fn mailboxes(&self) -> BoxFuture<'_, Result<Vec<DemoMailbox>, String>>;
    /// The first `at_most` octets of a message, if there is such a message.
    fn message<'a>(
        &'a self,
        login: &'a str,
        uid: u32,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>>;
}

/// What the demo page needs.
#[derive(Clone)]
pub struct DemoState {
    /// The pages' state.
    pub web: WebState,
    /// The mailboxes.
    pub mail: Arc<dyn DemoMail>,
    /// Host of the IMAP listeners.
    pub imap_host: String,
    /// Port with STARTTLS.
    pub imap_port: u16,
    /// Port with TLS from the first byte.
    pub imaps_port: u16,
}
impl fmt::Debug for DemoState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DemoState(…)")
    }
}

/// `/demo` and its reader; to be merged into the public router.
pub fn demo_router(state: DemoState) -> Router {
    let web = state.web.clone();
    Router::new()
        .route("/demo", get(list))
        .route("/demo/{login}/{uid}", get(read))
        .with_state(Arc::new(state))
        .layer(axum::middleware::from_fn_with_state(web, crate::headers::around))
}

#[derive(Template)]
#[template(path = "demo.html")]
struct List<'a> {
    f: &'a Frame,
    mailboxes: Vec<Box_>,
    imap_host: &'a str,
    imap_port: u16,
    imaps_port: u16,
}

struct Box_ {
    login: String,
    password: String,
    messages: Vec<Line>,
}

struct Line {
    href: String,
    subject: String,
    from: String,
    date: String,
    date_machine: String,
}

#[derive(Template)]
#[template(path = "demo_mail.html")]
struct Mail<'a> {
    f: &'a Frame,
    login: String,
    subject: String,
    from: String,
    to: String,
    date: String,
    text: Vec<Piece>,
}

/// Text, or text that is a link.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    href: Option<String>,
}

type Shared = Arc<DemoState>;

async fn list(State(state): State<Shared>, request: axum::extract::Request) -> Response {
    let ctx = context(&state, request).await;
    let page = async {
        let mut frame =
            Frame::new(&state.web, &ctx, ctx.language.pick("Démonstration", "Demonstration"), None);
        frame.wide = true;
        let found = state.mail.mailboxes().await.map_err(|e| Fault::internal("demo mailboxes", e))?;
        let mailboxes = found.into_iter().map(|m| boxed(&state, &ctx, m)).collect();
        html(&List {
            f: &frame,
            mailboxes,
            imap_host: &state.imap_host,
            imap_port: state.imap_port,
            imaps_port: state.imaps_port,
        })
    };
    let page = page.await;
    show(&state.web, &ctx, page)
}

async fn context(state: &DemoState, request: axum::extract::Request) -> Ctx {
    use axum::extract::FromRequestParts;
    let (mut parts, _) = request.into_parts();
    match Ctx::from_request_parts(&mut parts, &state.web).await {
        Ok(ctx) => ctx,
        Err(never) => match never {},
    }
}

fn boxed(state: &DemoState, ctx: &Ctx, mailbox: DemoMailbox) -> Box_ {
    let zone = zone(state);
    let lines = mailbox.messages.iter().map(|m| {
        let parsed = MessageParser::default().parse_headers(&m.head);
        Line {
            href: format!("/demo/{}/{}", mailbox.login, m.uid),
            subject: subject(parsed.as_ref(), ctx),
            from: people(parsed.as_ref().and_then(Message::from)),
            date: locale::moment(m.received, &zone, ctx.language),
            date_machine: locale::machine(m.received),
        }
    });
    Box_ { messages: lines.collect(), login: mailbox.login, password: mailbox.password }
}

fn zone(state: &DemoState) -> jiff::tz::TimeZone {
    state.web.first_entity().map_or(jiff::tz::TimeZone::UTC, |e| e.zone.clone())
}

async fn read(
    State(state): State<Shared>,
    Path((login, uid)): Path<(String, u32)>,
    request: axum::extract::Request,
) -> Response {
    let ctx = context(&state, request).await;
    let page = async {
        let raw =
            state.mail.message(&login, uid, MAX_READ).await.map_err(|e| Fault::internal("demo mail", e))?;
        let raw = raw.ok_or(Fault::Unknown)?;
        let parsed = MessageParser::default().parse(&raw);
        let parsed = parsed.as_ref();
        let subject = subject(parsed, &ctx);
        let frame = Frame::new(&state.web, &ctx, &subject, None);
        let text = parsed.and_then(|m| m.body_text(0)).unwrap_or_default();
        let sent = parsed.and_then(Message::date).and_then(|d| Timestamp::from_second(d.to_timestamp()).ok());
        html(&Mail {
            f: &frame,
            login,
            subject,
            from: people(parsed.and_then(Message::from)),
            to: people(parsed.and_then(Message::to)),
            date: sent.map_or_else(String::new, |t| locale::moment(t, &zone(&state), ctx.language)),
            text: pieces(&text),
        })
    };
    let page = page.await;
    show(&state.web, &ctx, page)
}

fn subject(message: Option<&Message<'_>>, ctx: &Ctx) -> String {
    let subject = message.and_then(Message::subject).unwrap_or_default().trim();
    if subject.is_empty() {
        ctx.language.pick("(sans objet)", "(no subject)").to_owned()
    } else {
        subject.to_owned()
    }
}

fn people(address: Option<&Address<'_>>) -> String {
    let Some(address) = address else { return String::new() };
    let one = |a: &mail_parser::Addr<'_>| match (a.name(), a.address()) {
        (Some(name), Some(mail)) => format!("{name} <{mail}>"),
        (None, Some(mail)) => mail.to_owned(),
        (name, None) => name.unwrap_or_default().to_owned(),
    };
    address.iter().take(20).map(one).collect::<Vec<_>>().join(", ")
}

/// Makes `https://…` clickable.
fn pieces(text: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("https://") {
        let end = rest[start..]
            .find(|c: char| c.is_whitespace() || "<>\"".contains(c))
            .map_or(rest.len(), |n| start + n);
        let url = rest[start..end].trim_end_matches(['.', ',', ')', ';']);
        if start > 0 {
            out.push(Piece { text: rest[..start].to_owned(), href: None });
        }
        out.push(Piece { text: url.to_owned(), href: Some(url.to_owned()) });
        rest = &rest[start + url.len()..];
    }
    if !rest.is_empty() {
        out.push(Piece { text: rest.to_owned(), href: None });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found() {
        let plain = |t: &str| Piece { text: t.into(), href: None };
        let link = |t: &str| Piece { text: t.into(), href: Some(t.into()) };
        assert_eq!(
            pieces("Ouvrez https://localhost:8443/m/abc_-1.\nFin"),
            [plain("Ouvrez "), link("https://localhost:8443/m/abc_-1"), plain(".\nFin")]
        );
        assert_eq!(pieces(""), []);
        assert_eq!(pieces("https://"), [link("https://")]);
    }
}
