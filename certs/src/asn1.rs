//! DER as this crate writes it, and the CMS types it reads.
//!
//! Writing is a handful of functions over byte slices: every structure made here is small, fixed and hot
//! (three signatures per message), and most of its parts are cached already encoded. Reading goes through
//! the derived types, so that the two check one another in every test.

use der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Sequence};
use jiff::Timestamp;
use spki::AlgorithmIdentifierOwned;

/// Object identifiers, by the section that assigns them.
pub(crate) mod oid {
    use der::asn1::ObjectIdentifier;

    const fn oid(s: &str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(s)
    }
    // RFC 5652 §4, §5.1
    pub const DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.1");
    pub const SIGNED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.2");
    // RFC 3161 §2.4.2
    pub const TST_INFO: ObjectIdentifier = oid("1.2.840.113549.1.9.16.1.4");
    // RFC 5652 §11, RFC 5035 §3, RFC 3161 appendix A, RFC 6211, RFC 8551 §2.5.2
    pub const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
    pub const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
    pub const SIGNING_TIME: ObjectIdentifier = oid("1.2.840.113549.1.9.5");
    pub const SIGNING_CERTIFICATE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.12");
    pub const SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
    pub const SIGNATURE_TIME_STAMP: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.14");
    pub const ALGORITHM_PROTECTION: ObjectIdentifier = oid("1.2.840.113549.1.9.52");
    pub const SMIME_CAPABILITIES: ObjectIdentifier = oid("1.2.840.113549.1.9.15");
    // RFC 5754, RFC 8017, RFC 5758
    pub const SHA1: ObjectIdentifier = oid("1.3.14.3.2.26");
    pub const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
    pub const SHA384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
    pub const SHA512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
    pub const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
    pub const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
    pub const MGF1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
    pub const RSA_SHA256: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
    pub const RSA_SHA384: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
    pub const RSA_SHA512: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
    pub const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
    pub const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
    pub const P384: ObjectIdentifier = oid("1.3.132.0.34");
    pub const ECDSA_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
    pub const ECDSA_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
    pub const ECDSA_SHA512: ObjectIdentifier = oid("1.2.840.10045.4.3.4");
    pub const ED25519: ObjectIdentifier = oid("1.3.101.112");
    // RFC 5280 §4.2.1
    pub const SUBJECT_KEY_ID: ObjectIdentifier = oid("2.5.29.14");
    pub const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
    pub const SUBJECT_ALT_NAME: ObjectIdentifier = oid("2.5.29.17");
    pub const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
    pub const CRL_NUMBER: ObjectIdentifier = oid("2.5.29.20");
    pub const CRL_REASON: ObjectIdentifier = oid("2.5.29.21");
    pub const DELTA_CRL_INDICATOR: ObjectIdentifier = oid("2.5.29.27");
    pub const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = oid("2.5.29.28");
    pub const AUTHORITY_KEY_ID: ObjectIdentifier = oid("2.5.29.35");
    pub const EXT_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");
    pub const EKU_SERVER_AUTH: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.1");
    pub const EKU_EMAIL: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.4");
    pub const EKU_TIME_STAMPING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.8");
    // RFC 5280 §4.2.2.1
    pub const AD_OCSP: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1");
    // RFC 5940 §2.2
    pub const OCSP_REVOCATION: ObjectIdentifier = oid("1.3.6.1.5.5.7.16.2");
    // RFC 5280 appendix A.1, X.520
    pub const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");
    pub const COUNTRY: ObjectIdentifier = oid("2.5.4.6");
    pub const ORGANISATION: ObjectIdentifier = oid("2.5.4.10");
    pub const ORGANISATION_ID: ObjectIdentifier = oid("2.5.4.97");
    // RFC 8551 §2.5.2: content encryption we are willing to receive
    pub const AES128_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.2");
    pub const AES256_CBC: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.42");
    pub const AES256_GCM: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.46");
}

/// Tag octets used here (X.690 §8.1.2).
pub(crate) mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const UTF8_STRING: u8 = 0x0c;
    pub const PRINTABLE_STRING: u8 = 0x13;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;

    /// `[n]` over a constructed value.
    pub const fn context(n: u8) -> u8 {
        0xa0 | n
    }
    /// `[n] IMPLICIT` over a primitive value.
    pub const fn context_primitive(n: u8) -> u8 {
        0x80 | n
    }
}

/// One tag, definite length in the shortest form (X.690 §10.1), and the parts in order.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = Vec::with_capacity(len + 6);
    out.push(tag);
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let be = (len as u64).to_be_bytes();
        let skip = be.iter().take_while(|b| **b == 0).count();
        out.push(0x80 | (8 - skip) as u8);
        out.extend_from_slice(&be[skip..]);
    }
    parts.iter().for_each(|p| out.extend_from_slice(p));
    out
}

