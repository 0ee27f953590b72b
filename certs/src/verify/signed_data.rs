//! Opening SignedData: the form, the attributes, the digest and the signature itself; no trust yet.

use super::VerifyError;
use crate::RevocationValue;
use crate::asn1::{ContentInfo, SigningCertificate, SigningCertificateV2, oid};
use crate::certificate::Certificate;
use ::cms::content_info::CmsVersion;
use ::cms::signed_data::{SignerIdentifier, SignerInfo};
use aws_lc_rs::digest;
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use sealpost_envelope::Sha256Digest;
use spki::AlgorithmIdentifierOwned;
use webpki::aws_lc_rs as algs;

/// SignedData whose form is the accepted one.
pub(super) struct Opened {
    content_type: ObjectIdentifier,
    content: Option<Vec<u8>>,
    signer_info: SignerInfo,
    certificates: Vec<Certificate>,
    revocation: Vec<RevocationValue>,
}

/// What was signed.
pub(super) enum Content<'a> {
    Detached(&'a Sha256Digest),
    Enclosed,
}

/// What the signature vouches for, once it holds.
pub(super) struct Checked {
    pub signer: Certificate,
    pub others: Vec<Certificate>,
    pub signing_time: Option<Timestamp>,
}

impl Opened {
    /// Reads the one accepted form: DER, one signer, one digest algorithm; no revocation values in a token.
    pub(super) fn parse(bytes: &[u8], content_type: &ObjectIdentifier) -> Result<Self, VerifyError> {
        let not_der = |e: der::Error| VerifyError::NotDer(e.to_string());
        let info = ContentInfo::from_der(bytes).map_err(not_der)?;
        if info.to_der().map_err(not_der)? != bytes {
            return Err(VerifyError::NotCanonical("the encoding is not DER"));
        }
        if info.content_type != oid::SIGNED_DATA {
            return Err(VerifyError::ContentType(info.content_type.to_string()));
        }
        let data = info.content;
        let found = data.encap_content_info.econtent_type;
        if found != *content_type {
            return Err(VerifyError::ContentType(found.to_string()));
        }
        let read = data.crls.iter().flat_map(|set| set.iter()).map(RevocationValue::from_choice);
        let revocation = read.collect::<Result<Vec<_>, _>>()?;
        if data.crls.is_some() && (revocation.is_empty() || found != oid::DATA) {
            return Err(VerifyError::NotCanonical("CRLs are included without being used"));
        }
        // RFC 5652 §5.1: version 5 with an OCSP response; 3 for content other than id-data. (1 or 3 else, by the
        // kind of sid.)
        let (signer_info, count) = (data.signer_infos.get(0).cloned(), data.signer_infos.len());
        let signer_info = match (signer_info, count) {
            (Some(s), 1) => s,
            _ => return Err(VerifyError::Signers(count)),
        };
        let by_key_id = matches!(signer_info.sid, SignerIdentifier::SubjectKeyIdentifier(_));
        let info_version = if by_key_id { CmsVersion::V3 } else { CmsVersion::V1 };
        let version = match by_key_id || found != oid::DATA {
            _ if revocation.iter().any(|v| !v.is_list()) => 5,
            true => 3,
            false => 1,
        };
        if data.version != version || signer_info.version != info_version {
            return Err(VerifyError::NotCanonical("version"));
        }
        if data.digest_algorithms.len() != 1
            || data.digest_algorithms.get(0) != Some(&signer_info.digest_alg)
            || signer_info.digest_alg.parameters.is_some()
        {
            return Err(VerifyError::NotCanonical("digest algorithms"));
        }
        let unreadable = |e: String| VerifyError::Certificate(e);
        let mut certificates = Vec::new();
        for any in data.certificates.iter().flat_map(|set| set.iter()) {
            let der = any.to_der().map_err(|e| unreadable(e.to_string()))?;
            certificates.push(Certificate::from_der(&der).map_err(|e| unreadable(e.to_string()))?);
        }
        let content = data.encap_content_info.econtent.map(|c| c.as_bytes().to_vec());
        Ok(Self { content_type: found, content, signer_info, certificates, revocation })
    }

