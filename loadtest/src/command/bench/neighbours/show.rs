//! The figures of `bench neighbours`.

use super::trouble::Trouble;
use super::{Measured, Neighbours};
use crate::meters::own::{lateness, saturation};
use crate::result::stats::Latencies;
use crate::result::{Check, Part, Report, Row, Unit};

/// What takes longer has waited for somebody: no machine that measures anything is that slow.
const WAITED_MS: f64 = 3_000.0;

pub(super) fn report(flags: &Neighbours, measured: &[Measured]) -> Report {
    let mut base = Latencies::new();
    let quiet = |of: Trouble| matches!(of, Trouble::None | Trouble::NoneAgain);
    for one in measured.iter().filter(|one| quiet(one.trouble)) {
        base.merge(&one.outcome.latencies);
    }
    let base = base.summary().p99_ms;
    let mut report = Report::new("bench neighbours");
    report.notes.push(format!(
        "{} rooms x members, {} messages a second; trouble is made in a room of others",
        flags.shape, flags.rate
    ));
    for one in measured {
        let name = one.trouble.name();
        let mut part = Part::new(name);
        part.latency_to("delivery", &one.outcome.latencies, ("no trouble", base));
        part.count("trouble", one.made);
        part.push(Row::new("generator", Unit::Cores, one.own_cores).minor());
        report.parts.push(part);
        let checks = one.outcome.checks().into_iter();
        report.checks.extend(checks.map(|check| check.of(name)));
        let longest = one.outcome.latencies.summary().max_ms;
        let waited = Check::new(
            format!("somebody waited for a room of others ({longest:.0} ms)"),
            u64::from(longest > WAITED_MS),
        );
        report.checks.push(waited.of(name));
        let doubts = saturation(one.own_cores).into_iter();
        let doubts = doubts.chain(lateness(&one.lag.summary()));
        report
            .notes
            .extend(doubts.map(|doubt| format!("{name}: {doubt}")));
    }
    report
}
