//! What issuers elsewhere say of certificates that proofs rely on: fetched in time, kept for decades.
//!
//! **Job.** One background task on one node: for every certificate above a token of an outside time authority, and above
//! a seal that an organisation brought, it asks the addresses in that certificate (responder first, then lists), judges
//! the answer and keeps it. Proofs take it from the store. Certificates of the built-in authority need nobody: its list
//! is made at each export.
//!
//! **Exposure.** Addresses come from certificates that chain to roots of the configuration; `http` and `https` only.
//! Answers are bounded and count only with their issuer's signature ([`crate::issuers`]).
//!
//! **Failure.** While an issuer does not answer, everything else goes on; proofs are exported without its word, and the
//! next answer completes later exports.

use crate::gateway::Gateway;
use crate::issuers::Issuers;
use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::revocation::Said;
use sealpost_certs::{Certificate, OcspRequest, RevocationValue, TrustAnchors, Use, verify_timestamp};
use sealpost_envelope::Sha256Digest;
use sealpost_store::KeptRevocation;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks whether a certificate needs a newer word.
const LOOK: Duration = Duration::from_secs(5);
/// A word is renewed when it is this old, so that what is kept was mostly said after the certificate's use.
const DAILY: SignedDuration = SignedDuration::from_hours(12);
/// Before the next try where an issuer gave nothing; doubles up to an hour and a half.
const RETRY: SignedDuration = SignedDuration::from_secs(5);
/// For one address.
const PATIENCE: Duration = Duration::from_secs(20);
/// Every seal of a proof holds it: an issuer with longer lists has a responder.
const LARGEST: usize = 1 << 20;
/// Addresses of one certificate that are tried.
const ADDRESSES: usize = 4;
/// Clocks of issuers may be ahead of ours by this much.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Who asks, among several nodes.
const JOB: &str = "revocation";

/// When to try again, and after how many failures, by certificate.
type Tried = HashMap<Sha256Digest, (Timestamp, u32)>;

/// Runs until `shutdown`; returns at once where issuers are not to be asked.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    if !gateway.config.timestamp.revocation {
        return;
    }
    let issuers = match Issuers::new(PATIENCE) {
        Ok(issuers) => issuers,
        Err(error) => return tracing::error!("asking issuers about revocation: {error:#}"),
    };
    let mut tried = Tried::new();
    loop {
        let round = round(&gateway, &issuers, &holder, &mut tried);
        match shutdown.run_until_cancelled(round).await {
            None => return,
            Some(Err(error)) => tracing::warn!("asking issuers about revocation: {error:#}"),
            Some(Ok(())) => {}
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            return;
        }
    }
}