    pub(super) fn into_revocation(self) -> Vec<RevocationValue> {
        self.revocation
    }

    pub(super) fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    pub(super) fn signature_value(&self) -> &[u8] {
        self.signer_info.signature.as_bytes()
    }

    /// The token in the only unsigned attribute that may be there.
    pub(super) fn signature_timestamp(&self) -> Result<Option<Vec<u8>>, VerifyError> {
        let Some(attributes) = &self.signer_info.unsigned_attrs else {
            return Ok(None);
        };
        if let Some(other) = attributes.iter().find(|a| a.oid != oid::SIGNATURE_TIME_STAMP) {
            return Err(VerifyError::Unsigned(other.oid.to_string()));
        }
        match (attributes.len(), attributes.get(0)) {
            (1, Some(a)) if a.values.len() == 1 => {
                let token = a.values.get(0).and_then(|v| v.to_der().ok());
                token.map(Some).ok_or(VerifyError::Attribute("signature-time-stamp"))
            }
            _ => Err(VerifyError::Repeated("signature-time-stamp")),
        }
    }

    /// Attributes, digest, certificate binding and signature.
    pub(super) fn check(&self, content: Content<'_>) -> Result<Checked, VerifyError> {
        let signer = self.signer_certificate()?;
        self.check_digest(content)?;
        self.check_signing_certificate(&signer)?;
        self.check_signature(&signer)?;
        let mut others = self.certificates.clone();
        others.retain(|c| *c != signer);
        Ok(Checked { others, signing_time: self.signing_time()?, signer })
    }

    fn signer_certificate(&self) -> Result<Certificate, VerifyError> {
        let named = |c: &&Certificate| {
            let tbs = c.parsed().tbs_certificate();
            match &self.signer_info.sid {
                SignerIdentifier::IssuerAndSerialNumber(id) => {
                    *tbs.issuer() == id.issuer && *tbs.serial_number() == id.serial_number
                }
                SignerIdentifier::SubjectKeyIdentifier(id) => c.key_id().as_deref() == Some(id.0.as_bytes()),
            }
        };
        self.certificates.iter().find(named).cloned().ok_or(VerifyError::NoCertificate)
    }

