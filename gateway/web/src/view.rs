//! A link resolved: its consignment, its deposit, its organisation, and the session of this browser.

use crate::ctx::{Ctx, is_random, set_cookie};
use crate::door::gate::offer::{Offer, offered};
use crate::fault::{Ended, Fault};
use crate::locale;
use crate::state::{EntitySite, WebState};
use axum::response::Response;
use sealpost_envelope::{DepositId, Language, RecipientNo, Sha256Digest};
use sealpost_gate::{Ladder, Methods, Step};
use sealpost_message::Structure;
use sealpost_store::access::{Grant, GrantHash, Link, TokenHash};
use sealpost_store::{ConsignmentRow, DepositRow};
use std::sync::Arc;

/// Longest token looked at; ours have 27 characters.
const MAX_TOKEN: usize = 64;

/// What lies behind a link.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) token: String,
    pub(crate) link: Link,
    pub(crate) row: ConsignmentRow,
    pub(crate) deposit: DepositRow,
    pub(crate) site: Arc<EntitySite>,
    /// What this recipient can take of the gate.
    pub(crate) methods: Methods,
    /// The number that codes by SMS go to, where the gate asks for one.
    pub(crate) phone: Option<String>,
}

/// Without the token: it must not reach a log by way of an error.
impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("deposit", &self.link.deposit)
            .field("recipient", &self.link.recipient)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// Resolves a token whose access is alive.
    pub(crate) async fn enter(state: &WebState, token: &str) -> Result<Self, Fault> {
        if token.len() > MAX_TOKEN {
            return Err(Fault::Unknown);
        }
        let hash = TokenHash::of(token);
        let Some(link) = Link::find(state.store.db(), hash).await? else { return Err(Fault::Unknown) };
        let row = state.store.consignment(link.deposit, link.recipient).await?;
        let deposit = state.store.read_deposit(link.deposit).await?.row;
        // An organisation that left the configuration has no page any more.
        let site = state.entity(link.entity).ok_or(Fault::Unknown)?;
        let Offer { methods, phone } = offered(state, &link, &row).await?;
        let door = Self { token: token.to_owned(), link, row, deposit, site, methods, phone };
        match door.ended(state) {
            Some(why) => Err(Fault::Ended(why, Box::new(door))),
            None => Ok(door),
        }
    }

    /// The same by the consignment and the generation of its link, for whoever comes back from elsewhere.
    pub(crate) async fn of(
        state: &WebState,
        deposit: DepositId,
        recipient: RecipientNo,
        generation: u32,
    ) -> Result<Self, Fault> {
        let row = state.store.read_deposit(deposit).await?.row;
        // Whose content is destroyed has no link any more.
        let key = state.store.deposit_key(&row).map_err(|_| Fault::Unknown)?;
        Self::enter(state, key.link_token(recipient, generation).expose()).await
    }

    fn ended(&self, state: &WebState) -> Option<Ended> {
        if self.row.revoked.is_some() {
            Some(Ended::Revoked)
        } else if self.row.declined.is_some() {
            Some(Ended::Declined)
        } else if self.link.revoked.is_some() {
            Some(if self.link.newer { Ended::Replaced } else { Ended::Revoked })
        } else if self.deposit.wrapped_key.is_none() {
            Some(Ended::Destroyed)
        } else if self.row.verdict.expires <= state.clock.now() {
            Some(Ended::Expired)
        } else {
            None
        }
    }

    /// Path of the landing page; also the scope of its forms.
    pub(crate) fn path(&self) -> String {
        format!("/m/{}", self.token)
    }
    pub(crate) fn id(&self) -> (DepositId, RecipientNo) {
        (self.link.deposit, self.link.recipient)
    }

    /// One cookie per consignment, so that several messages can be open in one browser. The name tells
    /// nothing about it.
    fn cookie_name(&self) -> String {
        let mut bytes = self.link.deposit.0.as_bytes().to_vec();
        bytes.extend_from_slice(&self.link.recipient.to_be_bytes());
        format!("__Host-sealpost-{}", &Sha256Digest::of(&bytes).to_hex()[..12])
    }

    /// The living session of this browser for this consignment.
    pub(crate) async fn grant(&self, state: &WebState, ctx: &Ctx) -> Result<Option<Grant>, Fault> {
        let Some(cookie) = ctx.cookie(&self.cookie_name()).filter(|c| is_random(c)) else { return Ok(None) };
        let (deposit, recipient) = self.id();
        let hash = GrantHash::of(cookie);
        Ok(Grant::find(state.store.db(), hash, deposit, recipient, state.clock.now()).await?)
    }
    /// Gives the session's cookie to the browser, or takes it away (`""`).
    pub(crate) fn set_session(&self, response: &mut Response, cookie: &str) {
        set_cookie(response, &self.cookie_name(), cookie, None);
    }

    /// The next step of the gate for someone with `grant`.
    pub(crate) fn step(&self, grant: Option<&Grant>) -> Step {
        let passed = grant.map_or(&[][..], |g| &g.passed);
        Ladder::new(&self.row.verdict.gate, &self.methods).step(passed)
    }

    /// A session that has passed the gate and explicitly opened; otherwise the way back to the landing.
    pub(crate) async fn opened(&self, state: &WebState, ctx: &Ctx) -> Result<Grant, Fault> {
        let grant = self.grant(state, ctx).await?;
        match grant {
            Some(g) if g.opened.is_some() && self.step(Some(&g)) == Step::Passed => Ok(g),
            _ => Err(Fault::NoSession(Box::new(self.clone()))),
        }
    }

    /// Sender's name as the message gave it for the address that deposited it.
    pub(crate) fn sender_name(&self, structure: Option<&Structure>) -> String {
        let address = self.deposit.sender.as_str();
        structure
            .and_then(|s| s.top.from.iter().find(|m| m.address.eq_ignore_ascii_case(address)))
            .and_then(|m| m.name.clone())
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| address.to_owned())
    }
}

