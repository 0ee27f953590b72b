//! The login of people who send, and binding a provider's subject to their account.
//!
//! A subject that was bound finds its account. Otherwise an address that the provider verified does, once, and binds the
//! subject with it: addresses change hands, subjects do not.

use super::begin::request;
use super::pages::{self, Enter};
use super::{facts, leave, limit, method, provider};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form;
use crate::login::{Staff, complete, journal};
use crate::pages::{Back, LoginWay, html, see_other, show as respond};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use sealpost_envelope::{AccountId, EmailAddress, Language};
use sealpost_evidence::Detail;
use sealpost_oidc::{OidcError, Preset, Provider, SignIn};
use sealpost_store::account::Account;
use sealpost_store::federated::{Purpose, account_of, bind as bind_subject};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Binding asks for a login no older than this.
const RECENT: Duration = Duration::from_secs(900);
/// Where people look after their account.
const ACCOUNT: &str = "/account";

#[derive(Deserialize)]
struct Fields {
    csrf: Option<String>,
}

/// The providers on offer at the login.
pub(crate) fn ways(state: &WebState, ctx: &Ctx) -> Vec<LoginWay> {
    let way = |provider: &Arc<Provider>| LoginWay {
        href: path(provider),
        icon: "provider",
        label: provider.settings().label.clone(),
        hint: match provider.settings().preset {
            Preset::Psc => ctx
                .language
                .pick("Avec l’application e-CPS ou la carte CPS", "With the e-CPS app or the CPS card"),
            _ => ctx.language.pick("Sur le site de ce service", "On that service’s site"),
        }
        .to_owned(),
        recommended: false,
    };
    state.providers.iter().filter(|p| state.login_providers.contains(&p.settings().name)).map(way).collect()
}

/// The providers that a person can bind to their account: address of the page, and name.
pub(crate) fn bindable(state: &WebState) -> Vec<(String, String)> {
    let offered = state.providers.iter().filter(|p| state.login_providers.contains(&p.settings().name));
    offered.map(|p| (format!("/account/oidc/{}", p.settings().name), p.settings().label.clone())).collect()
}

fn path(provider: &Provider) -> String {
    format!("/login/oidc/{}", provider.settings().name)
}

/// The provider, if people may log in by it.
fn offered<'a>(state: &'a WebState, name: &str) -> Result<&'a Arc<Provider>, Fault> {
    if !state.login_providers.iter().any(|n| n == name) {
        return Err(Fault::Unknown);
    }
    provider(state, name)
}

