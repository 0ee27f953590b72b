//! Changes of what protects an account. Each asks for the current password, and is told by mail.

use super::mail;
use super::page::{Once, Word, show};
use crate::app::typed::Typed;
use crate::ctx::{Ctx, random};
use crate::fault::Fault;
use crate::login::{Staff, guess, journal, renew};
use crate::pages::{see_other, show as respond};
use crate::state::WebState;
use crate::tiqr::page::Code as QrCode;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use sealpost_envelope::{GateMethod, Secret, random};
use sealpost_evidence::Detail;
use sealpost_gate::oath::base32::base32;
use sealpost_gate::{strength, totp};
use sealpost_store::account::{AccountError, AccountLink, Accounts};
use sealpost_store::queue;
use sealpost_store::session::{SessionHash, StaffSession};
use std::time::Duration;

/// A QR code that nobody has confirmed is worth nothing after this time.
const ENROLMENT: Duration = Duration::from_secs(900);
/// Octets of an app's secret (RFC 4226 §4, R6).
const SECRET: usize = 20;

/// A form of this session with the right current password; otherwise what to say.
pub(crate) async fn confirmed(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    typed: &Typed,
) -> Result<Option<Word>, Fault> {
    if !staff.is_ours(Some(typed.get("csrf"))) {
        return Ok(Some(Word::Stale));
    }
    let password = Secret::new(typed.raw("password").to_owned());
    Ok(match guess::password(state, ctx, &staff.account, &password).await? {
        guess::Guess::Right => None,
        guess::Guess::Wrong => Some(Word::WrongPassword),
        guess::Guess::Held => Some(Word::Throttled),
    })
}

