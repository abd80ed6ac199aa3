//! The requests of a session that polls: packets for its client, and packets of it.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::timeout;

use crate::faces::{BodyError, read_body};
use crate::transport::{
    engine::{Ended, Link, Polled, Served, polled},
    http::mistake::{self, Mistake},
    sessions::unknown::{self, Reason},
};

/// How long a post waits for the events before it; then it is handled all the same, and the bound
/// of the queue decides.
const POST_PATIENCE: Duration = Duration::from_secs(10);
/// Largest body of a session that no namespace has let in: CONNECT packets with their tokens.
const UNADMITTED_BYTES_MAX: usize = 64 * 1024;

/// Packets for a client, as soon as there are some. `stamp` is what it tells its polls apart by, if it
/// does.
pub(in crate::transport) async fn poll(
    session: &Arc<dyn Served>,
    stamp: Option<&str>,
) -> Response<Body> {
    session.notice();
    let link = Arc::clone(session.link());
    let packets = match link.poll_with(stamp.map(hash)) {
        Polled::Now(packets) => packets,
        Polled::Later(waits) => waits.answer().await,
        Polled::Gone => return unknown::answer(Reason::Ended),
        Polled::Misplaced => return mistake::answer(Mistake::Request),
    };
    let answer = polled(&packets, session.protocol());
    if packets.is_empty() {
        return text(answer);
    }
    let answer = Answer {
        body: Full::from(answer),
        link: Some(link),
    };
    text(Body::new(answer))
}

/// Packets of a client. What becomes of a body that is too large or too slow is the same for all.
pub(in crate::transport) async fn post(
    session: Arc<dyn Served>,
    request: Request<Body>,
    bytes_max: usize,
) -> Response<Body> {
    let bytes_max = if session.is_admitted() {
        bytes_max
    } else {
        UNADMITTED_BYTES_MAX.min(bytes_max)
    };
    // Whether there is room or patience ended: the queue's own bound holds either way.
    let resumed = timeout(POST_PATIENCE, session.link().until_resumed()).await;
    resumed.unwrap_or_default();
    let (parts, body) = request.into_parts();
    let bytes = match read_body(body, bytes_max).await {
        Ok(bytes) => bytes,
        Err(error) => return unread(error),
    };
    if session.link().is_closed() {
        return unknown::answer(Reason::Ended);
    }
    if !session.link().is_polling() {
        return mistake::answer(Mistake::Request);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE);
    match session.post((bytes, kind)).await {
        Ok(()) => text("ok"),
        Err(_) => mistake::answer(Mistake::Request),
    }
}

/// An answer of a text.
pub(in crate::transport) fn text(body: impl Into<Body>) -> Response<Body> {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=UTF-8")];
    let never = [(header::CACHE_CONTROL, "no-store")];
    (kind, never, body.into()).into_response()
}

fn unread(error: BodyError) -> Response<Body> {
    (error.status(), error.to_string()).into_response()
}

fn hash(stamp: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    stamp.hash(&mut hasher);
    hasher.finish()
}

/// The body of an answer with packets. If it is dropped before it was taken, nobody can know whether the
/// client will ever have it, so the session ends.
struct Answer {
    body: Full<Bytes>,
    /// Until it was taken.
    link: Option<Arc<Link>>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.link = None;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.end(Ended::Unsure);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_is_never_taken_ends_its_session_and_one_that_is_does_not() {
        let answer = |link: &Arc<Link>| Answer {
            body: Full::from("6"),
            link: Some(Arc::clone(link)),
        };
        let link = Arc::new(Link::polling(1_024));
        let taken = answer(&link).collect().await.unwrap();
        assert_eq!(taken.to_bytes().as_ref(), b"6");
        assert!(!link.is_closed());
        drop(answer(&link));
        assert!(link.is_closed());
    }
}
