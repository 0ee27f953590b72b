//! RFC 3161 authorities outside: asked over HTTP, and not believed before their answer has been judged.
//!
//! **Job.** [`External`] is what `[timestamp]` names: a first authority and perhaps a second one, each with the
//! certificates its answers must chain to. [`External::ask`] gives a token that verified, or what each of them did
//! wrong.
//!
//! **Exposure.** The answer comes from the network: bounded in time and size, no redirects; then
//! `sealpost_certs::tsp` looks at status, imprint, nonce, path, purpose, accuracy and time. TLS adds nothing to a
//! signed answer, so that plain `http` is as good.
//!
//! **Standards.** RFC 3161 §3.4 (HTTP), RFC 5816.
//!
//! **Failure.** [`AskError`], when every authority failed; what waits for a timestamp goes on waiting.

use crate::config::TimestampSettings;
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::{Certificate, TimeStampRequest, TrustAnchors, TspError, VerifiedTimestamp};
use sealpost_envelope::{Clock, Sha256Digest};
use std::time::Duration;

/// Tokens have some 2 to 8 KiB; with every certificate an authority may add, less than this.
const LARGEST: usize = 128 * 1024;
/// Clocks of two authorities may differ by this much beyond what they admit.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// Why one authority gave nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It could not be reached, or not in time.
    #[error("no answer: {0}")]
    Http(#[from] reqwest::Error),
    /// It answered with something else than a time-stamp response.
    #[error("{0}")]
    Answer(String),
    /// Its answer is not believed.
    #[error(transparent)]
    Distrusted(#[from] TspError),
    /// It says a time before one that is already kept.
    #[error("it says {said}, but an earlier checkpoint is dated {kept} already")]
    Earlier {
        /// What it says.
        said: Timestamp,
        /// The newest time that is kept.
        kept: Timestamp,
    },
}

/// Every authority failed; what each did, one after the other.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|(url, e)| format!("{url}: {e}")).collect::<Vec<_>>().join("; "))]
pub struct AskError(pub Vec<(String, RemoteError)>);

/// The authorities of the configuration, in the order in which they are asked.
#[derive(Debug)]
pub struct External {
    remotes: Vec<Remote>,
    client: reqwest::Client,
    tolerance: SignedDuration,
    /// The longest pause between two anchors while there is something new.
    pub every: SignedDuration,
    /// The longest that asking all of them may take.
    pub patience: Duration,
}

#[derive(Debug)]
struct Remote {
    url: String,
    trust: TrustAnchors,
}

impl External {
    /// What is configured; `None` without an authority.
    pub fn open(settings: &TimestampSettings) -> Result<Option<Self>> {
        let (Some(url), Some(ca)) = (&settings.url, &settings.ca) else { return Ok(None) };
        let anchors =
            |key: &str, path| TrustAnchors::load(path).with_context(|| format!("`timestamp.{key}`"));
        let mut remotes = vec![Remote { url: url.as_str().to_owned(), trust: anchors("ca", ca)? }];
        if let Some(url) = &settings.fallback_url {
            let path = settings.fallback_ca.as_ref().unwrap_or(ca);
            remotes.push(Remote { url: url.as_str().to_owned(), trust: anchors("fallback_ca", path)? });
        }
        let timeout = settings.timeout.duration();
        let client = reqwest::Client::builder()
            .timeout(timeout)
            // An authority that moved is for the administrator to follow, not for a program.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("`timestamp`: the HTTP client")?;
        let patience = timeout * u32::try_from(remotes.len()).unwrap_or(1);
        let (tolerance, every) = (settings.tolerance.signed(), settings.every.signed());
        Ok(Some(Self { remotes, client, tolerance, every, patience }))
    }

    /// All certificates that the answers may chain to.
    pub fn anchors(&self) -> Vec<Certificate> {
        self.remotes.iter().flat_map(|r| r.trust.certificates().to_vec()).collect()
    }

    /// A token over `imprint` from the first authority that gives a good one. `kept` is the time of the newest
    /// token so far: a new one that says less would turn the order of events around.
    pub async fn ask(
        &self,
        imprint: &Sha256Digest,
        clock: &dyn Clock,
        kept: Option<Timestamp>,
    ) -> Result<VerifiedTimestamp, AskError> {
        let mut failures = Vec::new();
        for remote in &self.remotes {
            match self.ask_one(remote, imprint, clock, kept).await {
                Ok(token) => return Ok(token),
                Err(error) => {
                    tracing::warn!(authority = remote.url, %error, "an external time authority failed");
                    failures.push((remote.url.clone(), error));
                }
            }
        }
        Err(AskError(failures))
    }

    /// Asks each of them about a random digest and says how it went; for `check`.
    pub async fn probe(&self, clock: &dyn Clock) -> Vec<(String, Result<VerifiedTimestamp, RemoteError>)> {
        let mut outcomes = Vec::new();
        for remote in &self.remotes {
            let imprint = Sha256Digest::of(uuid::Uuid::new_v4().as_bytes());
            outcomes.push((remote.url.clone(), self.ask_one(remote, &imprint, clock, None).await));
        }
        outcomes
    }

    async fn ask_one(
        &self,
        remote: &Remote,
        imprint: &Sha256Digest,
        clock: &dyn Clock,
        kept: Option<Timestamp>,
    ) -> Result<VerifiedTimestamp, RemoteError> {
        let request = TimeStampRequest::new(*imprint);
        let answer = self.post(&remote.url, request.to_der()).await?;
        let token = request.accept(&answer, &remote.trust, clock.now(), self.tolerance)?;
        let said = token.gen_time();
        let slack = token.accuracy().unwrap_or(SKEW) + SKEW;
        match kept.filter(|kept| kept.duration_since(said) > slack) {
            Some(kept) => Err(RemoteError::Earlier { said, kept }),
            None => Ok(token),
        }
    }

    async fn post(&self, url: &str, query: Vec<u8>) -> Result<Vec<u8>, RemoteError> {
        let request = self.client.post(url).header("content-type", "application/timestamp-query").body(query);
        let mut response = request.send().await?;
        let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_reply = kind.trim().to_ascii_lowercase().starts_with("application/timestamp-reply");
        if response.status() != reqwest::StatusCode::OK || !is_reply {
            let what = format!("HTTP status {} with {kind:?} is no time-stamp response", response.status());
            return Err(RemoteError::Answer(what));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(RemoteError::Answer(
                    "the answer is larger than any time-stamp response".to_owned(),
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
