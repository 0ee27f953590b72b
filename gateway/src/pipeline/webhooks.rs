//! Webhooks: programs of an organisation are told what happens to its deposits.
//!
//! **Job.** One task for each configured address follows the log in its order and posts every event that was asked for.
//! An event is passed over only after the program has answered 2xx, so that each is told at least once and none before
//! the one that went before it; a program tells repetitions by `webhook-id`, which is the entry's own.
//!
//! **Exposure.** Requests go to configured addresses only and follow no redirection. They name deposits, events and
//! numbers of recipients, no address, subject or content: who needs more asks the API. What is answered is not read.
//!
//! **Standards.** Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp`, `webhook-signature` (HMAC-SHA256).
//!
//! **Failure.** A program that does not answer is asked again, after longer and longer pauses of at most [`LONGEST`], for
//! as long as it takes; the journal keeps everything meanwhile. `410 Gone` ends it until the next start.

use crate::config::Webhook;
use crate::gateway::{Gateway, Organisation};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use futures_util::StreamExt;
use sealpost_envelope::{Secret, Sha256Digest, Timestamp, hex};
use sealpost_evidence::EventName;
use sealpost_store::JournalEntry;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often the log is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Entries read in one go.
const BATCH: u64 = 200;
/// First pause after a failure; each is twice as long as the one before.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(300);
/// A node that does not come back in this time is taken for dead. Longer than any request.
const LEASE: Duration = Duration::from_secs(120);
/// A shorter secret can be guessed.
const SECRET: usize = 24;

