//! Fail points: named steps at which a test stops the process, lets the step fail, or holds it up.
//!
//! **Job.** `failpoint!(BlobWritten)?` stands where a crash or a broken disk would hurt. In a build with debug
//! assertions, or with the feature `failpoints`, the variable `SEALPOST_FAILPOINTS` switches it:
//!
//! ```text
//! SEALPOST_FAILPOINTS="blob.written:3=abort, store.commit=sleep(50), blob.write=error(full)"
//! ```
//!
//! `name:n` acts the n-th time only, `name` every time. `abort` ends the process as `kill -9` would, without
//! any clean-up; `error` is EIO, `error(full)` ENOSPC, `error(read-only)` EROFS; `sleep(ms)` blocks the thread.
//! `SEALPOST_CLOCK` names a file with a number of seconds that the machine's clock is taken to be ahead.
//!
//! **Exposure.** None: in release builds the macro is `Ok(())`, and neither names nor variables are in the
//! program. docs/durability.md tells what each point is for; a test compares.
//!
//! **Failure.** A text that cannot be read ends the process: a test that tests nothing must not pass.

/// Declares [`Point`] with everything that is known of each.
#[cfg(any(debug_assertions, feature = "failpoints"))]
macro_rules! points {
    ($($(#[doc = $text:literal])+ $point:ident = $name:literal,)+) => {
        /// A step at which the process can be made to fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[doc = $text])+ $point,)+
        }
        impl Point {
            /// All of them, in the order of a message's life.
            pub const ALL: &[Self] = &[$(Self::$point),+];
            /// Its name in `SEALPOST_FAILPOINTS`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$point => $name),+ }
            }
            /// What has happened when it is reached, and what has not.
            pub fn text(self) -> &'static str {
                match self { $(Self::$point => concat!($($text),+).trim_ascii_start()),+ }
            }
        }
    };
}

/// Here a test may stop the process or let the step fail: `failpoint!(BlobWritten)?`. An [`std::io::Result`].
#[cfg(any(debug_assertions, feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($point:ident) => {
        $crate::failpoint::hit($crate::failpoint::Point::$point)
    };
}

