//! From start to end: signals, draining, the order of ending.

use std::time::Duration;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use crate::{app::App, live::CloseReason, telemetry::logs};

/// Time that load balancers get to notice, out of the drain's.
const NOTICE: Duration = Duration::from_millis(500);
/// Time for what is under way after all sockets are closed.
const FINISH: Duration = Duration::from_secs(5);
/// Time for answers of the admin port that are under way at the very end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Starts and runs until SIGTERM or SIGINT, then drains. A signal during the start, or a second one,
/// ends it at once. After the first one this takes no longer than the drain and 8 s, whatever does
/// not answer.
pub(crate) async fn run(
    start: impl Future<Output = anyhow::Result<App>>,
    drain: Duration,
) -> anyhow::Result<()> {
    // First of all: as the first process of a container, who does not listen is not ended.
    let mut signals = Signals::new()?;
    // Not tracked: as long as the process.
    tokio::spawn(logs::follow(signal(SignalKind::hangup())?));
    let app = tokio::select! {
        app = start => app?,
        () = signals.next() => return Ok(()),
    };
    signals.next().await;
    tracing::info!(drain_seconds = drain.as_secs(), "draining");
    tokio::select! {
        () = drain_all(app, drain) => tracing::info!("drained"),
        () = signals.next() => tracing::warn!("told to stop a second time, not waiting"),
    }
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self {
            terminate,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// When each of so many connections is closed, ascending and within the time: each in an equal part of it,
/// at any moment of that part, so that clients do not come back elsewhere in step.
fn moments(count: usize, time: Duration) -> impl Iterator<Item = Duration> {
    let part = time / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    (0..count).map(move |at| {
        let begin = part.saturating_mul(u32::try_from(at).unwrap_or(u32::MAX));
        (begin + part.mul_f64(rand::random_range(0.0..1.0))).min(time)
    })
}

/// Not ready, no new connections, sockets closed one after the other over the time given, then what
/// is under way, then the workers; the admin port goes last.
async fn drain_all(app: App, drain: Duration) {
    let deadline = Instant::now() + drain.max(NOTICE);
    app.admin.drain();
    sleep(NOTICE.min(drain)).await;
    app.serving.stop();
    let connections = app.hub.connections();
    let begin = Instant::now();
    let left = deadline.saturating_duration_since(begin);
    let moments = moments(connections.len(), left);
    for (connection, moment) in connections.into_iter().zip(moments) {
        sleep_until(begin + moment).await;
        connection.cut(CloseReason::Draining);
    }
    // Whoever was admitted while we were closing.
    for connection in app.hub.connections() {
        connection.cut(CloseReason::Draining);
    }
    let end = Instant::now() + FINISH;
    if timeout_at(end, app.serving.end()).await.is_err() {
        tracing::warn!("requests were still under way");
    }
    if timeout_at(end, app.working.end()).await.is_err() {
        tracing::warn!("work was still under way");
    }
    app.store.close().await;
    // Last of all, so that the end can be watched to its end.
    if timeout(LAST_WORDS, app.probed.end()).await.is_err() {
        tracing::warn!("the admin port was still in use");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn connections_are_closed_one_after_the_other_and_all_within_the_time(
            count in 0..2_000_usize,
            millis in 0..100_000_u64,
        ) {
            let time = Duration::from_millis(millis);
            let moments: Vec<Duration> = moments(count, time).collect();
            prop_assert_eq!(moments.len(), count);
            prop_assert!(moments.is_sorted());
            prop_assert!(moments.iter().all(|moment| *moment <= time));
            // Spread over all of it.
            let half = moments.iter().filter(|moment| **moment <= time / 2).count();
            prop_assert!(time.is_zero() || half.abs_diff(count / 2) <= 1);
        }
    }
}
