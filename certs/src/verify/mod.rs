//! Strict verification of signatures and timestamps.
//!
//! **Job.** Answer one question about bytes of unknown origin: is this exactly a valid signature over
//! exactly this digest, under exactly these trust anchors? The answer is a value that cannot be made
//! otherwise ([`VerifiedSignature`], [`VerifiedTimestamp`]), or the first thing that is wrong.
//!
//! **Strictness.** One encoding only: DER, re-encoded and compared. One SignerInfo. No content inside a
//! detached signature. Nothing that the check does not use: no other certificates or revocation values, no unknown
//! unsigned attributes. No byte can change without the answer changing, which is what makes a proof's
//! signatures part of the proof.
//!
//! **Time.** A timestamp is checked at its own genTime, a stamped signature at the genTime of its stamp
//! (EN 319 102-1 §5.6.3: past validation by proof of existence). Whether the authority of the *last*
//! timestamp is still in force is the caller's question: [`VerifiedTimestamp::authority`] has the date.
//!
//! **Revocation.** Judged where values are inside (level B-LT). Without them, what a proof holds beside its
//! signatures is judged by `proof`.

mod canonical;
mod longterm;
mod path;
mod signed_data;

pub use longterm::{Use, complete_seal, enclose};
pub use path::{Purpose, TrustAnchors};

pub(crate) use canonical::canonical_token;

use crate::RevocationValue;
use crate::asn1::oid;
use crate::bare::Bare;
use crate::certificate::Certificate;
use crate::tsp::types::{Accuracy, TstInfo};
use der::{Decode, Encode};
use jiff::{SignedDuration, Timestamp};
use sealpost_envelope::Sha256Digest;
use signed_data::{Content, Opened};
use thiserror::Error;