/// Starts one task for each webhook; each runs until `shutdown`.
pub fn start(
    gateway: &Arc<Gateway>,
    shutdown: &CancellationToken,
) -> Result<Vec<impl Future<Output = ()> + Send + use<>>> {
    let mut tasks = Vec::new();
    for organisation in &gateway.organisations {
        for settings in &organisation.settings.webhook {
            let hook = Hook::open(gateway, organisation, settings)
                .with_context(|| format!("webhook {}", settings.url.as_str()))?;
            let shutdown = shutdown.clone();
            tasks.push(async move {
                // Dropped anywhere, an event is told again after the next start.
                let _: Option<()> = shutdown.run_until_cancelled(hook.run()).await;
            });
        }
    }
    Ok(tasks)
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
enum Untold {
    /// Worth another try.
    #[error("{0}")]
    Later(String),
    /// The program wants to hear no more.
    #[error("it answered 410 Gone")]
    Gone,
}

struct Hook {
    gateway: Arc<Gateway>,
    organisation: Arc<Organisation>,
    settings: Webhook,
    events: Vec<EventName>,
    key: hmac::Key,
    client: reqwest::Client,
    /// Names the follower and its claim: the same address is the same program.
    name: String,
}

impl Hook {
    fn open(gateway: &Arc<Gateway>, organisation: &Arc<Organisation>, settings: &Webhook) -> Result<Self> {
        let secret = octets(settings.secret.read().context("`secret`")?)?;
        ensure!(secret.expose().len() >= SECRET, "`secret` is shorter than {SECRET} octets");
        let mut client = reqwest::Client::builder()
            .timeout(settings.timeout.duration())
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &settings.ca {
            let pem = std::fs::read(path).with_context(|| format!("`ca`: {}", path.display()))?;
            client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).context("`ca`")?);
        }
        let digest = Sha256Digest::of(settings.url.as_str().as_bytes()).to_hex();
        Ok(Self {
            gateway: gateway.clone(),
            organisation: organisation.clone(),
            settings: settings.clone(),
            events: settings.events.iter().filter_map(|name| EventName::parse(name)).collect(),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()),
            client: client.build().context("the HTTP client")?,
            name: format!("webhook/{}/{}", organisation.id, &digest[..16]),
        })
    }

    async fn run(self) {
        let mut pause = SHORTEST;
        loop {
            match self.round().await {
                Ok(()) => {
                    pause = SHORTEST;
                    sleep(LOOK).await;
                }
                Err(error) if matches!(error.downcast_ref(), Some(Untold::Gone)) => {
                    tracing::error!(
                        url = self.settings.url.as_str(),
                        "the webhook is gone: nothing more is told there"
                    );
                    return;
                }
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        url = self.settings.url.as_str(),
                        "webhook: trying again"
                    );
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
    }

    /// Tells what the log has got since the last round.
    async fn round(&self) -> Result<()> {
        let (store, holder) = (&self.gateway.store, self.gateway.holder());
        let size = store.log_head().await?.size;
        // Reads first: where nothing happens, nothing is written.
        if store.followed_to(&self.name).await? == Some(size) {
            return Ok(());
        }
        if store.claim(&self.name, &holder, LEASE).await?.is_none() {
            return Ok(());
        }
        // Another node may have been here between the two.
        let Some(mut next) = store.followed_to(&self.name).await? else {
            // What happened before anybody asked for it is not told.
            return Ok(store.follow_from(&self.name, size).await?);
        };
        let mut entries = store.entries(next, next.saturating_add(BATCH));
        let begun = next;
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if self.concerns(&entry) {
                self.tell(&entry).await?;
                let still = store.claim(&self.name, &holder, LEASE).await?;
                store.follow_from(&self.name, next + 1).await?;
                if still.is_none() {
                    // Telling took longer than the claim lasts: another node goes on.
                    return Ok(());
                }
            }
            next += 1;
        }
        if next > begun {
            store.follow_from(&self.name, next).await?;
        }
        Ok(())
    }

    fn concerns(&self, entry: &JournalEntry) -> bool {
        entry.entity == self.organisation.id
            && entry.deposit.is_some()
            && (self.events.is_empty() || self.events.contains(&entry.event))
    }

    async fn tell(&self, entry: &JournalEntry) -> Result<()> {
        let body = self.body(entry).await?;
        let (id, now) = (entry.id.to_string(), self.gateway.clock.now());
        let request = self
            .client
            .post(self.settings.url.as_str())
            .header("content-type", "application/json")
            .header("user-agent", concat!("sealpost/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.as_second().to_string())
            .header("webhook-signature", signature(&self.key, &id, now, &body))
            .body(body);
        let response = request.send().await.map_err(|e| Untold::Later(said(&e)))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            410 => Err(Untold::Gone.into()),
            status => Err(Untold::Later(format!("it answered {status}")).into()),
        }
    }

    async fn body(&self, entry: &JournalEntry) -> Result<String> {
        let deposit = entry.deposit.context("an event without a deposit")?;
        let references = self.gateway.store.references(&[deposit]).await?;
        let base = self.gateway.config.web.url.as_str();
        Ok(json!({
            "type": entry.event.as_str(),
            "timestamp": entry.time.to_string(),
            "data": {
                "entry": entry.id, "index": entry.index, "leaf": hex::encode(&entry.leaf),
                "organisation": self.organisation.settings.name,
                "deposit": deposit, "reference": references.get(&deposit).map(|r| r.as_str()),
                "recipient": entry.recipient, "url": format!("{base}/deposits/{deposit}"),
            },
        })
        .to_string())
    }
}

/// A secret as such libraries write it (`whsec_` and base64), or the octets themselves.
fn octets(secret: Secret<String>) -> Result<Secret<Vec<u8>>> {
    Ok(Secret::new(match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => base64_simd::STANDARD
            .decode_to_vec(encoded.trim())
            .ok()
            .context("`secret`: no base64 after whsec_")?,
        None => secret.expose().clone().into_bytes(),
    }))
}

/// Standard Webhooks, "Signature scheme": over id, time and body, separated by full stops.
fn signature(key: &hmac::Key, id: &str, now: Timestamp, body: &str) -> String {
    let signed = format!("{id}.{}.{body}", now.as_second());
    let tag = hmac::sign(key, signed.as_bytes());
    format!("v1,{}", base64_simd::STANDARD.encode_to_string(tag.as_ref()))
}

/// What went wrong, with its cause: "error sending request" alone helps nobody.
fn said(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value was computed by `openssl dgst -sha256 -mac HMAC` over the same text.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"an example secret of 32 octets!!");
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let made = signature(&key, "0192f0c1-7b1e-7000-8000-000000000001", now, "{\"type\":\"Opened\"}");
        assert_eq!(made, "v1,J4LypvROKA1NOKWUHZJK/w8hXgXu6OcjIjy0/CG2I7Q=");
    }
}
