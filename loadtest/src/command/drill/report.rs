//! What a drill showed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::flags::{Drill, DrillFlags};
use super::probes::Turn;
use super::timeline::{
    Returns, Stretch, busy_until, deliveries, figures, most_sent_away, returns, slow_until,
};
use super::watchers::Watchers;
use crate::crowd::trial::Verdict;
use crate::load::script::Load;
use crate::meters::cost::{Background, Reading, Statement, beyond};
use crate::result::json::detail;
use crate::result::stats::{float, ratio};
use crate::result::{Check, Part, Report, Row, Unit};
use crate::truth::finding::checks;
use crate::truth::record::Moment;

/// Deliveries slower than this are never called normal.
const SLOW_MIN_MS: f64 = 50.0;
/// Statements beyond this multiple of before are not called normal.
const BUSY: f64 = 1.5;
/// Statements named in the report.
const STATEMENTS_MAX: usize = 12;

/// Everything that was seen.
pub(super) struct Observed {
    pub(super) seed: u64,
    pub(super) load: Load,
    pub(super) span: Option<(Moment, Moment)>,
    pub(super) readings: Vec<Reading>,
    pub(super) turns: Vec<Vec<Turn>>,
    pub(super) watchers: Watchers,
    pub(super) verdict: Verdict,
}

impl Observed {
    fn moment(&self, at: Instant) -> Moment {
        at.saturating_duration_since(self.verdict.clock.run)
    }

    fn stretches(&self, (from, to): (Moment, Moment)) -> [Stretch; 3] {
        let begin = self.moment(self.verdict.clock.load);
        let end = begin + self.load.lasts;
        let stretch = |name, from, to| Stretch { name, from, to };
        [
            stretch("before", begin, from),
            stretch("during", from, to),
            stretch("after", to, end.max(to)),
        ]
    }

    /// Users who were in a room with the watchers all the time; all clients are there in the end.
    fn stayers(&self) -> HashSet<&str> {
        let evidence = &self.verdict.evidence;
        // Rooms take users in turn. Who was added later was in no room for a time, where nobody is
        // told of anybody.
        let stayed = |user: usize| {
            let first = user / self.load.members.unwrap_or(1).max(1);
            let stays = evidence.stays.of(first, user);
            matches!(stays.as_slice(), [only] if only.leaving.is_none())
        };
        let users = evidence.users.iter().enumerate();
        let stayers = users.filter(|(number, _)| stayed(*number));
        stayers.map(|(_, seen)| seen.id.as_str()).collect()
    }

    /// The reading before a moment, and the first one after another.
    fn around(&self, from: Moment, to: Moment) -> Option<(&Reading, &Reading)> {
        let before = |r: &&Reading| self.moment(r.at()) <= from;
        let after = |r: &&Reading| self.moment(r.at()) >= to;
        let first = self.readings.iter().rev().find(before)?;
        Some((first, self.readings.iter().find(after)?))
    }

    /// The counters of statements, and of their milliseconds, by time.
    fn series(&self, of: fn((f64, f64)) -> f64) -> Vec<(Moment, f64)> {
        let readings = self.readings.iter();
        readings
            .map(|reading| (self.moment(reading.at()), of(reading.totals())))
            .collect()
    }

    /// Statements that Postgres ran from one moment to another beyond those of before.
    fn beyond_usual(&self, first: Moment, (from, to): (Moment, Moment)) -> Option<Vec<Statement>> {
        let usually = self.around(first, from);
        let usually = usually.map_or_else(Background::default, Background::between);
        Some(beyond(self.around(from, to)?, &usually, 1.0))
    }

    /// Seconds from the strike to each turn of each gateway's readiness.
    fn readiness(&self, from: Moment) -> Vec<Vec<(f64, bool)>> {
        let nodes = self.turns.iter().map(|turns| {
            let turns = turns.iter().map(|(at, ready)| {
                let at = self.moment(*at).as_secs_f64() - from.as_secs_f64();
                (at, *ready)
            });
            turns.collect()
        });
        nodes.collect()
    }
}

/// The report of a drill.
pub(super) fn report(flags: &DrillFlags, observed: &Observed) -> Report {
    let mut report = Report::new(flags.drill.name());
    report.checks = checks(&observed.verdict.findings);
    report.notes.clone_from(&observed.verdict.notes);
    report.notes.push(format!(
        "seed {}, {} users, rooms of {}",
        observed.seed, observed.load.users, observed.load.rooms
    ));
    let ended = Check::new("things to be done did not end in time", 0);
    let Some(span) = observed.span else {
        report.checks.push(Check { failed: 1, ..ended });
        return report;
    };
    report.checks.push(ended);
    let returns = returns(&observed.verdict.evidence, span.0);
    add_stretches(&mut report, observed, span);
    add_returns(&mut report, flags, (observed, &returns), span);
    add_watchers(&mut report, flags, observed, span);
    let never = Check::new("clients never came back", returns.missing);
    report.checks.push(never);
    let readiness = observed.readiness(span.0);
    report.notes.extend(told_readiness(&readiness));
    report.detail("readiness", detail(&readiness));
    report.detail("slowest returns", detail(&returns.slowest));
    report
}

