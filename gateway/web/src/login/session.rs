//! A person's session: begun after a login, found by its cookie, ended by the person or by time.
//!
//! **Exposure.** The cookie of strangers, looked up by hash. A handler that takes [`Staff`] runs for people who have
//! logged in only; everybody else is sent to the login.

use super::{START, journal, local_path};
use crate::app::frame::Person;
use crate::ctx::{Ctx, is_random, random, set_cookie};
use crate::fault::Fault;
use crate::form::Fields;
use crate::pages::{see_other, show as respond};
use crate::state::{EntitySite, WebState};
use aws_lc_rs::hmac;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::Method;
use http::request::Parts;
use sealpost_envelope::{AccountId, EntityId, Language};
use sealpost_gate::Facts;
use sealpost_store::account::{Account, AccountError, Role};
use sealpost_store::session::{NewSession, SessionHash, StaffSession};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Cookie of the session.
const COOKIE: &str = "__Host-sealpost-s";

/// Somebody who has logged in.
#[derive(Debug, Clone)]
pub(crate) struct Staff {
    pub(crate) account: Account,
    pub(crate) session: StaffSession,
    pub(crate) site: Arc<EntitySite>,
    /// The session's value for the field `csrf`.
    pub(crate) csrf: String,
    hash: SessionHash,
    /// Theirs is the only organisation here.
    pub(crate) alone: bool,
    foreign: bool,
    pub(crate) network: Option<String>,
}

/// Why somebody who administers accounts does not change this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barred {
    /// It is their own.
    Own,
    /// Who administers the installation is named by command, and stays so.
    Operator,
}

impl Barred {
    /// The same in words.
    pub(crate) fn words(self, l: Language) -> &'static str {
        match self {
            Self::Own => l.pick(
                "Un administrateur ne change pas son propre compte : demandez à un autre.",
                "Administrators do not change their own account: ask another one.",
            ),
            Self::Operator => l.pick(
                "Le compte d’un exploitant ne se change pas ici.",
                "An operator’s account is not changed here.",
            ),
        }
    }
}

impl Staff {
    /// Whether an account's role, addresses and ways in are out of this person's hands. Everything that changes
    /// somebody's account asks this first.
    pub(crate) fn barred_from(&self, account: &Account) -> Option<Barred> {
        if account.id == self.account.id {
            return Some(Barred::Own);
        }
        (account.role == Role::Operator && self.account.role != Role::Operator).then_some(Barred::Operator)
    }
    /// The living session of this browser, if there is one.
    pub(crate) async fn find(state: &WebState, ctx: &Ctx) -> Result<Option<Self>, Fault> {
        let Some(cookie) = ctx.cookie(COOKIE).filter(|c| is_random(c)) else { return Ok(None) };
        let (hash, now) = (SessionHash::of(cookie), state.clock.now());
        let found = StaffSession::find(state.store.db(), hash, now, state.staff.idle).await?;
        Ok(found.and_then(|found| Self::of(state, ctx, hash, found)))
    }
    /// Whose session of this browser has ended by itself: what they typed is kept for them, and nothing else done.
    pub(crate) async fn lapsed(state: &WebState, ctx: &Ctx) -> Result<Option<Self>, Fault> {
        let Some(cookie) = ctx.cookie(COOKIE).filter(|c| is_random(c)) else { return Ok(None) };
        let hash = SessionHash::of(cookie);
        let found = StaffSession::lapsed(state.store.db(), hash, state.clock.now()).await?;
        Ok(found.and_then(|found| Self::of(state, ctx, hash, found)))
    }
    fn of(
        state: &WebState,
        ctx: &Ctx,
        hash: SessionHash,
        (session, account): (StaffSession, Account),
    ) -> Option<Self> {
        // An organisation that left the configuration has no pages any more.
        let site = state.entity(account.entity)?;
        let csrf = csrf(state, &session);
        let network = ctx.peer.map(|ip| ip.to_string());
        let alone = state.only_entity().is_some();
        Some(Self { account, session, site, csrf, hash, alone, foreign: ctx.foreign, network })
    }
    pub(crate) fn id(&self) -> AccountId {
        self.account.id
    }
    pub(crate) fn entity(&self) -> EntityId {
        self.account.entity
    }
    pub(crate) fn role(&self) -> Role {
        self.account.role
    }
    /// Goes on for these roles only; for others the page does not exist.
    pub(crate) fn require(&self, roles: &[Role]) -> Result<(), Fault> {
        if roles.contains(&self.account.role) { Ok(()) } else { Err(Fault::Unknown) }
    }
    /// Whether a POST came from a form of this session.
    pub(crate) fn is_ours(&self, given: Option<&str>) -> bool {
        !self.foreign && given.is_some_and(|g| bool::from(g.as_bytes().ct_eq(self.csrf.as_bytes())))
    }
    /// Whether the person proved who they are less than `within` ago: what is dangerous asks for it.
    pub(crate) fn proved_within(&self, state: &WebState, within: std::time::Duration) -> bool {
        self.session.proved.saturating_add(within).is_ok_and(|end| end > state.clock.now())
    }
    pub(crate) fn hash(&self) -> SessionHash {
        self.hash
    }
}

