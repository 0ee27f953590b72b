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
use sealpost_store::account::{Accounts, AppScope};
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
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return show(&state, &ctx, &staff, Some(Word::Stale), None).await;
        }
        let label: String = typed.get("label").chars().filter(|c| !c.is_control()).take(LABEL).collect();
        if label.is_empty() {
            return show(&state, &ctx, &staff, Some(Word::NoLabel), None).await;
        }
        let current = Secret::new(typed.raw("password").to_owned());
        let word = match guess::password(&state, &ctx, &staff.account, &current).await? {
            guess::Guess::Right => None,
            guess::Guess::Wrong => Some(Word::WrongPassword),
            guess::Guess::Held => Some(Word::Throttled),
        };
        if word.is_some() {
            return show(&state, &ctx, &staff, word, None).await;
        }
        let scope = match typed.get("scope") {
            "smtp" => AppScope::Smtp,
            "imap" => AppScope::Imap,
            _ => AppScope::Both,
        };
        let now = state.clock.now();
        let (password, prepared) =
            state.accounts.new_app_password(&staff.account, &label, scope, end(&typed, now));
        let detail = Detail::new().text("scope", scope.as_str());
        let who = journal::actor(&staff.account);
        let event = journal::changed(&staff.site, &staff.account, who, "app password", detail, now)?;
        let news = mail::news(&state, &staff.account, "app-password", now).await?;
        let account = staff.account.clone();
        state
            .store
            .db()
            .write(async move |tx| {
                Accounts::write_app_password(tx, &account, prepared).await?;
                queue::insert_all(tx, news.as_slice()).await?;
                tx.append(vec![event]).await
            })
            .await?;
        (state.hooks.outbound)();
        show(&state, &ctx, &staff, None, Some(Once::Program { label, password, scope })).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
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
        let id = typed.parsed::<Uuid>("id").ok_or(Fault::BadForm)?;
        let now = state.clock.now();
        let who = journal::actor(&staff.account);
        let what = "app password revoked";
        let event = journal::changed(&staff.site, &staff.account, who, what, Detail::new(), now)?;
        let news = mail::news(&state, &staff.account, "app-password-gone", now).await?;
        let account = staff.id();
        let gone = state
            .store
            .db()
            .write(async move |tx| {
                let gone = Accounts::delete_app_passwords(tx, account, Some(id)).await? > 0;
                if gone {
                    queue::insert_all(tx, news.as_slice()).await?;
                    tx.append(vec![event]).await?;
                }
                Ok(gone)
            })
            .await?;
        if gone {
            state.accounts.revoked();
            (state.hooks.outbound)();
        }
        see_other("/account?done=revoked")
    };
    let page = page.await;
    respond(&state, &ctx, page)
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
