//! What was fetched from a provider, kept for a while; and that it could not be fetched, kept for a moment.
//!
//! One request at a time fetches. Whoever has something older meanwhile goes on with that; who has nothing waits for that
//! one fetch and hears what became of it, so that nobody stands in a row before a provider that does not answer.
//!
//! **Failure.** What was fetched before stays in use while the provider does not answer; what it now says wrongly is told.

use crate::OidcError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// After a failure nothing is fetched for so many seconds.
pub(crate) const PAUSE: i64 = 30;

#[derive(Debug)]
pub(crate) struct Kept<T> {
    held: Mutex<Held<T>>,
    fetching: tokio::sync::Mutex<()>,
}

/// Times are seconds since 1970.
#[derive(Debug)]
struct Held<T> {
    value: Option<(Arc<T>, i64)>,
    failed: Option<(OidcError, i64)>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { held: Mutex::new(Held { value: None, failed: None }), fetching: tokio::sync::Mutex::default() }
    }
}

impl<T> Held<T> {
    /// What may be used without asking: something younger than `age`, or the outcome of a failure just now.
    fn known(&self, now: i64, age: i64) -> Option<Result<Arc<T>, OidcError>> {
        match (&self.value, &self.failed) {
            (Some((value, at)), _) if now < at + age => Some(Ok(value.clone())),
            (_, Some((cause, at))) if now < at + PAUSE => Some(self.instead(cause)),
            _ => None,
        }
    }
    /// What it said an hour ago is better than nothing; what it now says wrongly is not.
    fn instead(&self, cause: &OidcError) -> Result<Arc<T>, OidcError> {
        match (cause, &self.value) {
            (OidcError::Unreachable(_), Some((old, _))) => Ok(old.clone()),
            _ => Err(cause.clone()),
        }
    }
}

impl<T> Kept<T> {
    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, fetched first where it is older than `age` seconds.
    pub(crate) async fn get(
        &self,
        now: i64,
        age: i64,
        fetch: impl AsyncFnOnce() -> Result<T, OidcError>,
    ) -> Result<Arc<T>, OidcError> {
        let old = {
            let held = self.held();
            if let Some(known) = held.known(now, age) {
                return known;
            }
            held.value.as_ref().map(|(old, _)| old.clone())
        };
        let _turn = match old {
            // A key that the old ones lack is worth the wait.
            Some(_) if age <= PAUSE => self.fetching.lock().await,
            None => self.fetching.lock().await,
            Some(old) => match self.fetching.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(old),
            },
        };
        if let Some(known) = self.held().known(now, age) {
            return known;
        }
        let fetched = fetch().await;
        let mut held = self.held();
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                *held = Held { value: Some((value.clone(), now)), failed: None };
                Ok(value)
            }
            Err(cause) => {
                let instead = held.instead(&cause);
                held.failed = Some((cause, now));
                instead
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[derive(Default)]
    struct Provider {
        kept: Kept<i64>,
        asked: AtomicUsize,
    }

    impl Provider {
        /// One that never answers, as seen at `now`.
        async fn dead(&self, now: i64) -> Result<Arc<i64>, OidcError> {
            let fetch = async || {
                self.asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(OidcError::Unreachable("no answer".to_owned()))
            };
            self.kept.get(now, 3600, fetch).await
        }
        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn nobody_queues_behind_a_dead_provider() {
        let provider = Provider::default();
        let (a, b, c) = tokio::join!(provider.dead(0), provider.dead(0), provider.dead(1));
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert!(provider.dead(PAUSE - 1).await.is_err());
        assert_eq!(provider.asked(), 1, "the failure is remembered");
        assert!(provider.dead(PAUSE).await.is_err());
        assert_eq!(provider.asked(), 2, "and forgotten");
    }

    #[tokio::test]
    async fn what_is_there_stays_in_use() {
        let provider = Provider::default();
        assert_eq!(*provider.kept.get(0, 3600, async || Ok(7)).await.unwrap(), 7);
        let (a, b) = tokio::join!(provider.dead(4000), provider.dead(4000));
        assert_eq!((*a.unwrap(), *b.unwrap(), provider.asked()), (7, 7, 1));
        // What it says wrongly is told, as long as it is remembered.
        let wrong = async || Err(OidcError::Discovery("another issuer".to_owned()));
        assert!(provider.kept.get(5000, 3600, wrong).await.is_err());
        assert!(provider.dead(5001).await.is_err());
        assert_eq!(*provider.kept.get(6000, 3600, async || Ok(8)).await.unwrap(), 8);
    }
}
