//! The one task of a connection: reads it, writes what waits, and ends it when it stands still.

use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::{ended::Ended, link::Link, reader::Wrong};
use crate::telemetry::catalogue;

/// Runs until the connection has ended; it is closed then.
pub(super) async fn run(
    link: &Link,
    write_timeout: Duration,
    mut feed: impl FnMut(&mut [u8]) -> Result<(), Wrong>,
) -> Ended {
    let mut stall = Stall {
        timeout: write_timeout,
        timer: None,
        stands_at: None,
    };
    let ended = poll_fn(|cx| {
        let polled = link.poll(cx, &mut feed);
        if polled.is_pending() && stall.poll(link.standing_at(), cx).is_ready() {
            metrics::counter!(catalogue::SLOW_CONSUMERS, "reason" => "write_timeout").increment(1);
            return Poll::Ready(Ended::Stalled);
        }
        polled
    });
    let ended = ended.await;
    link.shut(ended);
    ended
}

/// Takes the time for which nothing goes out.
struct Stall {
    timeout: Duration,
    /// Only while something waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// Where the writing stood at the last look.
    stands_at: Option<u64>,
}

impl Stall {
    /// Ready when something has waited for too long at the same place.
    fn poll(&mut self, stands_at: Option<u64>, cx: &mut Context<'_>) -> Poll<()> {
        let before = std::mem::replace(&mut self.stands_at, stands_at);
        if stands_at.is_none() {
            self.timer = None;
            return Poll::Pending;
        }
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if before != stands_at {
            timer.as_mut().reset(Instant::now() + timeout);
        }
        timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
        time::timeout,
    };

    use super::*;
    use crate::{live::Overflow, transport::engine::out::Stream};

    const SOON: Duration = Duration::from_secs(10);
    const QUICK: Duration = Duration::from_millis(50);
    const BYTES_MAX: usize = 64 * 1024 * 1024;

    /// A link that is served, and its client.
    struct Pair {
        link: Arc<Link>,
        client: TcpStream,
        heard: Arc<Mutex<Vec<u8>>>,
        ended: JoinHandle<Ended>,
    }

    impl Pair {
        async fn new(bytes_max: usize, write_timeout: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap());
            let (accepted, client) = tokio::join!(listener.accept(), client);
            let (tcp, _) = accepted.unwrap();
            let link = Arc::new(Link::websocket(Stream::new(tcp, None), bytes_max));
            let heard = Arc::new(Mutex::new(Vec::new()));
            let (serving, hearing) = (Arc::clone(&link), Arc::clone(&heard));
            let ended = tokio::spawn(async move {
                let feed = |bytes: &mut [u8]| {
                    hearing.lock().unwrap().extend_from_slice(bytes);
                    Ok(())
                };
                run(&serving, write_timeout, feed).await
            });
            Self {
                link,
                client: client.unwrap(),
                heard,
                ended,
            }
        }

        async fn ended(self) -> Ended {
            timeout(SOON, self.ended).await.unwrap().unwrap()
        }

        async fn until_heard(&self, bytes: usize) {
            while self.heard.lock().unwrap().len() < bytes {
                tokio::task::yield_now().await;
            }
        }
    }

    /// A frame that says its number.
    fn frame(number: u32) -> Bytes {
        let mut frame = vec![b'x'; 10_000];
        frame[..4].copy_from_slice(&number.to_be_bytes());
        Bytes::from(frame)
    }

    #[tokio::test]
    async fn what_is_not_taken_at_once_goes_out_in_order_when_the_client_reads() {
        let mut pair = Pair::new(BYTES_MAX, SOON).await;
        let all = 2_000_u32;
        for number in 0..all {
            pair.link.send(&frame(number), None).unwrap();
            // Sometimes the task writes in between.
            if number % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(pair.link.standing_at().is_some(), "the kernel took it all");
        let mut read = vec![0; 10_000];
        for number in 0..all {
            timeout(SOON, pair.client.read_exact(&mut read))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(read[..4], number.to_be_bytes());
        }
        assert_eq!(pair.link.standing_at(), None);
        drop(pair.client);
        let ended = timeout(SOON, pair.ended).await.unwrap().unwrap();
        assert_eq!(ended, Ended::Closed);
        assert!(pair.link.is_closed());
    }

    #[tokio::test]
    async fn no_more_waits_than_the_bound() {
        let pair = Pair::new(50_000, SOON).await;
        let sent = (0..100_000).find(|number| pair.link.send(&frame(*number), None).is_err());
        assert!(sent.is_some());
        assert_eq!(pair.link.send(&frame(0), None), Err(Overflow));
        pair.link.kill();
        assert_eq!(
            pair.link.send(&frame(0), None),
            Ok(()),
            "nobody is there to hear it"
        );
        assert_eq!(pair.ended().await, Ended::Cut);
    }

    #[tokio::test]
    async fn who_does_not_read_for_too_long_is_ended() {
        let pair = Pair::new(BYTES_MAX, QUICK).await;
        for number in 0..2_000 {
            pair.link.send(&frame(number), None).unwrap();
        }
        assert_eq!(pair.ended().await, Ended::Stalled);
    }

    #[tokio::test]
    async fn a_link_that_is_paused_is_not_read_until_it_is_resumed() {
        let mut pair = Pair::new(BYTES_MAX, SOON).await;
        pair.client.write_all(b"one").await.unwrap();
        timeout(SOON, pair.until_heard(3)).await.unwrap();
        pair.link.pause(true);
        // What it writes goes on meanwhile.
        pair.link.send(&frame(1), None).unwrap();
        pair.client.write_all(b"two").await.unwrap();
        let mut read = vec![0; 10_000];
        pair.client.read_exact(&mut read).await.unwrap();
        (0..100).for_each(|_| std::thread::yield_now());
        assert_eq!(*pair.heard.lock().unwrap(), b"one");
        pair.link.pause(false);
        timeout(SOON, pair.until_heard(6)).await.unwrap();
    }

    #[tokio::test]
    async fn last_frames_go_out_before_the_end_and_after_a_cut_nothing_does() {
        let mut pair = Pair::new(BYTES_MAX, SOON).await;
        for number in 0..500 {
            pair.link.send(&frame(number), None).unwrap();
        }
        pair.link.finish(&Bytes::from_static(b"bye"));
        pair.link.send(&frame(0), None).unwrap();
        let mut all = Vec::new();
        timeout(SOON, pair.client.read_to_end(&mut all))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(all.len(), 5_000_003);
        assert!(all.ends_with(b"bye"));
        assert_eq!(pair.ended().await, Ended::Closed);

        let mut cut = Pair::new(BYTES_MAX, SOON).await;
        cut.link.kill();
        assert!(timeout(SOON, cut.client.read_u8()).await.unwrap().is_err());
        assert_eq!(cut.ended().await, Ended::Cut);
    }
}
