//! Where the coordinator waits for its workers. They come in any order; those that go before all are there
//! are forgotten, so that others can take their places.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::error::MachinesError;
use super::greeting::{GreetingError, admit};
use super::line::{LineReader, LineWriter};
use super::link::{Heard, Link};
use super::proof::Keys;
use super::wire::{TO_COORDINATOR_BYTES_MAX, TO_WORKER_BYTES_MAX, ToCoordinator, ToWorker};

/// Greetings under way at one time; further connections are closed.
const GREETINGS_MAX: usize = 64;
/// What may wait to be looked at, of all workers together.
const HEARD_MAX: usize = 64;
/// How long it is waited after a connection that could not be accepted.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A worker that was let in.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) link: Link<ToWorker>,
}

/// Those who were let in, and what is heard of them.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) members: Vec<Member>,
    pub(super) heard: mpsc::Receiver<Heard<ToCoordinator>>,
}

type Greeted = (SocketAddr, Result<(LineReader, LineWriter), GreetingError>);

/// Waits until so many workers are there at one time.
pub(super) async fn gather(
    listener: TcpListener,
    keys: &Keys,
    (workers, patience): (u16, Duration),
    say: impl Fn(String),
) -> Result<Gathered, MachinesError> {
    let (telling, heard) = mpsc::channel(HEARD_MAX);
    let mut here = Gathered {
        members: Vec::new(),
        heard,
    };
    let mut greetings: JoinSet<Greeted> = JoinSet::new();
    let (deadline, mut ids) = (Instant::now() + patience, 0..);
    while here.members.len() < usize::from(workers) {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => greet((stream, peer), keys, &mut greetings),
                Err(_) => sleep(ACCEPT_AGAIN_AFTER).await,
            },
            Some(Ok((peer, greeted))) = greetings.join_next() => match greeted {
                Ok(ends) => {
                    let id = ids.next().unwrap_or_default();
                    let bounds = (TO_COORDINATOR_BYTES_MAX, TO_WORKER_BYTES_MAX);
                    let link = Link::new(ends, id, bounds, telling.clone());
                    here.members.push(Member { id, peer, link });
                    let here = here.members.len();
                    say(format!("a worker is here, from {peer}: {here} of {workers}"));
                }
                Err(error) => say(format!("{peer} was not let in: {error}")),
            },
            Some(one) = here.heard.recv() => {
                // There is nothing to be said yet, so this one is gone, or none of ours.
                if let Some(gone) = here.members.iter().position(|member| member.id == one.from) {
                    let gone = here.members.remove(gone);
                    let (peer, here) = (gone.peer, here.members.len());
                    say(format!("a worker is gone, from {peer}: {here} of {workers}"));
                }
            }
            () = sleep_until(deadline) => return Err(MachinesError::Missing {
                here: here.members.len(),
                wanted: workers,
                seconds: patience.as_secs(),
            }),
        }
    }
    Ok(here)
}

fn greet((stream, peer): (TcpStream, SocketAddr), keys: &Keys, greetings: &mut JoinSet<Greeted>) {
    if greetings.len() < GREETINGS_MAX {
        let keys = keys.clone();
        greetings.spawn(async move { (peer, admit(stream, &keys).await) });
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use tokio::io::AsyncReadExt;

    use super::super::greeting::enter;
    use super::*;

    fn keys(secret: &str) -> Keys {
        Keys::new(&SecretString::from(secret))
    }

    #[tokio::test]
    async fn places_are_for_those_who_stay_and_know_the_secret() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || async { TcpStream::connect(address).await.unwrap() };
        let (lines, mut said) = mpsc::unbounded_channel();
        let say = move |line| lines.send(line).unwrap();
        let gathering = tokio::spawn(async move {
            let patience = Duration::from_mins(5);
            gather(listener, &keys("ours"), (2, patience), say).await
        });
        let stranger = enter(connect().await, &keys("theirs")).await;
        assert!(matches!(stranger, Err(GreetingError::Secret)));
        // Whoever only connects holds nobody up.
        let _mute = connect().await;
        let brief = enter(connect().await, &keys("ours")).await.unwrap();
        drop(brief);
        while !said.recv().await.unwrap().contains("is gone") {}
        let one = enter(connect().await, &keys("ours")).await.unwrap();
        let other = enter(connect().await, &keys("ours")).await.unwrap();
        let gathered = gathering.await.unwrap().unwrap();
        assert_eq!(gathered.members.len(), 2);
        // Nobody else is let in any more.
        if let Ok(mut late) = TcpStream::connect(address).await {
            assert_eq!(late.read(&mut [0; 1]).await.unwrap_or_default(), 0);
        }
        drop((one, other));
    }

    #[tokio::test]
    async fn whoever_does_not_come_is_not_waited_for_without_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let patience = Duration::from_millis(5);
        let missing = gather(listener, &keys("ours"), (3, patience), |_| {}).await;
        let error = missing.unwrap_err().to_string();
        assert!(error.starts_with("0 of 3 workers"), "{error}");
    }
}