    /// The one value of a signed attribute (RFC 5652 §11: exactly one).
    fn signed(&self, id: ObjectIdentifier, name: &'static str) -> Result<Option<&Any>, VerifyError> {
        let attributes = self.signer_info.signed_attrs.as_ref().ok_or(VerifyError::Missing(name))?;
        let mut found = attributes.iter().filter(|a| a.oid == id);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(a), None) if a.values.len() == 1 => Ok(a.values.get(0)),
            _ => Err(VerifyError::Repeated(name)),
        }
    }

    fn required(&self, id: ObjectIdentifier, name: &'static str) -> Result<&Any, VerifyError> {
        self.signed(id, name)?.ok_or(VerifyError::Missing(name))
    }

    fn check_digest(&self, content: Content<'_>) -> Result<(), VerifyError> {
        let (kind, md) = ("content-type", "message-digest");
        let said = self.required(oid::CONTENT_TYPE, kind)?.decode_as::<ObjectIdentifier>();
        if said.map_err(|_| VerifyError::Attribute(kind))? != self.content_type {
            return Err(VerifyError::ContentType("in the signed attribute".into()));
        }
        let algorithm = digest_algorithm(&self.signer_info.digest_alg.oid)?;
        let said = self.required(oid::MESSAGE_DIGEST, md)?.decode_as::<OctetString>();
        let said = said.map_err(|_| VerifyError::Attribute(md))?;
        let matches = match (content, &self.content) {
            (Content::Detached(_), Some(_)) => return Err(VerifyError::Enclosed),
            (Content::Enclosed, None) => return Err(VerifyError::NoContent),
            (Content::Detached(digest), None) => {
                // Detached content is digested while it streams by, with SHA-256 only.
                if self.signer_info.digest_alg.oid != oid::SHA256 {
                    return Err(VerifyError::Algorithm(self.signer_info.digest_alg.oid.to_string()));
                }
                said.as_bytes() == digest.as_bytes()
            }
            (Content::Enclosed, Some(c)) => said.as_bytes() == digest::digest(algorithm, c).as_ref(),
        };
        if matches { Ok(()) } else { Err(VerifyError::Digest) }
    }

    /// RFC 5035 §5.4.1: the first certificate hash is that of the signer's certificate.
    fn check_signing_certificate(&self, signer: &Certificate) -> Result<(), VerifyError> {
        let (v1, v2) = ("signing-certificate", "signing-certificate-v2");
        let (algorithm, said) = if let Some(value) = self.signed(oid::SIGNING_CERTIFICATE_V2, v2)? {
            let list = value.decode_as::<SigningCertificateV2>().map_err(|_| VerifyError::Attribute(v2))?;
            let first = list.certs.into_iter().next().ok_or(VerifyError::Attribute(v2))?;
            let algorithm = first.hash_algorithm.map_or(oid::SHA256, |a| a.oid);
            (digest_algorithm(&algorithm)?, first.cert_hash)
        } else if self.content_type == oid::TST_INFO {
            // RFC 3161 authorities of before RFC 5816 bind by SHA-1; the certificate's own signature and
            // the path still stand, so that a collision gains nothing.
            let value = self.required(oid::SIGNING_CERTIFICATE, v1)?;
            let list = value.decode_as::<SigningCertificate>().map_err(|_| VerifyError::Attribute(v1))?;
            let first = list.certs.into_iter().next().ok_or(VerifyError::Attribute(v1))?;
            (&digest::SHA1_FOR_LEGACY_USE_ONLY, first.cert_hash)
        } else {
            return Err(VerifyError::Missing(v2));
        };
        if digest::digest(algorithm, signer.der()).as_ref() == said.as_bytes() {
            Ok(())
        } else {
            Err(VerifyError::SigningCertificate)
        }
    }

    fn check_signature(&self, signer: &Certificate) -> Result<(), VerifyError> {
        let info = &self.signer_info;
        self.check_algorithm_form()?;
        let attributes = info.signed_attrs.as_ref().ok_or(VerifyError::Missing("signed attributes"))?;
        // RFC 5652 §5.4: DER of the SET OF, with its own tag.
        let message = attributes.to_der().map_err(|e| VerifyError::NotDer(e.to_string()))?;
        let der = CertificateDer::from(signer.der());
        let key =
            webpki::EndEntityCert::try_from(&der).map_err(|e| VerifyError::Certificate(e.to_string()))?;
        let candidates = verification_algorithms(&info.signature_algorithm.oid, &info.digest_alg.oid)?;
        let holds =
            candidates.iter().any(|a| key.verify_signature(*a, &message, info.signature.as_bytes()).is_ok());
        if holds { Ok(()) } else { Err(VerifyError::Signature(signer.subject())) }
    }

    /// The algorithm fields are outside of what is signed, unless RFC 6211 repeats them inside. Where it
    /// does not, one form only is accepted, so that they cannot be rewritten unnoticed.
    fn check_algorithm_form(&self) -> Result<(), VerifyError> {
        let name = "algorithm-protection";
        let (digest, signature) = (&self.signer_info.digest_alg, &self.signer_info.signature_algorithm);
        let usual = match signature.oid {
            oid::RSA | oid::RSA_SHA256 | oid::RSA_SHA384 | oid::RSA_SHA512 => {
                signature.parameters.as_ref().is_some_and(Any::is_null)
            }
            oid::RSA_PSS => signature.parameters.as_ref().is_some_and(|p| is_pss_form(p, &digest.oid)),
            _ => signature.parameters.is_none(),
        };
        if !usual {
            return Err(VerifyError::NotCanonical("parameters of the signature algorithm"));
        }
        match self.signed(oid::ALGORITHM_PROTECTION, name)? {
            Some(value) => {
                let encode = |a: &AlgorithmIdentifierOwned| a.to_der().unwrap_or_default();
                let mut inner = encode(signature);
                if let Some(first) = inner.first_mut() {
                    *first = crate::asn1::tag::context(1);
                }
                let expected = crate::asn1::seq(&[&encode(digest), &inner]);
                if value.to_der().ok().as_deref() == Some(&expected[..]) {
                    Ok(())
                } else {
                    Err(VerifyError::Attribute(name))
                }
            }
            None if [oid::RSA_SHA256, oid::RSA_SHA384, oid::RSA_SHA512].contains(&signature.oid) => {
                Err(VerifyError::NotCanonical("signature algorithm"))
            }
            None => Ok(()),
        }
    }

    fn signing_time(&self) -> Result<Option<Timestamp>, VerifyError> {
        let name = "signing-time";
        let Some(value) = self.signed(oid::SIGNING_TIME, name)? else {
            return Ok(None);
        };
        let bad = || VerifyError::Attribute(name);
        let der = value.to_der().map_err(|_| bad())?;
        let time = x509_cert::time::Time::from_der(&der).map_err(|_| bad())?;
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| bad())?;
        Timestamp::from_second(seconds).map(Some).map_err(|_| bad())
    }
}