/// The first thing that is wrong with a signature or a timestamp.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not CMS SignedData in DER.
    #[error("not a CMS signature in DER: {0}")]
    NotDer(String),
    /// Readable, but not the one form that is accepted.
    #[error("not in canonical form: {0}")]
    NotCanonical(&'static str),
    /// Content type other than the one asked for.
    #[error("content type {0} is not the one expected")]
    ContentType(String),
    /// A detached signature that brings its own content.
    #[error("the signature encloses content; a detached one was expected")]
    Enclosed,
    /// A signature with content inside was expected.
    #[error("the content is missing")]
    NoContent,
    /// Not exactly one signer.
    #[error("{0} signers instead of one")]
    Signers(usize),
    /// An attribute is missing.
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    /// An attribute occurs twice or has not exactly one value.
    #[error("the attribute {0} must occur once with one value")]
    Repeated(&'static str),
    /// An attribute that cannot be read.
    #[error("the attribute {0} is malformed")]
    Attribute(&'static str),
    /// An unsigned attribute other than the signature timestamp.
    #[error("unsigned attribute {0} is not covered by anything")]
    Unsigned(String),
    /// An algorithm that is not accepted.
    #[error("algorithm {0} is not accepted here")]
    Algorithm(String),
    /// The content is not what was signed.
    #[error("the digest of the content is not the one that was signed")]
    Digest,
    /// The signing certificate is not the one the signature names.
    #[error("the signing-certificate attribute names another certificate")]
    SigningCertificate,
    /// The signer's certificate is not there.
    #[error("the signer's certificate is not included")]
    NoCertificate,
    /// An enclosed certificate cannot be read.
    #[error("an included certificate is malformed: {0}")]
    Certificate(String),
    /// The mathematics says no.
    #[error("the signature does not verify under the key of {0}")]
    Signature(String),
    /// No path to a trust anchor.
    #[error("{subject} is not trusted at {at}: {reason}")]
    Path {
        /// Whose certificate.
        subject: String,
        /// At what time.
        at: Timestamp,
        /// What is wrong.
        reason: String,
    },
    /// The certificate is for something else.
    #[error("the certificate of {0} may not be used for this: {1}")]
    Usage(String, &'static str),
    /// A certificate nobody needs.
    #[error("the certificate of {0} is included without being used")]
    Unused(String),
    /// A revocation value inside cannot be read.
    #[error("an included revocation value cannot be read: {0}")]
    Revocation(#[from] crate::revocation::ValueError),
    /// No revocation value for a certificate.
    #[error("nothing says whether the certificate of {subject} was revoked by {at}")]
    NoRevocation {
        /// Whose certificate.
        subject: String,
        /// When it was used.
        at: Timestamp,
    },
    /// Revoked before its use.
    #[error("{subject} was revoked on {end}, before it was used on {at}")]
    Revoked {
        /// Whose certificate.
        subject: String,
        /// When it ended.
        end: Timestamp,
        /// When it was used.
        at: Timestamp,
    },
    /// The timestamp is about something else.
    #[error("the timestamp is over another digest")]
    Imprint,
    /// The TSTInfo cannot be read.
    #[error("the timestamp's TSTInfo is malformed: {0}")]
    TstInfo(String),
    /// The signature's own timestamp is wrong.
    #[error("signature timestamp: {0}")]
    Timestamp(#[source] Box<VerifyError>),
}

/// Which level a signature must have.
#[derive(Debug, Clone, Copy)]
pub enum Level {
    /// CAdES B-B or plain S/MIME: the path is checked at this time, unless there is a timestamp.
    B(Timestamp),
    /// CAdES B-T: a signature timestamp is required, and the path is checked at its genTime.
    T,
}

/// A signature that verified. Holding one is the proof that it did.
#[derive(Debug, Clone)]
pub struct VerifiedSignature {
    at: Timestamp,
    revocation: Vec<RevocationValue>,
    signing_time: Option<Timestamp>,
    timestamp: Option<VerifiedTimestamp>,
    path: Vec<Certificate>,
    anchor: Certificate,
    imprint: Sha256Digest,
}

impl VerifiedSignature {
    /// The signer's certificate.
    pub fn signer(&self) -> &Certificate {
        &self.path[0]
    }
    /// The signer's certificate, then the intermediates that lead to the anchor.
    pub fn path(&self) -> &[Certificate] {
        &self.path
    }
    /// The trust anchor that the path ends in.
    pub fn anchor(&self) -> &Certificate {
        &self.anchor
    }
    /// What its timestamp is over: the digest of the signature's value.
    pub fn imprint(&self) -> &Sha256Digest {
        &self.imprint
    }
    /// The time the signer claims.
    pub fn signing_time(&self) -> Option<Timestamp> {
        self.signing_time
    }
    /// The verified timestamp over the signature.
    pub fn timestamp(&self) -> Option<&VerifiedTimestamp> {
        self.timestamp.as_ref()
    }
}

/// A timestamp token that verified.
#[derive(Debug, Clone)]
pub struct VerifiedTimestamp {
    token: Vec<u8>,
    gen_time: Timestamp,
    nonce: Option<Vec<u8>>,
    accuracy: Option<SignedDuration>,
    path: Vec<Certificate>,
    anchor: Certificate,
}

impl VerifiedTimestamp {
    /// The token in DER.
    pub fn token(&self) -> &[u8] {
        &self.token
    }
    /// When the authority saw the imprint.
    pub fn gen_time(&self) -> Timestamp {
        self.gen_time
    }
    /// How far the true time may be from genTime, as far as the authority says.
    pub fn accuracy(&self) -> Option<SignedDuration> {
        self.accuracy
    }
    /// The authority's certificate; the token is worth something until its end.
    pub fn authority(&self) -> &Certificate {
        &self.path[0]
    }
    /// The authority's certificate, then the intermediates that lead to the anchor.
    pub fn path(&self) -> &[Certificate] {
        &self.path
    }
    /// The trust anchor that the path ends in.
    pub fn anchor(&self) -> &Certificate {
        &self.anchor
    }
    pub(crate) fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}

/// Verifies a detached signature over content whose SHA-256 is `digest`.
pub fn verify_detached(
    cms: &[u8],
    digest: &Sha256Digest,
    trust: &TrustAnchors,
    purpose: Purpose,
    level: Level,
) -> Result<VerifiedSignature, VerifyError> {
    let opened = Opened::parse(cms, &oid::DATA)?;
    let checked = opened.check(Content::Detached(digest))?;
    let imprint = Sha256Digest::of(opened.signature_value());
    let timestamp = match opened.signature_timestamp()? {
        None => None,
        Some(token) => {
            let verified = verify_timestamp(&token, &imprint, trust);
            Some(verified.map_err(|e| VerifyError::Timestamp(Box::new(e)))?)
        }
    };
    let at = match (&timestamp, level) {
        (Some(t), _) => t.gen_time,
        (None, Level::B(at)) => at,
        (None, Level::T) => return Err(VerifyError::Missing("signature-time-stamp")),
    };
    let found = path::build(&checked.signer, &checked.others, trust, at, purpose)?;
    found.refuse_unused(&checked.others)?;
    let verified = VerifiedSignature {
        at,
        revocation: opened.into_revocation(),
        signing_time: checked.signing_time,
        timestamp,
        path: found.path,
        anchor: found.anchor,
        imprint,
    };
    if !verified.revocation.is_empty() {
        longterm::check(&verified.revocation, &verified.uses())?;
    }
    Ok(verified)
}

/// Verifies a signature that is no CMS, at the time of the token that dates it.
pub fn verify_bare(
    bare: &Bare<'_>,
    trust: &TrustAnchors,
    purpose: Purpose,
) -> Result<VerifiedSignature, VerifyError> {
    let (signer, others) = bare.certificates.split_first().ok_or(VerifyError::NoCertificate)?;
    let wrong = || VerifyError::Signature(signer.subject());
    let (_, algorithm, value) = bare.signed().ok_or_else(wrong)?;
    if !signer.verifies(algorithm, bare.message, &value) {
        return Err(wrong());
    }
    let stamp = verify_timestamp(bare.token, bare.imprint, trust);
    let stamp = stamp.map_err(|e| VerifyError::Timestamp(Box::new(e)))?;
    let found = path::build(signer, others, trust, stamp.gen_time, purpose)?;
    found.refuse_unused(others)?;
    Ok(VerifiedSignature {
        at: stamp.gen_time,
        revocation: Vec::new(),
        signing_time: None,
        timestamp: Some(stamp),
        path: found.path,
        anchor: found.anchor,
        imprint: *bare.imprint,
    })
}

/// Verifies a timestamp token over a SHA-256 imprint, at its genTime.
pub fn verify_timestamp(
    token: &[u8],
    imprint: &Sha256Digest,
    trust: &TrustAnchors,
) -> Result<VerifiedTimestamp, VerifyError> {
    let opened = Opened::parse(token, &oid::TST_INFO)?;
    let content = opened.content().ok_or(VerifyError::NoContent)?;
    let info = TstInfo::from_der(content).map_err(|e| VerifyError::TstInfo(e.to_string()))?;
    if info.to_der().ok().as_deref() != Some(content) || info.version != 1 {
        return Err(VerifyError::NotCanonical("TSTInfo"));
    }
    // Signed things are judged only once the signature over them holds.
    let checked = opened.check(Content::Enclosed)?;
    if opened.signature_timestamp()?.is_some() {
        return Err(VerifyError::Unsigned("signature-time-stamp".into()));
    }
    let at = info.gen_time.at();
    let found = path::build(&checked.signer, &checked.others, trust, at, Purpose::TimeStamp)?;
    found.refuse_unused(&checked.others)?;
    let alg = &info.message_imprint.hash_algorithm.oid;
    if *alg != oid::SHA256 {
        return Err(VerifyError::Algorithm(alg.to_string()));
    }
    if info.message_imprint.hashed_message.as_bytes() != imprint.as_bytes() {
        return Err(VerifyError::Imprint);
    }
    let accuracy = match info.accuracy.as_ref().map(Accuracy::duration) {
        Some(None) => return Err(VerifyError::TstInfo("accuracy".into())),
        said => said.flatten(),
    };
    Ok(VerifiedTimestamp {
        token: token.to_vec(),
        gen_time: at,
        accuracy,
        nonce: info.nonce.map(|n| n.as_bytes().to_vec()),
        path: found.path,
        anchor: found.anchor,
    })
}
