//! The files that hardware tokens come with: PSKC (RFC 6030) and the tables of the field.
//!
//! **Exposure.** Files that an administrator was given by a maker or dealer: bounded, no document types, no entities.
//! Secrets are wiped; nothing of them is ever part of an error.
//!
//! **Standards.** RFC 6030 (PSKC: §4 key package, §6.1 pre-shared keys with AES-128-CBC and HMAC-SHA1).

mod csv;
mod pskc;

use super::{Algorithm, MAX_SECRET, MIN_SECRET};
use sealpost_envelope::Secret;

/// Longest file read.
pub const LARGEST: usize = 8 * 1024 * 1024;
/// Most tokens in one file.
const MOST: usize = 10_000;

/// What a token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Time, with this period in seconds.
    Time(u32),
    /// Presses, from this one on.
    Presses(u64),
}

/// A token of the file.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Serial number.
    pub serial: String,
    /// Maker and model, where the file says.
    pub label: Option<String>,
    /// Shared secret.
    pub secret: Secret<Vec<u8>>,
    /// What it counts.
    pub counts: Counts,
    /// Hash.
    pub algorithm: Algorithm,
    /// Digits shown.
    pub digits: u8,
    /// Whose it is, where the file says.
    pub owner: Option<String>,
}

/// Why a file cannot be used. The administrator, or whoever gave the file, can change that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// Too long, or neither text nor XML that we know.
    #[error("this is neither PSKC (RFC 6030) nor a table of serial numbers and secrets")]
    Format,
    /// XML that cannot be read.
    #[error("the XML cannot be read: {0}")]
    Xml(String),
    /// A line of a table.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A key package.
    #[error("token {serial:?}: {what}")]
    Package {
        /// Serial number, as far as it is known.
        serial: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The file is encrypted, and no key was given or it is not of 16 octets.
    #[error("the file is encrypted: its key of 16 octets, in hexadecimal, is needed")]
    KeyNeeded,
    /// No token at all.
    #[error("the file holds no token")]
    Empty,
}

/// Reads the file; `key` is the pre-shared key of an encrypted one.
pub fn read(bytes: &[u8], key: Option<&[u8]>) -> Result<Vec<Seed>, SeedError> {
    if bytes.len() > LARGEST {
        return Err(SeedError::Format);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SeedError::Format)?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let seeds = if text.starts_with('<') { pskc::read(text, key)? } else { csv::read(text)? };
    match seeds.len() {
        0 => Err(SeedError::Empty),
        n if n > MOST => Err(SeedError::Format),
        _ => Ok(seeds),
    }
}

/// What every token must be, whichever file it came in.
fn plausible(seed: &Seed) -> Result<(), &'static str> {
    let length = seed.secret.expose().len();
    if seed.serial.is_empty() || seed.serial.len() > 64 || seed.serial.chars().any(char::is_control) {
        Err("a serial number has 1 to 64 characters")
    } else if !(MIN_SECRET..=MAX_SECRET).contains(&length) {
        Err("a secret has 16 to 128 octets (RFC 4226 section 4)")
    } else if !(6..=8).contains(&seed.digits) {
        Err("a code has 6 to 8 digits")
    } else if matches!(seed.counts, Counts::Time(period) if !(10..=300).contains(&period)) {
        Err("a code stands for 10 to 300 seconds")
    } else {
        Ok(())
    }
}
