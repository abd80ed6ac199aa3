//! Connections that are never read again, and the moment at which each of them ends.
//!
//! Must not read a byte, nor answer anything: what comes in stays in the kernel until it is full.

use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::command::CommandError;

/// How often an open connection is looked at; unread data would end any wait at once.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Open connections, each watched by a task that ends with this value.
pub(super) struct Stalled {
    ends: JoinSet<io::Result<Duration>>,
}

impl Stalled {
    /// Watches these from now on.
    pub(super) fn watch(streams: Vec<TcpStream>) -> Self {
        let since = Instant::now();
        let mut ends = JoinSet::new();
        for stream in streams {
            ends.spawn(end_of(stream, since));
        }
        Self { ends }
    }

    /// Waits until all have been ended from outside, for `grace` at most; how long each of these
    /// lived since the watch began. Those left are closed.
    pub(super) async fn gone(mut self, grace: Duration) -> Result<Vec<Duration>, CommandError> {
        let deadline = Instant::now() + grace;
        let mut lived = Vec::new();
        while let Ok(Some(end)) = timeout_at(deadline, self.ends.join_next()).await {
            let end =
                end.map_err(|_| CommandError::Generator("a stalled connection's watcher died"));
            lived.push(end?.map_err(|_| CommandError::Generator("a socket cannot be watched"))?);
        }
        Ok(lived)
    }
}

/// Returns once the peer has reset the connection, or has closed it and nothing is on the way.
async fn end_of(stream: TcpStream, since: Instant) -> io::Result<Duration> {
    loop {
        let ready = stream.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_read_closed() || ready.is_error() {
            return Ok(since.elapsed());
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(50);
    const SOON: Duration = Duration::from_secs(10);

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        (client.unwrap(), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn data_that_waits_is_no_end() {
        let (client, mut server) = pair().await;
        server.write_all(&[7; 100]).await.unwrap();
        let stalled = Stalled::watch(vec![client]);
        assert!(stalled.gone(AT_ONCE).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_reset_is_seen_behind_data_that_waits() {
        let (client, mut server) = pair().await;
        server.write_all(&[7; 100]).await.unwrap();
        let stalled = Stalled::watch(vec![client]);
        server.set_zero_linger().unwrap();
        drop(server);
        assert_eq!(stalled.gone(SOON).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_orderly_close_is_seen() {
        let (client, server) = pair().await;
        let stalled = Stalled::watch(vec![client]);
        drop(server);
        assert_eq!(stalled.gone(SOON).await.unwrap().len(), 1);
    }
}
