//! `/g/{token}`: somebody outside deposits files for one of our people, once.
//!
//! **Job.** Whoever was invited, and whoever answers a message that they have opened ([`reply`]), writes a few words
//! and hands over files of any size; what they deposit is a deposit of its own, with its evidence, and the person
//! gets it where they read their mail. The page works without scripts; with them files go ahead in resumable pieces.
//!
//! **Exposure.** Strangers with a link of 160 bits that went to one address; an answer is bound to the browser that
//! opened the message besides. Octets, files and words are bounded, tries are counted by network address, an
//! invitation serves once. Nothing that a guest typed becomes a header; names of files are kept as words.
//!
//! **Failure.** A mistake is said beside its field and what was typed stays. The form sent twice makes one deposit.

mod page;
mod reply;

pub(crate) use reply::answered;

use crate::actions::{Addressee, Guest, MailSource, NewMail, Submit, SubmitError};
use crate::ctx::Ctx;
use crate::door::gate::ask::may_ask;
use crate::fault::Fault;
use crate::multipart::posted::{self, Files, Posted, fault as upload_fault};
use crate::pages::{see_other, show};
use crate::state::{EntitySite, WebState};
use crate::uploads;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderMap;
use page::Wrong;
use sealpost_envelope::{DepositId, EmailAddress, EntityId, GateMethod, Sha256Digest};
use sealpost_message::compose::rich;
use sealpost_store::account::Account;
use sealpost_store::invitation::{Invitation, InvitationError, Words};
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::upload::{Owner, Upload, UploadError};
use std::collections::HashSet;
use std::sync::Arc;

/// Longest token looked at; ours have 27 characters.
const MAX_TOKEN: usize = 64;
/// Characters of a guest's words.
const WORDS: usize = 20_000;

/// The routes.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/g/{token}", get(form).post(deposit))
        .route("/m/{token}/reply", post(reply::begin).get(crate::door::back))
        .merge(uploads::routes("/g/{token}"))
}

/// Somebody on the page of an invitation.
pub(crate) struct Visit {
    token: String,
    pub(crate) invitation: Invitation,
    words: Words,
    host: Account,
    site: Arc<EntitySite>,
    /// It is another browser's.
    elsewhere: bool,
}

impl Visit {
    /// The invitation behind a link; `None` for a link that leads nowhere.
    pub(crate) async fn find(state: &WebState, ctx: &Ctx, token: &str) -> Result<Option<Self>, Fault> {
        if token.len() > MAX_TOKEN {
            return Ok(None);
        }
        let Some(invitation) = state.store.invitation_by_token(token).await.map_err(fault)? else {
            return Ok(None);
        };
        let host =
            state.accounts.by_id(invitation.account).await.map_err(|e| Fault::internal("account", e))?;
        let (Some(host), Some(site)) = (host, state.entity(invitation.entity)) else { return Ok(None) };
        let words = invitation.words.clone().unwrap_or_default();
        let elsewhere = invitation.browser.is_some_and(|b| b != ctx.browser_hash());
        Ok(Some(Self { token: token.to_owned(), invitation, words, host, site, elsewhere }))
    }
    /// Path of the page; also the scope of its forms.
    pub(crate) fn path(&self) -> String {
        format!("/g/{}", self.token)
    }
    pub(crate) fn owner(&self) -> Owner {
        Owner { account: self.invitation.account, guest: Some((self.invitation.id, self.invitation.most)) }
    }
    /// Whether files are taken now, from this browser.
    pub(crate) fn may_deposit(&self, state: &WebState) -> bool {
        !self.elsewhere && self.host.disabled.is_none() && self.invitation.is_live(state.clock.now())
    }
}

pub(crate) fn fault(error: InvitationError) -> Fault {
    match error {
        InvitationError::Store(e) => e.into(),
        InvitationError::TooMany => Fault::TooMany,
        other => Fault::internal("an invitation", other),
    }
}

/// What stands in the form.
#[derive(Debug, Default)]
struct Draft {
    words: String,
    uploads: Vec<uuid::Uuid>,
}

