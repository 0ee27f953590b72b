//! TLS towards servers: verified, or opportunistic.
//!
//! **Exposure.** Remote servers' certificates. Opportunistic TLS accepts any of them (RFC 7435: encryption
//! without authentication beats neither), still checks that the server holds the key, and records the
//! certificate's hash and whether it would have verified.

use crate::config::{Smarthost, TlsMode};
use crate::dane::DaneVerifier;
use crate::delivery::TlsFacts;
use rustls::client::WantsClientCert;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use sealpost_envelope::Sha256Digest;
use std::sync::Arc;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A route demands verified TLS, and no authority is trusted.
    #[error("a route requires verified TLS, but no certificate authority is trusted for outgoing mail")]
    NoTrust,
    /// The library refuses the settings.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The certificate that we show servers which ask for one.
#[derive(Debug)]
pub struct ClientIdentity {
    /// Our certificate, and those above it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// Configurations for both ways, shared by all connections (and so their resumption tickets).
#[derive(Debug, Clone)]
pub struct Tls {
    verified: Option<Arc<ClientConfig>>,
    opportunistic: Arc<ClientConfig>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl Tls {
    /// TLS that trusts `roots` where it verifies, and shows `identity` where a server asks for it.
    pub fn new(roots: Arc<RootCertStore>, identity: Option<&ClientIdentity>) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(TlsError::from)
        };
        let finish = |builder: ConfigBuilder<ClientConfig, WantsClientCert>| match identity {
            Some(ClientIdentity { chain, key }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(TlsError::from)
            }
            None => Ok(builder.with_no_client_auth()),
        };
        let any = Arc::new(AnyCertificate(provider.clone()));
        let opportunistic = Arc::new(finish(builder()?.dangerous().with_custom_certificate_verifier(any))?);
        if roots.is_empty() {
            return Ok(Self { verified: None, opportunistic, verifier: None });
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|e| TlsError::Rustls(rustls::Error::General(e.to_string())))?;
        let verified = finish(builder()?.with_webpki_verifier(verifier.clone()))?;
        Ok(Self { verified: Some(Arc::new(verified)), opportunistic, verifier: Some(verifier) })
    }

    /// The configuration for a route that demands verification.
    pub(crate) fn verified(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.verified.clone().ok_or(TlsError::NoTrust)
    }
    /// The configuration for a server.
    pub(crate) fn towards(&self, host: &Smarthost, mode: TlsMode) -> Result<Arc<ClientConfig>, TlsError> {
        match mode {
            TlsMode::Required | TlsMode::Implicit => self.verified(),
            TlsMode::None | TlsMode::Opportunistic | TlsMode::Encrypted => Ok(self.opportunistic.clone()),
            TlsMode::Dane => {
                let provider = Arc::new(aws_lc_rs::default_provider());
                // Without pins nothing fits, and no mail leaves.
                let pins = host.pins.clone().unwrap_or_else(|| Arc::new([]));
                let verifier = Arc::new(DaneVerifier::new(pins, provider.clone()));
                let builder =
                    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
                let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
                Ok(Arc::new(builder.with_no_client_auth()))
            }
        }
    }

    /// What evidence says about an established connection.
    pub(crate) fn facts(
        &self,
        connection: &ClientConnection,
        name: &ServerName<'_>,
        mode: TlsMode,
    ) -> TlsFacts {
        let chain = connection.peer_certificates().unwrap_or_default();
        let verified = match (chain.split_first(), &self.verifier) {
            (Some((leaf, rest)), Some(v)) => {
                v.verify_server_cert(leaf, rest, name, &[], UnixTime::now()).is_ok()
            }
            _ => false,
        };
        let version = connection.protocol_version().and_then(|v| v.as_str()).unwrap_or("unknown");
        let cipher = connection.negotiated_cipher_suite().and_then(|c| c.suite().as_str());
        TlsFacts {
            version: version.replace("v1_", "v1."),
            cipher: cipher.unwrap_or("unknown").to_owned(),
            certificate: chain.first().map(|leaf| Sha256Digest::of(leaf)),
            verified,
            policy: match mode {
                TlsMode::None => "none",
                TlsMode::Opportunistic => "opportunistic",
                TlsMode::Encrypted => "encrypted",
                TlsMode::Required => "required",
                TlsMode::Dane => "dane",
                TlsMode::Implicit => "implicit",
            },
        }
    }
}

/// Takes every certificate; the handshake's signature must still match it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
