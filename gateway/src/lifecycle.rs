//! From start to end: signals, draining, the order of ending.

use std::time::Duration;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep, timeout, timeout_at},
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

/// Not ready, no new connections, sockets closed one after the other over the time given, then what
/// is under way, then the workers; the admin port goes last.
async fn drain_all(app: App, drain: Duration) {
    let deadline = Instant::now() + drain.max(NOTICE);
    app.admin.drain();
    sleep(NOTICE.min(drain)).await;
    app.serving.stop();
    let connections = app.hub.connections();
    let left = deadline.saturating_duration_since(Instant::now());
    let pause = left / u32::try_from(connections.len().max(1)).unwrap_or(u32::MAX);
    let mut next = Instant::now();
    for connection in connections {
        connection.cut(CloseReason::Draining);
        // Not in step, so that clients do not come back elsewhere in step either.
        next += pause.mul_f64(rand::random_range(0.5..1.5));
        tokio::time::sleep_until(next).await;
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
