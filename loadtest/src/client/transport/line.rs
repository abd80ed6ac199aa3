//! One TCP connection that carries one HTTP exchange after the other.
//!
//! A request and its answer are kept here while they are on their way, so that whoever waits may be
//! interrupted at any point and wait again. Must not: try a request again. What a poll took with it is
//! lost with its answer, and whether a post was read is not known; both are for the caller to tell.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::READ_BUFFER_BYTES;
use super::answer::{Answer, Reading};
use super::head::AnswerError;
use crate::client::counted::{Counted, Reads};
use crate::client::error::CloseReason;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum LineError {
    /// The server closed the connection before the whole answer had come.
    #[error("closed")]
    Closed,
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came is no answer that can be read.
    #[error("{0}")]
    Answer(#[from] AnswerError),
}

impl From<LineError> for CloseReason {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Closed => Self::TransportClosed(None),
            LineError::Io(error) => Self::Transport(error.to_string()),
            LineError::Answer(error) => Self::Protocol(error.to_string()),
        }
    }
}

/// A kept connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: Counted,
    unsent: Bytes,
    unread: BytesMut,
    /// The answer that is on its way.
    reading: Option<Reading>,
    /// Nothing more can be asked.
    spent: bool,
}

impl Line {
    pub(super) fn new(stream: Counted) -> Self {
        Self {
            stream,
            unsent: Bytes::new(),
            unread: BytesMut::new(),
            reading: None,
            spent: false,
        }
    }

    /// Whether a request is on its way whose answer has not been taken.
    pub(super) fn is_asked(&self) -> bool {
        self.reading.is_some()
    }

    /// Whether another request can go over it, as far as is known here. Not while one is on its way.
    pub(super) fn is_open(&mut self) -> bool {
        // Whatever comes without a question is the end, and so is a failure.
        !self.spent && self.progress().now_or_never().is_none()
    }

    /// Takes a request, which is written while its answer is waited for. Not while one is on its way.
    pub(super) fn ask(&mut self, request: impl Into<Bytes>) {
        self.unsent = request.into();
        self.reading = Some(Reading::new());
    }

    /// The answer to what was asked. Cancel-safe.
    pub(super) async fn answer(&mut self) -> Result<Answer, LineError> {
        loop {
            let Some(reading) = &mut self.reading else {
                return Err(LineError::Closed);
            };
            let taken = reading.take(&mut self.unread);
            let answer = match taken.inspect_err(|_| self.spent = true)? {
                Some(answer) => answer,
                None if self.progress().await.inspect_err(|_| self.spent = true)? > 0 => continue,
                None => {
                    self.spent = true;
                    let whole = self.reading.as_mut().and_then(Reading::closed);
                    whole.ok_or(LineError::Closed)?
                }
            };
            self.reading = None;
            // A server that answers before it has read all will not read the rest.
            self.spent |= answer.last || !self.unsent.is_empty();
            if self.unread.is_empty() {
                self.unread = BytesMut::new();
            }
            return Ok(answer);
        }
    }

    /// Reads and bytes that came in so far.
    pub(super) fn reads(&self) -> Reads {
        self.stream.reads()
    }

    /// The bare connection.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream.into_stream()
    }

    /// Writes what there is to write, and reads; how many bytes came, 0 at the end. Cancel-safe.
    async fn progress(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            while !self.unsent.is_empty() {
                match pin!(self.stream.write(&self.unsent)).poll(cx) {
                    Poll::Ready(Ok(written @ 1..)) => self.unsent.advance(written),
                    // The answer may be here all the same, and says more than this does.
                    Poll::Ready(_) => {
                        self.unsent.clear();
                        self.spent = true;
                    }
                    Poll::Pending => break,
                }
            }
            self.unread.reserve(READ_BUFFER_BYTES);
            pin!(self.stream.read_buf(&mut self.unread)).poll(cx)
        })
        .await
    }
}
