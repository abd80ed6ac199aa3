//! Bodies of requests while they are being read: none may take for ever, or more memory than all
//! together have.
//!
//! A body that its reader does not want is read on and dropped for a while: closing a connection on
//! which the client is still sending would destroy the answer that says why.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::{faces::BodyError, telemetry::catalogue};

/// In each such time, [`WINDOW_BYTES_MIN`] must arrive, or the body's end.
const WINDOW: Duration = Duration::from_secs(10);
/// A kilobyte a second: a tenth of the slowest link on which anybody chats.
const WINDOW_BYTES_MIN: usize = 10 * 1024;
/// How long a whole body may take.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// How much of a body that nobody wants is read.
const DROPPED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// And for how long.
const DROPPED_TIMEOUT: Duration = Duration::from_secs(10);

/// The memory of all bodies that are being read; cheap to clone.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Shared>);

struct Shared {
    bytes_max: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Shared {
            bytes_max,
            taken: AtomicUsize::new(0),
        }))
    }

    /// False if there is no room for so many bytes more.
    fn take(&self, bytes: usize) -> bool {
        let before = self.0.taken.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.0.bytes_max;
        if !fits {
            self.0.taken.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.show();
        fits
    }

    fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.0.taken.fetch_sub(bytes, Ordering::Relaxed);
            self.show();
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn show(&self) {
        let taken = self.0.taken.load(Ordering::Relaxed);
        metrics::gauge!(catalogue::BODIES_BYTES).set(taken as f64);
    }
}

/// A body whose pace and size are watched. Its time begins when it is first read.
pub(in crate::transport) struct PacedBody<B: Body<Data = Bytes> + Send + Unpin + 'static> {
    /// None once it has ended, or must not be read any more.
    inner: Option<B>,
    budget: Budget,
    taken: usize,
    clock: Option<Clock>,
    /// The client waits to be asked for the body (RFC 9110, section 10.1.1), and was not.
    waits: bool,
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> PacedBody<B> {
    pub(in crate::transport) fn new(inner: B, budget: Budget, expects_to_be_asked: bool) -> Self {
        Self {
            inner: Some(inner),
            budget,
            taken: 0,
            clock: None,
            waits: expects_to_be_asked,
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), BodyError> {
        if let Some(clock) = &mut self.clock {
            clock.arrived += bytes;
        }
        if !self.budget.take(bytes) {
            return Err(refused(BodyError::Busy));
        }
        self.taken += bytes;
        Ok(())
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Body for PacedBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        this.waits = false;
        loop {
            let Some(inner) = &mut this.inner else {
                return Poll::Ready(None);
            };
            match Pin::new(inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let counted = this.count(frame.data_ref().map_or(0, Bytes::len));
                    return Poll::Ready(Some(counted.map(|()| frame)));
                }
                Poll::Ready(Some(Err(_))) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(BodyError::Broken)));
                }
                Poll::Ready(None) => this.inner = None,
                Poll::Pending => {
                    ready!(this.clock.get_or_insert_with(Clock::new).poll_too_late(cx));
                    // Who is this slow does not read an answer either: no need to read on.
                    this.inner = None;
                    return Poll::Ready(Some(Err(refused(BodyError::TooSlow))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ended = || SizeHint::with_exact(0);
        self.inner.as_ref().map_or_else(ended, Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drop for PacedBody<B> {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
        let Some(rest) = self.inner.take().filter(|inner| !inner.is_end_stream()) else {
            return;
        };
        // Who was never asked for the body does not send it.
        if !self.waits
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // Not tracked: ends by itself within the time given.
            runtime.spawn(timeout(DROPPED_TIMEOUT, read_on(rest)));
        }
    }
}

fn refused(error: BodyError) -> BodyError {
    metrics::counter!(catalogue::BODIES_REFUSED, "reason" => error.label()).increment(1);
    error
}

async fn read_on(mut body: impl Body<Data = Bytes> + Unpin) {
    let mut left = DROPPED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(bytes) else {
            return;
        };
        left = less;
    }
}

/// Judges how fast a body arrives.
struct Clock {
    timer: Pin<Box<Sleep>>,
    deadline: Instant,
    /// Bytes in the present window.
    arrived: usize,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            timer: Box::pin(sleep_until(now + WINDOW)),
            deadline: now + BODY_TIMEOUT,
            arrived: 0,
        }
    }

    /// Ready when too little has come for too long, or the time is over.
    fn poll_too_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.deadline || self.arrived < WINDOW_BYTES_MIN {
                return Poll::Ready(());
            }
            self.arrived = 0;
            let next = self.deadline.min(now + WINDOW);
            self.timer.as_mut().reset(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body as AnyBody;
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};

    use super::*;
    use crate::faces::read_body;

    const ROOM: usize = 1_000;

    fn of(text: &'static str, budget: &Budget) -> AnyBody {
        AnyBody::new(PacedBody::new(Full::from(text), budget.clone(), false))
    }

    fn taken(budget: &Budget) -> usize {
        budget.0.taken.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_body_within_its_bounds_is_read_and_leaves_nothing_taken() {
        let budget = Budget::new(ROOM);
        let read = read_body(of("hello", &budget), 5).await;
        assert_eq!(read.unwrap(), "hello");
        assert_eq!(taken(&budget), 0);
        let large = read_body(of("hello!", &budget), 5).await;
        assert_eq!(large.unwrap_err(), BodyError::TooLarge);
        assert_eq!(taken(&budget), 0);
    }

    #[tokio::test]
    async fn bodies_that_are_being_read_share_one_budget() {
        let budget = Budget::new(ROOM);
        let piece = Ok::<_, BodyError>(Frame::data(Bytes::from(vec![b'x'; 600])));
        let unfinished = stream::iter([piece]).chain(stream::pending());
        let unfinished = PacedBody::new(StreamBody::new(unfinished), budget.clone(), false);
        let mut first = Box::pin(read_body(AnyBody::new(unfinished), ROOM));
        assert!(first.as_mut().now_or_never().is_none());
        assert_eq!(taken(&budget), 600);
        let text: &str = Box::leak("y".repeat(500).into_boxed_str());
        let second = read_body(of(text, &budget), ROOM).await;
        assert_eq!(second.unwrap_err(), BodyError::Busy);
        drop(first);
        let third = read_body(of(text, &budget), ROOM).await;
        assert_eq!(third.unwrap().len(), 500);
    }

    #[tokio::test]
    async fn what_nobody_wants_is_read_on_so_that_the_answer_arrives() {
        let budget = Budget::new(ROOM);
        let (sender, frames) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, BodyError>>(1);
        let frames = stream::unfold(frames, |mut frames| async {
            frames.recv().await.map(|frame| (frame, frames))
        });
        let body = PacedBody::new(StreamBody::new(Box::pin(frames)), budget.clone(), false);
        drop(body);
        for _ in 0..100 {
            let frame = Ok(Frame::data(Bytes::from_static(b"0123456789")));
            sender.send(frame).await.unwrap();
        }
    }
}