/// RSASSA-PSS-params in the one form accepted here, which is what everybody writes (RFC 4055 §3.1): the digest
/// of the message in the mask as well, a salt of the digest's length, NULL beside each digest.
fn is_pss_form(parameters: &Any, digest: &ObjectIdentifier) -> bool {
    use crate::asn1::{algorithm_null, oid_der, seq, tag, tlv};
    let salt = match *digest {
        oid::SHA256 => 32,
        oid::SHA384 => 48,
        oid::SHA512 => 64,
        _ => return false,
    };
    let hash = algorithm_null(digest);
    let expected = seq(&[
        &tlv(tag::context(0), &[&hash]),
        &tlv(tag::context(1), &[&seq(&[&oid_der(&oid::MGF1), &hash])]),
        &tlv(tag::context(2), &[&[tag::INTEGER, 1, salt]]),
    ]);
    parameters.to_der().is_ok_and(|found| found == expected)
}

fn digest_algorithm(id: &ObjectIdentifier) -> Result<&'static digest::Algorithm, VerifyError> {
    match *id {
        oid::SHA256 => Ok(&digest::SHA256),
        oid::SHA384 => Ok(&digest::SHA384),
        oid::SHA512 => Ok(&digest::SHA512),
        other if other == oid::SHA1 => Err(VerifyError::Algorithm("SHA-1".into())),
        other => Err(VerifyError::Algorithm(other.to_string())),
    }
}

/// Candidates for a signature OID; a key of another curve simply does not verify.
fn verification_algorithms(
    signature: &ObjectIdentifier,
    digest: &ObjectIdentifier,
) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, VerifyError> {
    Ok(match (*signature, *digest) {
        (oid::RSA | oid::RSA_SHA256, oid::SHA256) => vec![algs::RSA_PKCS1_2048_8192_SHA256],
        (oid::RSA | oid::RSA_SHA384, oid::SHA384) => vec![algs::RSA_PKCS1_2048_8192_SHA384],
        (oid::RSA | oid::RSA_SHA512, oid::SHA512) => vec![algs::RSA_PKCS1_2048_8192_SHA512],
        (oid::RSA_PSS, oid::SHA256) => vec![algs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        (oid::RSA_PSS, oid::SHA384) => vec![algs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        (oid::RSA_PSS, oid::SHA512) => vec![algs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        (oid::ECDSA_SHA256, oid::SHA256) => vec![algs::ECDSA_P256_SHA256, algs::ECDSA_P384_SHA256],
        (oid::ECDSA_SHA384, oid::SHA384) => vec![algs::ECDSA_P256_SHA384, algs::ECDSA_P384_SHA384],
        (oid::ECDSA_SHA512, oid::SHA512) => vec![algs::ECDSA_P384_SHA512, algs::ECDSA_P521_SHA512],
        (oid::ED25519, oid::SHA512) => vec![algs::ED25519],
        (other, _) => return Err(VerifyError::Algorithm(other.to_string())),
    })
}
