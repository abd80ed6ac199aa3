//! What gave out when a load broke, as far as processors tell.

use std::fmt;
use std::time::Duration;

use super::super::play::Played;
use crate::result::Check;
use crate::result::stats::ratio;

/// Of a processor, from which on it counts as used up.
const USED_UP: f64 = 0.9;
/// Of Redis' only thread that answers.
const REDIS_USED_UP: f64 = 0.85;
/// Of this program's own threads.
const OWN_USED_UP: f64 = 0.8;

/// What was used up.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bottleneck {
    /// This program: it was late, or its threads were busy.
    Generator,
    /// All processors of this machine, by who used them.
    Machine(Shares),
    /// Redis' thread.
    Redis(Shares),
    /// None of the processors: something waits for disks, locks or the network.
    Waiting(Shares),
    /// Nothing is known of the servers.
    Unknown,
}

/// Processors in use, on average.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Shares {
    pub(super) gateways: f64,
    pub(super) postgres: f64,
    pub(super) redis: f64,
    pub(super) machine: f64,
    pub(super) own: f64,
}

impl Shares {
    /// Of one phase of a play.
    pub(super) fn of(played: &Played, phase: usize) -> Option<Self> {
        let used = played.used.phases.get(phase)?;
        let cores = |time: Duration| ratio(time.as_secs_f64(), used.watched.as_secs_f64());
        let cores = |time| cores(time).unwrap_or_default();
        Some(Self {
            gateways: cores(used.cpu.gateways),
            postgres: cores(used.cpu.postgres),
            redis: cores(used.cpu.redis),
            machine: cores(used.cpu.machine),
            own: played.own_cores.unwrap_or_default(),
        })
    }

    /// Whatever else ran on this machine, and what its host took away.
    pub(super) fn others(&self) -> f64 {
        let known = self.gateways + self.postgres + self.redis + self.own;
        (self.machine - known).max(0.0)
    }
}

impl Bottleneck {
    /// Judges a play that broke. `threads` are this program's, `cores` the machine's.
    pub(super) fn of(
        played: &Played,
        shares: Option<Shares>,
        (threads, cores): (f64, f64),
    ) -> Self {
        let late = |check: &Check| check.is_of_generator() && check.failed > 0;
        let late = played.report.checks.iter().any(late);
        Self::judge((late, shares), (threads, cores))
    }

    fn judge((late, shares): (bool, Option<Shares>), (threads, cores): (f64, f64)) -> Self {
        let Some(shares) = shares else {
            return if late { Self::Generator } else { Self::Unknown };
        };
        // A machine without a free processor makes everybody late, this program as well.
        if shares.machine >= cores * USED_UP {
            Self::Machine(shares)
        } else if late || shares.own >= threads * OWN_USED_UP {
            Self::Generator
        } else if shares.redis >= REDIS_USED_UP {
            Self::Redis(shares)
        } else {
            Self::Waiting(shares)
        }
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} cores in use: gateways {:.2}, Postgres {:.2}, Redis {:.2}, this program {:.2}, \
             others {:.2}",
            self.machine,
            self.gateways,
            self.postgres,
            self.redis,
            self.own,
            self.others()
        )
    }
}

impl fmt::Display for Bottleneck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generator => {
                f.write_str("this program itself: see --client-threads, or play from more machines")
            }
            Self::Machine(shares) => write!(f, "the processors of this machine ({shares})"),
            Self::Redis(shares) => write!(f, "Redis' only thread ({shares})"),
            Self::Waiting(shares) => write!(
                f,
                "no processor: something waited for a disk, a lock or the network ({shares})"
            ),
            Self::Unknown => f.write_str("not known: the servers are not of this machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(late: bool, shares: Shares) -> Bottleneck {
        Bottleneck::judge((late, Some(shares)), (1.0, 2.0))
    }

    #[test]
    fn what_is_used_up_is_what_gave_out() {
        let calm = Shares {
            machine: 1.0,
            ..Shares::default()
        };
        let full = Shares {
            machine: 1.9,
            own: 0.9,
            ..calm
        };
        assert_eq!(judged(true, full), Bottleneck::Machine(full));
        assert!((full.others() - 1.0).abs() < 1e-9);
        let busy = Shares { own: 0.85, ..calm };
        assert_eq!(judged(false, busy), Bottleneck::Generator);
        let redis = Shares { redis: 0.9, ..calm };
        assert_eq!(judged(false, redis), Bottleneck::Redis(redis));
        assert_eq!(judged(false, calm), Bottleneck::Waiting(calm));
        let unknown = Bottleneck::judge((false, None), (1.0, 2.0));
        assert_eq!(unknown, Bottleneck::Unknown);
    }
}
