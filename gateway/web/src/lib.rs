//! The pages that strangers meet: the recipient's door, the home page, the public log, the demo mailboxes.
//!
//! **Job.** A link leads to a landing page; the gate is passed step by step; an explicit POST opens; then
//! the message is shown and files stream, decrypted on the fly. Every step writes its journal events in
//! the transaction that changes the state.
//!
//! **Exposure.** All of it is reached by strangers. Request bodies are small and bounded, GET changes
//! nothing but the journal, POST needs the `csrf` field, unknown links all get the same page, and no
//! token is ever logged. Content of mails is shown sanitised and without scripts.
//!
//! **Standards.** RFC 9110 (semantics, ranges), RFC 6265bis (`__Host-` cookies), RFC 6266 and RFC 8187
//! (names of downloads), CSP Level 3, PKWARE APPNOTE (ZIP64), C2SP tlog-tiles, WCAG 2.2 AA.
//!
//! **Absent on purpose.** No mail is composed here (only rows for the composer), no right answer is known
//! here (the gate's business), no third-party asset is loaded.
//!
//! **Failure.** Errors become a plain page; the cause goes to the log, without addresses or tokens.

mod account;
mod actions;
mod admin;
mod api;
mod app;
mod assets;
mod autoconfig;
mod card;
mod content;
mod ctx;
mod demo;
mod door;
mod events;
mod fault;
mod files;
mod form;
mod guest;
mod headers;
mod home;
mod idle;
mod locale;
mod login;
mod multipart;
mod oidc;
mod pages;
mod range;
mod scim;
mod sending;
mod serve;
mod shutdown;
mod stall;
mod state;
mod tiles;
mod tiqr;
mod uploads;
mod verify;
mod view;
mod whole;
mod zip;

pub use actions::{
    Act, ActionError, Addressee, DepositDesk, Foreseen, Guest, MailSource, Need, NewMail, NoDesk, Personal,
    Preview, ProofFile, ProofWanted, Refusal, Submit, SubmitError,
};
pub use admin::{AdminState, Metrics, admin_router};
pub use app::operations::{
    CertificateShown, CertificateUse, Hand, Health, HealthLine, LogVerdict, NoOperations, Operations,
    Question, RuleShown, SettingsShown, WouldBe,
};
pub use card::{CardJudge, card_router};
pub use demo::{DemoMail, DemoMailbox, DemoMessage, DemoState, demo_router};
pub use login::outside::{Elsewhere, Outside};
pub use serve::{Front, Introduce, ServeLimits, serve};
pub use state::{
    EntitySite, Hooks, MailAccess, SentCodes, StaffRules, TextCodes, WebKeys, WebLimits, WebParts, WebState,
};
pub use verify::{JudgeError, ProofCheck, ProofJudge, ProofReport, VerifyState, verify_router};

use axum::Router;
use axum::routing::{get, post};

/// Reads what strangers write freely into a request: cookies, a range, a form. For the fuzz targets.
#[doc(hidden)]
pub async fn read_request(cookies: &[u8], range: &[u8], form: &[u8]) {
    let mut headers = http::HeaderMap::new();
    for (name, value) in [(http::header::COOKIE, cookies), (http::header::RANGE, range)] {
        headers.extend(http::HeaderValue::from_bytes(value).ok().map(|value| (name, value)));
    }
    ctx::cookies(&headers);
    if let range::Wanted::Part { first, past } = range::wanted(&headers, 1000, "\"etag\"") {
        assert!(first < past && past <= 1000, "a range outside the file");
    }
    // What is no form is refused, which is all there is to know.
    drop(form::Fields::parse(bytes::Bytes::copy_from_slice(form)).await);
}

/// The public router: door, home page, log, assets. Merge [`demo_router`] into it for a demonstration.
pub fn router(state: WebState) -> Router {
    let door = Router::new()
        .route("/m/{token}", get(door::landing))
        .route("/m/{token}/gate/{method}", get(door::back).post(door::ask))
        .route("/m/{token}/gate/otp-sms/not-mine", post(door::gate::sms::not_mine))
        .route("/m/{token}/gate/{method}/answer", get(door::back).post(door::answer))
        .route("/m/{token}/open", get(door::back).post(door::open))
        .route("/m/{token}/logout", get(door::back).post(door::logout))
        .route("/m/{token}/print", get(door::print))
        .route("/m/{token}/files/{n}", get(files::download))
        .route("/m/{token}/files/{n}/view", get(files::view))
        .route("/m/{token}/inline/{n}", get(files::inline))
        .route("/m/{token}/all.zip", get(zip::all));
    Router::new()
        .route("/static/{name}", get(assets::asset))
        .route("/robots.txt", get(home::robots))
        .route("/log/checkpoint", get(tiles::checkpoint))
        .route("/log/tile/{*path}", get(tiles::tile))
        .merge(door)
        .merge(api::routes(&state))
        .merge(scim::routes(&state))
        .merge(door::manners::routes())
        .merge(guest::routes())
        .merge(tiqr::routes())
        .merge(login::routes())
        .merge(account::routes())
        .merge(oidc::routes())
        .merge(card::routes())
        .merge(app::routes())
        .merge(autoconfig::routes())
        .fallback(home::nothing_here)
        .with_state(state.clone())
        .layer(axum::middleware::from_fn_with_state(state, headers::around))
}
