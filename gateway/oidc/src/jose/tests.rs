//! Tokens signed here with fixed keys, and everything that is not such a token.

use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use proptest::prelude::*;
use serde_json::{Value, json};

/// PKCS#8 keys made for these tests alone.
const RSA: &[u8] = include_bytes!("rsa.p8");
const EC: &[u8] = include_bytes!("ec.p8");

pub(crate) fn base64url(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The two keys as a provider publishes them.
pub(crate) fn published() -> Value {
    let rsa = RsaKeyPair::from_pkcs8(RSA).unwrap();
    // RSAPublicKey of a 2048-bit key in DER: the modulus stands behind nine octets, the exponent in the last three.
    let public = rsa.public_key().as_ref().to_vec();
    let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, EC).unwrap();
    let point = ec.public_key().as_ref().to_vec();
    json!({"keys": [
        {"kty": "RSA", "kid": "r", "use": "sig", "n": base64url(&public[9..265]),
         "e": base64url(&public[267..])},
        {"kty": "EC", "kid": "e", "use": "sig", "alg": "ES256", "crv": "P-256",
         "x": base64url(&point[1..33]), "y": base64url(&point[33..])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": "AAAA"},
        {"kty": "oct", "kid": "h", "k": "c2VjcmV0"},
    ]})
}

pub(crate) fn sign(header: &Value, claims: &Value) -> String {
    let input =
        format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let random = SystemRandom::new();
    let signature = match header["alg"].as_str().unwrap() {
        "ES256" => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, EC).unwrap();
            key.sign(&random, input.as_bytes()).unwrap().as_ref().to_vec()
        }
        "HS256" => {
            // The classic confusion: the public key as a shared secret.
            let secret = published()["keys"][0]["n"].as_str().unwrap().to_owned();
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
            aws_lc_rs::hmac::sign(&key, input.as_bytes()).as_ref().to_vec()
        }
        "none" => Vec::new(),
        alg => {
            let key = RsaKeyPair::from_pkcs8(RSA).unwrap();
            let mut out = vec![0; key.public_modulus_len()];
            let encoding: &dyn aws_lc_rs::signature::RsaEncoding = match alg {
                "PS256" => &signature::RSA_PSS_SHA256,
                _ => &signature::RSA_PKCS1_SHA256,
            };
            key.sign(encoding, &random, input.as_bytes(), &mut out).unwrap();
            out
        }
    };
    format!("{input}.{}", base64url(&signature))
}

pub(crate) fn keys() -> KeySet {
    KeySet::parse(published().to_string().as_bytes()).unwrap()
}

#[test]
fn signatures() {
    let keys = keys();
    assert_eq!(keys.0.len(), 2, "kinds that we do not use are left aside");
    let claims = json!({"sub": "x"});
    for (header, expected) in [
        (json!({"alg": "RS256", "kid": "r"}), "good"),
        (json!({"alg": "PS256", "kid": "r", "typ": "JWT"}), "good"),
        (json!({"alg": "ES256", "kid": "e"}), "good"),
        // One key only could have made these.
        (json!({"alg": "RS256"}), "good"),
        (json!({"alg": "ES256"}), "good"),
        (json!({"alg": "RS256", "kid": "e"}), "unknown-key"),
        (json!({"alg": "ES256", "kid": "r"}), "unknown-key"),
        (json!({"alg": "RS256", "kid": "other"}), "unknown-key"),
        (json!({"alg": "none", "kid": "r"}), "algorithm"),
        (json!({"alg": "HS256", "kid": "r"}), "algorithm"),
        (json!({"alg": "RS512", "kid": "r"}), "algorithm"),
        (json!({"alg": "rs256", "kid": "r"}), "algorithm"),
        (json!({"alg": "RS256", "kid": "r", "crit": ["b64"], "b64": false}), "malformed-token"),
        (json!({"alg": "RS256", "kid": "r", "typ": "at+jwt"}), "malformed-token"),
        (json!({"alg": "RS256", "kid": "r", "typ": "logout+jwt"}), "malformed-token"),
    ] {
        let got = keys.verify(&sign(&header, &claims));
        assert_eq!(got.as_ref().map_or_else(OidcError::reason, |_| "good"), expected, "{header}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let keys = keys();
    let token = sign(&json!({"alg": "ES256", "kid": "e"}), &json!({"sub": "x", "n": 1}));
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        if changed != token {
            assert!(keys.verify(&changed).is_err(), "byte {at}");
        }
    }
    assert!(keys.verify(&format!("{token}.a.b")).is_err());
    let swapped = published().to_string().replace("\"kid\":\"e\"", "\"kid\":\"r2\"");
    let swapped = KeySet::parse(swapped.replace("\"kid\":\"r\"", "\"kid\":\"e\"").as_bytes()).unwrap();
    assert_eq!(swapped.verify(&token).unwrap_err(), OidcError::Key);
}

proptest! {
    #[test]
    fn nonsense_never_panics(text in "[A-Za-z0-9_.=-]{0,200}", json in ".{0,200}") {
        prop_assert!(keys().verify(&text).is_err());
        let _ = KeySet::parse(json.as_bytes());
    }
}
