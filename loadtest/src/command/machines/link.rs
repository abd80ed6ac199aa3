//! A connection after the greeting: both sides say all the time that they are there, and what is heard goes
//! into a queue that connections can share.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::line::{LineError, LineReader, LineWriter};
use super::wire::{BEAT_EVERY, LINE_MAX};

/// What may wait to be told.
const TELLING_MAX: usize = 16;
/// How long it may take that the last lines go out.
const CLOSING_MAX: Duration = Duration::from_secs(10);

/// Something heard.
#[derive(Debug)]
pub(super) struct Heard<T> {
    /// The number of the connection.
    pub(super) from: u64,
    /// When.
    pub(super) at: Instant,
    /// What; after an error nothing more comes from there.
    pub(super) what: Result<T, LineError>,
}

/// A connection. It ends with this value.
#[derive(Debug)]
pub(super) struct Link<Out> {
    telling: mpsc::Sender<Out>,
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
}

impl<Out: Serialize + Send + Sync + 'static> Link<Out> {
    /// Takes a connection over under a number of its own. Lines are bounded in bytes, those in and those
    /// out.
    pub(super) fn new<In: DeserializeOwned + Send + 'static>(
        (mut reader, mut writer): (LineReader, LineWriter),
        from: u64,
        (bytes_in, bytes_out): (usize, usize),
        heard: mpsc::Sender<Heard<In>>,
    ) -> Self {
        let (telling, mut told) = mpsc::channel::<Out>(TELLING_MAX);
        let failed = heard.clone();
        let writer = tokio::spawn(async move {
            loop {
                let done = match timeout(BEAT_EVERY, told.recv()).await {
                    Ok(Some(what)) => writer.tell(&what, bytes_out, LINE_MAX).await,
                    Ok(None) => return,
                    Err(_) => writer.beat(LINE_MAX).await,
                };
                if let Err(error) = done {
                    // Nobody listens any more where this does not go.
                    return pass(&failed, from, Err(error)).await.unwrap_or_default();
                }
            }
        });
        let reader = tokio::spawn(async move {
            loop {
                let what = match reader.hear(bytes_in, LINE_MAX).await {
                    Ok(None) => continue,
                    Ok(Some(what)) => Ok(what),
                    Err(error) => Err(error),
                };
                let last = what.is_err();
                if pass(&heard, from, what).await.is_err() || last {
                    return;
                }
            }
        });
        Self {
            telling,
            writer,
            reader,
        }
    }

    /// Tells something soon; false if the other side does not take it.
    pub(super) fn tell(&self, what: Out) -> bool {
        self.telling.try_send(what).is_ok()
    }

    /// Tells what is still to be told, and closes.
    pub(super) async fn close(mut self) {
        let (closed, _) = mpsc::channel(1);
        // The writer ends when nobody can tell it anything any more.
        drop(std::mem::replace(&mut self.telling, closed));
        // What does not go out in this time does not.
        drop(timeout(CLOSING_MAX, &mut self.writer).await);
    }
}

impl<Out> Drop for Link<Out> {
    fn drop(&mut self) {
        self.writer.abort();
        self.reader.abort();
    }
}

async fn pass<T>(
    heard: &mpsc::Sender<Heard<T>>,
    from: u64,
    what: Result<T, LineError>,
) -> Result<(), mpsc::error::SendError<Heard<T>>> {
    let at = Instant::now();
    heard.send(Heard { from, at, what }).await
}

#[cfg(test)]
mod tests {
    use super::super::line::split;
    use super::super::line::tests::pair;
    use super::*;

    type Numbers = mpsc::Receiver<Heard<u32>>;

    fn link(stream: tokio::net::TcpStream, number: u64) -> (Link<u32>, Numbers) {
        let (heard, numbers) = mpsc::channel(4);
        let link = Link::new(split(stream).unwrap(), number, (20, 20), heard);
        (link, numbers)
    }

    #[tokio::test]
    async fn what_is_told_before_the_end_is_heard_and_then_the_end() {
        let (one, other) = pair().await;
        let ((one, _numbers), (_other, mut heard)) = (link(one, 1), link(other, 2));
        assert!(one.tell(7) && one.tell(8));
        one.close().await;
        for number in [7, 8] {
            let told = heard.recv().await.unwrap();
            assert_eq!((told.from, told.what.unwrap()), (2, number));
        }
        let end = heard.recv().await.unwrap().what.unwrap_err();
        assert!(matches!(end, LineError::Closed), "{end}");
    }

    #[tokio::test(start_paused = true)]
    async fn two_sides_with_nothing_to_say_stay_together() {
        let (one, other) = pair().await;
        let ((_one, mut here), (_other, mut there)) = (link(one, 1), link(other, 2));
        tokio::time::sleep(LINE_MAX * 3).await;
        assert!(here.try_recv().is_err() && there.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_even_say_that_it_is_there_is_lost() {
        let (_mute, other) = pair().await;
        let (_other, mut there) = link(other, 2);
        let lost = there.recv().await.unwrap().what.unwrap_err();
        assert!(matches!(lost, LineError::Late(LINE_MAX)), "{lost}");
    }
}
