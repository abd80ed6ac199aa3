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

/// Looks at everything that has a gauge. Returns the counters with fractions, which the recorder does
/// not know, in the text format. To be called where the runtime is.
pub(super) fn sample() -> String {
    allocator();
    let seconds = [(c::RUNTIME_BUSY, runtime()), (c::PROCESS_CPU, process())];
    let mut text = String::new();
    for (name, seconds) in seconds {
        let metric = c::ALL.iter().find(|metric| metric.name == name);
        if let (Some(c::Metric { help, .. }), Some(seconds)) = (metric, seconds) {
            let described = format!("# HELP {name} {help}\n# TYPE {name} counter");
            writeln!(text, "{described}\n{name} {seconds}\n").unwrap_or_default();
        }
    }
    text
}

/// Returns the seconds that its threads were busy.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn runtime() -> Option<f64> {
    let handle = Handle::try_current().ok()?;
    let runtime = handle.metrics();
    metrics::gauge!(c::RUNTIME_WORKERS).set(runtime.num_workers() as f64);
    metrics::gauge!(c::RUNTIME_TASKS).set(runtime.num_alive_tasks() as f64);
    metrics::gauge!(c::RUNTIME_QUEUE).set(runtime.global_queue_depth() as f64);
    let workers = 0..runtime.num_workers();
    let busy = workers.map(|worker| runtime.worker_total_busy_duration(worker));
    Some(busy.sum::<Duration>().as_secs_f64())
}

/// Returns the seconds of processor time.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn process() -> Option<f64> {
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
    found.cpu_seconds_total
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
