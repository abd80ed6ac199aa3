//! What comes in, counted.

use std::io;
use std::ops::Add;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What came in through the TCP connections of one client.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Reads that brought data. Several messages in one read mean that the server (or a reader
    /// that was late) let them gather.
    pub calls: u64,
    /// Bytes in all.
    pub bytes: u64,
}

impl Add for Reads {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// A TCP stream that counts its reads.
#[derive(Debug)]
pub struct Counted {
    stream: TcpStream,
    reads: Reads,
}

impl Counted {
    /// One over which nothing has been read.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            reads: Reads::default(),
        }
    }

    /// The counts so far.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// Counts what came in before, by other connections.
    pub(super) fn add(&mut self, before: Reads) {
        self.reads = self.reads + before;
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len().saturating_sub(before);
        if read > 0 {
            self.reads.calls += 1;
            self.reads.bytes += u64::try_from(read).unwrap_or_default();
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
