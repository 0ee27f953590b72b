//! `/verify`: anybody gives a proof and reads, check by check, whether it holds.
//!
//! **Job.** Receives the file, has it judged in a process of its own ([`ProofJudge`]), and tells the result in words
//! that need no technical knowledge, the technical ones beside them. Nothing is kept.
//!
//! **Exposure.** Strangers send files of any content. Size, silence, number in an hour and number at a time are
//! bounded here; the file is never parsed in this process, which holds the keys.
//!
//! **Failure.** Every refusal is a page that says what to do; programs get the same as JSON (`Accept`).

mod story;
mod upload;

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::pages::{Frame, html_status, show};
use crate::state::WebState;
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use story::Story;
use upload::UploadError;

/// One check, as `sealpost proof verify --json` prints it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProofCheck {
    /// Whether it is as it should be.
    pub ok: bool,
    /// Member of the proof, or `(container)`.
    pub subject: String,
    /// What was found.
    pub what: String,
}

/// All checks and what follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProofReport {
    /// In the order of the proof.
    pub checks: Vec<ProofCheck>,
    /// `VALID` or `INVALID`.
    pub verdict: String,
    /// Invalid only because time went by.
    pub aged: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// Not a ZIP, so not a proof that could be valid or not.
    #[error("not a proof")]
    NotProof,
    /// All places are taken.
    #[error("too many proofs at a time")]
    Busy,
    /// It took more time or memory than any proof does.
    #[error("the proof took too much time or memory")]
    TooHeavy,
    /// Ours.
    #[error("{0}")]
    Failed(String),
}

/// Judges proofs away from this process.
pub trait ProofJudge: Send + Sync {
    /// The report on the proof in `file`, read from its beginning.
    fn judge(&self, file: File) -> BoxFuture<'_, Result<ProofReport, JudgeError>>;
}

/// What the page needs.
#[derive(Clone)]
pub struct VerifyState {
    /// The pages' state.
    pub web: WebState,
    /// Who judges.
    pub judge: Arc<dyn ProofJudge>,
    /// Subjects and SHA-256 fingerprints of the roots that are trusted here.
    pub roots: Vec<(String, String)>,
    /// Largest file.
    pub size: u64,
    /// Proofs from one address in an hour.
    pub per_hour: u32,
}
impl fmt::Debug for VerifyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyState(…)")
    }
}

/// `/verify`; to be merged into the public router.
pub fn verify_router(state: VerifyState) -> Router {
    let web = state.web.clone();
    Router::new()
        .route("/verify", get(form).post(judge))
        .with_state(Arc::new(state))
        .layer(axum::middleware::from_fn_with_state(web, crate::headers::around))
}

const HOUR: Duration = Duration::from_secs(3600);

/// A slow line needs its time for a large proof.
pub(crate) const UPLOAD: Duration = Duration::from_secs(900);

#[derive(Template)]
#[template(path = "verify.html")]
struct Page<'a> {
    f: &'a Frame,
    story: Option<Story>,
    problem: Option<&'static str>,
    limit: String,
    roots: &'a [(String, String)],
}

async fn form(State(state): State<Arc<VerifyState>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let ctx = context(&state, &mut parts).await;
    let page = page(&state, &ctx, StatusCode::OK, None, None);
    show(&state.web, &ctx, page)
}

async fn judge(State(state): State<Arc<VerifyState>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let ctx = context(&state, &mut parts).await;
    let machine = parts
        .headers
        .get(header::ACCEPT)
        .is_some_and(|v| v.to_str().is_ok_and(|a| a.starts_with("application/json")));
    let answer = match examine(&state, &ctx, &parts.headers, body).await {
        Ok(report) if machine => Ok(axum::Json(report).into_response()),
        Ok(report) => {
            let zone = state.web.first_entity().map_or(jiff::tz::TimeZone::UTC, |e| e.zone.clone());
            let story = Story::new(&report, ctx.language, &zone);
            page(&state, &ctx, StatusCode::OK, Some(story), None)
        }
        Err(Refusal::Fault(fault)) => Err(fault),
        Err(Refusal::Said(status, _, en)) if machine => {
            Ok((status, axum::Json(serde_json::json!({ "error": en }))).into_response())
        }
        Err(Refusal::Said(status, fr, en)) => {
            page(&state, &ctx, status, None, Some(ctx.language.pick(fr, en)))
        }
    };
    show(&state.web, &ctx, answer)
}

