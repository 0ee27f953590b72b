//! TLS of the listener for cards: a client certificate is asked for, not demanded.
//!
//! **Exposure.** The handshake proves that the client holds the key of whatever certificate it presents, and no more:
//! whether the certificate is believed is judged by the pages (`sealpost_web::CardJudge`), so that a person reads why
//! their card was refused, and the journal has it. Sessions are never resumed: a resumed one would keep the identity of a card
//! that has been taken out.
//!
//! **Standards.** RFC 8446 §4.2.4 (names of accepted authorities), §4.3.2; RFC 8740; RFC 7301.

use super::tls::{Identity, provider};
use crate::cards::Cards;
use crate::config::CardTls;
use anyhow::{Context, Result};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use std::sync::Arc;

/// Certificates of one handshake are no longer than this together; cards send two or three.
const LARGEST: usize = 64 * 1024;

/// TLS for `listen.card`.
pub fn server_config(identity: &Arc<Identity>, cards: &Cards, newest: CardTls) -> Result<Arc<ServerConfig>> {
    let provider = provider();
    let versions: &[_] = match newest {
        CardTls::New => rustls::ALL_VERSIONS,
        CardTls::Old => &[&rustls::version::TLS12],
    };
    let hints = cards.authority_names().into_iter().map(DistinguishedName::from).collect();
    let asks = AnyHolder { hints, provider: provider.clone() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .context("TLS versions")?
        .with_client_cert_verifier(Arc::new(asks))
        .with_cert_resolver(identity.clone());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Takes any certificate whose key the client holds.
#[derive(Debug)]
struct AnyHolder {
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyHolder {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let size = end_entity.len() + intermediates.iter().map(|c| c.len()).sum::<usize>();
        if size > LARGEST {
            return Err(Error::General("certificates beyond all measure".into()));
        }
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
