//! Channel bindings: data that only the two ends of one TLS connection share (RFC 5056).

use sealpost_envelope::Secret;

/// What is known of the connection under the exchange.
#[derive(Debug, Clone, Default)]
pub struct ChannelBindings {
    /// `tls-exporter` (RFC 9266): 32 octets, TLS 1.3 only, because with TLS 1.2 it is safe only where both
    /// ends use the extended master secret.
    pub exporter: Option<Secret<Vec<u8>>>,
    /// `tls-server-end-point` (RFC 5929 §4): the digest of the server's certificate.
    pub end_point: Option<Secret<Vec<u8>>>,
}

impl ChannelBindings {
    /// Whether there is any, so that the `-PLUS` mechanism can be offered.
    pub fn is_known(&self) -> bool {
        self.exporter.is_some() || self.end_point.is_some()
    }

    /// The data of the type that a client named.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let data = match name {
            "tls-exporter" => &self.exporter,
            "tls-server-end-point" => &self.end_point,
            _ => &None,
        };
        data.as_ref().map(|d| d.expose().as_slice())
    }
}
