//! What waits for all clients together that do not take it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::catalogue;

static PENDING: AtomicU64 = AtomicU64::new(0);

/// Sets the gauge of what waits.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) fn note_pending() {
    metrics::gauge!(catalogue::PENDING_BYTES).set(PENDING.load(Ordering::Relaxed) as f64);
}

/// So many bytes begin to wait.
pub(super) fn waits(bytes: usize) {
    PENDING.fetch_add(u64::try_from(bytes).unwrap_or_default(), Ordering::Relaxed);
}

/// So many of them do not wait any more.
pub(super) fn gone(bytes: usize) {
    PENDING.fetch_sub(u64::try_from(bytes).unwrap_or_default(), Ordering::Relaxed);
}
