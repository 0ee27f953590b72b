//! What a deposit's page does: send again, correct an address, prolong, withdraw, hold; and the proof.
//!
//! Each answers with the deposit's page: after a change by way of a redirect, so that reloading repeats nothing;
//! after a refusal at once, saying why and that nothing was changed.

use super::deposit::{self, Said};
use super::typed::Typed;
use crate::actions::{self, Act, ActionError, ProofWanted, Refusal};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::{see_other, show};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header;
use sealpost_envelope::{EmailAddress, Language};
use tokio_util::io::ReaderStream;

/// What is asked for, as far as the form can be read.
enum Asked {
    Act(Act, &'static str),
    Unread(&'static str),
}

/// `POST /deposits/{id}/{what}`
pub(super) async fn act(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path((id, what)): Path<(String, String)>,
    body: Body,
) -> Response {
    let done = async {
        let typed = Typed::posted(&state, body).await?;
        let found = deposit::find(&state, &staff, &id).await?;
        let again = async |words: &str| {
            let said = Said { tone: "bad", words: words.to_owned() };
            deposit::page(&state, &ctx, &staff, &id, Some(said)).await
        };
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return again(stale(ctx.language)).await;
        }
        let (act, word) = match asked(&what, &typed, &staff, ctx.language).ok_or(Fault::Unknown)? {
            Asked::Act(act, word) => (act, word),
            Asked::Unread(words) => return again(words).await,
        };
        match actions::act(&state, &staff.account, &found, act).await {
            Ok(n) => {
                (state.hooks.outbound)();
                see_other(&format!("/deposits/{}?done={word}&n={n}", found.row.id))
            }
            Err(ActionError::Refused(refusal)) => again(refused(&refusal, ctx.language)).await,
            Err(other) => Err(fault(other)),
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}

fn asked(what: &str, typed: &Typed, staff: &Staff, l: Language) -> Option<Asked> {
    let n = typed.parsed("recipient");
    Some(match what {
        "resend" => Asked::Act(Act::Resend { n }, "resent"),
        "revoke" => Asked::Act(Act::Revoke { n }, "revoked"),
        "readdress" => match EmailAddress::parse(typed.get("to")) {
            Ok(to) => Asked::Act(Act::Readdress { n, to }, "readdressed"),
            Err(_) => Asked::Unread(l.pick(
                "La nouvelle adresse n’a pas la forme nom@domaine. Rien n’a été changé.",
                "The new address has not the form name@domain. Nothing was changed.",
            )),
        },
        // Until the end of that day.
        "extend" => match typed.day_after("until", &staff.site.zone) {
            Some(until) => Asked::Act(Act::Extend { n, until }, "extended"),
            None => Asked::Unread(l.pick(
                "Indiquez le jour jusqu’auquel prolonger. Rien n’a été changé.",
                "Give the day until which to extend. Nothing was changed.",
            )),
        },
        "hold" => match typed.get("reason") {
            "" => Asked::Unread(l.pick(
                "Indiquez le motif : il figurera au journal. Rien n’a été changé.",
                "Give the reason: it will stand in the journal. Nothing was changed.",
            )),
            reason => Asked::Act(Act::Hold { reason: reason.chars().take(300).collect() }, "held"),
        },
        "release" => Asked::Act(Act::Release, "released"),
        "let-go" => Asked::Act(Act::LetGo { n }, "let-go"),
        _ => return None,
    })
}

/// `GET /deposits/{id}/{what}` leads back to the page: a browser comes here when its language is changed on a
/// page that a POST showed.
pub(super) async fn back(
    State(state): State<WebState>,
    ctx: Ctx,
    _staff: Staff,
    Path((id, _)): Path<(String, String)>,
) -> Response {
    let away = see_other(&format!("/deposits/{}", super::typed::encode(&id)));
    show(&state, &ctx, away)
}

/// `GET /deposits/{id}/proof`: the file, journaled before it leaves.
pub(super) async fn proof(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let done = async {
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let found = deposit::find(&state, &staff, &id).await?;
        let wanted = ProofWanted {
            recipient: typed.parsed("recipient"),
            content: typed.get("content") != "no",
            language: ctx.language,
        };
        match actions::proof(&state, &staff.account, found.row.id, wanted).await {
            Ok(proof) => Ok((
                [
                    (header::CONTENT_TYPE, "application/vnd.etsi.asic-e+zip".to_owned()),
                    (header::CONTENT_LENGTH, proof.size.to_string()),
                    (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", plain(&proof.name))),
                ],
                Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(proof.file))),
            )
                .into_response()),
            Err(ActionError::Refused(refusal)) => {
                let said = Said { tone: "warn", words: refused(&refusal, ctx.language).to_owned() };
                deposit::page(&state, &ctx, &staff, &id, Some(said)).await
            }
            Err(other) => Err(fault(other)),
        }
    };
    let done = done.await;
    show(&state, &ctx, done)
}

/// Nothing that ends the header's quotes.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect()
}

/// A form of another session, or of a page that is too old.
pub(super) fn stale(l: Language) -> &'static str {
    l.pick(
        "Cette page n’était plus à jour : rien n’a été changé. Recommencez.",
        "This page was out of date: nothing was changed. Please try again.",
    )
}

