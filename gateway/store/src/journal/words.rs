//! Words of the journal, and the numbers that stand for them in its index.
//!
//! **Job.** [`words`] takes a text apart the same way when it is entered and when it is asked for: letters and digits,
//! without case and accents. A [`Blind`] makes a number of a word.
//!
//! **Why numbers.** The index must not outlive what it speaks of. A number is HMAC-SHA256 under a key: words of content
//! (subject, names, names of files) under one that is derived from the key of the content's week and ends with it, in
//! backups too; what the journal says anyway under a key of the installation. Whoever has the database alone
//! learns which entries share a word, not which word.
//!
//! **Form.** Fifteen bits of week (0 for the installation's), 48 of the HMAC. Two words of a week share a number once
//! in 10^14; an entry too many would be shown then.

use crate::keys::{KeyError, KeyStore, PurposeKey, week};
use aws_lc_rs::hmac;
use sealpost_envelope::{AccountId, EntityId};
use sealpost_evidence::EventName;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer words are cut.
const LONGEST: usize = 40;
/// Bits of a number that are the word's.
const BITS: u32 = 48;
const WEEK: i64 = 7 * 24 * 3600;

/// The words of a text, without case and accents, in its order. Single letters are none; single digits are.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let folded: String =
        text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    let all: Vec<String> = folded
        .split(|c: char| !c.is_alphanumeric())
        .map(|word| word.chars().take(LONGEST).collect::<String>())
        .filter(|word| word.len() > 1 || word.bytes().all(|b| b.is_ascii_digit()) && !word.is_empty())
        .collect();
    all.into_iter()
}

/// Something to find entries by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark<'a> {
    /// A word, as [`words`] gives it.
    Word(&'a str),
    /// What happened.
    Event(EventName),
    /// Whose deposit it is about.
    Account(AccountId),
    /// Who sent that, as a key.
    Sender(&'a str),
}

/// What makes numbers of one organisation's words.
pub(super) struct Blind {
    key: hmac::Key,
    entity: EntityId,
    shard: i64,
}

impl Blind {
    /// For what the journal says anyway.
    pub(super) fn lasting(key: &PurposeKey, entity: EntityId) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()), entity, shard: 0 }
    }
    /// For words of content under a week's key; `None` once that is destroyed, and for a week centuries ahead.
    pub(super) fn of_week(keys: &KeyStore, week: &str, entity: EntityId) -> Result<Option<Self>, KeyError> {
        let Some(shard) = shard(week) else { return Ok(None) };
        match keys.words(week) {
            Ok(key) => Ok(Some(Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()), entity, shard })),
            Err(KeyError::Destroyed(_)) => Ok(None),
            // One key that is away keeps no other week's words from being found.
            Err(error @ (KeyError::Missing(_) | KeyError::Damaged(_))) => {
                tracing::warn!(%error, week, "words under this key are left out");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn number(&self, mark: Mark<'_>) -> i64 {
        let account;
        let (kind, text): (&[u8], &[u8]) = match mark {
            Mark::Word(word) => (b"word\0", word.as_bytes()),
            Mark::Event(name) => (b"event\0", name.as_str().as_bytes()),
            Mark::Account(id) => {
                account = id.0.to_be_bytes();
                (b"account\0", &account)
            }
            Mark::Sender(key) => (b"sender\0", key.as_bytes()),
        };
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&self.entity.0.to_be_bytes());
        context.update(kind);
        context.update(text);
        let tag = context.sign();
        let head = tag.as_ref().iter().take(6).fold(0i64, |n, octet| n << 8 | i64::from(*octet));
        self.shard << BITS | head
    }
}

/// Number of a week among all.
fn shard(name: &str) -> Option<i64> {
    Some(week::end(name)?.as_second() / WEEK).filter(|n| (1..1 << 15).contains(n))
}

/// First number of a week, and the first beyond it.
pub(super) fn range(week: &str) -> Option<(i64, i64)> {
    let shard = shard(week)?;
    Some((shard << BITS, (shard + 1) << BITS))
}

/// First number that is no longer one of the installation's key.
pub(super) const CONTENT: i64 = 1 << BITS;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_apart() {
        for (text, expected) in [
            ("", ""),
            ("Congés d'été 2026", "conges ete 2026"),
            ("jean.dupont@example.org", "jean dupont example org"),
            ("Dossier_7-B (copie).PDF", "dossier 7 copie pdf"),
            ("STRASSE straße ﬁn", "strasse straße fin"),
            ("Ångström 東京 ①", "angstrom 東京 1"),
            ("a - b", ""),
        ] {
            assert_eq!(words(text).collect::<Vec<_>>().join(" "), expected, "{text}");
        }
        assert_eq!(words(&"é".repeat(100)).next().unwrap().len(), LONGEST);
    }

    #[test]
    fn weeks_are_apart() {
        let (first, beyond) = range("2026-W48").unwrap();
        assert_eq!(range("2026-W49").unwrap().0, beyond);
        assert!(first >= CONTENT);
        // A year that never comes has no numbers, and none that are somebody else's.
        assert_eq!(range("9999-W01"), None);
        assert_eq!(range("nonsense"), None);
    }
}
