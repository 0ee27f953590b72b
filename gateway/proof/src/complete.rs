//! From level B-T to B-LT: seals get inside what issuers said of the certificates they rely on (EN 319 122-1 §6.3).
//!
//! Seals are stored as they were made. What issuers say becomes known later and changes; an export takes what is known
//! then. What was signed is not touched, so that anybody could do the same.
//!
//! **Failure.** Where something is not known yet, the proof stays at level B-T, with what is known beside its seals.

use crate::bundle::Bundle;
use sealpost_certs::{
    CertificateError, Level, Purpose, RevocationValue, Signer, TrustAnchors, Use, VerifyError, enclose,
    verify_detached, verify_timestamp,
};
use sealpost_envelope::{Sha256Digest, Timestamp};
use thiserror::Error;

/// Why a proof stays at level B-T.
#[derive(Debug, Error)]
pub enum PendingRevocation {
    /// A seal does not verify, or nothing is known of one of its certificates.
    #[error(transparent)]
    Seal(#[from] VerifyError),
    /// A root that cannot be used.
    #[error(transparent)]
    Root(#[from] CertificateError),
    /// The root of the one who seals the proof is not among the bundle's.
    #[error("the root above {0} is not at hand")]
    NoRoot(String),
}

/// Completes all seals of the bundle, or none; `signer` will seal the proof at `now`. Either way only those revocation
/// values stay that speak of a certificate used in it.
pub fn complete(
    bundle: &mut Bundle<'_>,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<(), PendingRevocation> {
    let trust = TrustAnchors::new(bundle.roots.clone()).inspect_err(|_| bundle.revocation.clear())?;
    let note = &bundle.checkpoint.note;
    let contents = std::iter::once((note, &bundle.checkpoint.seal));
    let contents = contents.chain(bundle.evidence.iter().map(|e| (&e.xml, &e.seal)));
    let verified = contents.map(|(content, seal)| {
        let verified = verify_detached(seal, &Sha256Digest::of(content), &trust, Purpose::Seal, Level::T)?;
        Ok((seal, verified.uses()))
    });
    let sealed: Vec<Result<_, VerifyError>> = verified.collect();
    let mut uses: Vec<Use> = sealed.iter().flatten().flat_map(|(_, uses)| uses.clone()).collect();
    if let Ok(stamp) = verify_timestamp(&bundle.checkpoint.token, &Sha256Digest::of(note), &trust) {
        uses.extend(stamp.uses());
    }
    let own = of_signer(signer, &trust, now);
    uses.extend(own.iter().flatten().cloned());
    let concerned = |v: &RevocationValue| {
        uses.iter().any(|u| v.about(&u.certificate, &u.issuer).is_some_and(|said| said.holds_for(u.at)))
    };
    bundle.revocation.retain(concerned);
    for part in own? {
        part.judge(&bundle.revocation)?;
    }
    let values = &bundle.revocation;
    let completed = sealed.into_iter().map(|seal| {
        let (seal, uses) = seal?;
        enclose(seal, &uses, values)
    });
    let completed = completed.collect::<Result<Vec<_>, _>>()?;
    let places =
        std::iter::once(&mut bundle.checkpoint.seal).chain(bundle.evidence.iter_mut().map(|e| &mut e.seal));
    for (place, seal) in places.zip(completed) {
        *place = seal;
    }
    bundle.long_term = true;
    Ok(())
}

/// The certificates that the seal over the proof will rely on.
fn of_signer(
    signer: &dyn Signer,
    trust: &TrustAnchors,
    now: Timestamp,
) -> Result<Vec<Use>, PendingRevocation> {
    let mut path = vec![signer.certificate().clone()];
    path.extend_from_slice(signer.chain());
    let last = path.last().unwrap_or(signer.certificate());
    let anchor = trust.certificates().iter().find(|c| c.subject() == last.issuer());
    let anchor = anchor.ok_or_else(|| PendingRevocation::NoRoot(last.subject()))?;
    Ok(Use::of(&path, anchor, now))
}