/// Asks about every certificate that is due.
async fn round(gateway: &Gateway, issuers: &Issuers, holder: &str, tried: &mut Tried) -> Result<()> {
    let mut due = Vec::new();
    for wanted in relied_on(gateway).await? {
        let fingerprint = wanted.certificate.fingerprint();
        let now = gateway.clock.now();
        let recently = tried.get(&fingerprint).is_some_and(|(next, _)| now < *next);
        let kept = gateway.store.revocation(&fingerprint).await?;
        let good = kept.is_some_and(|k| now.duration_since(k.fetched) < DAILY && now < k.next_update);
        if !recently && !good {
            due.push(wanted);
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    let lease = PATIENCE * u32::try_from(due.len() * ADDRESSES).unwrap_or(u32::MAX / 64);
    let Some(fence) = gateway.store.claim(JOB, holder, lease).await? else { return Ok(()) };
    for wanted in due {
        let now = gateway.clock.now();
        let (next, failures) = tried.entry(wanted.certificate.fingerprint()).or_insert((now, 0));
        *next = now + RETRY * (1 << (*failures).min(10));
        *failures = failures.saturating_add(1);
        let subject = wanted.certificate.subject();
        match ask(issuers, &wanted, now).await {
            Ok((value, said)) => {
                if let Some(at) = said.revoked {
                    tracing::error!(subject, %at, "a certificate that proofs rely on was revoked");
                }
                gateway.store.keep_revocation(kept(&wanted, &value, said, now)).await?;
                *failures = 0;
            }
            Err(error) => tracing::warn!(subject, "nothing known of its revocation yet: {error:#}"),
        }
    }
    gateway.store.release(JOB, holder, fence).await?;
    Ok(())
}

/// Certificates of issuers elsewhere that what is signed now relies on.
async fn relied_on(gateway: &Gateway) -> Result<Vec<Use>> {
    let now = gateway.clock.now();
    let mut all = Vec::new();
    for organisation in &gateway.organisations {
        let Some(signer) = organisation.sealing.known() else { continue };
        let mut path = vec![signer.certificate().clone()];
        path.extend_from_slice(signer.chain());
        if let Some(root) = signer.identity().root() {
            all.extend(Use::of(&path, root, now));
        }
    }
    if let (Some(external), Some(anchor)) = (&gateway.external, gateway.store.latest_anchor().await?) {
        let checkpoint = gateway.store.checkpoint(anchor.size).await?.context("an anchor's checkpoint")?;
        let trust = TrustAnchors::new(external.anchors())?;
        match verify_timestamp(&anchor.token, &Sha256Digest::of(&checkpoint.note), &trust) {
            Ok(stamp) => all.extend(stamp.uses()),
            // An authority that was configured once; what was said of it is kept.
            Err(error) => tracing::debug!(%error, "the newest outside timestamp is not under today's roots"),
        }
    }
    let own = gateway.credentials.root();
    all.retain(|u| u.issuer != *own);
    Ok(all)
}

/// The word of the first address that gives one to believe.
async fn ask(issuers: &Issuers, wanted: &Use, now: Timestamp) -> Result<(RevocationValue, Said)> {
    let plain = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    let Use { certificate, issuer, .. } = wanted;
    let mut failures = Vec::new();
    for url in certificate.responder_addresses().into_iter().filter(plain).take(ADDRESSES) {
        let question = OcspRequest::new(certificate.clone(), issuer.clone());
        let answer = issuers.ask(&url, &question, now).await;
        match answer.and_then(|a| believed(RevocationValue::answer(a.der())?, wanted, now)) {
            Ok(found) => return Ok(found),
            Err(error) => failures.push(format!("{url}: {error:#}")),
        }
    }
    for url in certificate.list_addresses().into_iter().filter(plain).take(ADDRESSES) {
        let list = issuers.list(&url, LARGEST).await;
        match list.and_then(|der| believed(RevocationValue::list(&der)?, wanted, now)) {
            Ok(found) => return Ok(found),
            Err(error) => failures.push(format!("{url}: {error:#}")),
        }
    }
    match failures.is_empty() {
        true => bail!("the certificate names no address to ask"),
        false => bail!("{}", failures.join("; ")),
    }
}

/// Only what the certificate's issuer says of it, and says now.
fn believed(value: RevocationValue, wanted: &Use, now: Timestamp) -> Result<(RevocationValue, Said)> {
    let said = value.about(&wanted.certificate, &wanted.issuer);
    let said = said.context("it says nothing of this certificate, or not by its issuer")?;
    ensure!(said.this_update <= now + SKEW, "it is from the future: {}", said.this_update);
    ensure!(now <= said.next_update + SKEW, "it is out of date since {}", said.next_update);
    Ok((value, said))
}

fn kept(wanted: &Use, value: &RevocationValue, said: Said, fetched: Timestamp) -> KeptRevocation {
    KeptRevocation {
        certificate: wanted.certificate.fingerprint(),
        is_list: value.is_list(),
        value: value.der().to_vec(),
        this_update: said.this_update,
        next_update: said.next_update,
        fetched,
    }
}

/// What is known of these certificates: the built-in authority's own list, made now, and what was kept of others.
pub async fn known(
    gateway: &Gateway,
    certificates: impl IntoIterator<Item = Certificate>,
) -> Result<Vec<RevocationValue>> {
    let own = gateway.credentials.revocation_list(gateway.clock.now())?;
    let mut values = vec![RevocationValue::list(&own)?];
    for certificate in certificates {
        let Some(kept) = gateway.store.revocation(&certificate.fingerprint()).await? else { continue };
        let value = match kept.is_list {
            true => RevocationValue::list(&kept.value)?,
            false => RevocationValue::answer(&kept.value)?,
        };
        // One list often speaks of several.
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(values)
}
