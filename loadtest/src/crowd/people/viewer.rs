//! Looks at a crowd while it plays.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Shared;
use crate::result::stats::{Coarse, float};

/// What is seen at a moment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// The times of the deliveries in it.
    pub delivery: Coarse,
}

impl View {
    /// Adds what is seen of another part of the same load.
    pub fn merge(&mut self, other: &Self) {
        // Whoever is further on is in the phase that counts.
        if other.at > self.at || self.phase.is_empty() {
            (self.at, self.phase) = (other.at, other.phase.clone());
        }
        self.connected = self.connected.saturating_add(other.connected);
        self.away = self.away.saturating_add(other.away);
        self.open = self.open.saturating_add(other.open);
        self.messages += other.messages;
        self.acks += other.acks;
        self.deliveries += other.deliveries;
        self.failures += other.failures;
        self.delivery.merge(&other.delivery);
    }
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
            let each = |count: u64| float(count) / seconds;
            view.messages = each(stretch.messages);
            view.failures = each(stretch.failures);
            view.acks = stretch.acks.figures().map_or(0.0, |(count, _)| each(count));
            let heard = stretch.deliveries.figures();
            view.deliveries = heard.map_or(0.0, |(count, _)| each(count));
            view.delivery = stretch.deliveries;
        }
        view
    }
}
