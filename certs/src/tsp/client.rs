//! Asking a time authority, and judging its answer before anything relies on it.

use super::types::TimeStampResp;
use crate::asn1::{algorithm, octets, oid, seq, tag, unsigned};
use crate::verify::{TrustAnchors, VerifiedTimestamp, VerifyError, canonical_token, verify_timestamp};
use der::Decode;
use jiff::{SignedDuration, Timestamp};
use sealpost_envelope::Sha256Digest;
use thiserror::Error;

/// Why an authority's answer is not accepted. All of it is the authority's fault, or that of the way to it.
#[derive(Debug, Error)]
pub enum TspError {
    /// Not a TimeStampResp.
    #[error("the answer is not a timestamp response: {0}")]
    Malformed(String),
    /// The authority refused.
    #[error("the authority refused with status {status}: {text}")]
    Refused {
        /// PKIStatus.
        status: u8,
        /// What it said, and its failure bits.
        text: String,
    },
    /// The token does not verify.
    #[error("the token is not acceptable: {0}")]
    Token(#[from] VerifyError),
    /// The token answers another request.
    #[error("the token's nonce is not the one sent")]
    Nonce,
    /// The authority's clock is too coarse to rely on.
    #[error("the token's accuracy of {0} is worse than a minute")]
    Accuracy(SignedDuration),
    /// The token's time is not plausible.
    #[error("the token says {said}, our clock {ours}; more than {tolerance} apart")]
    Time {
        /// genTime.
        said: Timestamp,
        /// Our clock.
        ours: Timestamp,
        /// What was tolerated.
        tolerance: SignedDuration,
    },
}

/// Worse than this, the order of events is lost in it. EN 319 422 §5.2.2 asks for one second of those who
/// claim it; many authorities name none.
const WORST_ACCURACY: SignedDuration = SignedDuration::from_mins(1);

/// A request for a timestamp over a SHA-256 imprint, with a fresh nonce.
#[derive(Debug, Clone)]
pub struct TimeStampRequest {
    imprint: Sha256Digest,
    nonce: [u8; 16],
}

impl TimeStampRequest {
    /// Draws a nonce.
    pub fn new(imprint: Sha256Digest) -> Self {
        let mut nonce: [u8; 16] = rand::random();
        // Positive and of fixed length, so that the INTEGER's octets are these octets.
        nonce[0] = (nonce[0] & 0x7f) | 0x40;
        Self { imprint, nonce }
    }

    /// TimeStampReq in DER, to be sent as `application/timestamp-query`. Asks for the certificate.
    pub fn to_der(&self) -> Vec<u8> {
        seq(&[
            &[tag::INTEGER, 1, 1],
            &seq(&[&algorithm(&oid::SHA256), &octets(self.imprint.as_bytes())]),
            &unsigned(&self.nonce),
            &[tag::BOOLEAN, 1, 0xff],
        ])
    }

    /// Judges a TimeStampResp: status, strict verification under `trust`, nonce, accuracy (a minute at most,
    /// where the authority names one) and a genTime within `tolerance` of `now`. The token that comes back is in the one form that [`crate::verify`] accepts:
    /// DER, without certificates that its path does not need.
    pub fn accept(
        &self,
        response: &[u8],
        trust: &TrustAnchors,
        now: Timestamp,
        tolerance: SignedDuration,
    ) -> Result<VerifiedTimestamp, TspError> {
        let response = TimeStampResp::from_ber(response).map_err(|e| TspError::Malformed(e.to_string()))?;
        let status = response.status.status;
        // RFC 3161 §2.4.2: 0 granted, 1 granted with modifications.
        if status > 1 {
            let said = response.status.status_string.unwrap_or_default().join("; ");
            let bits = response.status.fail_info.map(|b| format!(" (failure bits {:x?})", b.raw_bytes()));
            return Err(TspError::Refused { status, text: said + &bits.unwrap_or_default() });
        }
        let token = response.token.ok_or_else(|| TspError::Malformed("no token".into()))?;
        let token = der::Encode::to_der(&token).map_err(|e| TspError::Malformed(e.to_string()))?;
        let token = canonical_token(&token, trust)?;
        let verified = verify_timestamp(&token, &self.imprint, trust)?;
        if verified.nonce() != Some(&self.nonce[..]) {
            return Err(TspError::Nonce);
        }
        if let Some(accuracy) = verified.accuracy().filter(|a| *a > WORST_ACCURACY) {
            return Err(TspError::Accuracy(accuracy));
        }
        let said = verified.gen_time();
        if now.duration_since(said).abs() > tolerance {
            return Err(TspError::Time { said, ours: now, tolerance });
        }
        Ok(verified)
    }
}
