//! How long everything took and how often it failed, by phase.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::course::Course;
use crate::load::scenario::Plan;
use crate::result::stats::Latencies;
use crate::truth::room_log::Micros;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operation {
    /// From the moment somebody was due until the namespace was granted.
    Connect,
    /// From the moment a message was due until it was acknowledged.
    Ack,
    /// From the moment a message was due until a member heard it live.
    Delivery,
    /// From the end of a connection until its client held everything again.
    Return,
    /// From the moment a page of history was due until it was there.
    Read,
    /// From the moment a read mark was due until it was acknowledged.
    Mark,
    /// From the moment the end of a membership was due until it was acknowledged.
    Leave,
    /// From the moment the beginning of a membership was due until it was acknowledged.
    Join,
}

impl Operation {
    /// As results name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ack => "ack",
            Self::Delivery => "delivery",
            Self::Return => "return",
            Self::Read => "read",
            Self::Mark => "mark",
            Self::Leave => "leave",
            Self::Join => "join",
        }
    }
}

/// The times and counts of one phase.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PhaseTally {
    /// Its name.
    pub name: String,
    /// Times by operation, of what was due in it.
    pub times: BTreeMap<Operation, Latencies>,
    /// How often something happened, by name.
    pub counts: BTreeMap<Cow<'static, str>, u64>,
}

impl PhaseTally {
    /// A phase in which nothing has happened yet.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Adds what the same phase was elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (operation, times) in other.times {
            self.times.entry(operation).or_default().merge(&times);
        }
        for (name, more) in other.counts {
            let count = self.counts.entry(name).or_default();
            *count = count.saturating_add(more);
        }
    }
}

/// The tally of a run, which everybody adds to.
#[derive(Debug)]
pub struct Tally {
    plan: Plan,
    /// The same from moment to moment.
    pub(super) course: Course,
    phases: Mutex<Vec<PhaseTally>>,
    /// Messages without a final answer.
    open: AtomicI64,
    /// People who should be connected and are not.
    away: AtomicI64,
    /// People who are connected.
    connected: AtomicI64,
    /// Everything that came, to see when nothing comes any more.
    heard: AtomicU64,
}

impl Tally {
    pub(super) fn new(names: Vec<String>, plan: Plan) -> Self {
        Self {
            course: Course::new(plan.lasts()),
            plan,
            phases: Mutex::new(names.into_iter().map(PhaseTally::new).collect()),
            open: AtomicI64::new(0),
            away: AtomicI64::new(0),
            connected: AtomicI64::new(0),
            heard: AtomicU64::new(0),
        }
    }

    /// Notes how long something took that was due at this moment.
    pub(super) fn took(&self, operation: Operation, due: Micros, time: Duration) {
        self.course.took(operation, due, time);
        self.at(due, |phase| {
            phase.times.entry(operation).or_default().record(time);
        });
    }

    /// Notes that something failed, and is tried again.
    pub(super) fn failed(&self, name: &'static str, due: Micros) {
        self.course.failed(due);
        self.count(name, due);
    }

    /// Notes a message that is due.
    pub(super) fn message(&self, due: Micros) {
        self.course.sent(due);
        self.count("messages", due);
    }

    /// Notes that something happened to what was due at this moment.
    pub(super) fn count(&self, name: &'static str, due: Micros) {
        self.at(due, |phase| {
            *phase.counts.entry(Cow::Borrowed(name)).or_default() += 1;
        });
    }

    fn at(&self, due: Micros, act: impl FnOnce(&mut PhaseTally)) {
        let phase = self.plan.phase(Duration::from_micros(due));
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(phase) = phases.get_mut(phase) {
            act(phase);
        }
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.came();
    }

    pub(super) fn went(&self) {
        self.away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_back(&self) {
        self.away.fetch_sub(1, Ordering::Relaxed);
        self.came();
    }

    pub(super) fn connects(&self, more: i64) {
        self.connected.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) -> i64 {
        self.connected.load(Ordering::Relaxed)
    }

    /// The name of the phase at a moment.
    pub(super) fn phase_name(&self, at: Duration) -> String {
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let phase = phases.get(self.plan.phase(at));
        phase.map(|phase| phase.name.clone()).unwrap_or_default()
    }

    pub(super) fn came(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages without a final answer, people who are away, and how much came so far.
    pub(super) fn state(&self) -> (i64, i64, u64) {
        (
            self.open.load(Ordering::Relaxed),
            self.away.load(Ordering::Relaxed),
            self.heard.load(Ordering::Relaxed),
        )
    }

    /// All phases, in order; what comes later is not in it.
    pub(super) fn take(&self) -> Vec<PhaseTally> {
        std::mem::take(&mut *self.phases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
