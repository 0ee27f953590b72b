//! SCRAM-SHA-256, the server's part (RFC 5802, RFC 7677).
//!
//! One login may have several app passwords with one salt: the proof is compared with each of their
//! records, always with the same number of them, so that time tells neither how many there are nor
//! whether the login exists.

use crate::{ChannelBindings, Mechanism, SaslError};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64_simd::STANDARD;
use sealpost_envelope::{Secret, random};

/// Names a record to whoever keeps it.
pub type RecordId = [u8; 16];

/// What is kept of a login.
#[derive(Debug, Clone)]
pub struct ScramSecrets {
    /// Sent to the client.
    pub salt: Vec<u8>,
    /// Sent to the client.
    pub iterations: u32,
    /// One for each app password; none for an unknown login.
    pub records: Vec<ScramRecord>,
}

/// What is kept of one app password.
#[derive(Debug, Clone)]
pub struct ScramRecord {
    /// Its name.
    pub id: RecordId,
    /// H(ClientKey).
    pub stored_key: Secret<[u8; 32]>,
    /// HMAC(SaltedPassword, "Server Key").
    pub server_key: Secret<[u8; 32]>,
}

/// Records are compared in groups of this many, filled up with one that fits nothing.
const GROUP: usize = 8;
/// Longest nonce of a client; those of libraries have 16 to 64 characters.
const MAX_NONCE: usize = 512;

/// 144 random bits, printable and without a comma.
pub(crate) fn nonce() -> String {
    STANDARD.encode_to_string(random::octets::<18>())
}

/// The client's first message, read.
#[derive(Debug)]
pub(crate) struct First {
    mechanism: Mechanism,
    login: String,
    /// What `c=` must hold: the GS2 header and the channel's data.
    binding: Secret<Vec<u8>>,
    /// `client-first-message-bare`.
    bare: String,
    nonce: String,
}

impl First {
    /// `client-first-message = gs2-header client-first-message-bare` (RFC 5802 §7).
    pub fn read(
        text: &str,
        mechanism: Mechanism,
        bindings: &ChannelBindings,
        server_nonce: &str,
    ) -> Result<Self, SaslError> {
        let malformed = || SaslError::Malformed("Malformed first message of SCRAM");
        let (flag, rest) = text.split_once(',').ok_or_else(malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or_else(malformed)?;
        let header = &text[..text.len() - bare.len()];

        let mut binding = header.as_bytes().to_vec();
        match (flag, flag.strip_prefix("p=")) {
            (_, Some(name)) if mechanism.needs_binding() => {
                // RFC 5802 §6: a type that the server does not know fails the exchange.
                binding.extend_from_slice(bindings.get(name).ok_or(SaslError::Denied)?);
            }
            ("n", _) if !mechanism.needs_binding() => {}
            // RFC 5802 §6: the client could bind and believes that we cannot. Where we offered it, somebody
            // has taken the offer out on the way.
            ("y", _) if !mechanism.needs_binding() && !bindings.is_known() => {}
            ("y", _) => return Err(SaslError::Denied),
            _ => return Err(malformed()),
        }

        let mut attributes = bare.split(',');
        // RFC 5802 §5.1: `m=` is a mandatory extension; none is known. It stands where `n=` must.
        let name = attributes.next().and_then(|a| a.strip_prefix("n=")).ok_or_else(malformed)?;
        let client_nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or_else(malformed)?;
        let printable = client_nonce.bytes().all(|b| b.is_ascii_graphic());
        if client_nonce.is_empty() || client_nonce.len() > MAX_NONCE || !printable {
            return Err(malformed());
        }
        if !attributes.all(is_extension) {
            return Err(malformed());
        }
        let login = sasl_name(name).ok_or_else(malformed)?;
        if !authzid.is_empty() {
            let claimed = authzid.strip_prefix("a=").and_then(sasl_name).ok_or_else(malformed)?;
            if claimed != login {
                return Err(SaslError::Denied);
            }
        }
        let nonce = format!("{client_nonce}{server_nonce}");
        Ok(Self { mechanism, login, binding: Secret::new(binding), bare: bare.to_owned(), nonce })
    }

    pub fn login(&self) -> &str {
        &self.login
    }

    /// Writes `server-first-message`.
    pub fn open(self, secrets: ScramSecrets) -> (Opened, String) {
        let salt = STANDARD.encode_to_string(&secrets.salt);
        let challenge = format!("r={},s={salt},i={}", self.nonce, secrets.iterations);
        let opened = Opened { first: self, challenge: challenge.clone(), records: secrets.records };
        (opened, challenge)
    }
}

/// An exchange that waits for the client's proof.
#[derive(Debug)]
pub(crate) struct Opened {
    first: First,
    challenge: String,
    records: Vec<ScramRecord>,
}

/// What came of a proof.
#[derive(Debug)]
pub(crate) struct Proven {
    pub mechanism: Mechanism,
    pub login: String,
    /// The record it fits.
    pub record: Option<RecordId>,
    /// `server-final-message`; of use only with a record.
    pub confirmation: String,
}

impl Opened {
    /// `client-final-message = channel-binding "," nonce ["," extensions] "," proof` (RFC 5802 §7).
    pub fn prove(self, text: &str) -> Result<Proven, SaslError> {
        let malformed = || SaslError::Malformed("Malformed final message of SCRAM");
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|a| a.strip_prefix("c=")).ok_or_else(malformed)?;
        let nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or_else(malformed)?;
        if !attributes.all(is_extension) {
            return Err(malformed());
        }
        let binding = STANDARD.decode_to_vec(binding.as_bytes()).map_err(|_| malformed())?;
        let proof = STANDARD.decode_to_vec(proof.as_bytes()).map_err(|_| malformed())?;
        let proof: [u8; 32] = proof.try_into().map_err(|_| malformed())?;
        // Another nonce, or data of another connection: a message that was passed on.
        let same = |a: &[u8], b: &[u8]| verify_slices_are_equal(a, b).is_ok();
        if !same(nonce.as_bytes(), self.first.nonce.as_bytes()) | !same(&binding, self.first.binding.expose())
        {
            return Err(SaslError::Denied);
        }
        let signed = format!("{},{},{without_proof}", self.first.bare, self.challenge);
        let fitting = self.fitting(&proof, signed.as_bytes());
        let key = fitting.map_or([0; 32], |r| *r.server_key.expose());
        let confirmation = format!("v={}", STANDARD.encode_to_string(sign(&key, signed.as_bytes())));
        let record = fitting.map(|r| r.id);
        Ok(Proven { mechanism: self.first.mechanism, login: self.first.login, record, confirmation })
    }