impl Draft {
    fn of(posted: &Posted) -> Self {
        let (removed, mut uploads) = (posted.ids("remove"), posted.ids("upload"));
        uploads.extend(&posted.uploads);
        // A file that stands in the form and is chosen again is the same upload.
        let mut seen = HashSet::new();
        uploads.retain(|id| !removed.contains(id) && seen.insert(*id));
        let words = posted.raw("message").replace("\r\n", "\n").trim_end().chars().take(WORDS).collect();
        Self { words, uploads }
    }
}

async fn form(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        let visit = Visit::find(&state, &ctx, &token).await?.ok_or(Fault::Unknown)?;
        if !visit.may_deposit(&state) {
            return page::over(&state, &ctx, &visit).await;
        }
        // Whoever comes back finds what had arrived: it counts for the invitation, so it can be used or removed.
        let files = state.store.arrived_uploads(visit.owner()).await.map_err(upload_fault)?;
        page::form(&state, &ctx, &visit, &Draft::default(), files, Wrong::default())
    };
    let page = page.await;
    show(&state, &ctx, page)
}

async fn deposit(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let page = async {
        let visit = Visit::find(&state, &ctx, &token).await?.ok_or(Fault::Unknown)?;
        let ours = |csrf: &str| ctx.is_ours(&state, &visit.path(), Some(csrf));
        // Whoever sends the form once more sees what has become of it: a browser hears no answer before it was heard.
        if !visit.may_deposit(&state) {
            posted::read(&state, &headers, body, Files::Nothing, ours).await?;
            return see_other(&visit.path());
        }
        may_ask(&state, &ctx).await?;
        let files = Files::Uploads(visit.invitation.entity, visit.owner());
        let posted = posted::read(&state, &headers, body, files, ours).await?;
        taken(&state, &ctx, &visit, &posted).await
    };
    let page = page.await;
    show(&state, &ctx, page)
}

async fn taken(state: &WebState, ctx: &Ctx, visit: &Visit, posted: &Posted) -> Result<Response, Fault> {
    let (draft, l) = (Draft::of(posted), ctx.language);
    let mut wrong = Wrong::default();
    if !posted.ours {
        wrong.all = Some(l.pick(
            "Cette page n’était plus à jour : rien n’a été déposé. Vérifiez, puis déposez de nouveau.",
            "This page was out of date: nothing was deposited. Check it, then deposit again.",
        ));
        return page::form(state, ctx, visit, &draft, Vec::new(), wrong);
    }
    for upload in posted.ids("remove") {
        state.store.end_upload(visit.owner(), upload).await.map_err(upload_fault)?;
    }
    let files = uploads_of(state, visit, &draft).await?;
    let gone = files.len() < draft.uploads.len();
    if posted.broken || gone || files.iter().any(|u| !u.is_complete()) {
        wrong.files = Some(l.pick(
            "Un fichier n’est pas arrivé en entier, ou n’est plus là. Retirez-le ou joignez-le de nouveau.",
            "A file did not arrive whole, or is no longer there. Remove it or attach it again.",
        ));
    } else if files.is_empty() && draft.words.trim().is_empty() {
        wrong.files = Some(
            l.pick("Joignez un fichier ou écrivez quelques mots.", "Attach a file or write a few words."),
        );
    }
    if wrong.any() || posted.line("action") == "attach" {
        return page::form(state, ctx, visit, &draft, files, wrong);
    }
    match submit(state, visit, &draft, files.clone()).await {
        Ok(deposit) => {
            done(state, visit, &draft, deposit).await?;
            see_other(&visit.path())
        }
        Err(error) => {
            wrong.all = Some(not_taken(&error, l));
            page::form(state, ctx, visit, &draft, files, wrong)
        }
    }
}

