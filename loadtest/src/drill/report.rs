//! What a drill prints.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::flags::{Drill, DrillFlags};
use super::probes::Turn;
use super::timeline::{
    Part, PartFigures, Returns, busy_until, deliveries, figures, most_sent_away, returns,
    slow_until,
};
use super::watchers::{Told, Watchers};
use crate::meters::{Background, Reading, beyond};
use crate::report::{Report, Table, figure, result, whole};
use crate::stats::{float, ratio};
use crate::verify::finding::{counts, smallest};
use crate::verify::record::Moment;
use crate::verify::run::Verdict;
use crate::verify::script::Load;

/// Stories printed of each kind of finding.
const STORIES_PER_KIND: usize = 2;
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

#[derive(Debug, Serialize)]
struct Figures {
    seed: u64,
    users: usize,
    rooms: usize,
    lasted_s: f64,
    parts: Vec<PartFigures>,
    returns: Returns,
    /// Connections a second that the gateway with the most had to send away; for restarts.
    pace: Option<f64>,
    /// What each watcher was told, from the strike on.
    told: Vec<Told>,
    /// After the end, until no delivery was slow any more.
    slow_for_s: f64,
    /// After the end, until Postgres was asked no more than before.
    busy_for_s: Option<f64>,
    readiness: Vec<Vec<(f64, bool)>>,
    /// What Postgres ran from the strike until the last client was back, beyond the usual.
    return_statements: Option<f64>,
    statements: Vec<serde_json::Value>,
    findings: BTreeMap<String, usize>,
}

impl Observed {
    fn moment(&self, at: Instant) -> Moment {
        at.saturating_duration_since(self.verdict.clock.run)
    }

    fn parts(&self, (from, to): (Moment, Moment)) -> [Part; 3] {
        let begin = self.moment(self.verdict.clock.load);
        let end = begin + self.load.lasts;
        let part = |name, from, to| Part { name, from, to };
        [
            part("before", begin, from),
            part("during", from, to),
            part("after", to, end.max(to)),
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

    fn figures(&self, flags: &DrillFlags, span: (Moment, Moment)) -> Figures {
        let (evidence, start) = (&self.verdict.evidence, self.verdict.clock.run);
        let series = |of: fn((f64, f64)) -> f64| -> Vec<(Moment, f64)> {
            let readings = self.readings.iter();
            readings
                .map(|r| (self.moment(r.at()), of(r.totals())))
                .collect()
        };
        let (calls, milliseconds) = (series(|both| both.0), series(|both| both.1));
        let heard = deliveries(evidence);
        let parts = self
            .parts(span)
            .map(|part| figures(evidence, &heard, part, (&calls, &milliseconds)));
        let [before, ..] = &parts;
        let usual = before.statements_per_second;
        let slow = (before.delivery.p99_ms * 2.0).max(SLOW_MIN_MS);
        let returns = returns(evidence, span.0);
        let back = span.0 + Duration::from_secs_f64(returns.last_back_s);
        let usually = self.around(parts[0].part.from, span.0);
        let usually = usually.map_or_else(Background::default, Background::between);
        let during = self.around(span.0, back);
        let statements = during.map_or_else(Vec::new, |both| beyond(both, &usually, 1.0));
        let readiness = self.turns.iter().map(|turns| {
            let turn = |(at, ready): &Turn| {
                let at = self.moment(*at).as_secs_f64() - span.0.as_secs_f64();
                (at, *ready)
            };
            turns.iter().map(turn).collect()
        });
        let drained = f64::from(flags.drain_seconds) - 0.5;
        Figures {
            seed: self.seed,
            users: self.load.users,
            rooms: self.load.rooms,
            lasted_s: span.1.saturating_sub(span.0).as_secs_f64(),
            pace: Some(most_sent_away(evidence, span))
                .filter(|_| flags.drill == Drill::Restart)
                .and_then(|clients| ratio(float(clients), drained)),
            told: self
                .watchers
                .told((start + span.0, start + evidence.end), &self.stayers()),
            slow_for_s: slow_until(&heard, span.1, Duration::from_secs_f64(slow / 1e3))
                .as_secs_f64(),
            busy_for_s: usual.map(|usual| busy_until(&calls, span.1, usual * BUSY).as_secs_f64()),
            readiness: readiness.collect(),
            return_statements: during.map(|_| statements.iter().map(|one| one.calls).sum()),
            statements: statements.iter().take(STATEMENTS_MAX).map(result).collect(),
            findings: counts(&self.verdict.findings),
            returns,
            parts: parts.into(),
        }
    }
}

impl Figures {
    fn table(&self) -> Table {
        let heads = [
            "",
            "s",
            "acked",
            "ack p99 ms",
            "ack max",
            "heard",
            "p50 ms",
            "p99 ms",
            "max ms",
            "stmts/s",
            "db ms/s",
        ];
        let mut table = Table::new(&heads);
        for of in &self.parts {
            table.row(vec![
                of.part.name.to_owned(),
                figure(Some(of.part.seconds())),
                of.acknowledged.to_string(),
                figure(Some(of.ack.p99_ms)),
                figure(Some(of.ack.max_ms)),
                of.deliveries.to_string(),
                figure(Some(of.delivery.p50_ms)),
                figure(Some(of.delivery.p99_ms)),
                figure(Some(of.delivery.max_ms)),
                whole(of.statements_per_second),
                whole(of.database_ms_per_second),
            ]);
        }
        table
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "seed {}, {} users, rooms of {}",
            self.seed, self.users, self.rooms
        )];
        let returns = &self.returns;
        if let Some(away) = &returns.away {
            notes.push(format!(
                "{} reconnects, the last client held everything {:.2} s after the beginning; away for \
                 p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms; {} in the busiest second",
                returns.reconnects,
                returns.last_back_s,
                away.p50_ms,
                away.p99_ms,
                away.max_ms,
                returns.most_in_a_second
            ));
        }
        if let Some(pace) = self.pace {
            notes.push(format!(
                "drain's pace {pace:.0} a second, busiest second {:.2}x of it",
                ratio(float(returns.most_in_a_second as u64), pace).unwrap_or_default()
            ));
        }
        if let Some(statements) = self.return_statements {
            notes.push(format!(
                "until the last client was back Postgres ran {statements:.0} statements beyond the usual"
            ));
        }
        notes.push(format!(
            "after the end: deliveries slow for {:.2} s more, Postgres busier than before for {} s more",
            self.slow_for_s,
            figure(self.busy_for_s)
        ));
        for (node, turns) in self.readiness.iter().enumerate() {
            let told = turns
                .iter()
                .filter(|(at, _)| *at >= 0.0)
                .map(|(at, ready)| {
                    let what = if *ready { "ready" } else { "not ready" };
                    format!("{what} at {at:.2} s")
                });
            let told: Vec<String> = told.collect();
            if !told.is_empty() {
                notes.push(format!("gateway {node}: {}", told.join(", ")));
            }
        }
        for (number, told) in self.told.iter().enumerate() {
            let Told {
                comings,
                goings,
                thought_away,
            } = told;
            notes.push(format!(
                "watcher {number} was told of {comings} comings and {goings} goings of others, and \
                 thinks {thought_away} away in the end"
            ));
        }
        notes
    }

