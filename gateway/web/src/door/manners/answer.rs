//! The sender's answer to a request for more time, by the link in their mail.
//!
//! **Exposure.** Whoever holds the link may answer, once: it went to the sender's mailbox only. GET shows what is
//! asked; the answer is a POST, since mail scanners follow links.

use super::page::Manners;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form;
use crate::locale;
use crate::pages::{Frame, NoticePage, html, html_status, show as respond};
use crate::state::{EntitySite, WebState};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::Timestamp;
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_store::content::Place;
use sealpost_store::keys::token_hash;
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Change, ConsignmentRow, DepositRow, Note, NoteKind, NoteText, StoreError};
use serde::Deserialize;
use std::sync::Arc;

/// Longest token looked at.
const MAX_TOKEN: usize = 64;

/// A request that waits for its answer.
struct Asked {
    token: String,
    note: Note,
    text: NoteText,
    until: Timestamp,
    row: ConsignmentRow,
    deposit: DepositRow,
    site: Arc<EntitySite>,
}

/// Why there is nothing to answer any more.
enum Over {
    Answered,
    Expired,
    Gone,
}

impl Asked {
    fn path(&self) -> String {
        format!("/a/{}", self.token)
    }

    async fn find(state: &WebState, token: &str) -> Result<(Self, Option<Over>), Fault> {
        if token.len() > MAX_TOKEN {
            return Err(Fault::Unknown);
        }
        let note = state.store.note_of_token(token_hash(token)).await?.ok_or(Fault::Unknown)?;
        let row = state.store.consignment(note.deposit, note.recipient).await?;
        let deposit = state.store.read_deposit(note.deposit).await?.row;
        let site = state.entity(note.entity).ok_or(Fault::Unknown)?;
        let now = state.clock.now();
        let over = if note.answered.is_some() {
            Some(Over::Answered)
        } else if row.revoked.is_some() || row.declined.is_some() || deposit.wrapped_key.is_none() {
            Some(Over::Gone)
        } else if note.expires.is_none_or(|end| end <= now) {
            Some(Over::Expired)
        } else {
            None
        };
        let mut asked =
            Self { token: token.to_owned(), note, text: NoteText::default(), until: now, row, deposit, site };
        if over.is_none() {
            asked.read(state)?;
        }
        Ok((asked, over))
    }

    fn read(&mut self, state: &WebState) -> Result<(), Fault> {
        let key = state.store.deposit_key(&self.deposit)?;
        let plain = Place::note(self.note.id).open(&key, &self.note.sealed)?;
        self.text = serde_json::from_slice(&plain).map_err(|e| Fault::internal("note", e))?;
        match (self.note.kind, self.text.until) {
            (NoteKind::Extension, Some(until)) => self.until = until,
            _ => return Err(Fault::Unknown),
        }
        Ok(())
    }
}

