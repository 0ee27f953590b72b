//! People's passwords as they are kept: stretched by Argon2id into a PHC string.
//!
//! **Job.** [`stretch`] makes what is stored, [`matches`] checks what was typed. Both take tens of milliseconds and
//! 19 MiB on purpose: callers run them away from asynchronous workers, few at a time.
//!
//! **Exposure.** Strangers choose the password typed; callers bound its length. What is stored comes from our own
//! database: text that does not read as Argon2id matches nothing.
//!
//! **Standards.** RFC 9106 (Argon2id) with the parameters that OWASP recommends: 19 MiB, two passes, one lane.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Verified in place of an unknown account's verifier: same cost, matches nothing anybody can type.
pub const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const SALT: usize = 16;
/// Blocks reserved, though few are touched. The C library's allocator keeps freed areas of up to 32 MiB for itself,
/// which nobody would use before the next login; larger ones go back to the system at once.
const RESERVED: usize = (33 << 20) / Block::SIZE;

/// The password could not be stretched, for want of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password could not be hashed")]
pub struct StretchError;

/// The verifier to store for a password.
pub fn stretch(password: &str) -> Result<String, StretchError> {
    let salt = crate::random::octets::<SALT>();
    let params = Params::default();
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|_| StretchError)?,
        salt: Some(Salt::new(&salt).map_err(|_| StretchError)?),
        hash: Some(run(params, password, &salt, Params::DEFAULT_OUTPUT_LEN).ok_or(StretchError)?),
    };
    Ok(hash.to_string())
}

/// Whether `password` is the one that `verifier` was made from.
pub fn matches(password: &str, verifier: &str) -> bool {
    check(password, verifier).unwrap_or(false)
}

fn check(password: &str, verifier: &str) -> Option<bool> {
    let kept = PasswordHash::new(verifier).ok()?;
    if kept.algorithm != Algorithm::Argon2id.ident() || kept.version != Some(Version::V0x13.into()) {
        return None;
    }
    let (salt, hash) = (kept.salt?, kept.hash?);
    let made = run(Params::try_from(&kept).ok()?, password, &salt, hash.len())?;
    // `Output` compares in constant time.
    Some(made == hash)
}

fn run(params: Params, password: &str, salt: &[u8], length: usize) -> Option<Output> {
    let count = params.block_count();
    let mut blocks = Vec::with_capacity(count.max(RESERVED));
    blocks.resize(count, Block::default());
    let mut output = [0u8; Output::MAX_LENGTH];
    let output = output.get_mut(..length)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_bytes(), salt, output, &mut blocks[..])
        .ok()?;
    Output::new(output).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::{PasswordHasher, PasswordVerifier};

    #[test]
    fn a_password_and_no_other_matches() {
        let kept = stretch("correct horse").unwrap();
        assert!(matches("correct horse", &kept));
        assert!(!matches("correct horse ", &kept));
        assert_ne!(stretch("correct horse").unwrap(), kept, "salted");
        // And the library's own way of reading agrees.
        let hash = PasswordHash::new(&kept).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &hash).is_ok());
        let theirs = Argon2::default().hash_password_with_salt(b"autre", &[7; 16]).unwrap().to_string();
        assert!(matches("autre", &theirs));
    }

    #[test]
    fn what_is_no_verifier_matches_nothing() {
        let kept = stretch("x").unwrap();
        for bad in ["", "x", "$argon2id$", &kept[..kept.len() - 4], &kept.replace("argon2id", "argon2i")] {
            assert!(!matches("x", bad), "{bad}");
        }
    }

    #[test]
    fn the_decoy_costs_what_a_verifier_costs() {
        let (decoy, made) =
            (PasswordHash::new(DECOY).unwrap(), PasswordHash::new(&stretch("x").unwrap()).unwrap());
        assert_eq!((decoy.algorithm, decoy.version), (made.algorithm, made.version));
        assert_eq!((decoy.params, decoy.hash.map(|h| h.len())), (made.params, made.hash.map(|h| h.len())));
        assert!(!matches("", DECOY));
    }
}
