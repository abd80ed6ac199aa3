//! What the gateways use meanwhile: processor time and memory, read from `/proc` all the time, since a
//! gateway that is struck comes back as another process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::Target;
use crate::load::scenario::Plan;
use crate::meters::process::Processes;
use crate::target::stack::Stack;

/// How often they are read.
const EVERY: Duration = Duration::from_millis(500);

/// The gateways under load.
pub(super) enum Servers {
    /// Of a private stack.
    Stack(Arc<Stack>),
    /// Processes of this machine; none where they are not known.
    Processes(Vec<u32>),
}

/// What the gateways used in one phase.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    pub(super) cpu: Duration,
    /// The highest resident memory of all together.
    pub(super) rss_kib: u64,
}

/// A watch that goes on until it is stopped.
pub(super) struct Watch {
    over: watch::Sender<bool>,
    task: JoinHandle<Vec<Used>>,
}

impl Servers {
    /// Those of a private stack.
    pub(super) fn of(stack: &Arc<Stack>) -> Self {
        Self::Stack(Arc::clone(stack))
    }

    /// Those named, or those that listen on the ports of this machine.
    pub(super) fn at(gates: &[Target], named: &[u32]) -> Self {
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
    pub(super) fn known(&self) -> bool {
        !matches!(self, Self::Processes(pids) if pids.is_empty())
    }

    async fn pids(&self) -> Vec<u32> {
        match self {
            Self::Stack(stack) => stack.pids().await,
            Self::Processes(pids) => pids.clone(),
        }
    }

    /// Watches them from now on, by the phases of a plan that starts at this moment.
    pub(super) fn watch(self, plan: Plan, phases: usize, start: Instant) -> Watch {
        let (over, mut ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut used = vec![Used::default(); phases];
            let mut known: HashMap<u32, Duration> = HashMap::new();
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut first = true;
            loop {
                let last = tokio::select! {
                    _ = ticks.tick() => false,
                    _ = ended.changed() => true,
                };
                let pids = self.pids().await;
                let grown = grown(&pids, &mut known, first);
                let rss_kib = pids.iter().filter_map(|pid| rss_kib(*pid)).sum();
                if let Some(phase) = used.get_mut(plan.phase(start.elapsed())) {
                    phase.cpu += grown;
                    phase.rss_kib = phase.rss_kib.max(rss_kib);
                }
                first = false;
                if last {
                    return used;
                }
            }
        });
        Watch { over, task }
    }
}

impl Watch {
    /// Ends it; what was used in each phase.
    pub(super) async fn stop(self) -> Vec<Used> {
        self.over.send_replace(true);
        self.task.await.unwrap_or_default()
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