pub(crate) fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(tag::SEQUENCE, parts)
}

pub(crate) fn oid_der(oid: &ObjectIdentifier) -> Vec<u8> {
    tlv(tag::OID, &[oid.as_bytes()])
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(tag::OCTET_STRING, &[bytes])
}

/// A non-negative INTEGER from its big-endian magnitude.
pub(crate) fn unsigned(magnitude: &[u8]) -> Vec<u8> {
    let skip = magnitude.iter().take_while(|b| **b == 0).count();
    match magnitude.get(skip) {
        None => vec![tag::INTEGER, 1, 0],
        Some(first) if *first >= 0x80 => tlv(tag::INTEGER, &[&[0], &magnitude[skip..]]),
        Some(_) => tlv(tag::INTEGER, &[&magnitude[skip..]]),
    }
}

/// Members of a SET OF in DER order: ascending by encoding (X.690 §11.6).
pub(crate) fn set_members(mut encoded: Vec<Vec<u8>>) -> Vec<u8> {
    encoded.sort_unstable();
    encoded.concat()
}

/// An Attribute with one value (RFC 5652 §5.3).
pub(crate) fn attribute(oid: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    seq(&[&oid_der(oid), &tlv(tag::SET, &[value])])
}

/// AlgorithmIdentifier without parameters (RFC 5754 §2, RFC 5758 §3.2).
pub(crate) fn algorithm(oid: &ObjectIdentifier) -> Vec<u8> {
    seq(&[&oid_der(oid)])
}

/// AlgorithmIdentifier with NULL parameters, as RSA wants it (RFC 3370 §3.2).
pub(crate) fn algorithm_null(oid: &ObjectIdentifier) -> Vec<u8> {
    seq(&[&oid_der(oid), &[tag::NULL, 0]])
}

/// Time as certificates and signing-time want it: UTCTime through 2049 (RFC 5280 §4.1.2.5, RFC 5652 §11.3).
pub(crate) fn time(at: Timestamp) -> Vec<u8> {
    let civil = at.to_zoned(jiff::tz::TimeZone::UTC);
    if civil.year() < 2050 {
        tlv(tag::UTC_TIME, &[civil.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()])
    } else {
        tlv(tag::GENERALIZED_TIME, &[civil.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()])
    }
}

/// ContentInfo over SignedData (RFC 5652 §3).
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct ContentInfo {
    pub content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub content: SignedData,
}

/// SignedData (RFC 5652 §5.1). Certificates and CRLs stay as they are encoded: their bytes are signed.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct SignedData {
    pub version: u8,
    pub digest_algorithms: SetOfVec<AlgorithmIdentifierOwned>,
    pub encap_content_info: EncapsulatedContent,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub certificates: Option<SetOfVec<Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub crls: Option<SetOfVec<Any>>,
    pub signer_infos: SetOfVec<::cms::signed_data::SignerInfo>,
}

/// EncapsulatedContentInfo (RFC 5652 §5.2). `OctetString` joins the pieces a BER sender may have used.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct EncapsulatedContent {
    pub econtent_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub econtent: Option<OctetString>,
}

/// SigningCertificateV2 (RFC 5035 §3) and its v1 (RFC 2634 §5.4).
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct SigningCertificateV2 {
    pub certs: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    pub policies: Option<Any>,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct EssCertIdV2 {
    #[asn1(optional = "true")]
    pub hash_algorithm: Option<AlgorithmIdentifierOwned>,
    pub cert_hash: OctetString,
    #[asn1(optional = "true")]
    pub issuer_serial: Option<Any>,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct SigningCertificate {
    pub certs: Vec<EssCertId>,
    #[asn1(optional = "true")]
    pub policies: Option<Any>,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct EssCertId {
    pub cert_hash: OctetString,
    #[asn1(optional = "true")]
    pub issuer_serial: Option<Any>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::{Decode, Encode};

    #[test]
    fn lengths_and_integers_match_the_parser() {
        for n in [0usize, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let ours = octets(&vec![7; n]);
            let parsed = OctetString::from_der(&ours).unwrap();
            assert_eq!(parsed.to_der().unwrap(), ours);
        }
        for (magnitude, want) in
            [(&[][..], "020100"), (&[0, 0], "020100"), (&[0, 127], "02017f"), (&[128], "02020080")]
        {
            assert_eq!(sealpost_envelope::hex::encode(&unsigned(magnitude)), want);
        }
    }

    #[test]
    fn time_changes_form_in_2050() {
        let at = |s: &str| time(s.parse().unwrap());
        assert_eq!(at("2049-12-31T23:59:59Z"), b"\x17\x0d491231235959Z");
        assert_eq!(at("2050-01-01T00:00:00Z"), b"\x18\x0f20500101000000Z");
    }
}
