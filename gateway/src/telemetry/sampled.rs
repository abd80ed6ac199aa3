//! What is looked up when it is asked for: the process, its runtime, its allocator.

use std::{fmt::Write as _, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use super::catalogue as c;

/// How often it is tried how late a timer comes.
const TRY_EVERY: Duration = Duration::from_millis(250);

/// Notes how late timers come, until it is dropped.
pub(crate) async fn note_lateness() {
    let lateness = metrics::histogram!(c::RUNTIME_LATENESS);
    loop {
        let due = Instant::now() + TRY_EVERY;
        sleep_until(due).await;
        lateness.record(due.elapsed().as_secs_f64());
    }
}

/// Looks at everything that has a gauge. To be called where the runtime is.
pub(super) fn sample() {
    runtime();
    process();
    allocator();
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn runtime() {
    let Ok(handle) = Handle::try_current() else {
        return;
    };
    let runtime = handle.metrics();
    metrics::gauge!(c::RUNTIME_WORKERS).set(runtime.num_workers() as f64);
    metrics::gauge!(c::RUNTIME_TASKS).set(runtime.num_alive_tasks() as f64);
    metrics::gauge!(c::RUNTIME_QUEUE).set(runtime.global_queue_depth() as f64);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn process() {
    let found = metrics_process::collector::collect();
    let numbers = [
        (c::PROCESS_FDS, found.open_fds),
        (c::PROCESS_FDS_MAX, found.max_fds),
        (c::PROCESS_VIRTUAL, found.virtual_memory_bytes),
        (c::PROCESS_VIRTUAL_MAX, found.virtual_memory_max_bytes),
        (c::PROCESS_RESIDENT, found.resident_memory_bytes),
        (c::PROCESS_STARTED, found.start_time_seconds),
        (c::PROCESS_THREADS, found.threads),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            metrics::gauge!(name).set(number as f64);
        }
    }
}

/// The allocator counts by epochs, of which each look begins one.
#[cfg(not(target_env = "msvc"))]
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn allocator() {
    use tikv_jemalloc_ctl::{epoch, stats};
    if epoch::advance().is_err() {
        return;
    }
    let states = [
        ("allocated", stats::allocated::read()),
        ("active", stats::active::read()),
        ("resident", stats::resident::read()),
        ("retained", stats::retained::read()),
    ];
    for (state, bytes) in states {
        if let Ok(bytes) = bytes {
            metrics::gauge!(c::ALLOCATOR_BYTES, "state" => state).set(bytes as f64);
        }
    }
}

#[cfg(target_env = "msvc")]
fn allocator() {}

/// Counters with fractions, which the recorder does not know: in the text format.
pub(super) fn fractions() -> String {
    let mut text = String::new();
    let busy = Handle::try_current().map(|handle| {
        let runtime = handle.metrics();
        let workers = 0..runtime.num_workers();
        workers
            .map(|worker| runtime.worker_total_busy_duration(worker))
            .sum::<Duration>()
            .as_secs_f64()
    });
    let process = metrics_process::collector::collect().cpu_seconds_total;
    for (name, seconds) in [(c::RUNTIME_BUSY, busy.ok()), (c::PROCESS_CPU, process)] {
        let metric = c::ALL.iter().find(|metric| metric.name == name);
        if let (Some(metric), Some(seconds)) = (metric, seconds) {
            let help = metric.help;
            writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {seconds}\n"
            )
            .unwrap_or_default();
        }
    }
    text
}
