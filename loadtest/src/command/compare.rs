//! `compare`: two sets of results side by side, and which of their differences are real.

use std::path::PathBuf;

use clap::Args;

use super::CommandError;
use crate::result::{Better, Check, Figure, Part, Report, Row};

/// With so many results on each side their own spread tells what is noise.
const RUNS_MIN: usize = 3;
/// A difference below this is never called real, as a share.
const SMALLEST: f64 = 0.05;
/// With fewer results a difference must be larger than this, which machines show that do other work.
const UNSURE: f64 = 0.25;

/// Flags of `compare`.
#[derive(Args, Clone)]
pub struct Compare {
    /// Results of the one side: folders that --out has written, or files; several with commas
    #[arg(value_name = "A", value_delimiter = ',', num_args = 1, required = true)]
    pub a: Vec<PathBuf>,

    /// Results of the other side
    #[arg(value_name = "B", value_delimiter = ',', num_args = 1, required = true)]
    pub b: Vec<PathBuf>,
}

/// The same figure of several results.
#[derive(Debug, Clone)]
pub(super) struct Values {
    figure: Figure,
    sorted: Vec<f64>,
}

impl Values {
    pub(super) fn median(&self) -> f64 {
        let (low, high) = (
            self.sorted.len().saturating_sub(1) / 2,
            self.sorted.len() / 2,
        );
        let at = |place: usize| self.sorted.get(place).copied().unwrap_or(f64::NAN);
        f64::midpoint(at(low), at(high))
    }

    /// The lowest and the highest.
    pub(super) fn range(&self) -> (f64, f64) {
        let first = self.sorted.first().copied().unwrap_or(f64::NAN);
        (first, self.sorted.last().copied().unwrap_or(f64::NAN))
    }

    /// Whether it is the same figure.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.figure.key == other.figure.key && self.figure.unit == other.figure.unit
    }

    /// The median, as a figure.
    pub(super) fn row(&self) -> Row {
        let Figure {
            key, unit, better, ..
        } = &self.figure;
        let mut row = Row::new(key.clone(), *unit, self.median());
        row.better = *better;
        row
    }
}

/// Reads both sides and compares them.
pub(super) fn run(flags: &Compare) -> Result<Report, CommandError> {
    let read = |paths: &[PathBuf]| -> Result<Vec<Report>, CommandError> {
        let kept = paths.iter().map(|path| Ok(Report::read(path)?));
        kept.collect()
    };
    Ok(compare(&read(&flags.a)?, &read(&flags.b)?))
}

fn compare(a: &[Report], b: &[Report]) -> Report {
    let mut report = Report::new("compare");
    let commands: Vec<&str> = a
        .iter()
        .chain(b)
        .map(|kept| kept.command.as_str())
        .collect();
    let differ = commands.iter().any(|of| Some(of) != commands.first());
    let name = "results are not of the same command";
    report.checks.push(Check::new(name, u64::from(differ)));
    let failed = a
        .iter()
        .chain(b)
        .filter(|kept| !kept.passed() || kept.crossed())
        .count();
    report.checks.push(Check::new(
        "results in which something did not hold",
        failed as u64,
    ));
    let sure = a.len().min(b.len()) >= RUNS_MIN;
    report.notes.push(format!(
        "medians of {} and {} results; a figure is B's, its ratio is to A's",
        a.len(),
        b.len()
    ));
    report.notes.push(if sure {
        "real: further apart than each side's own runs, and by 5 % or more".to_owned()
    } else {
        format!("fewer than {RUNS_MIN} results on a side: only differences above 25 % are told")
    });
    let names = a
        .first()
        .map(|kept| kept.parts.iter().map(|part| part.name.as_str()));
    for name in names.into_iter().flatten() {
        let mut part = Part::new(name);
        for (one, other) in pairs(name, a, b) {
            part.push(other.row().to("A", Some(one.median())));
            report.notes.extend(told(name, (&one, &other), sure));
        }
        report.parts.push(part);
    }
    report
}

