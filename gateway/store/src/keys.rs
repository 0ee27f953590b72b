//! The key store: a directory apart from the database and from its backups.
//!
//! **Job.** One key per week of expiry wraps the keys of all deposits whose content is to be destroyed in
//! that week; destroying the week's key destroys their content wherever its bytes lie, backups included.
//! Beside them, one random key per other purpose (codes, peppers).
//!
//! **Exposure.** None to strangers. Whoever reads the directory reads all content: it must be 0700, its
//! files are 0600, and a laxer directory is refused.
//!
//! **Files.** `week-2026-W48.key`, `purpose-codes.key` (text, see [`file`]) and `tombstones`: one line
//! per destroyed week or deposit, appended before the destruction, never edited. A key file that comes
//! back from a backup after its tombstone was written is not used, and removed at the next start.
//!
//! **Failure modes.** [`KeyError`]. Several processes may share the directory: keys are created by
//! linking a complete file into place, and a destruction by one process is seen by the others at their
//! next use of any week (one `stat`, no reading, on the hot path).

pub mod deposit;
pub mod file;
pub mod sealed;
mod tombstone;
pub mod week;

pub use deposit::{DepositKey, WrappedKey, token_hash};
pub use tombstone::{Tombstone, TombstoneSubject};

use crate::crypto::derive::derive;
use crate::crypto::{CryptoError, Place, open_small, random, seal_small};
use aws_lc_rs::hmac;
use sealpost_envelope::{DepositId, Secret, Timestamp, failpoint};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tombstone::Graveyard;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The week's key was destroyed, and with it all content of that week: the wanted end of content.
    #[error("the keys of {0} were destroyed")]
    Destroyed(String),
    /// No such key, and no record of its destruction: a wrong or incomplete key store.
    #[error("the key store has no key {0:?} and no record of its destruction")]
    Missing(String),
    /// A key file or a wrapped key is not what was written.
    #[error("the key {0:?} is damaged")]
    Damaged(String),
    /// A name that could not be a file's.
    #[error("{0:?} cannot be the name of a key")]
    BadName(String),
    /// Others may read the directory.
    #[error("{0} can be read by others: its mode must be 0700")]
    Exposed(PathBuf),
    /// The file system failed.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl KeyError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Raw key material, shared and wiped when the last user is done.
type Material = Arc<Secret<[u8; 32]>>;

/// An open key store; clones share it.
#[derive(Debug, Clone)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    cache: RwLock<HashMap<String, Material>>,
    graves: Mutex<Graveyard>,
}

