//! Certificate revocation lists: made by the built-in authority, read when a proof is judged.
//!
//! **Exposure.** [`RevocationList::from_der`] reads strangers' bytes: DER only, re-encoded and compared.
//!
//! **Standards.** RFC 5280 §5: whole lists, lists for some certificates of an issuer, and delta lists.
//!
//! **Absent on purpose.** Indirect lists and lists for some reasons, which are refused, and reasons: a list here says
//! that a certificate ended early, and when.

use crate::asn1::{self, oid, seq, tag, tlv, unsigned};
use crate::authority::{Authority, IssueError, extension, key_identifier, signed};
use crate::{Certificate, CertificateError, Signer};
use der::asn1::Uint;
use der::{Decode, Encode};
use jiff::{SignedDuration, Timestamp};
use x509_cert::ext::pkix::crl::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

/// A list holds for a week; the authority makes a new one far more often.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 7);

/// A certificate that ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Serial number, big endian.
    pub serial: Vec<u8>,
    /// From when on it does not count.
    pub at: Timestamp,
}

impl<S: Signer> Authority<S> {
    /// A list of all certificates that were revoked, in DER. Its number is its time, so that numbers ascend on
    /// every node.
    pub fn issue_crl(&self, revoked: &[Revoked], now: Timestamp) -> Result<Vec<u8>, IssueError> {
        let ca = self.certificate();
        if !ca.is_valid_at(now) {
            return Err(IssueError::Expired(ca.not_before(), ca.not_after()));
        }
        let entries: Vec<u8> =
            revoked.iter().flat_map(|r| seq(&[&unsigned(&r.serial), &asn1::time(r.at)])).collect();
        // RFC 5280 §5.1.2.6: absent rather than empty.
        let entries = if entries.is_empty() { Vec::new() } else { seq(&[&entries]) };
        let id = match ca.key_id() {
            Some(id) => id,
            None => key_identifier(&ca.public_key()?),
        };
        let number = now.as_microsecond().unsigned_abs().to_be_bytes();
        let extensions = seq(&[
            &extension(&oid::AUTHORITY_KEY_ID, false, &seq(&[&tlv(tag::context_primitive(0), &[&id])])),
            &extension(&oid::CRL_NUMBER, false, &unsigned(&number)),
        ]);
        let algorithm = self.signer().algorithm().in_certificate();
        let tbs = seq(&[
            &[tag::INTEGER, 1, 1],
            &algorithm,
            &ca.subject_der()?,
            &asn1::time(now),
            &asn1::time(now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX)),
            &entries,
            &tlv(tag::context(0), &[&extensions]),
        ]);
        Ok(signed(&tbs, &algorithm, &self.signer().sign(&tbs)?))
    }
}

/// A list that was read; nothing in it is trusted before [`RevocationList::is_signed_by`].
#[derive(Debug, Clone)]
pub struct RevocationList {
    parsed: x509_cert::crl::CertificateList,
    tbs: Vec<u8>,
    scope: Scope,
    /// CRLNumber: which of two lists is the newer one.
    number: Option<Number>,
    /// BaseCRLNumber of a delta list.
    base: Option<Number>,
}

/// For which certificates of its issuer a list speaks (RFC 5280 §5.2.5); all of them by default.
#[derive(Debug, Clone, Default)]
struct Scope {
    /// Addresses, one of which a certificate must name too.
    addresses: Option<Vec<String>>,
    people_only: bool,
    authorities_only: bool,
}

/// A CRLNumber: its length, then its octets, so that numbers of any size are in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Number(usize, Vec<u8>);

/// What a delta list says of a certificate that stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ended early.
    Ended(Timestamp),
    /// What was said against it does not hold any more (removeFromCRL).
    Restored,
}