/// What every page about a consignment says.
pub(crate) struct Summary {
    pub(crate) token: String,
    pub(crate) reference: String,
    pub(crate) sender_name: String,
    pub(crate) sender_address: String,
    pub(crate) deposited: String,
    pub(crate) deposited_machine: String,
    pub(crate) summary: String,
    pub(crate) expires: String,
    pub(crate) expires_machine: String,
}

/// Without the token, as [`Door`].
impl std::fmt::Debug for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Summary").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Summary {
    /// For pages in `language`; `files` are number and total size.
    pub(crate) fn new(door: &Door, structure: &Structure, files: (usize, u64), language: Language) -> Self {
        let zone = &door.site.zone;
        Self {
            token: door.token.clone(),
            reference: door.deposit.reference.as_str().to_owned(),
            sender_name: door.sender_name(Some(structure)),
            sender_address: door.deposit.sender.as_str().to_owned(),
            deposited: locale::moment(door.deposit.created, zone, language),
            deposited_machine: locale::machine(door.deposit.created),
            summary: contents(files, language),
            expires: locale::moment(door.row.verdict.expires, zone, language),
            expires_machine: locale::machine(door.row.verdict.expires),
        }
    }
}

/// `Un message et 2 fichiers (12 Mo)`.
fn contents((count, bytes): (usize, u64), language: Language) -> String {
    let size = locale::size(bytes, language);
    match (count, language) {
        (0, Language::Fr) => "Un message sans fichier joint".to_owned(),
        (0, Language::En) => "A message without attached file".to_owned(),
        (1, Language::Fr) => format!("Un message et 1 fichier ({size})"),
        (1, Language::En) => format!("A message and 1 file ({size})"),
        (n, Language::Fr) => format!("Un message et {n} fichiers ({size} en tout)"),
        (n, Language::En) => format!("A message and {n} files ({size} in all)"),
    }
}
