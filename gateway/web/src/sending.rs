//! A response body that counts what it gives to the transport, and tells when it is over.

use crate::content::ContentStream;
use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use sealpost_store::blob::BlobError;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Called once with the number of octets that went out.
pub(crate) type Over = Box<dyn FnOnce(u64) + Send>;

/// A stream of known length.
pub(crate) struct Sending {
    source: ContentStream,
    left: u64,
    sent: u64,
    over: Option<Over>,
}

impl Sending {
    pub(crate) fn new(source: ContentStream, length: u64, over: Option<Over>) -> Self {
        Self { source, left: length, sent: 0, over }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BlobError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        match ready!(Pin::new(&mut self.source).poll_next(cx)) {
            Some(Ok(piece)) => {
                let length = piece.len() as u64;
                self.left = self.left.saturating_sub(length);
                self.sent += length;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            // The response breaks off: the client sees that bytes are missing.
            Some(Err(error)) => {
                tracing::error!(%error, "a download broke off");
                Poll::Ready(Some(Err(error)))
            }
            None => Poll::Ready(None),
        }
    }
    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(over) = self.over.take() {
            over(self.sent);
        }
    }
}
