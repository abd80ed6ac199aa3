//! The bytes of a connection on their way, with the times that they may take.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::handle::{HEAD, Handle, IDLE};
use crate::{telemetry::catalogue, transport::http::slot::Slot};

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::transport) struct Timeouts {
    /// While a write stands still.
    pub(in crate::transport) write: Duration,
    /// For the head of a request, from its first byte, or from the connection's beginning.
    pub(in crate::transport) head: Duration,
    /// Between two requests.
    pub(in crate::transport) idle: Duration,
}

/// A TCP stream under guard.
pub(crate) struct Guarded {
    /// None once it was released.
    io: Option<TcpStream>,
    handle: Arc<Handle>,
    timeouts: Timeouts,
    /// Runs while a write is standing still.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs while a head or another request is expected.
    expecting: Option<Pin<Box<Sleep>>>,
    /// When an answer was last written: the pause before the next request begins with its end.
    answered: Instant,
    /// A write has stood still for too long.
    is_stuck: bool,
    /// Its place at the port, given back with the connection.
    slot: Option<Slot>,
}

impl Guarded {
    pub(in crate::transport) fn new(io: TcpStream, timeouts: Timeouts) -> Self {
        Self {
            io: Some(io),
            handle: Arc::default(),
            timeouts,
            stalled: None,
            expecting: None,
            answered: Instant::now(),
            is_stuck: false,
            slot: None,
        }
    }

    /// Keeps its place at the port for as long as it is open.
    pub(in crate::transport) fn holding(mut self, slot: Slot) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Gives the connection up to somebody else who watches it, with its place at the port.
    pub(in crate::transport) fn release(mut self) -> Option<(TcpStream, Option<Slot>)> {
        Some((self.io.take()?, self.slot.take()))
    }

    fn io(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(io))
    }

    pub(in crate::transport) fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle)
    }

    /// Something was read: a head that has begun has its own time.
    fn note_read(&mut self) {
        let begins = (IDLE, HEAD);
        let phase = &self.handle.phase;
        let exchanged =
            phase.compare_exchange(begins.0, begins.1, Ordering::AcqRel, Ordering::Relaxed);
        if exchanged.is_ok() {
            self.expecting = None;
        }
    }

    fn note_written(&mut self) {
        if self.handle.phase.load(Ordering::Relaxed) == IDLE {
            self.answered = Instant::now();
        }
    }

    /// Nothing can be read now. Ready when that has been so for too long.
    fn poll_expecting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.handle.phase.load(Ordering::Acquire);
        let time = match phase {
            HEAD => self.timeouts.head,
            IDLE => self.timeouts.idle,
            _ => {
                self.expecting = None;
                return Poll::Pending;
            }
        };
        let answered = self.answered;
        let expecting = self.expecting.get_or_insert_with(|| Box::pin(sleep(time)));
        ready!(expecting.as_mut().poll(cx));
        let rest = time.saturating_sub(answered.elapsed());
        if phase == IDLE && !rest.is_zero() {
            expecting.as_mut().reset(Instant::now() + rest);
            ready!(expecting.as_mut().poll(cx));
        }
        self.expecting = None;
        Poll::Ready(match phase {
            // As if the peer had closed, which ends the connection without a word.
            IDLE => Ok(()),
            _ => Err(io::ErrorKind::TimedOut.into()),
        })
    }

    /// Runs one writing step and keeps the time for as long as nothing moves.
    fn write_step<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = step(self.io()?, cx) {
            self.stalled = None;
            return Poll::Ready(done);
        }
        let timeout = self.timeouts.write;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(stalled.as_mut().poll(cx));
        metrics::counter!(catalogue::SLOW_CONSUMERS, "reason" => "write_timeout").increment(1);
        self.is_stuck = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = self.io()?.poll_read(cx, buf) {
            self.note_read();
            return Poll::Ready(read);
        }
        self.handle.reader.register(cx.waker());
        self.poll_expecting(cx)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self
            .as_mut()
            .write_step(cx, |io, cx| io.poll_write(cx, buf));
        let written = ready!(written)?;
        self.note_written();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self
            .as_mut()
            .write_step(cx, |io, cx| io.poll_write_vectored(cx, bufs));
        let written = ready!(written)?;
        self.note_written();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_step(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_step(cx, AsyncWrite::poll_shutdown)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Nobody is to be woken any more. What is kept here would keep the memory of the task that served
        // the connection, for as long as anybody holds the handle.
        drop(self.handle.reader.take());
        if let Some(io) = self.io.as_ref().filter(|_| self.is_stuck) {
            // Without lingering the kernel keeps what was never read for minutes. If it refuses,
            // it only does that.
            SockRef::from(io)
                .set_linger(Some(Duration::ZERO))
                .unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    const PATIENT: Timeouts = Timeouts {
        write: SOON,
        head: SOON,
        idle: SOON,
    };
    const QUICK: Duration = Duration::from_millis(50);

    async fn pair(timeouts: Timeouts) -> (Guarded, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, client) = tokio::join!(listener.accept(), client);
        (Guarded::new(accepted.unwrap().0, timeouts), client.unwrap())
    }

    #[tokio::test]
    async fn a_write_that_stands_still_ends_the_connection() {
        let write = QUICK;
        let (mut guarded, _client) = pair(Timeouts { write, ..PATIENT }).await;
        let much = vec![0; 16 * 1024 * 1024];
        let writing = async move { guarded.write_all(&much).await.map_err(|error| error.kind()) };
        let written = timeout(SOON, writing).await.unwrap();
        assert_eq!(written, Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_to_its_end_ends_the_connection() {
        let head = QUICK;
        let (mut guarded, mut client) = pair(Timeouts { head, ..PATIENT }).await;
        client.write_all(b"GET").await.unwrap();
        let mut read = [0; 4];
        let read = timeout(SOON, guarded.read_exact(&mut read)).await.unwrap();
        assert_eq!(
            read.map_err(|error| error.kind()),
            Err(io::ErrorKind::TimedOut)
        );
    }

    #[tokio::test]
    async fn a_connection_without_another_request_ends_without_a_word() {
        let idle = QUICK;
        let (mut guarded, _client) = pair(Timeouts { idle, ..PATIENT }).await;
        guarded.handle().ends_serving();
        let read = timeout(SOON, guarded.read(&mut [0])).await.unwrap();
        assert_eq!(read.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_head_of_another_request_has_a_time_of_its_own() {
        let (head, idle) = (QUICK, SOON * 10);
        let (mut guarded, mut client) = pair(Timeouts {
            head,
            idle,
            ..PATIENT
        })
        .await;
        guarded.handle().ends_serving();
        client.write_all(b"G").await.unwrap();
        let mut read = [0; 2];
        let read = timeout(SOON, guarded.read_exact(&mut read)).await.unwrap();
        assert_eq!(
            read.map_err(|error| error.kind()),
            Err(io::ErrorKind::TimedOut)
        );
    }

    #[tokio::test]
    async fn nobody_is_hurried_while_a_request_is_served() {
        let (head, idle) = (QUICK, QUICK);
        let (mut guarded, mut client) = pair(Timeouts {
            head,
            idle,
            ..PATIENT
        })
        .await;
        guarded.handle().begins_serving();
        assert!(timeout(QUICK * 4, guarded.read_u8()).await.is_err());
        client.write_all(b"x").await.unwrap();
        assert_eq!(guarded.read_u8().await.unwrap(), b'x');
    }
}
