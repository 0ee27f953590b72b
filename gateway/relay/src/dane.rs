//! DANE: certificates that DNS names (RFC 7672).
//!
//! **Exposure.** TLSA records that DNSSEC has vouched for, certificates that have not been vouched for.
//!
//! **Standards.** RFC 6698, RFC 7671, RFC 7672 §3.1: usages 2 and 3 count, 0 and 1 are unusable for SMTP.
//!
//! **Failure modes.** A certificate that no usable record names ends the connection; nothing weaker follows.

use hickory_resolver::proto::rr::rdata::TLSA;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sealpost_envelope::{Sha256Digest, Sha512Digest};
use std::sync::Arc;

/// The usable part of one TLSA record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pin {
    /// The server's own certificate (usage 3), or an authority above it (usage 2).
    end_entity: bool,
    /// The public key only (selector 1), or the whole certificate.
    key_only: bool,
    matching: Matching,
    data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Matching {
    Exact,
    Sha256,
    Sha512,
}

/// More records than anybody needs, so that nobody makes us hash for ever.
const MOST: usize = 20;

/// The usable ones among a host's records (RFC 7672 §3.1.3).
pub fn usable(records: &[TLSA]) -> Vec<Pin> {
    let pins = records.iter().filter_map(|record| {
        let end_entity = match u8::from(record.cert_usage) {
            2 => false,
            3 => true,
            _ => return None,
        };
        let key_only = match u8::from(record.selector) {
            0 => false,
            1 => true,
            _ => return None,
        };
        let matching = match (u8::from(record.matching), record.cert_data.len()) {
            (0, 1..) => Matching::Exact,
            (1, 32) => Matching::Sha256,
            (2, 64) => Matching::Sha512,
            _ => return None,
        };
        Some(Pin { end_entity, key_only, matching, data: record.cert_data.clone() })
    });
    pins.take(MOST).collect()
}

/// Records as a report quotes them (RFC 8460 §4.2, `policy-string`).
pub fn quoted(records: &[TLSA]) -> Vec<String> {
    let quote = |r: &TLSA| {
        let (usage, selector, matching) =
            (u8::from(r.cert_usage), u8::from(r.selector), u8::from(r.matching));
        format!("{usage} {selector} {matching} {}", sealpost_envelope::hex::encode(&r.cert_data))
    };
    records.iter().take(MOST).map(quote).collect()
}

impl Pin {
    fn fits(&self, certificate: &CertificateDer<'_>) -> bool {
        let key;
        let bytes: &[u8] = if self.key_only {
            let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
            key = parsed.subject_public_key_info();
            &key
        } else {
            certificate
        };
        match self.matching {
            Matching::Exact => bytes == self.data,
            Matching::Sha256 => Sha256Digest::of(bytes).as_bytes()[..] == self.data[..],
            Matching::Sha512 => Sha512Digest::of(bytes).as_bytes()[..] == self.data[..],
        }
    }
}

/// Accepts what the records name and nothing else.
#[derive(Debug)]
pub(crate) struct DaneVerifier {
    pins: Arc<[Pin]>,
    provider: Arc<CryptoProvider>,
}

impl DaneVerifier {
    pub(crate) fn new(pins: Arc<[Pin]>, provider: Arc<CryptoProvider>) -> Self {
        Self { pins, provider }
    }

    /// Usage 2: the chain leads to a named authority that was sent along, and the name fits.
    fn by_authority(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> bool {
        let named = rest.iter().filter(|c| self.pins.iter().any(|p| !p.end_entity && p.fits(c)));
        named.into_iter().any(|authority| {
            let mut roots = RootCertStore::empty();
            if roots.add(authority.clone().into_owned()).is_err() {
                return false;
            }
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
            verifier.is_ok_and(|v| v.verify_server_cert(leaf, rest, name, &[], now).is_ok())
        })
    }
}

impl ServerCertVerifier for DaneVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // RFC 7672 §3.1.1: for usage 3 neither the name nor the dates matter; the record says it all.
        let named = self.pins.iter().any(|p| p.end_entity && p.fits(leaf));
        if named || self.by_authority(leaf, rest, name, now) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching as M, Selector};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> TLSA {
        TLSA::new(CertUsage::from(usage), Selector::from(selector), M::from(matching), data.to_vec())
    }

    fn accepts(records: &[TLSA], chain: &[CertificateDer<'static>], name: &str) -> bool {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = DaneVerifier::new(usable(records).into(), provider);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn records_name_certificates() {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf =
            CertificateParams::new(vec!["mx.example".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        let chain = [leaf.der().clone(), ca.der().clone()];
        let spki = ParsedCertificate::try_from(&chain[0]).unwrap().subject_public_key_info();
        let hash = |bytes: &[u8]| Sha256Digest::of(bytes).as_bytes().to_vec();
        let other = hash(b"another");
        for (what, records, name, want) in [
            ("the key", vec![record(3, 1, 1, &hash(&spki))], "mx.example", true),
            ("the key, whatever the name", vec![record(3, 1, 1, &hash(&spki))], "other.example", true),
            ("the whole certificate", vec![record(3, 0, 0, &chain[0])], "mx.example", true),
            ("with SHA-512", vec![record(3, 1, 2, Sha512Digest::of(&spki).as_bytes())], "mx.example", true),
            ("another key", vec![record(3, 1, 1, &other)], "mx.example", false),
            ("one of two", vec![record(3, 1, 1, &other), record(3, 1, 1, &hash(&spki))], "mx.example", true),
            ("the authority", vec![record(2, 0, 1, &hash(&chain[1]))], "mx.example", true),
            ("the authority, another name", vec![record(2, 0, 1, &hash(&chain[1]))], "other.example", false),
            ("the leaf is no authority", vec![record(2, 1, 1, &hash(&spki))], "mx.example", false),
            ("the authority is not the server", vec![record(3, 0, 1, &hash(&chain[1]))], "mx.example", false),
        ] {
            assert_eq!(accepts(&records, &chain, name), want, "{what}");
        }
    }

    #[test]
    fn unusable_records_are_left_out() {
        let hash = [0u8; 32];
        for record in [
            record(0, 1, 1, &hash),
            record(1, 1, 1, &hash),
            record(4, 1, 1, &hash),
            record(3, 2, 1, &hash),
            record(3, 1, 3, &hash),
            record(3, 1, 1, &hash[1..]),
            record(3, 1, 2, &hash),
            record(3, 1, 0, &[]),
        ] {
            assert!(usable(std::slice::from_ref(&record)).is_empty(), "{record}");
        }
    }
}
