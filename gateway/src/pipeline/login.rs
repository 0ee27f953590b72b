//! Login of mail programs by app password, with brakes.
//!
//! **Exposure.** Strangers guess here. Right and wrong logins of known and unknown accounts take the same
//! work; a wrong one also waits, and is counted per account and per address
//! (`sealpost_store::account::Brake`). Beyond the limits nothing is looked at: the answer is the same for a right and a wrong password.
//!
//! **Standards.** RFC 4954 §4 (`535`, `454`), RFC 5802 (SCRAM).

use super::standing::{Key, Standing};
use crate::gateway::Gateway;
use sealpost_envelope::{EmailAddress, Secret};
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_sasl::{Credentials, Proof, ScramRecord, ScramSecrets};
use sealpost_store::account::{Account, AccountError, ApiToken, AppLogin, Brake, TokenScope};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// What came of a login.
#[derive(Debug)]
pub enum Outcome {
    /// It is this account.
    Accepted(Box<Entry>),
    /// Wrong name or password.
    Denied,
    /// Too many wrong ones.
    Throttled,
}

/// A client that is in.
#[derive(Debug)]
pub struct Entry {
    /// Whose.
    pub account: Account,
    /// What let it in, which may be revoked while it is in.
    pub standing: Standing,
}

/// A wrong password costs this long, whatever was wrong.
const PENALTY: Duration = Duration::from_millis(800);
/// The salt of a login is told after this long: longer than any difference between known and unknown.
const LOOK_UP: Duration = Duration::from_millis(15);

/// What SCRAM needs for a login, known or not; `None` when the brake holds.
pub async fn scram(
    gateway: &Gateway,
    login: &str,
    peer: IpAddr,
) -> Result<Option<ScramSecrets>, AccountError> {
    let started = Instant::now();
    let brake = Brake::of(&gateway.store, gateway.config.login_limits(), login, peer)?;
    if brake.holds(gateway.clock.now()).await? {
        sleep_until(started + PENALTY).await;
        return Ok(None);
    }
    let address = match EmailAddress::parse(login) {
        Ok(address) => address,
        Err(_) => nobody(gateway, login)?,
    };
    let found = gateway.accounts.scram(&address).await?;
    let record = |r: sealpost_store::account::ScramRecord| ScramRecord {
        id: *r.app_password.as_bytes(),
        stored_key: Secret::new(r.stored_key),
        server_key: Secret::new(r.server_key),
    };
    let records = found.records.into_iter().map(record).collect();
    sleep_until(started + LOOK_UP).await;
    Ok(Some(ScramSecrets { salt: found.salt.to_vec(), iterations: found.iterations, records }))
}

/// An address that no account has, always the same for a name that is no address: its salt is as stable as
/// any other.
fn nobody(gateway: &Gateway, login: &str) -> Result<EmailAddress, AccountError> {
    let name = gateway.store.keys().purpose("rates")?.hmac(&[b"nobody", login.as_bytes()]);
    let mut half = [0u8; 16];
    half.copy_from_slice(&name[..16]);
    let text = format!("{}@nobody.invalid", Uuid::from_bytes(half).simple());
    EmailAddress::parse(&text).map_err(|_| AccountError::Unknown(text))
}

/// Judges a login by app password, or by the mailbox password of a demonstration's outside recipient.
pub async fn check(
    gateway: &Gateway,
    credentials: &Credentials,
    peer: IpAddr,
    protocol: &'static str,
) -> Result<Outcome, AccountError> {
    // Counted from here, so that the work that only known accounts cause does not show in the time.
    let answer_at = Instant::now() + PENALTY;
    let now = gateway.clock.now();
    let login = credentials.authcid.as_str();
    // A token may come without a name: nobody's tries then count against all who do the same.
    let counted = if login.is_empty() { peer.to_canonical().to_string() } else { login.to_owned() };
    let brake = Brake::of(&gateway.store, gateway.config.login_limits(), &counted, peer)?;
    if brake.holds(now).await? {
        sleep_until(answer_at).await;
        return Ok(Outcome::Throttled);
    }
    let address = EmailAddress::parse(login).ok();
    if let Proof::Bearer(token) = &credentials.proof
        && let Some((account, token)) = by_token(gateway, address.as_ref(), login, token.expose()).await?
    {
        brake.succeeded(now).await?;
        let standing = Standing::new(&gateway.accounts, Key::Token(token.id));
        return Ok(Outcome::Accepted(Box::new(Entry { account, standing })));
    }
    let login_found: Option<AppLogin> = match (&address, &credentials.proof) {
        (Some(address), Proof::Password(password)) => {
            gateway.accounts.verify_app_password(address, password).await?
        }
        (Some(_), Proof::Scram(Some(id))) => gateway.accounts.by_app_password(Uuid::from_bytes(*id)).await?,
        _ => None,
    };
    // An app password for sending opens no mailbox, and the other way round.
    if let Some(login) = login_found.filter(|l| l.scope.allows(protocol)) {
        brake.succeeded(now).await?;
        gateway.accounts.note_use(login.password, login.account.id, Some(peer.to_canonical().to_string()));
        let standing = Standing::new(&gateway.accounts, Key::AppPassword(login.password));
        return Ok(Outcome::Accepted(Box::new(Entry { account: login.account, standing })));
    }
    brake.failed(now).await?;
    record(gateway, address, peer, protocol).await?;
    sleep_until(answer_at).await;
    Ok(Outcome::Denied)
}

/// The account whose token this is, if it may be used for mail, and by the name given beside it, if any.
async fn by_token(
    gateway: &Gateway,
    address: Option<&EmailAddress>,
    login: &str,
    token: &str,
) -> Result<Option<(Account, ApiToken)>, AccountError> {
    let found = gateway.accounts.by_api_token(token).await?;
    let named = |account: &Account| match address {
        Some(address) => account.login.key() == address.key(),
        None => login.is_empty(),
    };
    Ok(found.filter(|(account, token)| token.scopes.contains(&TokenScope::Mail) && named(account)))
}

/// Writes AccountLoginFailed for logins that name an address of ours; others are only logged, so that
/// strangers cannot fill the journal with invented names.
async fn record(
    gateway: &Gateway,
    address: Option<EmailAddress>,
    peer: IpAddr,
    protocol: &'static str,
) -> Result<(), AccountError> {
    tracing::info!(%peer, protocol, "failed login");
    let Some(address) = address else { return Ok(()) };
    let Some(organisation) = gateway.organisation_of(&address) else { return Ok(()) };
    if gateway.accounts.owner_of(&address).await?.is_none() {
        return Ok(());
    }
    let event = Event::new(EventName::AccountLoginFailed, organisation.id, gateway.clock.now())
        .actor(Actor::Anonymous { network: Some(peer.to_string()), agent: None })
        .detail(Detail::new().text("protocol", protocol).personal("login", address.as_str()));
    match render(&organisation.issuer, event, None) {
        Ok(built) => Ok(gateway.store.record(vec![built]).await?),
        Err(error) => {
            tracing::error!(%error, "a failed login could not be journaled");
            Ok(())
        }
    }
}