    /// A restart nobody need notice must not be announced as comings and goings.
    fn problems(&self, flags: &DrillFlags) -> Vec<String> {
        let mut problems = Vec::new();
        let told = self.told.iter().map(|told| told.comings + told.goings);
        if flags.drill == Drill::Restart && told.sum::<usize>() > 0 {
            problems.push("clients were announced as coming or going".to_owned());
        }
        // What was announced while a gateway was deaf is not told there later.
        let deaf = usize::from(flags.drill == Drill::RedisBlackHole);
        if self
            .told
            .iter()
            .skip(deaf)
            .any(|told| told.thought_away > 0)
        {
            problems.push("watchers think clients away who are there".to_owned());
        }
        if self.returns.missing > 0 {
            problems.push(format!("{} clients never came back", self.returns.missing));
        }
        problems
    }
}

/// The report of a drill.
pub(super) fn report(flags: &DrillFlags, observed: &Observed) -> Report {
    let findings = &observed.verdict.findings;
    let mut problems: Vec<String> = smallest(findings, STORIES_PER_KIND)
        .into_iter()
        .map(ToString::to_string)
        .collect();
    let untold = findings.len() - problems.len();
    if untold > 0 {
        problems.push(format!("{untold} more findings"));
    }
    let mut notes = observed.verdict.notes.clone();
    let Some(span) = observed.span else {
        problems.push("what was to be done did not end in time".to_owned());
        return Report {
            command: flags.drill.name(),
            table: Table::default(),
            notes,
            problems,
            result: serde_json::Value::Null,
        };
    };
    let figures = observed.figures(flags, span);
    notes.extend(figures.notes());
    problems.extend(figures.problems(flags));
    Report {
        command: flags.drill.name(),
        table: figures.table(),
        notes,
        problems,
        result: result(&figures),
    }
}