/// `POST /account/password`
pub(super) async fn password(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        if let Some(word) = confirmed(&state, &ctx, &staff, &typed).await? {
            return show(&state, &ctx, &staff, Some(word), None).await;
        }
        let fresh = Secret::new(typed.raw("new").to_owned());
        if let Some(word) = refused(&staff, &typed, &fresh) {
            return show(&state, &ctx, &staff, Some(word), None).await;
        }
        let hashed = state.accounts.stretch(&fresh).await?;
        let now = state.clock.now();
        let event = journal::changed(
            &staff.site,
            &staff.account,
            journal::actor(&staff.account),
            "password",
            Detail::new(),
            now,
        )?;
        let news = mail::news(&state, &staff.account, "password", now).await?;
        let programs = typed.get("programs") == "revoke";
        let (id, kept, cookie) = (staff.id(), staff.session.id, random());
        let (old, new) = (staff.hash(), SessionHash::of(&cookie));
        let passed = staff.session.passed.clone();
        state
            .store
            .db()
            .write_as(async move |tx| {
                Accounts::write_password(tx, id, &hashed).await?;
                StaffSession::end_all(tx, id, Some(kept)).await?;
                StaffSession::step_up(tx, old, new, &passed, now).await?;
                AccountLink::end_all(tx, id, now).await?;
                if programs {
                    Accounts::delete_app_passwords(tx, id, None).await?;
                }
                queue::insert_all(tx, news.as_slice()).await?;
                Ok::<_, AccountError>(tx.append(vec![event]).await?)
            })
            .await?;
        if programs {
            state.accounts.revoked();
        }
        (state.hooks.outbound)();
        let mut response = see_other("/account?done=password")?;
        renew(&mut response, &cookie);
        Ok(response)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

fn refused(staff: &Staff, typed: &Typed, fresh: &Secret<String>) -> Option<Word> {
    if typed.raw("again") != fresh.expose() {
        return Some(Word::Differ);
    }
    if typed.raw("password") == fresh.expose() {
        return Some(Word::Same);
    }
    let names = [staff.account.login.as_str(), staff.account.name.as_str(), staff.site.name.as_str()];
    strength::judge(fresh.expose(), &names).err().map(Word::Weak)
}

/// `POST /account/app`: a fresh secret as a QR code, kept by the browser, sealed, until a code confirms it.
pub(super) async fn begin_app(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        if let Some(word) = confirmed(&state, &ctx, &staff, &typed).await? {
            return show(&state, &ctx, &staff, Some(word), None).await;
        }
        let once = enrolment(&state, &staff, &Secret::new(random::octets::<SECRET>().to_vec()))?;
        show(&state, &ctx, &staff, None, Some(once)).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

fn enrolment(state: &WebState, staff: &Staff, secret: &Secret<Vec<u8>>) -> Result<Once, Fault> {
    let until = state.clock.now().saturating_add(ENROLMENT).unwrap_or(staff.session.expires);
    let sealed = state.accounts.seal_enrolment(staff.id(), secret, until)?;
    let text = Secret::new(base32(secret.expose()));
    let uri = totp::uri(&staff.site.name, staff.account.login.as_str(), text.expose());
    Ok(Once::App {
        qr: QrCode::of(uri)?,
        secret: text,
        sealed: base64_simd::URL_SAFE_NO_PAD.encode_to_string(sealed),
    })
}

/// `POST /account/app/confirm`
pub(super) async fn confirm_app(
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
        let now = state.clock.now();
        let sealed = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(typed.get("sealed")).ok();
        let secret = sealed.and_then(|s| state.accounts.open_enrolment(staff.id(), &s, now));
        let Some(secret) = secret else {
            return show(&state, &ctx, &staff, Some(Word::Stale), None).await;
        };
        let Some(step) = totp::verify(secret.expose(), typed.get("code"), now, None) else {
            let once = enrolment(&state, &staff, &secret)?;
            return show(&state, &ctx, &staff, Some(Word::WrongCode), Some(once)).await;
        };
        let step = i64::try_from(step).map_err(|e| Fault::internal("time step", e))?;
        set_app(&state, &staff, Some((secret, step))).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /account/app/remove`
pub(super) async fn remove_app(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    body: Body,
) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        match confirmed(&state, &ctx, &staff, &typed).await? {
            Some(word) => show(&state, &ctx, &staff, Some(word), None).await,
            None => set_app(&state, &staff, None).await,
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Turns the app on or off; other sessions end, for they stand on the former second factor.
async fn set_app(
    state: &WebState,
    staff: &Staff,
    secret: Option<(Secret<Vec<u8>>, i64)>,
) -> Result<Response, Fault> {
    let now = state.clock.now();
    let on = secret.is_some();
    let (what, done) =
        if on { ("totp", "/account?done=app") } else { ("totp-off", "/account?done=app-removed") };
    let who = journal::actor(&staff.account);
    let event = journal::changed(&staff.site, &staff.account, who, what, Detail::new(), now)?;
    let news = mail::news(state, &staff.account, what, now).await?;
    let (accounts, account, kept, cookie) =
        (state.accounts.clone(), staff.account.clone(), staff.session.id, random());
    let (old, new) = (staff.hash(), SessionHash::of(&cookie));
    let passed = if on { vec![GateMethod::Password, GateMethod::Totp] } else { staff.session.passed.clone() };
    state
        .store
        .db()
        .write_as(async move |tx| {
            accounts.write_totp(tx, account.id, secret.as_ref().map(|(s, step)| (s, *step))).await?;
            if secret.is_none() {
                Accounts::write_backup_codes(tx, &account, Vec::new(), now).await?;
            }
            StaffSession::end_all(tx, account.id, Some(kept)).await?;
            StaffSession::step_up(tx, old, new, &passed, now).await?;
            queue::insert_all(tx, news.as_slice()).await?;
            Ok::<_, AccountError>(tx.append(vec![event]).await?)
        })
        .await?;
    (state.hooks.outbound)();
    let mut response = see_other(done)?;
    renew(&mut response, &cookie);
    Ok(response)
}

/// `POST /account/codes`: ten fresh backup codes, shown once; the former ones are worth nothing any more.
pub(super) async fn backup_codes(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    body: Body,
) -> Response {
    let page = async {
        let typed = Typed::posted(&state, body).await?;
        if let Some(word) = confirmed(&state, &ctx, &staff, &typed).await? {
            return show(&state, &ctx, &staff, Some(word), None).await;
        }
        let now = state.clock.now();
        let who = journal::actor(&staff.account);
        let event = journal::changed(&staff.site, &staff.account, who, "backup codes", Detail::new(), now)?;
        let news = mail::news(&state, &staff.account, "backup-codes", now).await?;
        let codes = state.accounts.new_backup_codes(staff.id());
        let (account, hashes) = (staff.account.clone(), codes.iter().map(|(_, hash)| *hash).collect());
        state
            .store
            .db()
            .write(async move |tx| {
                Accounts::write_backup_codes(tx, &account, hashes, now).await?;
                queue::insert_all(tx, news.as_slice()).await?;
                tx.append(vec![event]).await
            })
            .await?;
        (state.hooks.outbound)();
        let shown = codes.into_iter().map(|(code, _)| code).collect();
        show(&state, &ctx, &staff, None, Some(Once::Codes(shown))).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