async fn context(state: &VerifyState, parts: &mut http::request::Parts) -> Ctx {
    match Ctx::from_request_parts(parts, &state.web).await {
        Ok(ctx) => ctx,
        Err(never) => match never {},
    }
}

fn page(
    state: &VerifyState,
    ctx: &Ctx,
    status: StatusCode,
    story: Option<Story>,
    problem: Option<&'static str>,
) -> Result<Response, Fault> {
    let title = ctx.language.pick("Vérifier une preuve", "Verify a proof");
    let frame = Frame::new(&state.web, ctx, title, state.web.only_entity());
    let limit = crate::locale::size(state.size, ctx.language);
    html_status(status, &Page { f: &frame, story, problem, limit, roots: &state.roots })
}

enum Refusal {
    /// A page of its own.
    Fault(Fault),
    /// Said on the form, in French and in English.
    Said(StatusCode, &'static str, &'static str),
}

async fn examine(
    state: &VerifyState,
    ctx: &Ctx,
    headers: &http::HeaderMap,
    body: Body,
) -> Result<ProofReport, Refusal> {
    may_ask(state, ctx).await.map_err(Refusal::Fault)?;
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    // A form adds a little to the file.
    if declared.is_some_and(|n| n > state.size.saturating_add(64 * 1024)) {
        return Err(refusal(&UploadError::TooLarge));
    }
    let file = upload::receive(headers, body, state.size).await.map_err(|e| refusal(&e))?;
    state.judge.judge(file).await.map_err(|e| match e {
        JudgeError::NotProof => Refusal::Said(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Ce fichier n’est pas une preuve : une preuve est un fichier .asice, tel qu’il a été exporté.",
            "This file is no proof: a proof is an .asice file as it was exported.",
        ),
        JudgeError::Busy => Refusal::Said(
            StatusCode::SERVICE_UNAVAILABLE,
            "Trop de preuves sont en cours d’examen. Réessayez dans une minute.",
            "Too many proofs are being examined. Try again in a minute.",
        ),
        JudgeError::TooHeavy => Refusal::Said(
            StatusCode::UNPROCESSABLE_ENTITY,
            "L’examen de ce fichier demande plus de temps ou de mémoire qu’aucune preuve : il a été arrêté.",
            "Examining this file takes more time or memory than any proof: it was stopped.",
        ),
        JudgeError::Failed(cause) => Refusal::Fault(Fault::internal("judging a proof", cause)),
    })
}

fn refusal(error: &UploadError) -> Refusal {
    match error {
        UploadError::TooLarge => Refusal::Said(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Ce fichier est trop grand pour cette page. Vérifiez-le avec « sealpost proof verify ».",
            "This file is too large for this page. Verify it with “sealpost proof verify”.",
        ),
        UploadError::Nothing => Refusal::Said(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Aucun fichier n’a été choisi.",
            "No file was chosen.",
        ),
        UploadError::Malformed(_) | UploadError::Broken => Refusal::Said(
            StatusCode::BAD_REQUEST,
            "L’envoi n’est pas arrivé entier. Réessayez.",
            "The upload did not arrive whole. Try again.",
        ),
        UploadError::Io(error) => Refusal::Fault(Fault::internal("receiving a proof", error)),
    }
}

/// Counts against the client's address, kept as a keyed hash.
async fn may_ask(state: &VerifyState, ctx: &Ctx) -> Result<(), Fault> {
    let Some(key) = ctx.host_key(&state.web, "verify") else { return Ok(()) };
    let now = state.web.clock.now();
    let within = state.web.store.db().rate_allows(key, HOUR, state.per_hour, now).await?;
    if within { Ok(()) } else { Err(Fault::TooMany) }
}
