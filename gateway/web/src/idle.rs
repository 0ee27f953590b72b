//! Whose turn it is on a connection: one that its client leaves unused, or whose requests it leaves hanging, ends.
//!
//! **Job.** Counts requests under way, and which of them wait for us: for a handler, or for the next piece of an answer.
//! All other time is the client's, and [`Idle::overstayed`] says when it has taken too much of it. Octets alone are no
//! progress: half a preface, pings and window updates keep nothing open.
//!
//! **Exposure.** Strangers decide when all of this happens. Costs a lock for each piece of a body.
//!
//! **Failure.** None of its own.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What a connection is waiting for.
#[derive(Debug, Clone)]
pub(crate) struct Idle(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    requests: usize,
    /// Requests that wait for us, less those of them whose handler waits for the client's body.
    ours: isize,
    /// Since when it is the client's turn.
    since: Instant,
}

/// What a client left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overstay {
    /// No request for a while.
    Unused,
    /// A request whose body does not come, or whose answer is not taken.
    Hanging,
}

/// A request under way; over when dropped.
#[derive(Debug)]
pub(crate) struct Exchange(Idle);

/// Our turn (or, inside of it, the client's) until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Idle,
    weight: isize,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { requests: 0, ours: 0, since: Instant::now() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, weight: isize) -> Turn {
        let mut state = self.state();
        state.ours += weight;
        state.since = Instant::now();
        drop(state);
        Turn { of: self.clone(), weight }
    }

    /// A request came.
    pub(crate) fn begin(&self) -> Exchange {
        self.state().requests += 1;
        Exchange(self.clone())
    }

    /// Returns when the client has left the connection without requests for `unused`, or a request for `hanging`.
    pub(crate) async fn overstayed(&self, unused: Duration, hanging: Duration) -> Overstay {
        loop {
            let (now, requests, ours, since) = {
                let state = self.state();
                (Instant::now(), state.requests, state.ours, state.since)
            };
            let (patience, what) = match requests {
                0 => (unused, Overstay::Unused),
                _ => (hanging, Overstay::Hanging),
            };
            let due = if ours > 0 { now + unused } else { since + patience };
            if due <= now {
                return what;
            }
            tokio::time::sleep_until(due.min(now + unused)).await;
        }
    }
}

impl Exchange {
    /// While the handler works.
    pub(crate) fn handling(&self) -> Turn {
        self.0.turn(1)
    }
    /// The body of the request: while the handler waits for it, it is the client's turn.
    pub(crate) fn taking<B>(&self, body: B) -> Watched<B> {
        Watched { body, idle: self.0.clone(), pending: -1, turn: None, exchange: None }
    }
    /// The body of the answer, with which the request is over: while it has nothing to send, it is our turn.
    pub(crate) fn giving<B>(self, body: B) -> Watched<B> {
        Watched { body, idle: self.0.clone(), pending: 1, turn: None, exchange: Some(self) }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.since = Instant::now();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.of.state();
        state.ours -= self.weight;
        state.since = Instant::now();
    }
}

/// A body that tells for whom it waits.
#[derive(Debug)]
pub(crate) struct Watched<B> {
    body: B,
    idle: Idle,
    /// What waiting for its next piece weighs.
    pending: isize,
    turn: Option<Turn>,
    /// Dropped with the body of the answer.
    #[allow(dead_code, reason = "it ends the request when it is dropped")]
    exchange: Option<Exchange>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending() {
            if self.turn.is_none() {
                self.turn = Some(self.idle.turn(self.pending));
            }
        } else {
            self.turn = None;
            self.idle.state().since = Instant::now();
        }
        polled
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    const UNUSED: Duration = Duration::from_secs(30);
    const HANGING: Duration = Duration::from_secs(120);

    /// How long until the client has overstayed.
    async fn left(idle: &Idle) -> (Overstay, Duration) {
        let begun = Instant::now();
        (idle.overstayed(UNUSED, HANGING).await, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_connection_ends_and_a_working_handler_does_not_end_it() {
        let idle = Idle::new();
        assert_eq!(left(&idle).await, (Overstay::Unused, UNUSED));
        let (request, over) = (idle.begin(), idle.clone());
        let turn = request.handling();
        let working = tokio::spawn(async move { left(&over).await });
        tokio::time::sleep(HANGING * 10).await;
        assert!(!working.is_finished(), "our own time is nobody's fault");
        drop((turn, request));
        let (what, after) = working.await.unwrap();
        assert_eq!(what, Overstay::Unused);
        assert!(after >= HANGING * 10 + UNUSED && after <= HANGING * 10 + UNUSED * 2, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_hangs() {
        let idle = Idle::new();
        let request = idle.begin();
        let never =
            http_body_util::StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, ()>>());
        let mut body = request.taking(never);
        let _turn = request.handling();
        let reading = tokio::spawn(async move { body.frame().await.is_some() });
        assert_eq!(left(&idle).await, (Overstay::Hanging, HANGING));
        reading.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_us_while_it_is_made_and_for_the_client_once_it_is_there() {
        let idle = Idle::new();
        let piece = async {
            tokio::time::sleep(HANGING * 3).await;
            Ok::<_, ()>(Frame::data(Bytes::from_static(b"x")))
        };
        let pieces = http_body_util::StreamBody::new(Box::pin(futures_util::stream::once(piece)));
        let mut answer = idle.begin().giving(pieces);
        assert!(answer.frame().await.is_some());
        assert_eq!(left(&idle).await, (Overstay::Hanging, HANGING), "the client does not take the rest");
        drop(answer);
        assert_eq!(left(&idle).await, (Overstay::Unused, UNUSED));
    }
}
