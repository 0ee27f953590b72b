//! A digest that moves to a thread of its own once a stream turns out long.
//!
//! **Job.** SHA-512 is the slowest thing that happens to a large message on processors that have instructions for
//! SHA-256 only: computed beside, it costs the stream nothing while a core is free. Small messages never pay for a
//! thread.
//!
//! **Exposure.** None of its own. A stranger's many long streams get no more threads than there are cores; the
//! others digest where they are.
//!
//! **Failure modes.** A thread that cannot be started leaves the digest where it is.

use aws_lc_rs::digest::{Context, Digest};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Octets after which a stream counts as long.
const LONG: u64 = 1 << 20;
/// Octets handed over at a time.
const PIECE: usize = 64 * 1024;
/// Pieces under way; their memory goes round.
const PIECES: usize = 3;

/// Threads at work in this process.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Where a digest is computed.
pub(super) enum Lane {
    /// On the caller's thread, so many octets so far; `true` while it may still move.
    Here(Context, u64, bool),
    /// On its own.
    Beside(Beside),
}

/// A digest on its own thread, and what is not yet handed over.
pub(super) struct Beside {
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    thread: JoinHandle<Digest>,
}

impl Lane {
    pub(super) fn new(context: Context) -> Self {
        Self::Here(context, 0, true)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Here(context, seen, movable) => {
                context.update(bytes);
                *seen += bytes.len() as u64;
                if *movable && *seen >= LONG {
                    *movable = false;
                    if let Some(beside) = Beside::start(context.clone()) {
                        *self = Self::Beside(beside);
                    }
                }
            }
            Self::Beside(beside) => beside.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        match self {
            Self::Here(context, ..) => context.finish(),
            Self::Beside(beside) => beside.finish(),
        }
    }
}

/// One of the threads that may be at work; given back when dropped.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let taken = BUSY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        taken.is_ok().then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Beside {
    /// `None` when enough threads are at work or none can be had.
    fn start(mut context: Context) -> Option<Self> {
        let place = Place::take()?;
        let (full, pieces) = sync_channel::<Vec<u8>>(PIECES);
        let (used, spare) = sync_channel(PIECES);
        for _ in 1..PIECES {
            // Room for all of them was just made.
            let _ = used.try_send(Vec::with_capacity(PIECE));
        }
        let work = move || {
            let _place = place;
            for mut piece in pieces {
                context.update(&piece);
                piece.clear();
                // The stream may have been dropped meanwhile.
                let _ = used.try_send(piece);
            }
            context.finish()
        };
        let thread = std::thread::Builder::new().name("digest".into()).spawn(work).ok()?;
        Some(Self { piece: Vec::with_capacity(PIECE), full, spare, thread })
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let take = bytes.len().min(PIECE - self.piece.len());
            self.piece.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.piece.len() == PIECE {
                // Waits for at most one piece's time. Only a thread that panicked hangs up, and `finish` tells.
                let spare = self.spare.recv().unwrap_or_default();
                let _ = self.full.send(std::mem::replace(&mut self.piece, spare));
            }
        }
    }

    fn finish(self) -> Digest {
        let Self { piece, full, thread, spare } = self;
        let _ = full.send(piece);
        drop((full, spare));
        match thread.join() {
            Ok(digest) => digest,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest::{SHA512, digest};

    #[test]
    fn long_streams_digest_as_short_ones_do() {
        let bytes: Vec<u8> = (0..3_500_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (length, step) in [
            (0, 1),
            (LONG as usize - 1, 999),
            (LONG as usize, 4096),
            (3_500_000, 70_001),
            (3_499_999, 1 << 22),
        ] {
            // More at once than there are places: all get the right answer.
            let mut lanes: Vec<_> = (0..6).map(|_| Lane::new(Context::new(&SHA512))).collect();
            for piece in bytes[..length].chunks(step) {
                lanes.iter_mut().for_each(|lane| lane.update(piece));
            }
            let right = digest(&SHA512, &bytes[..length]);
            for lane in lanes {
                assert_eq!(lane.finish().as_ref(), right.as_ref(), "{length} octets by {step}");
            }
        }
    }

    #[test]
    fn a_dropped_stream_gives_its_place_back() {
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..=4 * most {
            let mut lane = Lane::new(Context::new(&SHA512));
            lane.update(&vec![1; 2 * LONG as usize]);
        }
        // Threads end by themselves soon after.
        for _ in 0..1000 {
            if BUSY.load(Ordering::Relaxed) == 0 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("{} threads are still at work", BUSY.load(Ordering::Relaxed));
    }
}
