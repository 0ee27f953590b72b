//! The second opinion: OpenSSL judges again what [`crate::verify`] found good.
//!
//! **Job.** Two implementations that share no line must agree before a proof is called valid. Ours is strict about
//! form; this one knows nothing of our forms and checks what any other program would: the signature over the
//! content, the certificate path at the time in question, the purpose, the digest in a timestamp.
//!
//! **Exposure.** Reads the same strangers' bytes, bounded by the caller.
//!
//! **Standards.** RFC 5652, RFC 5126 (CAdES, by `CMS_CADES`), RFC 3161 §2.4.2.
//!
//! **Absent on purpose.** No verdict of its own: where ours says no, nobody asks. Which token belongs to which
//! signature is ours to find, since OpenSSL's interface hides unsigned attributes.

use crate::bare::Bare;
use crate::verify::{TrustAnchors, VerifiedSignature, VerifiedTimestamp};
use jiff::Timestamp;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::error::ErrorStack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId};
use sealpost_envelope::Sha256Digest;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// OpenSSL does not agree.
#[derive(Debug, Error)]
pub enum Disagreement {
    /// It refuses what ours accepted.
    #[error("OpenSSL disagrees: {0}")]
    Refused(String),
    /// It reads something else in the timestamp.
    #[error("OpenSSL disagrees: it reads another {0} in the timestamp")]
    Reads(&'static str),
}

impl From<ErrorStack> for Disagreement {
    fn from(stack: ErrorStack) -> Self {
        let reasons: Vec<String> = stack
            .errors()
            .iter()
            .filter_map(|e| {
                let detail = e.data().map(|d| format!(" ({d})")).unwrap_or_default();
                e.reason().map(|r| format!("{r}{detail}"))
            })
            .collect();
        Self::Refused(if reasons.is_empty() { "without a reason".into() } else { reasons.join(", ") })
    }
}

/// CMS_CADES of `openssl/cms.h`: the signing-certificate attribute is checked too. The crate does not name it.
const CADES: u32 = 0x10_0000;

/// The anchors in OpenSSL's form, read at their first use: it opens, decodes and caches the same few for each signature
/// of a proof.
#[derive(Debug, Clone, Default)]
pub(crate) struct Anchors(Arc<OnceLock<Vec<X509>>>);

/// A seal and its timestamp, over the whole content.
pub fn of_seal(
    verified: &VerifiedSignature,
    cms: &[u8],
    content: &[u8],
    trust: &TrustAnchors,
    at: Timestamp,
) -> Result<(), Disagreement> {
    let at = verified.timestamp().map_or(at, VerifiedTimestamp::gen_time);
    detached(cms, content, trust, at)?;
    match verified.timestamp() {
        Some(stamp) => of_timestamp(stamp, verified.imprint(), trust),
        None => Ok(()),
    }
}

/// A bare signature and its timestamp. The path is looked at for the token only; the signer's is that of its other seals.
pub fn of_bare(
    verified: &VerifiedSignature,
    bare: &Bare<'_>,
    trust: &TrustAnchors,
) -> Result<(), Disagreement> {
    let refused = || Disagreement::Refused("the signature does not verify".into());
    let (signer, _, value) = bare.signed().ok_or_else(refused)?;
    let key = X509::from_der(signer.der())?.public_key()?;
    let mut verifier = openssl::sign::Verifier::new(openssl::hash::MessageDigest::sha256(), &key)?;
    if !verifier.verify_oneshot(&value, bare.message)? {
        return Err(refused());
    }
    let stamp = verified.timestamp().ok_or_else(refused)?;
    of_timestamp(stamp, bare.imprint, trust)
}

/// A timestamp token.
pub fn of_timestamp(
    verified: &VerifiedTimestamp,
    imprint: &Sha256Digest,
    trust: &TrustAnchors,
) -> Result<(), Disagreement> {
    token(verified.token(), imprint, trust, verified.gen_time())
}

/// A detached CAdES signature, its path at `at`.
pub fn detached(cms: &[u8], content: &[u8], trust: &TrustAnchors, at: Timestamp) -> Result<(), Disagreement> {
    let store = store(trust, at, X509PurposeId::SMIME_SIGN)?;
    let flags = CMSOptions::BINARY | CMSOptions::from_bits_retain(CADES);
    Ok(CmsContentInfo::from_der(cms)?.verify(None, Some(&store), Some(content), None, flags)?)
}

/// A timestamp token over `imprint` that says `at`.
pub fn token(
    token: &[u8],
    imprint: &Sha256Digest,
    trust: &TrustAnchors,
    at: Timestamp,
) -> Result<(), Disagreement> {
    // Checks that the extended key usage is critical and the only one (`check_purpose_timestamp_sign`).
    let store = store(trust, at, X509PurposeId::TIMESTAMP_SIGN)?;
    let mut content = Vec::new();
    let flags = CMSOptions::BINARY;
    CmsContentInfo::from_der(token)?.verify(None, Some(&store), None, Some(&mut content), flags)?;
    let (hash, time) = tst_info(&content).ok_or(Disagreement::Reads("structure"))?;
    let seconds = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string();
    if hash != imprint.as_bytes() {
        return Err(Disagreement::Reads("digest"));
    }
    if !time.starts_with(seconds.as_bytes()) {
        return Err(Disagreement::Reads("time"));
    }
    Ok(())
}

fn anchors(trust: &TrustAnchors) -> Result<&[X509], ErrorStack> {
    let Anchors(known) = trust.second();
    if let Some(known) = known.get() {
        return Ok(known);
    }
    let read: Vec<X509> =
        trust.certificates().iter().map(|c| X509::from_der(c.der())).collect::<Result<_, _>>()?;
    Ok(known.get_or_init(|| read))
}

/// The given anchors and no others, also where they are no roots, as in [`crate::verify`].
fn store(trust: &TrustAnchors, at: Timestamp, purpose: X509PurposeId) -> Result<X509Store, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for anchor in anchors(trust)? {
        store.add_cert(anchor.clone())?;
    }
    let mut parameters = X509VerifyParam::new()?;
    parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    parameters.set_time(at.as_second());
    parameters.set_purpose(purpose)?;
    store.set_param(&parameters)?;
    Ok(store.build())
}

/// hashedMessage and genTime of a TSTInfo, read without any of the code that ours reads it with.
fn tst_info(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, _) = element(der, 0x30)?;
    let (_version, rest) = element(info, 0x02)?;
    let (_policy, rest) = element(rest, 0x06)?;
    let (imprint, rest) = element(rest, 0x30)?;
    let (_algorithm, hash) = element(imprint, 0x30)?;
    let (_serial, rest) = element(rest, 0x02)?;
    Some((element(hash, 0x04)?.0, element(rest, 0x18)?.0))
}

/// Content and what follows, if the next element has this tag (X.690 §8.1.3).
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (octets.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    (found == tag).then_some(())?;
    rest.split_at_checked(length)
}
