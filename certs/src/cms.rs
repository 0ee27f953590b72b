//! Detached signatures in CMS: CAdES-B-B and B-T over evidence, S/MIME over mail.
//!
//! A signature is made over a SHA-256 digest, so that the size of what is signed does not matter. Signing
//! has two steps, because a time authority may be a network away: [`sign`] makes the signature,
//! [`Signature::with_timestamp`] adds the token over [`Signature::imprint`]. What issuers say of the certificates comes
//! later ([`crate::complete_seal`]).
//!
//! **Standards.** RFC 5652, RFC 5035 (signing-certificate-v2), RFC 6211 (algorithm protection, which leaves
//! no byte of the structure unbound), ETSI EN 319 122-1 §6 (levels B-B and B-T), RFC 8551.

use crate::asn1::{self, algorithm, attribute, octets, oid, oid_der, seq, set_members, tag, tlv};
use crate::signer::{Identity, SignError, Signer};
use crate::{Certificate, pem};
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use jiff::Timestamp;
use sealpost_envelope::Sha256Digest;

/// What a detached signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// CAdES over evidence, a checkpoint or a manifest.
    Seal,
    /// S/MIME over the first part of a multipart/signed; adds smimeCapabilities (RFC 8551 §2.5.2).
    Mail,
    /// As [`Use::Mail`] without signing-time: for mail whose Date is more than an hour away, since readers
    /// take two such times for a forgery.
    UndatedMail,
}

/// A signature of level B-B, to which a timestamp may be added.
#[derive(Debug)]
pub struct Signature<'a> {
    identity: &'a Identity,
    /// Members of signedAttrs in DER order.
    signed_attributes: Vec<u8>,
    value: Vec<u8>,
}

/// Signs `digest` (SHA-256 of the content). `at` becomes the signing-time.
pub fn sign<'a>(
    signer: &'a dyn Signer,
    digest: &Sha256Digest,
    at: Timestamp,
    purpose: Use,
) -> Result<Signature<'a>, SignError> {
    let identity = signer.identity();
    let mut attributes = common_attributes(identity, &oid::DATA, digest);
    if purpose != Use::UndatedMail {
        attributes.push(attribute(&oid::SIGNING_TIME, &asn1::time(at)));
    }
    if purpose != Use::Seal {
        let capabilities = [oid::AES256_GCM, oid::AES256_CBC, oid::AES128_CBC].map(|o| algorithm(&o));
        attributes.push(attribute(&oid::SMIME_CAPABILITIES, &seq(&[&capabilities.concat()])));
    }
    let signed_attributes = set_members(attributes);
    // RFC 5652 §5.4: what is signed is the SET OF, not the [0] that stands in SignerInfo.
    let value = signer.sign(&tlv(tag::SET, &[&signed_attributes]))?;
    Ok(Signature { identity, signed_attributes, value })
}

impl Signature<'_> {
    /// What a time authority has to stamp: the digest of the signature's value (RFC 3161 appendix A).
    pub fn imprint(&self) -> Sha256Digest {
        Sha256Digest::of(&self.value)
    }

    /// The signature without a timestamp (B-B), in DER.
    pub fn into_der(self) -> Vec<u8> {
        self.assemble(&[])
    }

    /// The signature with a timestamp token (B-T), in DER. The token should have been verified.
    pub fn with_timestamp(self, token: &[u8]) -> Vec<u8> {
        let attribute = attribute(&oid::SIGNATURE_TIME_STAMP, token);
        self.assemble(&tlv(tag::context(1), &[&attribute]))
    }

    fn assemble(&self, unsigned_attributes: &[u8]) -> Vec<u8> {
        let info = signer_info(self.identity, &self.signed_attributes, &self.value, unsigned_attributes);
        // RFC 5652 §5.1: version 1 for id-data; detached: no eContent.
        signed_data(1, &seq(&[&oid_der(&oid::DATA)]), &self.identity.certificates, &info)
    }
}

/// A signature with its content inside, as a timestamp token is (RFC 3161 §2.4.2).
pub(crate) fn sign_enclosed(
    signer: &dyn Signer,
    content_type: &ObjectIdentifier,
    content: &[u8],
    with_certificates: bool,
) -> Result<Vec<u8>, SignError> {
    let identity = signer.identity();
    let attributes = set_members(common_attributes(identity, content_type, &Sha256Digest::of(content)));
    let value = signer.sign(&tlv(tag::SET, &[&attributes]))?;
    let info = signer_info(identity, &attributes, &value, &[]);
    let enclosed = seq(&[&oid_der(content_type), &tlv(tag::context(0), &[&octets(content)])]);
    let certificates: &[u8] = if with_certificates { &identity.certificates } else { &[] };
    Ok(signed_data(3, &enclosed, certificates, &info))
}

/// The attributes every signature of ours carries (EN 319 122-1 table 1, RFC 6211).
fn common_attributes(
    identity: &Identity,
    content_type: &ObjectIdentifier,
    digest: &Sha256Digest,
) -> Vec<Vec<u8>> {
    vec![
        attribute(&oid::CONTENT_TYPE, &oid_der(content_type)),
        attribute(&oid::MESSAGE_DIGEST, &octets(digest.as_bytes())),
        identity.ess.clone(),
        identity.protection.clone(),
    ]
}

fn signer_info(identity: &Identity, attributes: &[u8], value: &[u8], unsigned: &[u8]) -> Vec<u8> {
    seq(&[
        &[tag::INTEGER, 1, 1],
        &identity.sid,
        &algorithm(&oid::SHA256),
        &tlv(tag::context(0), &[attributes]),
        &identity.algorithm_der,
        &octets(value),
        unsigned,
    ])
}

fn signed_data(version: u8, enclosed: &[u8], certificates: &[u8], signer_info: &[u8]) -> Vec<u8> {
    let certificates = match certificates {
        [] => Vec::new(),
        members => tlv(tag::context(0), &[members]),
    };
    let data = seq(&[
        &[tag::INTEGER, 1, version],
        &tlv(tag::SET, &[&algorithm(&oid::SHA256)]),
        enclosed,
        &certificates,
        &tlv(tag::SET, &[signer_info]),
    ]);
    seq(&[&oid_der(&oid::SIGNED_DATA), &tlv(tag::context(0), &[&data])])
}

/// The certificates inside a signature or a token, as they stand there; nothing is checked.
pub fn certificates(cms: &[u8]) -> Vec<Certificate> {
    let Ok(info) = asn1::ContentInfo::from_der(cms) else { return Vec::new() };
    let all = info.content.certificates.iter().flat_map(|set| set.iter());
    all.filter_map(|any| Certificate::from_der(&any.to_der().ok()?).ok()).collect()
}

/// The body of an `smime.p7s` part: base64 in lines of 64 characters ended by CRLF.
pub fn base64_lines(der: &[u8]) -> String {
    pem::base64_lines(der, 64, "\r\n")
}