/// Who is logged in, as the application's frame shows it.
impl From<&Staff> for Person {
    fn from(staff: &Staff) -> Self {
        Self {
            entity: staff.account.entity,
            login: staff.account.login.to_string(),
            name: staff.account.name.clone(),
            role: staff.account.role,
            alone: staff.alone,
            csrf: staff.csrf.clone(),
        }
    }
}

impl FromRequestParts<WebState> for Staff {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Response> {
        let Ok(ctx) = Ctx::from_request_parts(parts, state).await;
        let elsewhere = match Self::find(state, &ctx).await {
            Ok(Some(staff)) => return Ok(staff),
            Ok(None) => see_other(&login_page(parts)),
            Err(fault) => Err(fault),
        };
        Err(respond(state, &ctx, elsewhere))
    }
}

/// The login, which goes on to the page that was asked for.
fn login_page(parts: &Parts) -> String {
    let wanted = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    match local_path(wanted).filter(|_| parts.method == Method::GET && wanted != "/") {
        // What stands in a path of ours is no blank and no quote; these three end or change a query.
        Some(path) => {
            let escaped =
                path.replace('%', "%25").replace('&', "%26").replace('#', "%23").replace('+', "%2B");
            format!("/login?next={escaped}")
        }
        None => "/login".to_owned(),
    }
}

fn csrf(state: &WebState, session: &StaffSession) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &state.keys.csrf));
    context.update(b"sealpost staff csrf v1\0");
    context.update(session.id.as_bytes());
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(&context.sign().as_ref()[..24])
}

/// Begins a session for a person who has passed these methods, and goes to the application. Every way to log in ends
/// here: the caller answers for the methods being enough and for the account being the person's.
pub(crate) async fn complete(
    state: &WebState,
    ctx: &Ctx,
    account: &Account,
    passed: Vec<Facts>,
) -> Result<Response, Fault> {
    complete_to(state, ctx, account, passed, START).await
}

/// [`complete`], going on to another page.
pub(crate) async fn complete_to(
    state: &WebState,
    ctx: &Ctx,
    account: &Account,
    passed: Vec<Facts>,
    next: &str,
) -> Result<Response, Fault> {
    if account.role == Role::Demo {
        return Err(Fault::Unknown);
    }
    let site = state.entity(account.entity).ok_or(Fault::Unknown)?;
    let (cookie, now) = (random(), state.clock.now());
    let event = journal::logged_in(&site, account, &passed, ctx, now)?;
    let new = NewSession {
        hash: SessionHash::of(&cookie),
        // The cookie is set anew with every login, against fixation; what it held before ends.
        former: ctx.cookie(COOKIE).filter(|c| is_random(c)).map(SessionHash::of),
        entity: account.entity,
        account: account.id,
        passed: passed.into_iter().map(|f| f.method).collect(),
        now,
        expires: now.saturating_add(state.staff.longest).map_err(|e| Fault::internal("session", e))?,
        network: ctx.peer.map(|ip| ip.to_string()),
        agent: ctx.agent.clone(),
    };
    state
        .store
        .db()
        .write_as(async move |tx| {
            StaffSession::begin(tx, new).await?;
            Ok::<_, AccountError>(tx.append(vec![event]).await?)
        })
        .await?;
    let mut response = see_other(local_path(next).unwrap_or(START))?;
    set_cookie(&mut response, COOKIE, &cookie, None);
    super::pending::forget(&mut response);
    Ok(response)
}

/// Gives the browser the fresh cookie of a session that was stepped up.
pub(crate) fn renew(response: &mut Response, cookie: &str) {
    set_cookie(response, COOKIE, cookie, None);
}

/// `POST /logout`
pub(crate) async fn logout(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        let fields = Fields::read(&state, body).await?;
        let Some(staff) = Staff::find(&state, &ctx).await? else { return see_other("/logout") };
        if !staff.is_ours(fields.csrf.as_deref()) {
            return see_other("/");
        }
        let hash = staff.hash;
        state.store.db().write(async move |tx| StaffSession::end(tx, hash).await).await?;
        let mut response = see_other("/logout")?;
        set_cookie(&mut response, COOKIE, "", None);
        Ok(response)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
