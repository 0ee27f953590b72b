//! Time as a value that is passed in: expiry, codes and timestamps are tested without waiting.

pub use jiff::Timestamp;
use std::sync::Mutex;

/// Source of the current time. Implementations are shared between threads.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now, in UTC, cut to microseconds (the journal's resolution, and PostgreSQL's).
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        #[cfg(any(debug_assertions, feature = "failpoints"))]
        let now = now.saturating_add(crate::failpoint::clock_ahead()).unwrap_or(now);
        to_micros(now)
    }
}

/// A clock for tests: stands still until moved.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// Starts at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(Mutex::new(to_micros(at)))
    }
    /// Moves by `by`, forwards or backwards.
    pub fn advance(&self, by: jiff::SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(*now);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn to_micros(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t)
}
