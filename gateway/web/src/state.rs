//! What the pages need: store, clock, organisations, limits, and where the gateway must be told.

use crate::actions::{DepositDesk, NoDesk};
use crate::api::caller::Calls;
use crate::app::operations::{NoOperations, Operations};
use crate::login::outside::Elsewhere;
use crate::shutdown::Tasks;
use aws_lc_rs::hmac;
use sealpost_envelope::{Clock, EmailAddress, EntityId, Language};
use sealpost_evidence::Issuer;
use sealpost_gate::Methods;
use sealpost_oidc::Provider;
use sealpost_store::account::{Accounts, CodeRule, LoginLimits};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An organisation as its recipients see it.
#[derive(Debug, Clone)]
pub struct EntitySite {
    /// Who issues evidence.
    pub issuer: Issuer,
    /// Name on pages.
    pub name: String,
    /// SIREN, shown in the footer.
    pub siren: Option<String>,
    /// Address from which mail of our own is sent.
    pub address: EmailAddress,
    /// Whom recipients may write to.
    pub support_mail: Option<String>,
    /// Whom they may call.
    pub support_phone: Option<String>,
    /// The organisation's own site ("back to the portal").
    pub home: Option<String>,
    /// Preferred language of pages where the browser has none of ours.
    pub language: Language,
    /// Zone of the times shown; each is shown with its offset.
    pub zone: jiff::tz::TimeZone,
    /// Health service: pages recall article L. 1110-4 of the public-health code.
    pub health: bool,
}

/// Bounds for strangers.
#[derive(Debug, Clone, Copy)]
pub struct WebLimits {
    /// Longest body of a form, in bytes; forms need a few hundred.
    pub body: usize,
    /// Longest body of a program's request, in bytes: JSON, to the API or to SCIM.
    pub program_body: usize,
    /// Time for a request's head and body.
    pub request: Duration,
    /// Challenges that one client address may ask for in an hour, over all links.
    pub asks_per_hour: u32,
    /// Codes by SMS to one number in an hour, over all links.
    pub sms_per_number: u32,
    /// Codes by SMS that one client network may ask for in an hour.
    pub sms_per_network: u32,
    /// Whoever passed the gate stays in for this long.
    pub session: Duration,
    /// Requests that one API token may make in a minute.
    pub calls_per_minute: u32,
    /// Largest upload, in octets; 0 means no limit.
    pub upload: u64,
    /// What somebody outside may deposit at once, in octets.
    pub guest: u64,
    /// An upload that no deposit takes is kept for this long.
    pub upload_kept: Duration,
}

impl Default for WebLimits {
    fn default() -> Self {
        Self {
            body: 16 * 1024,
            program_body: 1024 * 1024,
            request: Duration::from_secs(30),
            asks_per_hour: 60,
            sms_per_number: 6,
            sms_per_network: 30,
            session: Duration::from_secs(2 * 3600),
            calls_per_minute: 1200,
            upload: 0,
            guest: 50_000_000_000,
            upload_kept: Duration::from_secs(7 * 86_400),
        }
    }
}

/// Who may log in with a code that is sent to them after the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentCodes {
    /// Everybody.
    All,
    /// Who has no authenticator app.
    WithoutApp,
    /// Nobody.
    None,
}

/// How people log in to the application, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct StaffRules {
    /// A session ends after this long without a request …
    pub idle: Duration,
    /// … and after this long in any case.
    pub longest: Duration,
    /// Failures allowed in an hour.
    pub logins: LoginLimits,
    /// Bounds of a code that is sent.
    pub codes: CodeRule,
    /// Who may log in with one by mail.
    pub code_by_mail: SentCodes,
}

/// Reads a number as somebody typed it, as `+33612345678`; `None` for one that no code may go to.
pub type Numbers = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Codes by SMS for people who log in, where a service sends them.
#[derive(Clone)]
pub struct TextCodes {
    /// Bounds of a code.
    pub rule: CodeRule,
    /// Who may log in with one.
    pub login: SentCodes,
    /// Which numbers codes may go to.
    pub number: Numbers,
}
impl fmt::Debug for TextCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextCodes").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Default for StaffRules {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(1800),
            longest: Duration::from_secs(12 * 3600),
            logins: LoginLimits { per_account: 20, per_address: 60 },
            codes: CodeRule {
                lifetime: Duration::from_secs(600),
                tries: 5,
                resend_after: Duration::from_secs(45),
                per_hour: 6,
            },
            code_by_mail: SentCodes::WithoutApp,
        }
    }
}

/// What a person types into a mail program.
#[derive(Debug, Clone, Default)]
pub struct MailAccess {
    /// Name of the server.
    pub host: String,
    /// Ports of sending: TLS from the start, STARTTLS.
    pub smtp: (Option<u16>, Option<u16>),
    /// Ports of reading: TLS from the start, STARTTLS.
    pub imap: (Option<u16>, Option<u16>),
    /// Domains whose people log in here, and the names of their organisations.
    pub domains: Vec<(String, String)>,
}

/// Purpose keys of the pages, 32 octets each. Nodes of one installation share them.
#[derive(Clone)]
pub struct WebKeys {
    /// For the `csrf` field.
    pub csrf: [u8; 32],
    /// For client addresses in counters, which are never kept in the clear.
    pub rates: [u8; 32],
}
impl fmt::Debug for WebKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebKeys(…)")
    }
}