pub(super) fn fault(error: ActionError) -> Fault {
    match error {
        ActionError::Store(e) => e.into(),
        other => Fault::internal("action", other),
    }
}

/// Why nothing was changed.
pub(super) fn refused(refusal: &Refusal, l: Language) -> &'static str {
    let (fr, en) = match refusal {
        Refusal::Destroyed => (
            "Le contenu a été détruit au terme de sa conservation : il n’y a plus rien à envoyer ni à retenir.",
            "The content was destroyed at the end of its retention: there is nothing left to send or to hold.",
        ),
        Refusal::NoRecipient(_) => {
            ("Ce dépôt n’a pas ce destinataire.", "The deposit has no such recipient.")
        }
        Refusal::WhichRecipient => {
            ("Indiquez lequel des destinataires est concerné.", "Say which of the recipients is meant.")
        }
        Refusal::Revoked => {
            ("L’accès a été retiré : rien n’a été envoyé.", "Access was withdrawn: nothing was sent.")
        }
        Refusal::AlreadyRecipient => (
            "Cette adresse est déjà destinataire de ce message. Rien n’a été changé.",
            "This address is a recipient already. Nothing was changed.",
        ),
        Refusal::Past => (
            "Cette date est passée. Choisissez un jour à venir.",
            "This date has passed. Choose a day to come.",
        ),
        Refusal::HoldStands => ("Une conservation légale est déjà posée.", "A legal hold stands already."),
        Refusal::NoHold => ("Aucune conservation légale n’est posée.", "No legal hold stands."),
        Refusal::NotHeld => ("Aucun envoi n’attend de réponse.", "No mail waits for an answer."),
        Refusal::Waits => (
            "Ce message est en attente : laissez-le d’abord partir. Rien n’a été envoyé.",
            "This message waits: let it go first. Nothing was sent.",
        ),
        Refusal::AdministratorHolds => (
            "Ce message est retenu : seul un administrateur peut le laisser partir.",
            "This message is held: only an administrator can let it go.",
        ),
        Refusal::State(_) => (
            "L’état du dépôt ne le permet plus. Rien n’a été changé.",
            "The deposit’s state no longer allows that. Nothing was changed.",
        ),
        Refusal::Forbidden => (
            "Votre rôle ne permet pas cette action sur ce dépôt.",
            "Your role does not allow this on this deposit.",
        ),
        Refusal::Pending => (
            "La preuve n’est pas encore complète : le dernier événement attend son horodatage. Réessayez dans une minute.",
            "The proof is not complete yet: the last event waits for its timestamp. Try again in a minute.",
        ),
    };
    l.pick(fr, en)
}
