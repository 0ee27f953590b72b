//! SCRAM-SHA-256 records (RFC 5802 §3, RFC 7677) beside app passwords.
//!
//! The salt belongs to the login, not to the password, because the server must name it before it knows
//! which of the app passwords will be used. It is derived from the pepper, so that unknown logins show a
//! salt as stable as that of known ones.

use super::{AccountError, Accounts};
use crate::{StoreError, args};
use aws_lc_rs::{hmac, pbkdf2};
use sealpost_envelope::{AccountId, EmailAddress, Sha256Digest};
use std::num::NonZeroU32;
use uuid::Uuid;
use zeroize::Zeroizing;

/// RFC 7677 §4's minimum, enough for 120 random bits.
const ITERATIONS: u32 = 4096;

/// What a server needs to begin a SCRAM exchange.
#[derive(Debug, Clone)]
pub struct ScramCredentials {
    /// To send to the client.
    pub salt: [u8; 16],
    /// To send to the client.
    pub iterations: u32,
    /// One per app password; none for an unknown or disabled account, whose exchange fails at its end.
    pub records: Vec<ScramRecord>,
}

/// Keys of one app password.
#[derive(Debug, Clone)]
pub struct ScramRecord {
    /// For [`Accounts::note_use`]; nil in a record that was just derived.
    pub app_password: Uuid,
    /// Whose; zero in a record that was just derived.
    pub account: AccountId,
    /// H(ClientKey).
    pub stored_key: [u8; 32],
    /// HMAC(SaltedPassword, "Server Key").
    pub server_key: [u8; 32],
}

/// RFC 5802 §3. The password is ASCII as generated, on which SASLprep changes nothing.
pub(super) fn derive(password: &str, salt: &[u8; 16], iterations: u32) -> ScramRecord {
    let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    let mut salted = Zeroizing::new([0u8; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password.as_bytes(), &mut *salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &*salted);
    let stored_key = Sha256Digest::of(hmac::sign(&key, b"Client Key").as_ref()).0;
    let server_key = hmac::sign(&key, b"Server Key").as_ref().try_into().expect("HMAC-SHA256 has 32 octets");
    ScramRecord { app_password: Uuid::nil(), account: AccountId(0), stored_key, server_key }
}

impl Accounts {
    pub(super) fn scram_salt(&self, login: &EmailAddress) -> ([u8; 16], u32) {
        let mac = self.pepper.hmac(&[b"scram-salt", login.key().as_bytes()]);
        let mut salt = [0u8; 16];
        salt.copy_from_slice(&mac[..16]);
        (salt, ITERATIONS)
    }

    /// Salt, iterations and records for a login, known or not.
    pub async fn scram(&self, login: &EmailAddress) -> Result<ScramCredentials, AccountError> {
        let (salt, iterations) = self.scram_salt(login);
        let rows = self
            .db
            .fetch_all(
                "SELECT p.id, p.account, p.scram_stored, p.scram_server \
                 FROM app_passwords p JOIN accounts a ON a.id = p.account \
                 WHERE a.login_key = $1 AND a.disabled IS NULL AND p.scram_iterations = $2 LIMIT 200",
                args![login.key(), iterations],
            )
            .await?;
        let records = rows
            .iter()
            .map(|row| {
                Ok(ScramRecord {
                    app_password: row.uuid("id")?,
                    account: AccountId(row.int("account")?),
                    stored_key: row.array("scram_stored")?,
                    server_key: row.array("scram_server")?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(ScramCredentials { salt, iterations, records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange printed in RFC 7677 §3: the proof follows from StoredKey, the signature from ServerKey.
    #[test]
    fn example_of_the_rfc() {
        let b64 = base64_simd::STANDARD;
        let salt: [u8; 16] = b64.decode_to_vec("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let record = derive("pencil", &salt, 4096);
        let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                    r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let sign = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), auth.as_bytes());
        let server = sign(&record.server_key);
        assert_eq!(b64.encode_to_string(server), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proof = b64.decode_to_vec("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let client_key: Vec<u8> =
            proof.iter().zip(sign(&record.stored_key).as_ref()).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha256Digest::of(&client_key).0, record.stored_key);
    }
}
