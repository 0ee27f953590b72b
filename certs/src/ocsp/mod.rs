//! What an issuer's responder says of one certificate (OCSP): the question, the answer, and whether to believe it.
//!
//! **Job.** [`OcspRequest`] asks; [`OcspRequest::accept`] judges what came back for use at once, and
//! [`OcspResponse::about`] what was kept, for use by a verifier years later. No sockets: the caller moves the bytes.
//!
//! **Exposure.** Answers come over plain HTTP from anywhere and stand in proofs of strangers: DER only, re-encoded and
//! compared; believed only with the signature of the issuer, or of a responder that the issuer itself certified for this.
//!
//! **Standards.** RFC 6960; RFC 9654 (nonce).
//!
//! **Failure.** [`OcspError`]: each way in which an answer is worth nothing has words of its own. Nothing here turns
//! "no answer" into "good".

mod request;
mod response;
mod types;

pub use request::OcspRequest;
pub use response::{Answer, OcspResponse, Status};

use der::asn1::ObjectIdentifier;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// Why an answer does not say that a certificate is good.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OcspError {
    /// Not an OCSPResponse in DER, or not of the basic kind.
    #[error("not an OCSP response: {0}")]
    Malformed(String),
    /// The responder answered that it does not answer.
    #[error("the responder refused: {0}")]
    Refused(&'static str),
    /// An extension that may change the answer's meaning.
    #[error("the response has an unknown critical extension {0}")]
    Critical(ObjectIdentifier),
    /// Signed by somebody whom the issuer did not certify for this.
    #[error("the response is signed by nobody who may speak for {issuer}: {reason}")]
    Responder {
        /// The certificate's issuer.
        issuer: String,
        /// What is missing.
        reason: String,
    },
    /// The mathematics says no.
    #[error("the response's signature does not verify")]
    Signature,
    /// It speaks of another certificate, or of another issuer's.
    #[error("the response is not about the certificate {0}")]
    Other(String),
    /// It names the certificate by another digest than the question did.
    #[error("the response names the certificate by another digest algorithm than was asked")]
    Digest,
    /// It answers another question.
    #[error("the response's nonce is not the one sent")]
    Nonce,
    /// Made, or to be believed, only later than now.
    #[error("the response is from the future: it holds from {0}")]
    Early(Timestamp),
    /// Not to be believed any more.
    #[error("the response is stale: it held until {0}")]
    Stale(Timestamp),
    /// The certificate ended early.
    #[error("revoked on {0}")]
    Revoked(Timestamp),
    /// The responder knows nothing of the certificate.
    #[error("the responder does not know the certificate")]
    Unknown,
}

/// Clocks of responders may differ from ours by this much.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Without a nextUpdate newer information is always available (RFC 6960 §4.2.2.1): an answer is believed this long.
pub(crate) const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Object identifiers of RFC 6960 and of RFC 5280 §4.2.1.12.
mod ids {
    use der::asn1::ObjectIdentifier;

    pub(super) const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
    pub(super) const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
    /// Content octets of id-kp-OCSPSigning, 1.3.6.1.5.5.7.3.9.
    pub(super) const SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
}
