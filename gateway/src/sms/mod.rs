//! Codes by SMS: the stage that hands them to the service of `[gate.sms]`.
//!
//! **Job.** The door, and the login, write a row with each challenge; this stage claims it, derives the code, sends the text, and
//! notes what the service said where the door's page shows it. [`callback`] takes what the service says later.
//!
//! **Exposure.** The service's answers and callbacks come from the network: bounded in time and size, and a callback
//! names its message by an address that only we can make.
//!
//! **Standards.** WebOTP (the text's last line), GSM 03.38 (the alphabet of a text of 160 characters).
//!
//! **Failure.** A service that cannot be reached is asked three times while the code is valid; what it refuses is
//! not asked again. Either way the page says so. The journal has the intent (ChallengeSent) before anything is sent.

pub mod callback;
mod service;
mod text;

pub use service::Service;

use crate::gateway::{Gateway, Organisation};
use anyhow::Result;
use jiff::SignedDuration;
use sealpost_envelope::Timestamp;
use sealpost_gate::CodeKey;
use sealpost_store::access::Challenge;
use sealpost_store::person::{Sms, SmsOwner, SmsState};
use sealpost_store::{StoreError, Tx};
use service::{Outgoing, SendError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages in flight.
const LANES: usize = 4;
/// The stage looks by itself this often: another node may have written the row.
const LOOK: Duration = Duration::from_secs(2);
/// Nobody else takes a claimed message for this long.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
/// Attempts for one message.
const ATTEMPTS: u32 = 3;
/// Pause after a failed attempt, times its number.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// What the service said is shown up to here.
const SHOWN: usize = 120;

/// Runs until `stop`; at once over where no service is configured.
pub async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    if gateway.sms.is_none() {
        return;
    }
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        lanes.spawn(lane(gateway.clone(), stop.clone()));
    }
    while lanes.join_next().await.is_some() {}
}

async fn lane(gateway: Arc<Gateway>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match one(&gateway).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a code by SMS"),
        }
        tokio::select! {
            () = gateway.bells.sms.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Takes one message, if any is due.
async fn one(gateway: &Gateway) -> Result<bool> {
    let Some(service) = &gateway.sms else { return Ok(false) };
    let now = gateway.clock.now();
    let Some(sms) = Sms::claim(gateway.store.db(), now, now + CLAIM).await? else { return Ok(false) };
    if now >= sms.new.expires {
        settle(gateway, &sms, SmsState::Failed, None, "the code had expired", now).await?;
        return Ok(true);
    }
    let outcome = send(gateway, service, &sms, now).await?;
    let now = gateway.clock.now();
    match outcome {
        Ok(accepted) => {
            let said = if accepted.said.is_empty() { "OK" } else { &accepted.said };
            settle(gateway, &sms, SmsState::Sent, accepted.id.as_deref(), said, now).await?;
        }
        Err(SendError::Unreachable(why)) if sms.attempts < ATTEMPTS => {
            tracing::warn!(sms = %sms.id, attempt = sms.attempts, %why, "the SMS service cannot be reached");
            let again = now + PAUSE * sms.attempts.try_into().unwrap_or(1);
            settle(gateway, &sms, SmsState::Ready, None, &why, again).await?;
        }
        Err(SendError::Unreachable(why) | SendError::Refused(why)) => {
            tracing::warn!(sms = %sms.id, %why, "a code by SMS was not sent");
            settle(gateway, &sms, SmsState::Failed, None, &why, now).await?;
        }
    }
    Ok(true)
}

async fn send(
    gateway: &Gateway,
    service: &Service,
    sms: &Sms,
    now: Timestamp,
) -> Result<Result<service::Accepted, SendError>> {
    let new = &sms.new;
    let codes = CodeKey::new(gateway.store.keys().purpose(CODES)?.expose());
    let code = match new.owner {
        SmsOwner::Consignment(deposit, recipient) => codes.derive(new.challenge, deposit, recipient),
        SmsOwner::Account(account) => codes.derive_for_account(new.challenge, account),
    };
    let organisation = gateway.organisations.iter().find(|o| o.id == new.entity);
    let name = organisation.map_or("", |o: &Arc<Organisation>| o.settings.name.as_str());
    let minutes = (new.expires.duration_since(now).as_secs() + 59) / 60;
    let text = text::of(name, code.expose(), minutes, gateway.config.web.url.host(), new.language);
    let callback = callback::url(gateway, sms.id)?;
    let outgoing = Outgoing { to: &new.phone, text: &text, id: sms.id, callback: &callback, minutes };
    Ok(service.send(&outgoing, now).await)
}

/// Name of the purpose key that codes by SMS are derived under.
pub const CODES: &str = "codes-sms";

async fn settle(
    gateway: &Gateway,
    sms: &Sms,
    state: SmsState,
    provider: Option<&str>,
    said: &str,
    again: Timestamp,
) -> Result<(), StoreError> {
    let (id, challenge) = (sms.id, sms.new.challenge);
    let (provider, said) = (provider.map(str::to_owned), clip(said));
    let write = async move |tx: &mut Tx| {
        Sms::settle(tx, id, state, (provider.as_deref(), &said), again).await?;
        note(tx, challenge, state, &said).await
    };
    gateway.store.db().write(write).await
}

/// What the door's page shows of it.
async fn note(tx: &mut Tx, challenge: Uuid, state: SmsState, said: &str) -> Result<(), StoreError> {
    let word = match state {
        SmsState::Ready => "…",
        SmsState::Sent => "✓",
        SmsState::Delivered => "✓✓",
        SmsState::Failed => "✗",
    };
    Challenge::note_reply(tx, challenge, &format!("{word} {said}")).await
}

fn clip(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}
