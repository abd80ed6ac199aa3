//! Resident memory of the server over time: at rest, and at its highest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::MeterError;
use crate::meters::process::{ProcessError, Processes};
use crate::result::stats::float;

/// How often memory is read while it settles.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Consecutive readings that must agree.
const READINGS: u32 = 4;
/// By how much they may differ, as a share of the reading.
const AGREE_WITHIN: f64 = 0.002;
/// How long to wait for that at most.
const SETTLE_DEADLINE: Duration = Duration::from_secs(20);
/// How often memory is read while its highest is looked for.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// Resident memory in KiB once four readings in a row agree, or the last one after 20 s.
pub(crate) async fn settled(processes: &Processes) -> Result<u64, MeterError> {
    let mut reading = processes.rss_kib()?;
    let mut agreeing = 1;
    let deadline = Instant::now() + SETTLE_DEADLINE;
    while agreeing < READINGS && Instant::now() < deadline {
        sleep(READ_EVERY).await;
        let next = processes.rss_kib()?;
        let agrees = float(next.abs_diff(reading)) <= float(reading) * AGREE_WITHIN;
        agreeing = if agrees { agreeing + 1 } else { 1 };
        reading = next;
    }
    Ok(reading)
}

/// Looks for the highest resident memory, every 100 ms, on a thread of its own: the runtime's are
/// busiest just when it matters.
pub(crate) struct Highest {
    /// Dropping it ends the thread.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Result<(), ProcessError>>,
    kib: Arc<AtomicU64>,
}

impl Highest {
    pub(crate) fn watch(processes: &Processes) -> Self {
        let processes = processes.clone();
        let (stop, stopped) = mpsc::channel();
        let kib = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&kib);
        let thread = thread::spawn(move || {
            let sample = || Ok(shared.fetch_max(processes.rss_kib()?, Ordering::Relaxed));
            sample()?;
            while stopped.recv_timeout(SAMPLE_EVERY) == Err(RecvTimeoutError::Timeout) {
                sample()?;
            }
            sample().map(drop)
        });
        Self { stop, thread, kib }
    }

    /// Ends the watch; the highest reading in KiB. Blocks until the thread has ended, at once.
    pub(crate) fn stop(self) -> Result<u64, MeterError> {
        drop(self.stop);
        let died = MeterError::Watcher;
        self.thread.join().map_err(|_| died)??;
        Ok(self.kib.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_is_seen_though_it_is_gone_at_the_end() {
        let own = Processes::own();
        let before = own.rss_kib().unwrap();
        let highest = Highest::watch(&own);
        // Touched, so that it is resident; large enough to be given back at once.
        let block = vec![1_u8; 64 * 1024 * 1024];
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while highest.kib.load(Ordering::Relaxed) < before + 32 * 1024 {
            assert!(std::time::Instant::now() < deadline, "never seen");
            thread::yield_now();
        }
        drop(block);
        assert!(highest.stop().unwrap() >= before + 32 * 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_that_stands_still_is_at_rest() {
        let mut quiet = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let rest = settled(&Processes::new(vec![quiet.id()])).await;
        drop(quiet.stdin.take());
        assert!(quiet.wait().unwrap().success());
        assert!(rest.unwrap() > 0);
    }
}