impl KeyStore {
    /// Opens the directory, creating it on first use.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, KeyError> {
        let dir = dir.as_ref().to_owned();
        file::private_dir(&dir)?;
        let graves = Graveyard::read(&dir)?;
        for week in graves.weeks() {
            file::destroy(&dir, &week_name(week))?;
        }
        Ok(Self { inner: Arc::new(Inner { dir, cache: RwLock::default(), graves: Mutex::new(graves) }) })
    }

    /// Where the keys lie.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The key for a purpose of ours (`codes`, `peppers`, `totp`…), created on first use.
    pub fn purpose(&self, name: &str) -> Result<PurposeKey, KeyError> {
        let name = format!("purpose-{name}");
        Ok(PurposeKey(match self.cached(&name) {
            Some(key) => key,
            None => self.load(name, true)?,
        }))
    }

    /// The key of mail that belongs to no deposit. It lasts as long as the installation: what lies under it is
    /// removed when it has left.
    pub fn notices(&self) -> Result<DepositKey, KeyError> {
        Ok(DepositKey::from_raw(Secret::new(*self.purpose("notices")?.expose())))
    }

    /// A fresh deposit key, wrapped by the key of the week in which its content is to be destroyed.
    pub fn new_deposit_key(
        &self,
        retention: Timestamp,
    ) -> Result<(DepositKey, WrappedKey, String), KeyError> {
        let mut raw = [0u8; 32];
        random(&mut raw);
        let key = DepositKey::from_raw(Secret::new(raw));
        let (wrapped, week) = self.wrap(&key, retention)?;
        Ok((key, wrapped, week))
    }

    /// The deposit key again.
    pub fn unwrap(&self, week: &str, wrapped: &[u8]) -> Result<DepositKey, KeyError> {
        self.wrapping(week)?.unwrap(wrapped)
    }

    /// What opens many deposit keys of a week. It is to be dropped with the rows that it was made for: it outlives the
    /// destruction of the week's key.
    pub fn wrapping(&self, week: &str) -> Result<Wrapping, KeyError> {
        let key = self.week(week, false)?;
        Ok(Wrapping { place: Place::new(key.expose(), "wrap", week.as_bytes()), week: week.to_owned() })
    }

    /// Moves a deposit to another end of retention (an extension, a legal hold). The old wrapping stays
    /// good until its week is destroyed.
    pub fn rewrap(
        &self,
        week: &str,
        wrapped: &[u8],
        retention: Timestamp,
    ) -> Result<(WrappedKey, String), KeyError> {
        self.wrap(&self.unwrap(week, wrapped)?, retention)
    }

    fn wrap(&self, key: &DepositKey, retention: Timestamp) -> Result<(WrappedKey, String), KeyError> {
        let week = week::of(retention);
        let wrapping = self.week(&week, true)?;
        let bytes = seal_small(wrapping.expose(), "wrap", week.as_bytes(), key.raw())
            .map_err(|_: CryptoError| KeyError::Damaged(week.clone()))?;
        Ok((WrappedKey { bytes }, week))
    }

    /// Destroys a week's key for good; the tombstone is durable before the key goes. Idempotent.
    pub fn destroy_week(&self, week: &str, now: Timestamp) -> Result<(), KeyError> {
        week::end(week).ok_or_else(|| KeyError::BadName(week.to_owned()))?;
        {
            let mut graves = self.graves();
            graves.refresh(&self.inner.dir)?;
            if !graves.has_week(week) {
                graves.bury(&self.inner.dir, TombstoneSubject::Week(week.to_owned()), now)?;
            }
        }
        failpoint!(KeyBuried).map_err(KeyError::io(&self.inner.dir))?;
        let name = week_name(week);
        self.inner.cache.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
        file::destroy(&self.inner.dir, &name)
    }

    /// Records that one deposit's key was destroyed before its week's (its wrapped key was deleted from
    /// the database), so that a restored backup loses it again.
    pub fn note_destroyed(&self, deposit: DepositId, now: Timestamp) -> Result<(), KeyError> {
        self.graves().bury(&self.inner.dir, TombstoneSubject::Deposit(deposit), now)
    }

    /// Under what the words of content are known that lives under a week's key: it ends with that key.
    pub(crate) fn words(&self, week: &str) -> Result<Secret<[u8; 32]>, KeyError> {
        Ok(derive(self.week(week, false)?.expose(), &[b"words"]))
    }

    /// Everything destroyed so far, oldest first.
    pub fn tombstones(&self) -> Result<Vec<Tombstone>, KeyError> {
        tombstone::read_all(&self.inner.dir)
    }

    /// Weeks whose key exists, in order of time.
    pub fn weeks(&self) -> Result<Vec<String>, KeyError> {
        let mut weeks: Vec<String> = file::names(&self.inner.dir)?
            .iter()
            .filter_map(|name| name.strip_prefix("week-"))
            .filter(|w| week::end(w).is_some())
            .map(str::to_owned)
            .collect();
        weeks.sort();
        Ok(weeks)
    }

    /// Weeks that are over: once what must outlive them (holds, extensions) was moved by
    /// [`KeyStore::rewrap`], they are to be destroyed.
    pub fn due_weeks(&self, now: Timestamp) -> Result<Vec<String>, KeyError> {
        let weeks = self.weeks()?;
        Ok(weeks.into_iter().filter(|w| week::end(w).is_some_and(|end| end <= now)).collect())
    }

    fn week(&self, week: &str, create: bool) -> Result<Material, KeyError> {
        week::end(week).ok_or_else(|| KeyError::BadName(week.to_owned()))?;
        {
            let mut graves = self.graves();
            if graves.refresh(&self.inner.dir)? {
                let mut cache = self.inner.cache.write().unwrap_or_else(PoisonError::into_inner);
                cache.retain(|name, _| name.strip_prefix("week-").is_none_or(|w| !graves.has_week(w)));
            }
            if graves.has_week(week) {
                return Err(KeyError::Destroyed(week.to_owned()));
            }
        }
        let name = week_name(week);
        match self.cached(&name) {
            Some(key) => Ok(key),
            None => self.load(name, create),
        }
    }

    fn cached(&self, name: &str) -> Option<Material> {
        self.inner.cache.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn load(&self, name: String, create: bool) -> Result<Material, KeyError> {
        let found = match file::read(&self.inner.dir, &name)? {
            Some(key) => key,
            None if create => {
                let mut raw = [0u8; 32];
                random(&mut raw);
                file::create(&self.inner.dir, &name, &Secret::new(raw))?;
                // Whoever was first decides: read what is there now.
                file::read(&self.inner.dir, &name)?.ok_or_else(|| KeyError::Missing(name.clone()))?
            }
            None => return Err(KeyError::Missing(name)),
        };
        let key = Arc::new(found);
        self.inner.cache.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&key));
        Ok(key)
    }

    fn graves(&self) -> std::sync::MutexGuard<'_, Graveyard> {
        self.inner.graves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a week, as it opens the deposit keys that it wraps.
pub struct Wrapping {
    place: Place,
    week: String,
}

impl Wrapping {
    /// The deposit key again.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<DepositKey, KeyError> {
        let damaged = || KeyError::Damaged(format!("deposit key of {}", self.week));
        let raw = Secret::new(self.place.open(wrapped).map_err(|_| damaged())?);
        let raw = <[u8; 32]>::try_from(raw.expose().as_slice()).map_err(|_| damaged())?;
        Ok(DepositKey::from_raw(Secret::new(raw)))
    }
}

fn week_name(week: &str) -> String {
    format!("week-{week}")
}

/// A key for one purpose of the installation.
#[derive(Debug, Clone)]
pub struct PurposeKey(Material);

impl PurposeKey {
    /// The 32 octets.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
    /// HMAC-SHA256 over the parts, each preceded by its length (4 octets), so that they cannot be
    /// shifted against one another.
    pub fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()));
        for part in parts {
            context.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("HMAC-SHA256 has 32 octets")
    }
    /// Seals a small secret for the place `column`, `row`.
    pub fn seal(&self, column: &str, row: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        seal_small(self.expose(), column, row, plain)
    }
    /// Opens what [`PurposeKey::seal`] sealed for the same place.
    pub fn open(&self, column: &str, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        open_small(self.expose(), column, row, sealed)
    }
}