/// The figures of a part that both sides have.
fn pairs(part: &str, a: &[Report], b: &[Report]) -> Vec<(Values, Values)> {
    let (one, other) = (values(part, a), values(part, b));
    let pair = |one: Values| {
        let other = other.iter().find(|of| of.is_same(&one))?.clone();
        Some((one, other))
    };
    one.into_iter().filter_map(pair).collect()
}

/// The figures of a part, each of all results.
pub(super) fn values(part: &str, kept: &[Report]) -> Vec<Values> {
    let mut all: Vec<Values> = Vec::new();
    let parts = kept.iter().flat_map(|kept| &kept.parts);
    for figure in parts.filter(|of| of.name == part).flat_map(Part::figures) {
        match all.iter_mut().find(|of| of.figure.key == figure.key) {
            Some(known) => known.sorted.push(figure.value),
            None => all.push(Values {
                sorted: vec![figure.value],
                figure,
            }),
        }
    }
    for of in &mut all {
        of.sorted.sort_by(f64::total_cmp);
    }
    all
}

/// What to say of a difference, if it is real.
pub(super) fn told(part: &str, (one, other): (&Values, &Values), sure: bool) -> Option<String> {
    let (before, after) = (one.median(), other.median());
    let change = (after - before).abs() / before.abs();
    let ((a_low, a_high), (b_low, b_high)) = (one.range(), other.range());
    let apart = a_high < b_low || b_high < a_low;
    let real = if sure {
        apart && change >= SMALLEST
    } else {
        change >= UNSURE
    };
    // Not a number is no difference.
    if !real {
        return None;
    }
    let better = (after < before) == (one.figure.better == Better::Lower);
    let word = if better { "better" } else { "worse" };
    let Figure { key, unit, .. } = &one.figure;
    Some(format!(
        "{word}: {part}: {key} from {before:.2} ({a_low:.2} to {a_high:.2}) to {after:.2} \
         ({b_low:.2} to {b_high:.2}) {}",
        unit.symbol()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Unit;

    fn kept(cpu: f64, p99: f64) -> Report {
        let mut part = Part::new("hold");
        part.push(Row::new("us/delivery", Unit::Micros, cpu).lower());
        part.count("sent", 4);
        part.push(Row::new("ack p99", Unit::Millis, p99).lower());
        let mut report = Report::new("run x");
        report.parts.push(part);
        report
    }

    fn real(a: &[Report], b: &[Report]) -> Vec<String> {
        let notes = compare(a, b).notes.into_iter().skip(2);
        notes.map(|note| note.chars().take(24).collect()).collect()
    }

    #[test]
    fn what_lies_within_the_runs_own_spread_is_no_difference() {
        let a = [kept(20.0, 5.0), kept(21.0, 9.0), kept(22.0, 6.0)];
        let b = [kept(10.0, 7.0), kept(11.0, 8.5), kept(10.5, 5.5)];
        assert_eq!(real(&a, &b), ["better: hold: us/deliver"]);
        assert_eq!(real(&b, &a), ["worse: hold: us/delivery"]);
        assert!(real(&a, &a).is_empty());
    }

    #[test]
    fn of_single_runs_only_large_differences_are_told() {
        assert!(real(&[kept(20.0, 5.0)], &[kept(17.0, 4.0)]).is_empty());
        assert_eq!(real(&[kept(20.0, 5.0)], &[kept(40.0, 5.0)]).len(), 1);
    }

    #[test]
    fn figures_stand_beside_each_other_with_their_ratio() {
        let report = compare(&[kept(20.0, 5.0)], &[kept(10.0, 5.0)]);
        let row = report.part("hold").unwrap().row("us/delivery").unwrap();
        assert_eq!((row.value, row.ratio()), (Some(10.0), Some(0.5)));
        assert!(report.part("hold").unwrap().row("sent").is_none());
        assert!(report.passed());
    }
}
