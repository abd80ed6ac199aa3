//! What the search showed: each load that was played, the limit between them, what gave out, and a
//! picture of it.

use super::bottleneck::Shares;
use super::{Bottleneck, FindLimit, Outcome, Raised, Search, Step};
use crate::load::scenario::Scenario;
use crate::result::model::Latency;
use crate::result::stats::float;
use crate::result::timeline::{Curve, Over, Span, Timeline};
use crate::result::{Check, Part, Report, Row, Unit};

const TIMES: &str = "Time at the 99th percentile";
const RATE: &str = "Messages acknowledged a second";
const CPU: &str = "Processors in use";
/// Loads are products, which differ in their last digits.
const NEARLY: f64 = 0.999;

/// What is to be shown of a play.
struct Shown<'a> {
    step: &'a Step,
    part: Option<&'a Part>,
    shares: Option<Shares>,
}

/// The report of a search.
pub(super) fn report(
    flags: &FindLimit,
    scenario: &Scenario,
    (steps, search): (&[Step], &Search),
) -> Report {
    let mut report = Report::new(format!("find-limit {}", scenario.name));
    let number = flags.raise.busiest(scenario);
    let phase = scenario.phases.get(number);
    let mut shown: Vec<Shown<'_>> = steps
        .iter()
        .map(|step| Shown {
            part: phase.and_then(|phase| step.played.report.part(&phase.name)),
            shares: Shares::of(&step.played, number),
            step,
        })
        .collect();
    shown.sort_by(|one, other| one.step.load.total_cmp(&other.step.load));
    let own = flags.raise.of(scenario);
    let loads = [search.held, search.broke].map(|factor| factor.map(|factor| own * factor));
    report.parts.push(limit(flags.raise, loads));
    report
        .parts
        .extend(shown.iter().map(|of| part(flags.raise, of)));
    report.timeline = Some(picture(flags.raise, &shown, loads));
    add_findings(&mut report, flags.raise, steps);
    // What broke once and then held is not what is asked for.
    let from = loads.last().copied().flatten().unwrap_or(0.0) * NEARLY;
    let mut broken = shown.iter().filter(|of| of.step.outcome != Outcome::Held);
    let broken = broken.find(|of| of.step.load >= from);
    if let Some(broken) = broken {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = (
            f64::from(flags.target.run.client_threads),
            float(cores as u64),
        );
        let of = Bottleneck::of(&broken.step.played, broken.shares, limits);
        let load = load(flags.raise, broken.step.load);
        report.notes.push(format!("what gave out at {load}: {of}"));
    }
    if search.broke.is_none() {
        let words = "nothing broke: the limit lies above; see --plays and --by";
        report.notes.push(words.to_owned());
    }
    report.notes.push(format!(
        "figures are of the phase {:?}; a load counts as broken when it broke twice",
        phase.map_or("", |phase| phase.name.as_str())
    ));
    report
}

/// Whatever the load, nothing may be lost; and a limit is only one if something held.
fn add_findings(report: &mut Report, raised: Raised, steps: &[Step]) {
    for step in steps {
        let name = load(raised, step.load);
        let checks = step.played.report.checks.iter();
        let wrong = checks.filter(|check| check.failed > 0 && !check.is_of_generator());
        let wrong = wrong.map(|check| check.clone().of(&name));
        report.checks.extend(wrong);
        let crossed = step.played.report.thresholds.iter().filter(|of| !of.held);
        let crossed = crossed.map(|threshold| format!("{name}: {threshold}"));
        report.notes.extend(crossed);
    }
    let held = steps.iter().any(|step| step.outcome == Outcome::Held);
    let none = Check::new("searches in which no load held", u64::from(!held));
    report.checks.push(none);
}

/// A load in words.
pub(super) fn load(raised: Raised, load: f64) -> String {
    format!("{load:.0} {}", raised.unit())
}

fn unit(raised: Raised) -> Unit {
    match raised {
        Raised::Messages => Unit::PerSecond,
        Raised::People => Unit::Count,
    }
}

fn limit(raised: Raised, [held, broke]: [Option<f64>; 2]) -> Part {
    let mut part = Part::new("limit");
    part.push(Row::new("highest load that held", unit(raised), held).higher());
    part.push(Row::new("lowest that broke", unit(raised), broke));
    part
}

fn part(raised: Raised, shown: &Shown<'_>) -> Part {
    let mut part = Part::new(load(raised, shown.step.load));
    if let Some(of) = shown.part {
        for key in ["acked/s", "deliveries/s", "us/delivery"] {
            part.rows.extend(of.row(key).cloned());
        }
        let timed = |of: &&Latency| matches!(&*of.key, "ack" | "delivery");
        part.latencies = of.latencies.iter().filter(timed).cloned().collect();
    }
    for (name, cores) in shown.shares.map(named).into_iter().flatten() {
        part.push(Row::new(name, Unit::Cores, cores));
    }
    let broke = shown.step.outcome != Outcome::Held;
    part.push(Row::new("broke", Unit::Count, f64::from(u8::from(broke))));
    part
}

fn named(shares: Shares) -> [(&'static str, f64); 6] {
    [
        ("gateways", shares.gateways),
        ("Postgres", shares.postgres),
        ("Redis", shares.redis),
        ("this program", shares.own),
        ("others", shares.others()),
        ("machine", shares.machine),
    ]
}

fn picture(raised: Raised, shown: &[Shown<'_>], [held, broke]: [Option<f64>; 2]) -> Timeline {
    let curve = |chart, key, unit, of: &dyn Fn(&Shown<'_>) -> Option<f64>| Curve {
        chart,
        key,
        unit,
        points: shown
            .iter()
            .filter_map(|shown| Some((shown.step.load, of(shown)?)))
            .collect(),
    };
    let p99 = |key: &'static str| {
        move |shown: &Shown<'_>| {
            let of = shown.part?.latencies.iter().find(|of| of.key == key)?;
            Some(of.latencies.summary().p99_ms)
        }
    };
    let acked = |shown: &Shown<'_>| shown.part?.row("acked/s")?.value;
    let mut curves = vec![
        curve(
            TIMES.into(),
            "delivery".into(),
            Unit::Millis,
            &p99("delivery"),
        ),
        curve(TIMES.into(), "ack".into(), Unit::Millis, &p99("ack")),
        curve(RATE.into(), "acknowledged".into(), Unit::PerSecond, &acked),
    ];
    if raised == Raised::Messages {
        let due = |shown: &Shown<'_>| Some(shown.step.load);
        curves.push(curve(RATE.into(), "due".into(), Unit::PerSecond, &due));
    }
    for (place, (name, _)) in named(Shares::default()).into_iter().enumerate().take(5) {
        let cores = |shown: &Shown<'_>| {
            let (_, cores) = named(shown.shares?).get(place).copied()?;
            Some(cores)
        };
        curves.push(curve(CPU.into(), name.into(), Unit::Cores, &cores));
    }
    let between = held.zip(broke).map(|(from, to)| Span {
        name: "the limit".to_owned(),
        from,
        to,
    });
    Timeline {
        over: Over::Load(raised.unit().to_owned()),
        curves,
        phases: Vec::new(),
        faults: between.into_iter().collect(),
    }
}
