//! Signatures over a few bytes with the certificates beside them, as XML signatures are made of.
//!
//! The one difference to CMS: an ECDSA signature is r ‖ s, each as long as the curve's order (RFC 9231 §2.3.6 after
//! IEEE P1363), and no SEQUENCE. Judged by [`crate::verify_bare`].

use crate::Certificate;
use crate::asn1::{seq, unsigned};
use crate::signer::{SignError, SignatureAlgorithm, Signer};
use der::asn1::Uint;
use der::{Decode, Sequence};
use sealpost_envelope::Sha256Digest;

/// What has to hold together.
#[derive(Debug, Clone, Copy)]
pub struct Bare<'a> {
    /// What was signed.
    pub message: &'a [u8],
    /// The signature as XML has it.
    pub value: &'a [u8],
    /// The signer's certificate, then the intermediates that its path needs.
    pub certificates: &'a [Certificate],
    /// The digest that the token is over.
    pub imprint: &'a Sha256Digest,
    /// The timestamp token that dates the signature.
    pub token: &'a [u8],
}

/// Signs `message`, in the form that XML has.
pub fn sign_bare(signer: &dyn Signer, message: &[u8]) -> Result<Vec<u8>, SignError> {
    let value = signer.sign(message)?;
    let Some(width) = width(signer.algorithm()) else { return Ok(value) };
    let malformed = || SignError::Device("its signature is no ECDSA signature".into());
    let parts = EcdsaValue::from_der(&value).map_err(|_| malformed())?;
    let mut out = vec![0; 2 * width];
    for (part, place) in [parts.r, parts.s].iter().zip(out.chunks_mut(width)) {
        let from = width.checked_sub(part.as_bytes().len()).ok_or_else(malformed)?;
        place[from..].copy_from_slice(part.as_bytes());
    }
    Ok(out)
}

/// RFC 3279 §2.2.3.
#[derive(Sequence)]
struct EcdsaValue {
    r: Uint,
    s: Uint,
}

/// Octets of one number, where a signature is two.
fn width(algorithm: SignatureAlgorithm) -> Option<usize> {
    match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => Some(32),
        SignatureAlgorithm::EcdsaP384Sha256 => Some(48),
        SignatureAlgorithm::RsaPkcs1Sha256 => None,
    }
}

/// The same signature as certificates and CMS have it; nothing where its length is another.
pub(crate) fn in_der(algorithm: SignatureAlgorithm, value: &[u8]) -> Option<Vec<u8>> {
    let Some(width) = width(algorithm) else { return Some(value.to_vec()) };
    let (r, s) = value.split_at_checked(width).filter(|(_, s)| s.len() == width)?;
    Some(seq(&[&unsigned(r), &unsigned(s)]))
}

impl Bare<'_> {
    /// The signature in DER with the signer's certificate, if the key is of a kind used here.
    pub(crate) fn signed(&self) -> Option<(&Certificate, SignatureAlgorithm, Vec<u8>)> {
        let signer = self.certificates.first()?;
        let algorithm = signer.signature_algorithm()?;
        Some((signer, algorithm, in_der(algorithm, self.value)?))
    }
}
