//! Looks at a crowd while it plays.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;

/// What is seen at a moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Time since the beginning.
    pub at: Duration,
    /// The name of the phase.
    pub phase: String,
    /// People who are connected, and who should be and are not.
    pub connected: i64,
    /// People who should be connected and are not.
    pub away: i64,
    /// Messages without a final answer.
    pub open: i64,
    /// Messages a second in the last whole stretch.
    pub messages: f64,
    /// The same of acknowledgements.
    pub acks: f64,
    /// The same of deliveries.
    pub deliveries: f64,
    /// The same of failures that were tried again.
    pub failures: f64,
    /// Median and 99th percentile of a delivery in it, in milliseconds, if there was any.
    pub delivery_ms: Option<(f64, f64)>,
}

/// Looks at a crowd, also while it plays.
#[derive(Clone)]
pub struct Viewer(pub(super) Arc<Shared>);

impl Viewer {
    /// What there is to see now.
    #[must_use]
    pub fn look(&self) -> View {
        let tally = &self.0.tally;
        let at = self.0.start.elapsed();
        let (open, away, _) = tally.state();
        let mut view = View {
            at,
            phase: tally.phase_name(at),
            connected: tally.connected(),
            away,
            open,
            ..View::default()
        };
        let every = tally.course.every();
        if let Some(stretch) = at
            .checked_sub(every)
            .and_then(|at| tally.course.stretch(at))
        {
            let seconds = every.as_secs_f64();
            let each = |count: u64| crate::result::stats::float(count) / seconds;
            view.messages = each(stretch.messages);
            view.failures = each(stretch.failures);
            view.acks = stretch.acks.figures().map_or(0.0, |(count, _)| each(count));
            if let Some((count, [p50, p99, _])) = stretch.deliveries.figures() {
                view.deliveries = each(count);
                view.delivery_ms = Some((p50, p99));
            }
        }
        view
    }
}
