//! How long messages take until they are written to a client.

use std::time::{Duration, SystemTime};

use roomwire_shared::Timestamp;

use crate::telemetry::catalogue;

/// A message that was committed at `since` has been written.
pub(super) fn delivered(since: Timestamp) {
    let since = Duration::from_millis(u64::try_from(since.unix_ms()).unwrap_or(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // Clocks of two machines may differ, and a message is not delivered before it is committed.
    let delay = now.unwrap_or_default().saturating_sub(since);
    metrics::histogram!(catalogue::DELIVERY_DURATION).record(delay.as_secs_f64());
}
