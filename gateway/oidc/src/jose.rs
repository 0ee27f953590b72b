//! Signed tokens in their compact form, and the keys that sign them.
//!
//! **Exposure.** Tokens and key sets come from the network. The algorithm decides nothing by itself: only the three
//! below exist, each for one kind of key, so that `none` and a public key used as an HMAC secret cannot be expressed.
//!
//! **Standards.** RFC 7515 (JWS), RFC 7517 and RFC 7518 (JWK, JWA), RFC 8725 (their safe use).

use crate::OidcError;
use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Longest token looked at.
const MAX_TOKEN: usize = 64 << 10;
/// Most keys of a set looked at.
const MAX_KEYS: usize = 100;

/// An algorithm that may sign a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
}

impl Alg {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Ps256, Self::Es256];

    /// Its name in headers and metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed point.
    P256(Vec<u8>),
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    alg: Option<Alg>,
    material: Material,
}

impl Key {
    fn fits(&self, alg: Alg) -> bool {
        let kind = match alg {
            Alg::Rs256 | Alg::Ps256 => matches!(self.material, Material::Rsa { .. }),
            Alg::Es256 => matches!(self.material, Material::P256(_)),
        };
        kind && self.alg.is_none_or(|own| own == alg)
    }

    fn verifies(&self, alg: Alg, input: &[u8], signature: &[u8]) -> bool {
        match (alg, &self.material) {
            (Alg::Rs256, Material::Rsa { n, e }) => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, input, signature)
                .is_ok(),
            (Alg::Ps256, Material::Rsa { n, e }) => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PSS_2048_8192_SHA256, input, signature)
                .is_ok(),
            (Alg::Es256, Material::P256(point)) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(input, signature)
                    .is_ok()
            }
            _ => false,
        }
    }
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl RawKey {
    /// The key, when it is of a kind that we verify with.
    fn read(self) -> Option<Key> {
        let bytes = |text: &Option<String>| decode(text.as_deref()?);
        if self.usage.as_deref().is_some_and(|u| u != "sig") {
            return None;
        }
        // A key for an algorithm that we do not know is none of ours.
        let alg = match self.alg.as_deref().map(Alg::named) {
            Some(None) => return None,
            Some(known) => known,
            None => None,
        };
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let strip = |v: Vec<u8>| v.into_iter().skip_while(|b| *b == 0).collect::<Vec<_>>();
                Material::Rsa { n: strip(bytes(&self.n)?), e: strip(bytes(&self.e)?) }
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                Material::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            _ => return None,
        };
        Some(Key { kid: self.kid, alg, material })
    }
}

/// A provider's public keys.
#[derive(Debug, Default)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a JWK set; keys of kinds that we do not use are left aside.
    pub fn parse(json: &[u8]) -> Result<Self, OidcError> {
        #[derive(Deserialize)]
        struct Raw {
            keys: Vec<serde_json::Value>,
        }
        let raw: Raw =
            serde_json::from_slice(json).map_err(|e| OidcError::Discovery(format!("keys: {e}")))?;
        let keys = raw
            .keys
            .into_iter()
            .take(MAX_KEYS)
            .filter_map(|value| serde_json::from_value::<RawKey>(value).ok()?.read())
            .collect();
        Ok(Self(keys))
    }

    /// Verifies a compact token and gives its payload.
    ///
    /// [`OidcError::Key`] means that no key of the set could have signed it: a newer set may have one.
    pub fn verify(&self, token: &str) -> Result<Verified, OidcError> {
        let Parts { header, input, payload, signature } = split(token)?;
        let alg = Alg::named(&header.alg).ok_or_else(|| OidcError::Algorithm(short(&header.alg)))?;
        // RFC 7515 §4.1.11: extensions that must be understood are not.
        if header.crit.is_some() {
            return Err(OidcError::Malformed("crit"));
        }
        let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
        // RFC 8725 §3.11: a token made for something else is none of ours.
        if typ.as_deref().is_some_and(|t| !matches!(t, "jwt" | "application/jwt" | "token-introspection+jwt"))
        {
            return Err(OidcError::Malformed("typ"));
        }
        let fitting: Vec<&Key> = self.0.iter().filter(|k| k.fits(alg)).collect();
        let candidates: Vec<&Key> = match &header.kid {
            Some(kid) => fitting.into_iter().filter(|k| k.kid.as_ref() == Some(kid)).collect(),
            // OpenID Connect Core §10.1: without kid there must be no choice.
            None if fitting.len() == 1 => fitting,
            None => Vec::new(),
        };
        if candidates.is_empty() {
            return Err(OidcError::Key);
        }
        if !candidates.iter().any(|key| key.verifies(alg, input.as_bytes(), &signature)) {
            return Err(OidcError::Signature);
        }
        Ok(Verified { payload })
    }
}

/// What a verified token holds.
#[derive(Debug)]
pub struct Verified {
    pub(crate) payload: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

struct Parts<'a> {
    header: Header,
    input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn split(token: &str) -> Result<Parts<'_>, OidcError> {
    if token.len() > MAX_TOKEN {
        return Err(OidcError::Malformed("too long"));
    }
    if token.split('.').count() == 5 {
        return Err(OidcError::Malformed("encrypted"));
    }
    let (input, signature) = token.rsplit_once('.').ok_or(OidcError::Malformed("three parts"))?;
    let (header, payload) = input.split_once('.').ok_or(OidcError::Malformed("three parts"))?;
    let decoded = |part: &str| decode(part).ok_or(OidcError::Malformed("base64url"));
    let header = serde_json::from_slice(&decoded(header)?).map_err(|_| OidcError::Malformed("its header"))?;
    Ok(Parts { header, input, payload: decoded(payload)?, signature: decoded(signature)? })
}

/// Base64url without padding (RFC 7515 §2).
fn decode(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

fn short(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(16).collect()
}

#[cfg(test)]
pub(crate) mod tests;