/// `GET /a/{token}`
pub(super) async fn show(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        match Asked::find(&state, &token).await? {
            (asked, None) => question(&state, &ctx, &asked),
            (asked, Some(over)) => done(&state, &ctx, &asked, &ended(&ctx, &over), StatusCode::GONE),
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

fn question(state: &WebState, ctx: &Ctx, asked: &Asked) -> Result<Response, Fault> {
    let l = ctx.language;
    let title = l.pick("Prolonger l’accès ?", "Extend access?");
    let frame = Frame::new(state, ctx, title, Some(asked.site.clone()));
    let zone = &asked.site.zone;
    let mut facts = vec![
        (l.pick("Destinataire", "Recipient").to_owned(), asked.row.address.to_string()),
        (l.pick("Déposé le", "Deposited on").to_owned(), locale::moment(asked.deposit.created, zone, l)),
        (
            l.pick("Accès actuel jusqu’au", "Access now until").to_owned(),
            locale::moment(asked.row.verdict.expires, zone, l),
        ),
        (
            l.pick("Accès demandé jusqu’au", "Access asked until").to_owned(),
            locale::moment(asked.until, zone, l),
        ),
    ];
    facts.extend(asked.text.words.clone().map(|w| (l.pick("Ses mots", "Their words").to_owned(), w)));
    html(&Manners {
        f: &frame,
        kind: l.pick("Demande de prolongation", "Request for an extension").to_owned(),
        reference: asked.deposit.reference.as_str().to_owned(),
        heading: title.to_owned(),
        paragraphs: vec![
            l.pick(
                "Votre destinataire demande plus de temps pour ouvrir votre message.",
                "Your recipient asks for more time to open your message.",
            )
            .to_owned(),
        ],
        facts,
        action: asked.path(),
        csrf: ctx.csrf(state, &asked.path()),
        choices: Vec::new(),
        colleague: None,
        malformed: false,
        words: None,
        buttons: vec![
            ("grant".to_owned(), l.pick("Prolonger l’accès", "Extend access").to_owned()),
            ("refuse".to_owned(), l.pick("Ne pas prolonger", "Do not extend").to_owned()),
        ],
        back: None,
    })
}

#[derive(Deserialize)]
struct Fields {
    csrf: Option<String>,
    answer: Option<String>,
}

/// `POST /a/{token}`
pub(super) async fn take(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let fields: Fields = form::read(&state, body).await?;
        let (asked, over) = Asked::find(&state, &token).await?;
        if let Some(over) = over {
            return done(&state, &ctx, &asked, &ended(&ctx, &over), StatusCode::GONE);
        }
        if !ctx.is_ours(&state, &asked.path(), fields.csrf.as_deref()) {
            // Shown again, with a value that this browser can send.
            return question(&state, &ctx, &asked);
        }
        let granted = match fields.answer.as_deref() {
            Some("grant") => true,
            Some("refuse") => false,
            _ => return Err(Fault::BadForm),
        };
        let (answer, until, change) = match granted {
            true => ("granted", Some(asked.until), grant(&state, &ctx, &asked)?),
            false => ("refused", None, Change::default()),
        };
        let won = match state.store.answer_note(&asked.note, answer, until, change).await {
            Ok(won) => won,
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => false,
            Err(e) => return Err(e.into()),
        };
        if !won {
            return done(&state, &ctx, &asked, &ended(&ctx, &Over::Answered), StatusCode::GONE);
        }
        (state.hooks.outbound)();
        done(&state, &ctx, &asked, &thanks(&ctx, &asked, granted), StatusCode::OK)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// The event, and the mail that tells the recipient.
fn grant(state: &WebState, ctx: &Ctx, asked: &Asked) -> Result<Change, Fault> {
    let now = state.clock.now();
    let actor = Actor::Anonymous { network: ctx.peer.map(|ip| ip.to_string()), agent: ctx.agent.clone() };
    let detail = Detail::new()
        .text("reference", asked.deposit.reference.as_str())
        .text("by", "answer-link")
        .text("note", asked.note.id.to_string())
        .time("until", asked.until)
        .personal("sender", asked.deposit.sender.as_str());
    let event = Event::new(EventName::Extended, asked.note.entity, now)
        .deposit(asked.note.deposit)
        .recipient(asked.note.recipient)
        .actor(actor)
        .detail(detail);
    let mail = NewOutbound {
        id: OutboundId::generate(),
        entity: asked.note.entity,
        deposit: Some(asked.note.deposit),
        recipient: Some(asked.note.recipient),
        priority: Priority::Mail,
        spec: serde_json::json!({"kind": "granted", "generation": asked.row.generation}).to_string(),
        envelope_from: Some(asked.site.address.clone()),
        rcpt: asked.row.address.clone(),
        next_at: now,
        created: now,
        hold: None,
    };
    Ok(Change { events: vec![render(&asked.site.issuer, event, None)?], outbound: vec![mail] })
}

fn ended(ctx: &Ctx, over: &Over) -> (String, String) {
    let l = ctx.language;
    let (heading, text) = match over {
        Over::Answered => (
            l.pick("Vous avez déjà répondu", "You have answered already"),
            l.pick("Ce lien ne sert qu’une fois.", "This link serves once."),
        ),
        Over::Expired => (
            l.pick("Cette demande n’est plus valable", "This request is no longer valid"),
            l.pick(
                "Elle date de plus de deux semaines. Rien n’a été changé.",
                "It is more than two weeks old. Nothing was changed.",
            ),
        ),
        Over::Gone => (
            l.pick("Ce message n’est plus accessible", "This message is no longer available"),
            l.pick(
                "Il a été retiré, refusé ou détruit. Rien n’a été changé.",
                "It was withdrawn, refused or destroyed. Nothing was changed.",
            ),
        ),
    };
    (heading.to_owned(), text.to_owned())
}

fn thanks(ctx: &Ctx, asked: &Asked, granted: bool) -> (String, String) {
    let l = ctx.language;
    match granted {
        true => (
            l.pick("L’accès est prolongé", "Access was extended").to_owned(),
            format!(
                "{} {}. {}",
                l.pick("Le lien s’ouvre jusqu’au", "The link opens until"),
                locale::moment(asked.until, &asked.site.zone, l),
                l.pick("Le destinataire en est informé par courriel.", "The recipient is told by mail.")
            ),
        ),
        false => (
            l.pick("L’accès reste comme il est", "Access stays as it is").to_owned(),
            l.pick("Votre réponse est notée.", "Your answer was noted.").to_owned(),
        ),
    }
}

fn done(
    state: &WebState,
    ctx: &Ctx,
    asked: &Asked,
    (heading, text): &(String, String),
    status: StatusCode,
) -> Result<Response, Fault> {
    let frame = Frame::new(state, ctx, heading, Some(asked.site.clone()));
    html_status(
        status,
        &NoticePage {
            f: &frame,
            kind: ctx.language.pick("Demande de prolongation", "Request for an extension").to_owned(),
            reference: Some(asked.deposit.reference.as_str().to_owned()),
            heading: heading.clone(),
            paragraphs: vec![text.clone()],
            contact: None,
            back: None,
        },
    )
}
