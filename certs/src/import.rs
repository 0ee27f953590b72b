//! Signing keys that came from elsewhere: PEM with or without password, and PKCS#12.
//!
//! **Exposure.** Files of the administrator only. OpenSSL takes them apart, because the forms in which authorities
//! hand out keys are many and old; what comes out is an ordinary [`FileSigner`].
//!
//! **Standards.** RFC 7292 (PKCS#12), RFC 5958 (EncryptedPrivateKeyInfo).
//!
//! **Failure modes.** [`SignerError::Import`] names the file: a wrong password, no key, no certificate.

use crate::signer::SignerError;
use crate::{Certificate, FileSigner, PrivateKey};
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::provider::Provider;
use sealpost_envelope::Secret;
use std::path::Path;
use std::sync::Once;

/// Opens a key with its certificates: `key` is PEM, or PKCS#12 with everything in it. The PEM of `certificates`,
/// the signer's own first, is needed for a PEM key unless the key's file holds them too.
pub fn open(
    key: &Path,
    certificates: Option<&Path>,
    password: Option<&Secret<String>>,
) -> Result<FileSigner, SignerError> {
    let fail = |reason: String| SignerError::Import { path: key.to_owned(), reason };
    let bytes = std::fs::read(key).map_err(|e| fail(e.to_string()))?;
    let bytes = Secret::new(bytes);
    // X.690 §8.1.2: PKCS#12 is a SEQUENCE in binary; PEM is text.
    let (private, found) = if bytes.expose().first() == Some(&0x30) {
        pkcs12(bytes.expose(), password).map_err(fail)?
    } else {
        pem(bytes.expose(), password).map_err(fail)?
    };
    let mut chain = match certificates {
        Some(path) => Certificate::load(path)?,
        None if found.is_empty() => {
            return Err(fail("holds no certificate, and none is named beside it".into()));
        }
        None => found,
    };
    let certificate = chain.remove(0);
    FileSigner::new(private, certificate, chain)
}

/// The key and its certificates, its own first.
type Found = (PrivateKey, Vec<Certificate>);

fn pem(bytes: &[u8], password: Option<&Secret<String>>) -> Result<Found, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "neither PEM nor PKCS#12".to_owned())?;
    let blocks = crate::pem::decode_all(text).map_err(|e| e.to_string())?;
    let encrypted =
        blocks.iter().any(|b| b.label == "ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED");
    let certificates = blocks.iter().filter(|b| b.label == "CERTIFICATE");
    let certificates = certificates.map(|b| Certificate::from_der(&b.bytes));
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    let private = match (encrypted, password) {
        (false, _) => PrivateKey::from_pem(text).map_err(|e| e.to_string())?,
        (true, None) => return Err("the key is encrypted and no password is set".into()),
        (true, Some(password)) => {
            let key = PKey::private_key_from_pem_passphrase(bytes, password.expose().as_bytes());
            taken_over(&key.map_err(|_| "the password does not open the key".to_owned())?)?
        }
    };
    Ok((private, certificates))
}

fn pkcs12(bytes: &[u8], password: Option<&Secret<String>>) -> Result<Found, String> {
    with_legacy();
    let container = Pkcs12::from_der(bytes).map_err(|_| "not a PKCS#12 file".to_owned())?;
    let empty = Secret::new(String::new());
    let password = password.unwrap_or(&empty).expose();
    if password.contains('\0') {
        return Err("a password cannot hold NUL".into());
    }
    let opened = container.parse2(password).map_err(|_| "the password does not open it".to_owned())?;
    let key = opened.pkey.ok_or("holds no private key")?;
    let certificate = opened.cert.ok_or("holds no certificate of its key")?;
    let others = opened.ca.iter().flatten().map(|c| c.to_owned());
    let read = |c: openssl::x509::X509| {
        let der = c.to_der().map_err(|e| e.to_string())?;
        Certificate::from_der(&der).map_err(|e| e.to_string())
    };
    let certificates = std::iter::once(certificate).chain(others).map(read).collect::<Result<_, _>>()?;
    Ok((taken_over(&key)?, certificates))
}

fn taken_over(key: &PKey<Private>) -> Result<PrivateKey, String> {
    let pkcs8 = key.private_key_to_pkcs8().map_err(|e| e.to_string())?;
    PrivateKey::from_pkcs8(pkcs8).map_err(|e| e.to_string())
}

/// Files of older programs are encrypted with RC2, which OpenSSL 3 keeps in a provider of its own.
fn with_legacy() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        // Without it such files are refused as having a wrong password; all others still open.
        if let Ok(provider) = Provider::try_load(None, "legacy", true) {
            // Loaded for good: unloading while another thread reads would break that read.
            std::mem::forget(provider);
        }
    });
}
