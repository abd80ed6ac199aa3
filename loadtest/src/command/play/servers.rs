//! What the gateways use meanwhile: processor time and memory, read from `/proc` all the time, since a
//! gateway that is struck comes back as another process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::Target;
use crate::deployment::stack::Stack;
use crate::load::scenario::Plan;
use crate::meters::process::Processes;
use crate::result::stats::ratio;

/// How often they are read.
const EVERY: Duration = Duration::from_millis(500);
/// Readings that are kept, at the most; then every other one goes.
const READINGS_MAX: usize = 1_200;

/// The gateways under load.
pub(in crate::command) enum Servers {
    /// Of a private stack.
    Stack(Arc<Stack>),
    /// Processes of this machine; none where they are not known.
    Processes(Vec<u32>),
}

/// What the gateways used in one phase.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::command) struct Used {
    pub(super) cpu: Duration,
    /// The highest resident memory of all together.
    pub(super) rss_kib: u64,
}

/// What they used at one time.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct Reading {
    /// Seconds from the beginning.
    pub(super) at: f64,
    /// Processors in use since the reading before.
    pub(super) cores: f64,
    pub(super) rss_kib: u64,
}

/// What the gateways used.
#[derive(Debug, Default)]
pub(in crate::command) struct Usage {
    /// By phase.
    pub(super) phases: Vec<Used>,
    /// By time.
    pub(super) readings: Vec<Reading>,
}

/// A watch that goes on until it is stopped.
pub(in crate::command) struct Watch {
    over: watch::Sender<bool>,
    task: JoinHandle<Usage>,
}

impl Servers {
    /// Those of a private stack.
    pub(super) fn of(stack: &Arc<Stack>) -> Self {
        Self::Stack(Arc::clone(stack))
    }

    /// Those named, or those that listen on the ports of this machine.
    pub(in crate::command) fn at(gates: &[Target], named: &[u32]) -> Self {
        if !named.is_empty() {
            return Self::Processes(named.to_vec());
        }
        let local = gates
            .iter()
            .filter(|gate| gate.address().ip().is_loopback());
        let ports: Vec<u16> = local.map(|gate| gate.address().port()).collect();
        let found = Processes::listening_on(&ports);
        Self::Processes(found.map_or_else(|_| Vec::new(), |found| found.pids().to_vec()))
    }

    /// Whether anything can be read.
    pub(in crate::command) fn known(&self) -> bool {
        !matches!(self, Self::Processes(pids) if pids.is_empty())
    }

    fn pids(&self) -> Vec<u32> {
        match self {
            Self::Stack(stack) => stack.pids(),
            Self::Processes(pids) => pids.clone(),
        }
    }

    /// Watches them from now on, by the phases of a plan that starts at this moment.
    pub(in crate::command) fn watch(self, plan: Plan, phases: usize, start: Instant) -> Watch {
        let (over, mut ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut usage = Usage {
                phases: vec![Used::default(); phases],
                readings: Vec::new(),
            };
            let mut looked = Instant::now();
            let mut known: HashMap<u32, Duration> = HashMap::new();
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut first = true;
            loop {
                let last = tokio::select! {
                    _ = ticks.tick() => false,
                    _ = ended.changed() => true,
                };
                let pids = self.pids();
                let grown = grown(&pids, &mut known, first);
                let rss_kib = pids.iter().filter_map(|pid| rss_kib(*pid)).sum();
                let (at, since) = (start.elapsed(), looked.elapsed());
                looked = Instant::now();
                if let Some(phase) = usage.phases.get_mut(plan.phase(at)) {
                    phase.cpu += grown;
                    phase.rss_kib = phase.rss_kib.max(rss_kib);
                }
                if !first && let Some(cores) = ratio(grown.as_secs_f64(), since.as_secs_f64()) {
                    let at = at.as_secs_f64();
                    usage.add(Reading { at, cores, rss_kib });
                }
                first = false;
                if last {
                    return usage;
                }
            }
        });
        Watch { over, task }
    }
}

impl Watch {
    /// Ends it; what was used.
    pub(in crate::command) async fn stop(self) -> Usage {
        self.over.send_replace(true);
        self.task.await.unwrap_or_default()
    }
}

impl Usage {
    fn add(&mut self, reading: Reading) {
        self.readings.push(reading);
        if self.readings.len() > READINGS_MAX {
            let mut number = 0;
            self.readings.retain(|_| {
                number += 1;
                number % 2 == 0
            });
        }
    }
}

/// Processor time since the last look. A process that is new has used all of its time since then,
/// unless this is the first look.
fn grown(pids: &[u32], known: &mut HashMap<u32, Duration>, first: bool) -> Duration {
    let mut sum = Duration::ZERO;
    for pid in pids {
        // One that has just died has nothing to say any more.
        let Ok(now) = Processes::new(vec![*pid]).cpu() else {
            continue;
        };
        let before = known.insert(*pid, now);
        let before = before.unwrap_or(if first { now } else { Duration::ZERO });
        sum += now.saturating_sub(before);
    }
    sum
}

fn rss_kib(pid: u32) -> Option<u64> {
    Processes::new(vec![pid]).rss_kib().ok()
}
