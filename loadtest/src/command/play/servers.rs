//! What the servers use meanwhile: processor time and memory, read all the time, since a server that is
//! struck comes back as another process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::command::site::Site;
use crate::deployment::stack::Stack;
use crate::load::scenario::Plan;
use crate::meters::group::{Group, Look};
use crate::meters::process::busy;
use crate::meters::scraped::Scraped;
use crate::result::stats::ratio;

/// How often they are read.
const EVERY: Duration = Duration::from_millis(500);
/// Readings that are kept, at the most; then every other one goes.
const READINGS_MAX: usize = 1_200;

/// The gateways under load.
enum Gateways {
    /// Of a private stack, and with them its Postgres and Redis.
    Stack(Arc<Stack>),
    /// Processes of this machine; none where they are not known.
    Processes(Vec<u32>),
    /// What their metrics tell.
    Scraped(Scraped),
}

/// The servers under load, as far as they can be seen.
pub(in crate::command) struct Servers(Gateways);

/// Processor time by who used it.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::command) struct Times {
    pub(in crate::command) gateways: Duration,
    /// Only known of a private stack; so are the next two.
    pub(in crate::command) postgres: Duration,
    pub(in crate::command) redis: Duration,
    /// Everything on this machine, this program included.
    pub(in crate::command) machine: Duration,
}

/// What was used in one phase.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::command) struct Used {
    pub(in crate::command) cpu: Times,
    /// For how long that was; of the last phase also while the rest was waited for.
    pub(in crate::command) watched: Duration,
    /// The highest resident memory of all gateways together, and the last.
    pub(in crate::command) rss_kib: u64,
    pub(in crate::command) last_rss_kib: u64,
}

/// What was used at one time.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct Reading {
    /// Seconds from the beginning.
    pub(super) at: f64,
    /// Processors in use since the reading before: gateways, Postgres, Redis.
    pub(super) cores: [f64; 3],
    pub(super) rss_kib: u64,
}

/// What the servers used.
#[derive(Debug, Default)]
pub(in crate::command) struct Usage {
    /// By phase; nothing where the gateways are not known.
    pub(in crate::command) phases: Vec<Used>,
    /// By time.
    pub(super) readings: Vec<Reading>,
    /// Memory of the gateways before anybody came.
    pub(super) first_rss_kib: u64,
    /// Whether Postgres and Redis are in it.
    pub(in crate::command) whole: bool,
}

/// A watch that goes on until it is stopped.
pub(in crate::command) struct Watch {
    over: watch::Sender<bool>,
    task: JoinHandle<Usage>,
}

/// What is looked at, with what was seen last.
#[derive(Default)]
struct Groups {
    gateways: Group,
    postgres: Group,
    redis: Group,
    busy: Option<Duration>,
}

impl Servers {
    /// Those of a site; by the gateways' metrics where their admin listeners are named.
    pub(super) fn of(site: &Site, admins: Scraped) -> Self {
        Self(if let Some(stack) = site.stack() {
            Gateways::Stack(Arc::clone(stack))
        } else if admins.is_empty() {
            Gateways::Processes(site.known_processes())
        } else {
            Gateways::Scraped(admins)
        })
    }

    /// Gateways of other machines, whose admin listeners are these; nothing is known of others.
    pub(in crate::command) fn elsewhere(admins: Scraped) -> Self {
        Self(if admins.is_empty() {
            Gateways::Processes(Vec::new())
        } else {
            Gateways::Scraped(admins)
        })
    }

    /// Whether anything can be read.
    fn known(&self) -> bool {
        !matches!(&self.0, Gateways::Processes(pids) if pids.is_empty())
    }

    async fn look(&self, groups: &mut Groups) -> (Times, u64) {
        let mut times = Times::default();
        let gateways = match &self.0 {
            Gateways::Stack(stack) => {
                let [postgres, redis] = stack.server_pids().map(Vec::from_iter);
                times.postgres = groups.postgres.look(&postgres).cpu;
                times.redis = groups.redis.look(&redis).cpu;
                let now = busy();
                let before = groups.busy.take().or(now);
                times.machine = now
                    .unwrap_or_default()
                    .saturating_sub(before.unwrap_or_default());
                groups.busy = now;
                groups.gateways.look(&stack.pids())
            }
            Gateways::Processes(pids) => groups.gateways.look(pids),
            Gateways::Scraped(scraped) => scraped.look(&mut groups.gateways).await,
        };
        let Look { cpu, rss_kib } = gateways;
        times.gateways = cpu;
        (times, rss_kib)
    }

    /// Watches them from now on, by the phases of a plan that starts at this moment.
    pub(in crate::command) fn watch(self, plan: Plan, phases: usize, start: Instant) -> Watch {
        let (over, mut ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut usage = Usage {
                whole: matches!(self.0, Gateways::Stack(_)),
                ..Usage::default()
            };
            if !self.known() {
                return usage;
            }
            usage.phases = vec![Used::default(); phases];
            let (mut groups, mut looked) = (Groups::default(), Instant::now());
            (_, usage.first_rss_kib) = self.look(&mut groups).await;
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks.tick().await;
            loop {
                let last = tokio::select! {
                    _ = ticks.tick() => false,
                    _ = ended.changed() => true,
                };
                let (times, rss_kib) = self.look(&mut groups).await;
                let at = start.elapsed();
                usage.note((plan.phase(at), at), times, rss_kib, looked.elapsed());
                looked = Instant::now();
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
    fn note(
        &mut self,
        (phase, at): (usize, Duration),
        times: Times,
        rss_kib: u64,
        since: Duration,
    ) {
        if let Some(phase) = self.phases.get_mut(phase) {
            phase.watched += since;
            phase.cpu.gateways += times.gateways;
            phase.cpu.postgres += times.postgres;
            phase.cpu.redis += times.redis;
            phase.cpu.machine += times.machine;
            phase.rss_kib = phase.rss_kib.max(rss_kib);
            phase.last_rss_kib = rss_kib;
        }
        let cores = |time: Duration| ratio(time.as_secs_f64(), since.as_secs_f64());
        let each = [times.gateways, times.postgres, times.redis];
        self.readings.push(Reading {
            at: at.as_secs_f64(),
            cores: each.map(|time| cores(time).unwrap_or_default()),
            rss_kib,
        });
        if self.readings.len() > READINGS_MAX {
            let mut number = 0;
            self.readings.retain(|_| {
                number += 1;
                number % 2 == 0
            });
        }
    }
}
