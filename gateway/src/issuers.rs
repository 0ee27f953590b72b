//! Asking issuers over HTTP what they say of their certificates: revocation lists and OCSP responders.
//!
//! **Exposure.** What comes back is of the network: bounded in size and time, no redirects, and it counts only with the
//! signature of the issuer, so that plain HTTP is as good. Where an address stands in a certificate, that certificate
//! chains to a root of the configuration.
//!
//! **Standards.** RFC 2585 §3 (lists), RFC 6960 appendix A.1 (responders).
//!
//! **Failure.** An error in words; whoever asked goes on with what it has.

use anyhow::{Context, Result, ensure};
use sealpost_certs::OcspRequest;
use sealpost_certs::ocsp::Answer;
use sealpost_envelope::Timestamp;
use std::time::Duration;

/// Answers of responders have one to four KiB.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Asks issuers.
#[derive(Debug)]
pub struct Issuers {
    client: reqwest::Client,
}

impl Issuers {
    /// A client that waits for at most `patience` in all.
    pub fn new(patience: Duration) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(patience)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("the HTTP client")?;
        Ok(Self { client })
    }

    /// The octets of a list.
    pub async fn list(&self, url: &str, largest: usize) -> Result<Vec<u8>> {
        bounded(self.client.get(url).send().await?, largest).await
    }

    /// A responder's answer, believed.
    pub async fn ask(&self, url: &str, question: &OcspRequest, now: Timestamp) -> Result<Answer> {
        let request = self.client.post(url).header("content-type", "application/ocsp-request");
        let answer = bounded(request.body(question.to_der()?).send().await?, LARGEST_ANSWER).await?;
        Ok(question.accept(&answer, now)?)
    }
}

async fn bounded(answer: reqwest::Response, largest: usize) -> Result<Vec<u8>> {
    let mut answer = answer.error_for_status()?;
    // RFC 9110 §15.3: another success, such as "no content", has no list.
    ensure!(answer.status() == reqwest::StatusCode::OK, "HTTP status {}", answer.status());
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        ensure!(bytes.len() + chunk.len() <= largest, "longer than {largest} octets");
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