    /// The record whose StoredKey the proof opens: `H(proof XOR HMAC(StoredKey, AuthMessage))` is StoredKey
    /// (RFC 5802 §3).
    fn fitting(&self, proof: &[u8; 32], signed: &[u8]) -> Option<&ScramRecord> {
        let nobody = Secret::new([0u8; 32]);
        let count = self.records.len().max(1).next_multiple_of(GROUP);
        let mut found = None;
        for n in 0..count {
            let record = self.records.get(n);
            let stored = record.map_or(&nobody, |r| &r.stored_key).expose();
            let mut client_key = sign(stored, signed);
            client_key.iter_mut().zip(proof).for_each(|(k, p)| *k ^= p);
            let hashed = digest::digest(&digest::SHA256, &client_key);
            let fits = verify_slices_are_equal(hashed.as_ref(), stored).is_ok();
            if fits && record.is_some() {
                found = record;
            }
        }
        found
    }
}

fn sign(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0u8; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

/// `attr-val = ALPHA "=" value`: an optional extension, which is to be ignored (RFC 5802 §5.1).
fn is_extension(attribute: &str) -> bool {
    let mut bytes = attribute.bytes();
    matches!((bytes.next(), bytes.next(), bytes.next()), (Some(a), Some(b'='), Some(_)) if a.is_ascii_alphabetic())
}

/// `saslname`: `=2C` is a comma, `=3D` an equals sign, and no other `=` occurs (RFC 5802 §5.1).
fn sasl_name(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        name.push_str(&rest[..at]);
        name.push(match rest.get(at..at + 3)? {
            "=2C" => ',',
            "=3D" => '=',
            _ => return None,
        });
        rest = &rest[at + 3..];
    }
    name.push_str(rest);
    (!name.is_empty() && !name.chars().any(char::is_control)).then_some(name)
}

#[cfg(test)]
mod tests;