async fn uploads_of(state: &WebState, visit: &Visit, draft: &Draft) -> Result<Vec<Upload>, Fault> {
    let mut found = Vec::new();
    for id in &draft.uploads {
        match state.store.upload(visit.owner(), *id).await {
            Ok(upload) => found.push(upload),
            Err(UploadError::Unknown) => {}
            Err(other) => return Err(upload_fault(other)),
        }
    }
    Ok(found)
}

async fn submit(
    state: &WebState,
    visit: &Visit,
    draft: &Draft,
    attachments: Vec<Upload>,
) -> Result<DepositId, SubmitError> {
    let (invitation, words) = (&visit.invitation, &visit.words);
    let methods = if words.passed.is_empty() { vec![GateMethod::Link] } else { words.passed.clone() };
    let to = Addressee {
        name: Some(visit.host.name.clone()).filter(|n| !n.is_empty()),
        address: visit.recipient(),
    };
    let mail = NewMail {
        from: Addressee { name: words.name.clone(), address: invitation.address.clone() },
        to: vec![to],
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: words.subject.clone(),
        html: rich(&draft.words),
        text: draft.words.clone(),
        // How it reaches one of our people is the gateway's business.
        treatment: None,
        gate: None,
        password: None,
        expires: None,
        personal: Vec::new(),
        answers: words.answers.clone(),
        attachments,
    };
    let by = Submit {
        account: visit.host.clone(),
        mechanism: "",
        authenticated: words.proved.unwrap_or_else(|| state.clock.now()),
        network: None,
        once: Some(Sha256Digest::of(invitation.id.as_bytes())),
        guest: Some(Guest { address: invitation.address.clone(), methods }),
    };
    state.hooks.desk.submit(by, MailSource::Composed(Box::new(mail))).await
}

impl Visit {
    /// The address that the deposit is for.
    fn recipient(&self) -> EmailAddress {
        self.words.host.clone().unwrap_or_else(|| self.host.login.clone())
    }
}

/// The invitation has served; the guest gets word of it, and what was handed over is the deposit's now.
async fn done(state: &WebState, visit: &Visit, draft: &Draft, deposit: DepositId) -> Result<(), Fault> {
    let invitation = &visit.invitation;
    let spec = serde_json::json!({"kind": "guest-receipt", "invitation": invitation.id});
    let receipt = letter(state, (invitation.entity, &invitation.address), Priority::Receipt, &spec);
    state.store.invitation_used(invitation.id, deposit, Some(receipt)).await?;
    (state.hooks.outbound)();
    for upload in &draft.uploads {
        if let Err(error) = state.store.end_upload(visit.owner(), *upload).await {
            tracing::warn!(%error, "a guest's upload that was taken stays behind");
        }
    }
    Ok(())
}

/// A mail to the guest, to be composed.
pub(crate) fn letter(
    state: &WebState,
    (entity, address): (EntityId, &EmailAddress),
    priority: Priority,
    spec: &serde_json::Value,
) -> NewOutbound {
    let now = state.clock.now();
    NewOutbound {
        id: OutboundId::generate(),
        entity,
        deposit: None,
        recipient: None,
        priority,
        spec: spec.to_string(),
        envelope_from: None,
        rcpt: address.clone(),
        next_at: now,
        created: now,
        hold: None,
    }
}

fn not_taken(error: &SubmitError, l: sealpost_envelope::Language) -> &'static str {
    match error {
        SubmitError::Full => l.pick(
            "Le service manque de place pour l’instant. Rien n’est perdu : réessayez plus tard.",
            "Storage is short at the moment. Nothing is lost: try again later.",
        ),
        SubmitError::Invalid(_) | SubmitError::Refused(_) => l.pick(
            "Les règles de l’organisme n’acceptent pas ce dépôt. Demandez à la personne qui vous a écrit.",
            "The organisation’s rules do not accept this deposit. Ask the person who wrote to you.",
        ),
        SubmitError::Broken | SubmitError::Fault => l.pick(
            "Une panne passagère de notre côté. Rien n’est perdu : réessayez dans un instant.",
            "A temporary fault on our side. Nothing is lost: try again in a moment.",
        ),
    }
}