/// `GET /login/oidc/{name}`
pub(super) async fn page(State(state): State<WebState>, ctx: Ctx, Path(name): Path<String>) -> Response {
    let page = async {
        let provider = offered(&state, &name)?;
        let label = &provider.settings().label;
        let l = ctx.language;
        let heading = match l {
            Language::Fr => format!("Se connecter avec {label}"),
            Language::En => format!("Log in with {label}"),
        };
        html(&Enter {
            f: &pages::frame(&state, &ctx, &heading, None),
            text: l
                .pick(
                    "Vous allez continuer sur le site de ce service, puis revenir ici.",
                    "You will go on to that service’s site, then come back here.",
                )
                .to_owned(),
            button: l.pick("Continuer", "Continue").to_owned(),
            action: path(provider),
            csrf: ctx.csrf(&state, &path(provider)),
            back: Back {
                href: "/login".to_owned(),
                label: l.pick("Revenir à la connexion", "Back to the login").to_owned(),
            },
            heading,
            auto: true,
        })
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /login/oidc/{name}`
pub(super) async fn begin(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(name): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let provider = offered(&state, &name)?;
        let fields: Fields = form::read(&state, body).await?;
        if !ctx.is_ours(&state, &path(provider), fields.csrf.as_deref()) {
            return see_other(&path(provider));
        }
        limit(&state, &ctx, "oidc-login", None, 0).await?;
        go(&state, &ctx, provider, Purpose::Login).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn go(state: &WebState, ctx: &Ctx, provider: &Provider, purpose: Purpose) -> Result<Response, Fault> {
    match request(state, ctx, provider, purpose).await? {
        Ok(url) => pages::away(state, ctx, None, &provider.settings().label, &url),
        Err(error) => refused(state, ctx, provider, &error),
    }
}

fn refused(state: &WebState, ctx: &Ctx, provider: &Provider, error: &OidcError) -> Result<Response, Fault> {
    let (name, reason) = (&provider.settings().name, error.reason());
    tracing::warn!(provider = name, reason, %error, "a login was refused");
    pages::refused(state, ctx, None, &provider.settings().label, reason)
}

/// `GET /account/oidc/{name}`
pub(super) async fn bind_page(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(name): Path<String>,
) -> Response {
    let page = async {
        let provider = offered(&state, &name)?;
        let (label, l) = (&provider.settings().label, ctx.language);
        let heading = match l {
            Language::Fr => format!("Lier {label} à votre compte"),
            Language::En => format!("Bind {label} to your account"),
        };
        html(&Enter {
            f: &pages::frame(&state, &ctx, &heading, None),
            text: match l {
                Language::Fr => {
                    format!("Vous pourrez ensuite vous connecter avec {label}, sans mot de passe ni code.")
                }
                Language::En => format!("You can then log in with {label}, without password or code."),
            },
            button: l.pick("Continuer", "Continue").to_owned(),
            action: format!("/account/oidc/{name}"),
            csrf: staff.csrf.clone(),
            back: Back {
                href: ACCOUNT.to_owned(),
                label: l.pick("Revenir à mon compte", "Back to my account").to_owned(),
            },
            heading,
            auto: false,
        })
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /account/oidc/{name}`
pub(super) async fn bind(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(name): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let provider = offered(&state, &name)?;
        let fields: Fields = form::read(&state, body).await?;
        if !staff.is_ours(fields.csrf.as_deref()) || !staff.proved_within(&state, RECENT) {
            return see_other("/login");
        }
        go(&state, &ctx, provider, Purpose::Bind(staff.id())).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// The provider has answered.
pub(super) async fn finish(
    state: &WebState,
    ctx: &Ctx,
    provider: &Provider,
    purpose: Purpose,
    signed_in: Result<SignIn, OidcError>,
) -> Result<Response, Fault> {
    let signed_in = match signed_in {
        Ok(signed_in) => signed_in,
        Err(error) => return refused(state, ctx, provider, &error),
    };
    match purpose {
        Purpose::Bind(account) => bound(state, ctx, provider, account, &signed_in).await,
        _ => logged_in(state, ctx, provider, signed_in).await,
    }
}

async fn logged_in(
    state: &WebState,
    ctx: &Ctx,
    provider: &Provider,
    signed_in: SignIn,
) -> Result<Response, Fault> {
    let Some(account) = account(state, provider, &signed_in).await? else {
        tracing::warn!(provider = provider.settings().name, "a login found no account");
        return pages::refused(state, ctx, None, &provider.settings().label, "no-account");
    };
    let facts = facts::of(provider.settings(), &signed_in.person, method(provider), state.clock.now());
    let mut response = complete(state, ctx, &account, vec![facts]).await?;
    leave::keep(state, &mut response, provider, &signed_in.id_token).await?;
    Ok(response)
}

/// The account that the subject is bound to, or that a verified address names.
async fn account(
    state: &WebState,
    provider: &Provider,
    signed_in: &SignIn,
) -> Result<Option<Account>, Fault> {
    let (issuer, subject) = (&provider.settings().issuer, &signed_in.person.sub);
    if let Some(id) = account_of(state.store.db(), issuer, subject).await? {
        return Ok(state.accounts.by_id(id).await?.filter(|a| a.disabled.is_none()));
    }
    let Some(address) = signed_in.person.email.as_deref().and_then(|e| EmailAddress::parse(e).ok()) else {
        return Ok(None);
    };
    let Some(account) = state.accounts.by_login(&address).await?.filter(|a| a.disabled.is_none()) else {
        return Ok(None);
    };
    Ok(write(state, provider, &account, subject).await?.then_some(account))
}

/// Binds, with its event; `false` when the subject is somebody's already.
async fn write(
    state: &WebState,
    provider: &Provider,
    account: &Account,
    subject: &str,
) -> Result<bool, Fault> {
    let site = state.entity(account.entity).ok_or(Fault::Unknown)?;
    let now = state.clock.now();
    let detail =
        Detail::new().text("provider", provider.settings().name.as_str()).personal("subject", subject);
    let event = journal::changed(&site, account, journal::actor(account), "provider-bound", detail, now)?;
    let (issuer, subject) = (provider.settings().issuer.clone(), subject.to_owned());
    let (entity, id) = (account.entity, account.id);
    let bound = state
        .store
        .db()
        .write(async move |tx| {
            let bound = bind_subject(tx, &issuer, &subject, entity, id, now).await?;
            if bound {
                tx.append(vec![event]).await?;
            }
            Ok(bound)
        })
        .await?;
    Ok(bound)
}

async fn bound(
    state: &WebState,
    ctx: &Ctx,
    provider: &Provider,
    account: AccountId,
    signed_in: &SignIn,
) -> Result<Response, Fault> {
    let staff = Staff::find(state, ctx).await?.filter(|s| s.id() == account);
    let Some(staff) = staff else { return see_other("/login") };
    let label = &provider.settings().label;
    if write(state, provider, &staff.account, &signed_in.person.sub).await? {
        return see_other(ACCOUNT);
    }
    let own = account_of(state.store.db(), &provider.settings().issuer, &signed_in.person.sub).await?;
    if own == Some(account) {
        see_other(ACCOUNT)
    } else {
        pages::refused(state, ctx, None, label, "bound-elsewhere")
    }
}
