//! `/account/services/{id}`: an application, a copier or the address of a service, for the person who answers for it.
//!
//! What it logs in with is shown here and replaced: the new app password is seen once, the former ones end with it if
//! that is wanted. For everybody else such a page does not exist.

use super::devices::{end_program, make_program};
use super::page::{Once, ProgramRow, Word, programs};
use crate::app::frame::{AppFrame, Section};
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::{html_status, see_other, show as respond};
use crate::state::{MailAccess, WebState};
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::AccountId;
use sealpost_store::account::{Account, Standing};

#[derive(Template)]
#[template(path = "account_service.html")]
struct Page<'a> {
    f: &'a AppFrame,
    account: Account,
    word: Option<Word>,
    once: Option<Once>,
    programs: Vec<ProgramRow>,
    /// Its addresses beside the login.
    addresses: Vec<String>,
    /// Who writes in its name: name and login.
    delegates: Vec<(String, String)>,
    mail: &'a MailAccess,
    action: String,
}

/// The account, if this person answers for it.
async fn find(state: &WebState, staff: &Staff, id: i64) -> Result<Account, Fault> {
    let found = state.accounts.by_id(AccountId(id)).await?;
    found.filter(|a| a.entity == staff.entity() && a.owner == Some(staff.id())).ok_or(Fault::Unknown)
}

/// The page.
pub(super) async fn show(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<i64>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let account = find(&state, &staff, id).await?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let word = (typed.get("done") == "revoked").then_some(Word::Revoked);
        page(&state, &ctx, &staff, account, word, None).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    account: Account,
    word: Option<Word>,
    once: Option<Once>,
) -> Result<Response, Fault> {
    let frame = AppFrame::new(state, ctx, staff, Section::Account, &account.name);
    let addresses = state.accounts.addresses(account.id).await?;
    let further = addresses.into_iter().filter(|a| a.standing == Standing::Own);
    let delegates = state.accounts.delegates(&account).await?;
    let page = Page {
        f: &frame,
        word,
        once,
        programs: programs(state, ctx, staff, &account).await?,
        addresses: further
            .filter(|a| a.address.key() != account.login.key())
            .map(|a| a.address.to_string())
            .collect(),
        delegates: delegates.into_iter().map(|(who, _)| (who.name, who.login.to_string())).collect(),
        mail: &state.mail,
        action: format!("/account/services/{}/revoke", account.id),
        account,
    };
    let status = if word.is_some_and(|w| !w.is_good()) { StatusCode::FORBIDDEN } else { StatusCode::OK };
    html_status(status, &page)
}

/// `POST …/programs`: a new app password, in the place of the former ones or beside them.
pub(super) async fn add_program(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<i64>,
    body: Body,
) -> Response {
    let done = async {
        let account = find(&state, &staff, id).await?;
        let typed = Typed::posted(&state, body).await?;
        match make_program(&state, &ctx, &staff, &account, &typed).await? {
            Ok(once) => page(&state, &ctx, &staff, account, None, Some(once)).await,
            Err(word) => page(&state, &ctx, &staff, account, Some(word), None).await,
        }
    };
    let done = done.await;
    respond(&state, &ctx, done)
}

/// `POST …/revoke`
pub(super) async fn revoke_program(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<i64>,
    body: Body,
) -> Response {
    let done = async {
        let account = find(&state, &staff, id).await?;
        let typed = Typed::posted(&state, body).await?;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return page(&state, &ctx, &staff, account, Some(Word::Stale), None).await;
        }
        end_program(&state, &staff, &account, &typed).await?;
        see_other(&format!("/account/services/{id}?done=revoked"))
    };
    let done = done.await;
    respond(&state, &ctx, done)
}