/// Nothing, in this build.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[macro_export]
macro_rules! failpoint {
    ($point:ident) => {
        ::std::result::Result::<(), ::std::io::Error>::Ok(())
    };
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
pub use switched::{Armed, Point, arm, clock_ahead, hit};

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod switched {
    use jiff::SignedDuration;
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, OnceLock, PoisonError, RwLock};
    use std::time::Duration;

    points! {
        /// A blob's first octets are sealed, its file is not made.
        BlobCreate = "blob.create",
        /// Octets of a blob are about to be written.
        BlobWrite = "blob.write",
        /// All octets of a blob are written, under its provisional name.
        BlobWritten = "blob.written",
        /// A blob has its name, nothing is flushed.
        BlobRenamed = "blob.renamed",
        /// A blob's file is flushed, its directory is not.
        BlobFlushed = "blob.flushed",
        /// A blob is durable, no row names it.
        BlobDurable = "blob.durable",
        /// A deposit is planned and all its content durable, nothing of it is in the database.
        DepositPlanned = "deposit.planned",
        /// The writer has opened a transaction for a batch.
        StoreBegin = "store.begin",
        /// Every unit of a batch has run, COMMIT has not.
        StoreCommit = "store.commit",
        /// COMMIT has returned, nobody was answered.
        StoreCommitted = "store.committed",
        /// A deposit is committed, its 250 is not written.
        DepositCommitted = "deposit.committed",
        /// A row is claimed for composition.
        CompositionClaimed = "composition.claimed",
        /// A message is composed and signed, its recipe is not stored.
        CompositionComposed = "composition.composed",
        /// A recipe is stored, the relay was not called.
        CompositionStored = "composition.stored",
        /// A row is claimed for an attempt: the intent is written.
        RelayClaimed = "relay.claimed",
        /// An attempt has ended, with the next server or in a mailbox here; its outcome is not stored.
        RelayHanded = "relay.handed",
        /// The outcome is stored.
        RelaySettled = "relay.settled",
        /// A message for a mailbox here is durable, no folder has it.
        MailboxWritten = "mailbox.written",
        /// A folder has the message, its row is not settled.
        MailboxDelivered = "mailbox.delivered",
        /// Evidence is signed and stamped, its seals are not stored.
        SealSigned = "seal.signed",
        /// Seals are stored, the entries have no place in the log.
        SealStored = "seal.stored",
        /// Entries have their place in the log, no checkpoint covers them.
        LogSequenced = "log.sequenced",
        /// A checkpoint is signed, not stored.
        CheckpointSigned = "checkpoint.signed",
        /// A checkpoint is stored, not stamped.
        CheckpointStored = "checkpoint.stored",
        /// A checkpoint has its timestamp.
        CheckpointStamped = "checkpoint.stamped",
        /// A recipient's opening is committed, the page is not sent.
        AccessOpened = "access.opened",
        /// A week is over, nothing of it is destroyed.
        DestructionDue = "destruction.due",
        /// A deposit's content is cleared from the database together with its event, its blobs are there.
        DestructionCleared = "destruction.cleared",
        /// All content of a week is cleared, its key is there.
        DestructionForget = "destruction.forget",
        /// The tombstone of a key is durable, the key is there.
        KeyBuried = "key.buried",
        /// A key file is overwritten, not removed.
        KeyWiped = "key.wiped",
        /// A key file is removed, its directory is not flushed.
        KeyRemoved = "key.removed",
        /// A new key is flushed under a provisional name.
        KeyWritten = "key.written",
        /// A new key has its name, its directory is not flushed.
        KeyLinked = "key.linked",
        /// A step of a migration has run.
        MigrationStep = "migration.step",
        /// All steps of a migration have run, COMMIT has not.
        MigrationCommit = "migration.commit",
        /// A migration is committed.
        MigrationDone = "migration.done",
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Act {
        Abort,
        Error(i32),
        Sleep(Duration),
    }

    #[derive(Debug)]
    struct Switch {
        point: Point,
        nth: Option<u64>,
        act: Act,
        seen: AtomicU64,
    }

    /// Errors by their numbers on Linux.
    const ERRORS: &[(&str, i32)] = &[("error", 5), ("error(full)", 28), ("error(read-only)", 30)];

    impl Switch {
        /// `name[:nth]=act`.
        fn parse(text: &str) -> Option<Self> {
            let (place, act) = text.trim().split_once('=')?;
            let (name, nth) = match place.split_once(':') {
                Some((name, nth)) => (name, Some(nth.parse().ok().filter(|n| *n > 0)?)),
                None => (place, None),
            };
            let point = *Point::ALL.iter().find(|p| p.name() == name)?;
            let act = match act {
                "abort" => Act::Abort,
                other => match ERRORS.iter().find(|(name, _)| *name == other) {
                    Some((_, number)) => Act::Error(*number),
                    None => {
                        let ms = other.strip_prefix("sleep(")?.strip_suffix(')')?.parse().ok()?;
                        Act::Sleep(Duration::from_millis(ms))
                    }
                },
            };
            Some(Self { point, nth, act, seen: AtomicU64::new(0) })
        }

        fn pull(&self, point: Point) -> Option<Act> {
            if self.point != point {
                return None;
            }
            let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
            self.nth.is_none_or(|nth| nth == seen).then_some(self.act)
        }
    }

    fn parse(text: &str) -> Result<Vec<Switch>, String> {
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        parts.map(|part| Switch::parse(part).ok_or_else(|| part.trim().to_owned())).collect()
    }

    type Switches = RwLock<Arc<Vec<Switch>>>;

    fn switches() -> &'static Switches {
        static SWITCHES: OnceLock<Switches> = OnceLock::new();
        SWITCHES.get_or_init(|| {
            let text = std::env::var("SEALPOST_FAILPOINTS").unwrap_or_default();
            match parse(&text) {
                Ok(switches) => RwLock::new(Arc::new(switches)),
                Err(part) => unusable("SEALPOST_FAILPOINTS", &part),
            }
        })
    }

    /// A test asked for something that is not there: it must not seem to pass.
    fn unusable(variable: &str, text: &str) -> ! {
        eprintln!("{variable}: {text:?} cannot be read");
        std::process::exit(2)
    }

    /// Takes the place of the variable inside a test; everything is off again when dropped.
    #[derive(Debug)]
    pub struct Armed(());

    /// Switches points as the variable would.
    pub fn arm(text: &str) -> Result<Armed, String> {
        let new = Arc::new(parse(text)?);
        *switches().write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(Armed(()))
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            *switches().write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        }
    }

    /// The process has reached `point`.
    pub fn hit(point: Point) -> io::Result<()> {
        let switches = switches().read().unwrap_or_else(PoisonError::into_inner).clone();
        for act in switches.iter().filter_map(|s| s.pull(point)) {
            match act {
                Act::Sleep(time) => std::thread::sleep(time),
                Act::Error(number) => return Err(io::Error::from_raw_os_error(number)),
                Act::Abort => {
                    eprintln!("fail point {}: the process ends here", point.name());
                    std::process::abort()
                }
            }
        }
        Ok(())
    }

    /// How far the machine's clock is taken to be ahead at this moment.
    pub fn clock_ahead() -> SignedDuration {
        static FILE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
        let Some(file) = FILE.get_or_init(|| std::env::var_os("SEALPOST_CLOCK").map(Into::into)) else {
            return SignedDuration::ZERO;
        };
        match std::fs::read_to_string(file).map(|text| text.trim().parse()) {
            Ok(Ok(seconds)) => SignedDuration::from_secs(seconds),
            _ => unusable("SEALPOST_CLOCK", &file.to_string_lossy()),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn switches_are_read() {
            for (text, point, nth, act) in [
                ("blob.write=abort", Point::BlobWrite, None, Act::Abort),
                (" store.commit:3=error ", Point::StoreCommit, Some(3), Act::Error(5)),
                ("blob.write:1=error(full)", Point::BlobWrite, Some(1), Act::Error(28)),
                ("key.linked=sleep(20)", Point::KeyLinked, None, Act::Sleep(Duration::from_millis(20))),
            ] {
                let switch = Switch::parse(text).unwrap();
                assert_eq!((switch.point, switch.nth, switch.act), (point, nth, act), "{text}");
            }
            for bad in ["", "blob.write", "blob.wrote=abort", "blob.write:0=abort", "blob.write=sleep(x)"] {
                assert!(Switch::parse(bad).is_none(), "{bad}");
            }
            assert_eq!(parse("blob.write=abort,, nonsense").unwrap_err(), "nonsense");
        }

        #[test]
        fn only_the_nth_time() {
            let armed = arm("blob.write:2=error(full), blob.flushed=error").unwrap();
            assert!(crate::failpoint!(BlobWrite).is_ok());
            let full = crate::failpoint!(BlobWrite).unwrap_err();
            assert_eq!(full.kind(), io::ErrorKind::StorageFull);
            assert!(crate::failpoint!(BlobWrite).is_ok());
            assert!(crate::failpoint!(BlobFlushed).is_err() && crate::failpoint!(BlobFlushed).is_err());
            drop(armed);
            assert!(crate::failpoint!(BlobFlushed).is_ok());
        }

        #[test]
        fn names_are_unlike_and_told() {
            let mut names: Vec<_> = Point::ALL.iter().map(|p| p.name()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), Point::ALL.len());
            assert!(Point::ALL.iter().all(|p| p.text().ends_with('.') && !p.text().starts_with(' ')));
        }
    }
}
