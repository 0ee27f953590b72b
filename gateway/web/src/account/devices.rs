//! What has access to an account: mail programs and browsers.

use super::mail;
use super::page::{Once, Word, show};
use crate::app::typed::Typed;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::{Staff, guess, journal};
use crate::pages::{see_other, show as respond};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use sealpost_envelope::{Secret, Timestamp};
use sealpost_evidence::Detail;
use sealpost_store::account::{Account, Accounts, AppScope};
use sealpost_store::queue;
use sealpost_store::session::StaffSession;
use std::time::Duration;
use uuid::Uuid;

/// Longest name of a mail program.
const LABEL: usize = 80;
/// Longest life of an app password that ends.
const DAYS: u64 = 365;

/// `POST /account/programs`
pub(super) async fn add_program(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    body: Body,
) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        match make_program(&state, &ctx, &staff, &staff.account, &typed).await? {
            Ok(once) => show(&state, &ctx, &staff, None, Some(once)).await,
            Err(word) => show(&state, &ctx, &staff, Some(word), None).await,
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Makes an app password of `account`, one's own or one that the person answers for; where `replace` was chosen, the
/// former ones end with it.
pub(super) async fn make_program(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    account: &Account,
    typed: &Typed,
) -> Result<Result<Once, Word>, Fault> {
    if !staff.is_ours(Some(typed.get("csrf"))) {
        return Ok(Err(Word::Stale));
    }
    let label: String = typed.get("label").chars().filter(|c| !c.is_control()).take(LABEL).collect();
    if label.is_empty() {
        return Ok(Err(Word::NoLabel));
    }
    let current = Secret::new(typed.raw("password").to_owned());
    match guess::password(state, ctx, &staff.account, &current).await? {
        guess::Guess::Right => {}
        guess::Guess::Wrong => return Ok(Err(Word::WrongPassword)),
        guess::Guess::Held => return Ok(Err(Word::Throttled)),
    }
    let scope = match typed.get("scope") {
        "smtp" => AppScope::Smtp,
        "imap" => AppScope::Imap,
        _ => AppScope::Both,
    };
    let (now, replace) = (state.clock.now(), typed.get("replace") == "former");
    let (password, prepared) = state.accounts.new_app_password(account, &label, scope, end(typed, now));
    let detail = Detail::new().text("scope", scope.as_str()).flag("former_revoked", replace);
    let who = journal::actor(&staff.account);
    let event = journal::changed(&staff.site, account, who, "app password", detail, now)?;
    let news = mail::news(state, account, "app-password", now).await?;
    let account = account.clone();
    let done = state.store.db().write(async move |tx| {
        if replace {
            Accounts::delete_app_passwords(tx, account.id, None).await?;
        }
        Accounts::write_app_password(tx, &account, prepared).await?;
        queue::insert_all(tx, news.as_slice()).await?;
        tx.append(vec![event]).await
    });
    done.await?;
    if replace {
        state.accounts.revoked();
    }
    (state.hooks.outbound)();
    Ok(Ok(Once::Program { label, password, scope }))
}

/// When it ends, if it shall: within a year.
fn end(typed: &Typed, now: Timestamp) -> Option<Timestamp> {
    let days: u64 = typed.parsed::<u64>("days").filter(|d| *d > 0)?;
    now.saturating_add(Duration::from_secs(days.min(DAYS) * 86_400)).ok()
}

/// `POST /account/programs/revoke`
pub(super) async fn revoke_program(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    body: Body,
) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return show(&state, &ctx, &staff, Some(Word::Stale), None).await;
        }
        end_program(&state, &staff, &staff.account, &typed).await?;
        see_other("/account?done=revoked")
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Revokes an app password of `account`; what it had opened ends.
pub(super) async fn end_program(
    state: &WebState,
    staff: &Staff,
    account: &Account,
    typed: &Typed,
) -> Result<(), Fault> {
    let id = typed.parsed::<Uuid>("id").ok_or(Fault::BadForm)?;
    let now = state.clock.now();
    let who = journal::actor(&staff.account);
    let event = journal::changed(&staff.site, account, who, "app password revoked", Detail::new(), now)?;
    let news = mail::news(state, account, "app-password-gone", now).await?;
    let account = account.id;
    let done = state.store.db().write(async move |tx| {
        let gone = Accounts::delete_app_passwords(tx, account, Some(id)).await? > 0;
        if gone {
            queue::insert_all(tx, news.as_slice()).await?;
            tx.append(vec![event]).await?;
        }
        Ok(gone)
    });
    if done.await? {
        state.accounts.revoked();
        (state.hooks.outbound)();
    }
    Ok(())
}

/// `POST /account/sessions/end`: one, or all others.
pub(super) async fn end_sessions(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    body: Body,
) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return show(&state, &ctx, &staff, Some(Word::Stale), None).await;
        }
        let (account, here, one) = (staff.id(), staff.session.id, typed.parsed::<Uuid>("id"));
        state
            .store
            .db()
            .write(async move |tx| match one {
                Some(id) => StaffSession::end_one(tx, account, id).await.map(drop),
                None => StaffSession::end_all(tx, account, Some(here)).await.map(drop),
            })
            .await?;
        see_other("/account?done=ended")
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