impl RevocationList {
    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let wrong = |e: der::Error| CertificateError::Der(e.to_string());
        let parsed = x509_cert::crl::CertificateList::from_der(der).map_err(wrong)?;
        if parsed.to_der().map_err(wrong)? != der {
            return Err(CertificateError::Der("the encoding of the revocation list is not DER".into()));
        }
        let tbs = parsed.tbs_cert_list.to_der().map_err(wrong)?;
        let (mut scope, mut number, mut base) = (Scope::default(), None, None);
        for e in parsed.tbs_cert_list.crl_extensions.iter().flatten() {
            let value = e.extn_value.as_bytes();
            match e.extn_id {
                oid::CRL_NUMBER => number = Some(Number::read(value)?),
                oid::DELTA_CRL_INDICATOR => base = Some(Number::read(value)?),
                oid::ISSUING_DISTRIBUTION_POINT => scope = Scope::read(value)?,
                // RFC 5280 §5.2: an unknown critical extension may change what the list means.
                _ if e.critical => {
                    let words = format!("the revocation list has a critical extension {}", e.extn_id);
                    return Err(CertificateError::Der(words));
                }
                _ => {}
            }
        }
        Ok(Self { parsed, tbs, scope, number, base })
    }

    /// Whether the certificate's key signed it, in the certificate's name, and may do so.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let may = issuer.key_usage().is_none_or(|u| u.crl_sign());
        let named = self.parsed.tbs_cert_list.issuer == *issuer.parsed().tbs_certificate().subject();
        let inside = self.parsed.tbs_cert_list.signature == self.parsed.signature_algorithm;
        let Some(value) = self.parsed.signature.as_bytes() else { return false };
        may && named && inside && issuer.has_signed(&self.parsed.signature_algorithm.oid, &self.tbs, value)
    }

    /// Whether it would say so if this certificate of its issuer had ended early (RFC 5280 §6.3.3 (b)).
    pub fn concerns(&self, certificate: &Certificate) -> bool {
        let is_ca = certificate.is_ca();
        let kind = !(self.scope.people_only && is_ca || self.scope.authorities_only && !is_ca);
        kind && self
            .scope
            .addresses
            .as_ref()
            .is_none_or(|scope| certificate.list_addresses().iter().any(|address| scope.contains(address)))
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        crate::certificate::moment(self.parsed.tbs_cert_list.this_update)
    }
    /// Until when a new one was to be made; without a date, it never promised one.
    pub fn next_update(&self) -> Timestamp {
        self.parsed.tbs_cert_list.next_update.map_or(Timestamp::MAX, crate::certificate::moment)
    }
    /// When a certificate of the issuer ended early, if it did.
    pub fn revoked(&self, certificate: &Certificate) -> Option<Timestamp> {
        self.entry(certificate).map(|r| crate::certificate::moment(r.revocation_date))
    }

    /// Whether it only tells what has changed since another list.
    pub fn is_delta(&self) -> bool {
        self.base.is_some()
    }
    /// Whether it is a delta list to be read together with `list` (RFC 5280 §5.2.4); issuers are compared elsewhere.
    pub fn continues(&self, list: &Self) -> bool {
        match (&self.base, &list.number, &self.number) {
            (Some(base), Some(known), Some(own)) => !list.is_delta() && base <= known && known < own,
            _ => false,
        }
    }
    /// What a delta list changes for a certificate.
    pub fn change(&self, certificate: &Certificate) -> Option<Change> {
        let entry = self.entry(certificate)?;
        // CRLReason removeFromCRL (RFC 5280 §5.3.1): ENUMERATED 8.
        let mut extensions = entry.crl_entry_extensions.iter().flatten();
        let restored =
            extensions.any(|e| e.extn_id == oid::CRL_REASON && e.extn_value.as_bytes() == [0x0a, 1, 8]);
        Some(match restored {
            true => Change::Restored,
            false => Change::Ended(crate::certificate::moment(entry.revocation_date)),
        })
    }

    fn entry(&self, certificate: &Certificate) -> Option<&x509_cert::crl::RevokedCert> {
        let serial = certificate.parsed().tbs_certificate().serial_number();
        let mut entries = self.parsed.tbs_cert_list.revoked_certificates.iter().flatten();
        entries.find(|r| r.serial_number == *serial)
    }
}

impl Number {
    fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let number = Uint::from_der(der).map_err(|e| CertificateError::Der(e.to_string()))?;
        Ok(Self(number.as_bytes().len(), number.as_bytes().to_vec()))
    }
}

impl Scope {
    fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let point =
            IssuingDistributionPoint::from_der(der).map_err(|e| CertificateError::Der(e.to_string()))?;
        if point.indirect_crl || point.only_some_reasons.is_some() || point.only_contains_attribute_certs {
            let words = "the revocation list is indirect, or for some reasons or attribute certificates only";
            return Err(CertificateError::Der(words.into()));
        }
        Ok(Self {
            addresses: point.distribution_point.as_ref().map(addresses),
            people_only: point.only_contains_user_certs,
            authorities_only: point.only_contains_ca_certs,
        })
    }
}

/// Addresses of a distribution point; none where it is named in another way.
pub(crate) fn addresses(point: &DistributionPointName) -> Vec<String> {
    let DistributionPointName::FullName(names) = point else { return Vec::new() };
    let address = |n: &GeneralName| match n {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        _ => None,
    };
    names.iter().filter_map(address).collect()
}