/// Calls into the gateway.
#[derive(Clone)]
pub struct Hooks {
    /// Outbound rows were written (a code, a receipt): wake the composer.
    pub outbound: Arc<dyn Fn() + Send + Sync>,
    /// Acts on deposits, makes them and their proofs.
    pub desk: Arc<dyn DepositDesk>,
    /// What auditors' and administrators' pages ask of the gateway.
    pub operations: Arc<dyn Operations>,
}
impl Hooks {
    /// For tests and one-shot tools: nobody waits for the rows.
    pub fn silent() -> Self {
        Self { outbound: Arc::new(|| ()), desk: Arc::new(NoDesk), operations: Arc::new(NoOperations) }
    }
}
impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks(…)")
    }
}

/// Everything [`WebState`] is made of.
#[derive(Debug)]
pub struct WebParts {
    /// The store.
    pub store: sealpost_store::Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Organisations of this installation.
    pub entities: Vec<EntitySite>,
    /// `https://host[:port]` of the pages, without a final slash.
    pub url: String,
    /// The same of the listener for cards, where there is one.
    pub card_url: Option<String>,
    /// Purpose keys.
    pub keys: WebKeys,
    /// Gate methods on offer.
    pub methods: Methods,
    /// Who may log in; the process has one.
    pub accounts: Arc<Accounts>,
    /// How people log in, and for how long.
    pub staff: StaffRules,
    /// Codes by SMS for them.
    pub texts: Option<TextCodes>,
    /// What a mail program needs to know.
    pub mail: MailAccess,
    /// OpenID Connect providers of the gate methods `oidc:NAME`.
    pub providers: Vec<Arc<Provider>>,
    /// Names of those by which people may also log in.
    pub login_providers: Vec<String>,
    /// Servers that know people's passwords, and groups that give roles.
    pub elsewhere: Elsewhere,
    /// Bounds.
    pub limits: WebLimits,
    /// Calls into the gateway.
    pub hooks: Hooks,
    /// Show the way to the demo page on the home page.
    pub demo: bool,
}

/// Shared by all requests; cheap to clone.
#[derive(Debug, Clone)]
pub struct WebState(Arc<Shared>);

/// What [`WebState`] gives access to.
#[derive(Debug)]
pub struct Shared {
    pub(crate) store: sealpost_store::Store,
    pub(crate) clock: Arc<dyn Clock>,
    entities: HashMap<EntityId, Arc<EntitySite>>,
    first: Option<EntityId>,
    pub(crate) url: String,
    pub(crate) card_url: Option<String>,
    pub(crate) keys: WebKeys,
    pub(crate) methods: Methods,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) staff: StaffRules,
    pub(crate) texts: Option<TextCodes>,
    pub(crate) mail: MailAccess,
    pub(crate) providers: Vec<Arc<Provider>>,
    pub(crate) login_providers: Vec<String>,
    pub(crate) elsewhere: Elsewhere,
    pub(crate) limits: WebLimits,
    pub(crate) hooks: Hooks,
    pub(crate) demo: bool,
    pub(crate) tasks: Tasks,
    pub(crate) calls: Calls,
}

impl WebState {
    /// Puts the parts together.
    pub fn new(parts: WebParts) -> Self {
        let first = parts.entities.first().map(|e| e.issuer.entity);
        let entities = parts.entities.into_iter().map(|e| (e.issuer.entity, Arc::new(e))).collect();
        Self(Arc::new(Shared {
            store: parts.store,
            clock: parts.clock,
            entities,
            first,
            url: parts.url,
            card_url: parts.card_url,
            keys: parts.keys,
            methods: parts.methods,
            accounts: parts.accounts,
            staff: parts.staff,
            texts: parts.texts,
            mail: parts.mail,
            providers: parts.providers,
            login_providers: parts.login_providers,
            elsewhere: parts.elsewhere,
            limits: parts.limits,
            hooks: parts.hooks,
            demo: parts.demo,
            tasks: Tasks::default(),
            calls: Calls::default(),
        }))
    }
    /// Waits for journal entries of downloads that have just ended. Call after [`crate::serve`] returned.
    pub async fn finish(&self) {
        self.0.tasks.finish().await;
    }
    /// Names a counter of what somebody does: a keyed hash, so that the counters tell nobody whom they count.
    pub(crate) fn rate_key(&self, purpose: &str, of: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0.keys.rates));
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(of);
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        key
    }
    pub(crate) fn entity(&self, id: EntityId) -> Option<Arc<EntitySite>> {
        self.0.entities.get(&id).cloned()
    }
    /// Zone of the times that an organisation's people see.
    pub(crate) fn zone(&self, id: EntityId) -> jiff::tz::TimeZone {
        self.entity(id).map_or(jiff::tz::TimeZone::UTC, |e| e.zone.clone())
    }
    /// All organisations.
    pub(crate) fn entities(&self) -> Vec<Arc<EntitySite>> {
        self.0.entities.values().cloned().collect()
    }
    /// The organisation whose name stands on pages that belong to no deposit, when there is only one.
    pub(crate) fn only_entity(&self) -> Option<Arc<EntitySite>> {
        if self.0.entities.len() == 1 { self.first_entity() } else { None }
    }
    pub(crate) fn first_entity(&self) -> Option<Arc<EntitySite>> {
        self.0.first.and_then(|id| self.entity(id))
    }
}

impl EntitySite {
    /// Whether pages can name nobody of the organisation to ask.
    pub(crate) fn no_support(&self) -> bool {
        self.support_mail.is_none() && self.support_phone.is_none()
    }
}

impl std::ops::Deref for WebState {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