/// Before, while and after; the latter two compared with before.
fn add_stretches(report: &mut Report, observed: &Observed, span: (Moment, Moment)) {
    let evidence = &observed.verdict.evidence;
    let (calls, milliseconds) = (
        observed.series(|both| both.0),
        observed.series(|both| both.1),
    );
    let heard = deliveries(evidence);
    let all = observed
        .stretches(span)
        .map(|stretch| figures(evidence, &heard, stretch, (&calls, &milliseconds)));
    let [before, ..] = &all;
    let (acks, usual) = (before.ack.summary(), before.delivery.summary());
    for of in &all {
        let mut part = Part::new(of.stretch.name);
        part.push(Row::new("lasted", Unit::Seconds, of.stretch.seconds()));
        part.count("acked", of.ack.count());
        part.count("heard", of.delivery.count());
        let rate = |key, value| Row::new(key, Unit::PerSecond, value).lower();
        part.push(rate("statements/s", of.statements_per_second));
        part.push(Row::new("database ms/s", Unit::Average, of.database_ms_per_second).lower());
        if of.stretch.name == before.stretch.name {
            part.latency("ack", &of.ack);
            part.latency("delivery", &of.delivery);
        } else {
            part.latency_to("ack", &of.ack, (before.stretch.name, acks.p99_ms));
            part.latency_to(
                "delivery",
                &of.delivery,
                (before.stretch.name, usual.p99_ms),
            );
        }
        report.parts.push(part);
    }
    let slow = Duration::from_secs_f64((usual.p99_ms * 2.0).max(SLOW_MIN_MS) / 1e3);
    let slow_for = slow_until(&heard, span.1, slow).as_secs_f64();
    let busy_for = before
        .statements_per_second
        .map(|usual| busy_until(&calls, span.1, usual * BUSY).as_secs_f64());
    let mut part = Part::new("after the end");
    let seconds = |key, value: Option<f64>| Row::new(key, Unit::Seconds, value).lower();
    part.push(seconds("deliveries slow for", Some(slow_for)));
    part.push(seconds("Postgres busier for", busy_for));
    report.parts.push(part);
}

/// How clients came back, and what that cost Postgres.
fn add_returns(
    report: &mut Report,
    flags: &DrillFlags,
    (observed, returns): (&Observed, &Returns),
    span: (Moment, Moment),
) {
    let back = span.0 + Duration::from_secs_f64(returns.last_back_s);
    let begin = observed.moment(observed.verdict.clock.load);
    let statements = observed.beyond_usual(begin, (span.0, back));
    let beyond = statements.as_ref();
    let beyond = beyond.map(|all| all.iter().map(|one| one.calls).sum::<f64>());
    // Connections a second that the gateway with the most had to send away.
    let drained = f64::from(flags.drain_seconds) - 0.5;
    let pace = most_sent_away(&observed.verdict.evidence, span);
    let pace = ratio(float(pace), drained).filter(|_| flags.drill == Drill::Restart);
    let most = float(returns.most_in_a_second as u64);
    let mut part = Part::new("return");
    part.count("reconnects", returns.reconnects);
    part.push(Row::new("last back", Unit::Seconds, returns.last_back_s).lower());
    part.push(Row::new("busiest second", Unit::Count, most).to("drain's pace", pace));
    part.push(Row::new("statements beyond the usual", Unit::Count, beyond).lower());
    part.latency("away", &returns.away);
    report.parts.push(part);
    let named: Vec<_> = statements.iter().flatten().take(STATEMENTS_MAX).collect();
    report.detail("statements", detail(&named));
}

/// What each watcher was told, from the strike on. A restart nobody need notice must not be announced as
/// comings and goings.
fn add_watchers(report: &mut Report, flags: &DrillFlags, of: &Observed, span: (Moment, Moment)) {
    let start = of.verdict.clock.run;
    let time = (start + span.0, start + of.verdict.evidence.end);
    let told = of.watchers.told(time, &of.stayers());
    for (number, told) in told.iter().enumerate() {
        let mut part = Part::new(format!("watcher {number}"));
        part.count("comings", told.comings as u64);
        part.count("goings", told.goings as u64);
        part.count("thought away", told.thought_away as u64);
        report.parts.push(part);
    }
    if flags.drill == Drill::Restart {
        let announced: usize = told.iter().map(|told| told.comings + told.goings).sum();
        let name = "comings and goings announced of clients who never left";
        report.checks.push(Check::new(name, announced as u64));
    }
    // What was announced while a gateway was deaf is not told there later.
    let deaf = usize::from(flags.drill == Drill::RedisBlackHole);
    let wrong = told.iter().skip(deaf).filter(|told| told.thought_away > 0);
    let name = "watchers think clients away who are there";
    report.checks.push(Check::new(name, wrong.count() as u64));
}

fn told_readiness(of_gateways: &[Vec<(f64, bool)>]) -> Vec<String> {
    let mut notes = Vec::new();
    for (node, turns) in of_gateways.iter().enumerate() {
        let later = turns.iter().filter(|(at, _)| *at >= 0.0);
        let told: Vec<String> = later
            .map(|(at, ready)| {
                let what = if *ready { "ready" } else { "not ready" };
                format!("{what} at {at:.2} s")
            })
            .collect();
        if !told.is_empty() {
            notes.push(format!("gateway {node}: {}", told.join(", ")));
        }
    }
    notes
}
