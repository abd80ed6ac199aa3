//! Watches the bytes of one TCP connection: it can be cut from outside, its reading can be paused,
//! and a write that stands still for too long ends it.
//!
//! Needed because neither HTTP nor Socket.IO above it can end a connection whose peer does not read.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::meter::Meter;
use crate::telemetry::catalogue;

/// The outside hand on a connection.
#[derive(Debug, Default)]
pub(crate) struct Handle {
    dead: AtomicBool,
    /// What the kernel has taken is still to be sent.
    gently: AtomicBool,
    paused: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    meter: Meter,
    /// Of the session that was upgraded to this connection.
    session: OnceLock<Arc<Meter>>,
}

impl Handle {
    /// Ends the connection at once; what it has not sent yet is thrown away.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    /// Ends the connection; what the kernel has taken is still sent.
    pub(crate) fn close(&self) {
        self.gently.store(true, Ordering::Release);
        self.kill();
    }

    /// Stops or resumes reading. What the peer sends meanwhile waits in the kernel, and then in the
    /// peer.
    pub(crate) fn pause(&self, paused: bool) {
        let before = self.paused.swap(paused, Ordering::AcqRel);
        if before && !paused {
            self.reader.wake();
        }
        if paused && !before {
            metrics::counter!(catalogue::READS_PAUSED).increment(1);
        }
    }

    /// What goes out over this connection.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// From now on counts for the session too, which was upgraded to it.
    pub(super) fn carries(&self, session: Arc<Meter>) {
        session.set_blocked(false);
        self.session.set(session).unwrap_or_default();
    }

    fn wrote(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.meters().for_each(|meter| meter.wrote(bytes));
    }

    fn meters(&self) -> impl Iterator<Item = &Meter> {
        std::iter::once(&self.meter).chain(self.session.get().map(Arc::as_ref))
    }

    fn check(&self) -> io::Result<()> {
        if self.dead.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// A TCP stream under guard.
pub(crate) struct Guarded {
    io: TcpStream,
    handle: Arc<Handle>,
    write_timeout: Duration,
    /// Runs while a write is standing still.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    pub(crate) fn new(io: TcpStream, write_timeout: Duration) -> Self {
        Self {
            io,
            handle: Arc::default(),
            write_timeout,
            stalled: None,
        }
    }

    pub(crate) fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle)
    }

    /// Runs one writing step and keeps the time for as long as nothing moves.
    fn write_step<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.handle.check()?;
        if let Poll::Ready(done) = step(Pin::new(&mut self.io), cx) {
            if self.stalled.take().is_some() {
                self.handle
                    .meters()
                    .for_each(|meter| meter.set_blocked(false));
            }
            return Poll::Ready(done);
        }
        self.handle
            .meters()
            .for_each(|meter| meter.set_blocked(true));
        self.handle.writer.register(cx.waker());
        self.handle.check()?;
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(stalled.as_mut().poll(cx));
        metrics::counter!(catalogue::SLOW_CONSUMERS, "reason" => "write_timeout").increment(1);
        self.handle.kill();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.handle.check()?;
        if self.handle.paused.load(Ordering::Acquire) {
            self.handle.reader.register(cx.waker());
            self.handle.check()?;
            // Resumed between the two looks: go on, because nobody may wake us.
            if self.handle.paused.load(Ordering::Acquire) {
                return Poll::Pending;
            }
        }
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if read.is_pending() {
            self.handle.reader.register(cx.waker());
            self.handle.check()?;
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let handle = self.handle();
        let written = ready!(self.write_step(cx, |io, cx| io.poll_write(cx, buf)))?;
        handle.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let handle = self.handle();
        let written = ready!(self.write_step(cx, |io, cx| io.poll_write_vectored(cx, bufs)))?;
        handle.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
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
        // Nobody is to be woken any more. What is kept here would keep the memory of the tasks that
        // served the connection, for as long as anybody holds the handle.
        drop(self.handle.reader.take());
        drop(self.handle.writer.take());
        let gently = self.handle.gently.load(Ordering::Acquire);
        if self.handle.dead.load(Ordering::Acquire) && !gently {
            // Without lingering the kernel keeps what was never read for minutes. If it refuses,
            // it only does that.
            SockRef::from(&self.io)
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

    async fn pair(write_timeout: Duration) -> (Guarded, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, client) = tokio::join!(listener.accept(), client);
        (
            Guarded::new(accepted.unwrap().0, write_timeout),
            client.unwrap(),
        )
    }

    #[tokio::test]
    async fn a_killed_connection_ends_its_pending_read_and_resets_the_peer() {
        let (mut guarded, mut client) = pair(SOON).await;
        let handle = guarded.handle();
        let reading = tokio::spawn(async move { guarded.read_u8().await.map_err(|e| e.kind()) });
        handle.kill();
        let read = timeout(SOON, reading).await.unwrap().unwrap();
        assert_eq!(read, Err(io::ErrorKind::ConnectionAborted));
        assert!(timeout(SOON, client.read_u8()).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_paused_connection_is_not_read_until_it_is_resumed() {
        let (mut guarded, mut client) = pair(SOON).await;
        let handle = guarded.handle();
        handle.pause(true);
        client.write_all(b"x").await.unwrap();
        let reading = tokio::spawn(async move { guarded.read_u8().await.ok() });
        tokio::task::yield_now().await;
        assert!(!reading.is_finished());
        handle.pause(false);
        assert_eq!(timeout(SOON, reading).await.unwrap().unwrap(), Some(b'x'));
    }

    #[tokio::test]
    async fn a_write_that_stands_still_ends_the_connection() {
        let (mut guarded, _client) = pair(Duration::from_millis(50)).await;
        let much = vec![0; 16 * 1024 * 1024];
        let writing = async move { guarded.write_all(&much).await.map_err(|error| error.kind()) };
        let written = timeout(SOON, writing).await.unwrap();
        assert_eq!(written, Err(io::ErrorKind::TimedOut));
    }
}
