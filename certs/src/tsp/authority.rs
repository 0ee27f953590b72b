//! The embedded time authority. It dates what Sealpost does where nobody else does yet; it is a default,
//! not a witness, for nobody makes proof for himself.

use super::types::{TimeStampReq, gen_time_text};
use crate::asn1::{algorithm, octets, oid, oid_der, seq, tag, tlv, unsigned};
use crate::cms::sign_enclosed;
use crate::signer::{SignError, Signer};
use der::Decode;
use der::Encode;
use der::asn1::ObjectIdentifier;
use sealpost_envelope::{Clock, Sha256Digest};
use std::sync::Arc;

/// Answers time-stamp requests with the clock it is given.
#[derive(Debug, Clone)]
pub struct TimeAuthority {
    signer: Arc<dyn Signer>,
    clock: Arc<dyn Clock>,
    policy: ObjectIdentifier,
}

/// PKIFailureInfo bits (RFC 3161 §2.4.2).
#[derive(Clone, Copy)]
enum Failure {
    BadAlg = 0,
    BadRequest = 2,
    BadDataFormat = 5,
    UnacceptedPolicy = 15,
    UnacceptedExtension = 16,
}

/// anyPolicy (RFC 5280 §4.2.1.4): no policy document is claimed.
const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");

impl TimeAuthority {
    /// `signer` needs a certificate of [`crate::Profile::TimeStamping`].
    pub fn new(signer: Arc<dyn Signer>, clock: Arc<dyn Clock>) -> Self {
        Self { signer, clock, policy: ANY_POLICY }
    }

    /// The authority's signer.
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// A token over a SHA-256 imprint, in DER, without the detour of a request.
    pub fn stamp(&self, imprint: &Sha256Digest) -> Result<Vec<u8>, SignError> {
        let imprint = seq(&[&algorithm(&oid::SHA256), &octets(imprint.as_bytes())]);
        self.token(&imprint, &[], true)
    }

    /// Answers a TimeStampReq with a TimeStampResp, both in DER. A bad request gets a rejection; an error
    /// is returned only when the key fails.
    pub fn reply(&self, request: &[u8]) -> Result<Vec<u8>, SignError> {
        let request = match self.admit(request) {
            Ok(request) => request,
            Err(failure) => return Ok(rejection(failure)),
        };
        let (Ok(imprint), Ok(nonce)) =
            (request.message_imprint.to_der(), request.nonce.as_ref().map(Encode::to_der).transpose())
        else {
            return Ok(rejection(Failure::BadDataFormat));
        };
        let token = self.token(&imprint, &nonce.unwrap_or_default(), request.cert_req)?;
        Ok(seq(&[&seq(&[&[tag::INTEGER, 1, 0]]), &token]))
    }

    fn admit(&self, request: &[u8]) -> Result<TimeStampReq, Failure> {
        let request = TimeStampReq::from_der(request).map_err(|_| Failure::BadDataFormat)?;
        if request.version != 1 {
            return Err(Failure::BadRequest);
        }
        let digest_len = match request.message_imprint.hash_algorithm.oid {
            oid::SHA256 => 32,
            oid::SHA384 => 48,
            oid::SHA512 => 64,
            _ => return Err(Failure::BadAlg),
        };
        if request.message_imprint.hashed_message.as_bytes().len() != digest_len {
            return Err(Failure::BadDataFormat);
        }
        if request.req_policy.is_some_and(|p| p != self.policy) {
            return Err(Failure::UnacceptedPolicy);
        }
        // RFC 3161 §2.4.1: an extension that is not recognised must be refused.
        if request.extensions.is_some() {
            return Err(Failure::UnacceptedExtension);
        }
        Ok(request)
    }

    /// TSTInfo, signed. `imprint` is a MessageImprint, `nonce` an INTEGER or nothing.
    fn token(&self, imprint: &[u8], nonce: &[u8], certificates: bool) -> Result<Vec<u8>, SignError> {
        let now = self.clock.now();
        // 158 bits: microseconds first so that serials ascend, then random so that nodes never collide.
        let mut serial = [0u8; 19];
        serial[..8].copy_from_slice(&now.as_microsecond().unsigned_abs().to_be_bytes());
        serial[8..].copy_from_slice(&rand::random::<[u8; 11]>());
        let info = seq(&[
            &[tag::INTEGER, 1, 1],
            &oid_der(&self.policy),
            imprint,
            &unsigned(&serial),
            &tlv(tag::GENERALIZED_TIME, &[gen_time_text(now).as_bytes()]),
            // EN 319 422 §5.2.2: accuracy present, one second.
            &seq(&[&[tag::INTEGER, 1, 1]]),
            nonce,
            &tlv(tag::context(0), &[&self.signer.identity().general_name]),
        ]);
        sign_enclosed(self.signer.as_ref(), &oid::TST_INFO, &info, certificates)
    }
}

fn rejection(failure: Failure) -> Vec<u8> {
    let bit = failure as usize;
    // A named bit list: trailing zero bits are cut (X.690 §11.2.2).
    let mut bits = vec![0u8; bit / 8 + 2];
    bits[0] = (7 - bit % 8) as u8;
    bits[bit / 8 + 1] = 0x80 >> (bit % 8);
    let text = tlv(tag::UTF8_STRING, &[b"request refused"]);
    seq(&[&seq(&[&[tag::INTEGER, 1, 2], &seq(&[&text]), &tlv(tag::BIT_STRING, &[&bits])])])
}
