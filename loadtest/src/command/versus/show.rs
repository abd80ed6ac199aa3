//! What the rounds showed: each figure of both sides beside each other, as the median with the lowest
//! and the highest, and which differences are real.

use super::Versus;
use crate::command::compare::{Values, told, values};
use crate::result::stats::float;
use crate::result::{Check, Figure, Part, Report, Row, Unit};

/// How this program's own gateway is called.
const OURS: &str = "roomwire";
/// Left out where processes last for several plays: memory is only told from nothing in a new one.
const GROWTH: &str = "KiB/connection";
/// The figure that shows what was lost.
const LOST: &str = "lost deliveries";
/// The check that counts it.
const MISSING: &str = "acknowledged messages missing in a member's feed";

/// The rounds of one scenario.
pub(super) struct Compared {
    pub(super) name: String,
    /// Whether each play had processes of its own.
    pub(super) fresh: bool,
    pub(super) ours: Vec<Report>,
    pub(super) theirs: Vec<Report>,
}

/// The report of all scenarios.
pub(super) fn report(flags: &Versus, compared: &[Compared]) -> Report {
    let mut report = Report::new(format!("versus {}", flags.name));
    report.notes.push(format!(
        "medians of {} rounds in turns; in square brackets the lowest and the highest; (x) to {}",
        flags.rounds, flags.name
    ));
    let sure = flags.rounds >= 3;
    for of in compared {
        let [ours, theirs] = [&of.ours, &of.theirs].map(|side| whole(side, of.fresh));
        let names = ours.first().map(|report| report.parts.iter());
        for name in names.into_iter().flatten().map(|part| &part.name) {
            let (one, other) = (values(name, &ours), values(name, &theirs));
            let title = format!("{}, {name}", of.name);
            let [mut left, mut right] =
                [OURS, &flags.name].map(|side| Part::new(format!("{title}: {side}")));
            for (mine, their) in one
                .iter()
                .filter_map(|mine| Some((mine, same(mine, &other)?)))
            {
                left.push(row(mine).to(flags.name.clone(), Some(their.median())));
                right.push(row(their));
                let told = told(&title, (their, mine), sure);
                report.notes.extend(told);
            }
            if !left.rows.is_empty() {
                report.parts.extend([left, right]);
            }
        }
        findings(&mut report, (&of.name, OURS), &of.ours);
        let theirs = problems(&of.theirs);
        let theirs = theirs.map(|problem| format!("{}, {}: {problem}", of.name, flags.name));
        report.notes.extend(theirs);
    }
    report
}

/// What went wrong with ours is a failure of this comparison.
fn findings(report: &mut Report, (name, side): (&str, &str), of: &[Report]) {
    let failed: Vec<String> = problems(of).collect();
    let check = Check::new(format!("checks of {side} that failed"), failed.len() as u64);
    report.checks.push(check.told(failed).of(name));
}

/// What failed, by round.
fn problems(reports: &[Report]) -> impl Iterator<Item = String> {
    let rounds = (1..).zip(reports);
    rounds.flat_map(|(round, report)| {
        let failed = report.checks.iter().filter(|check| check.failed > 0);
        failed.map(move |check| {
            let part = check
                .part
                .as_ref()
                .map_or(String::new(), |part| format!("{part}: "));
            format!("round {round}: {part}{} {}", check.failed, check.name)
        })
    })
}

/// The reports with what else is to be compared as figures: what was lost, the floors, and how many times
/// its floor a figure is.
fn whole(reports: &[Report], fresh: bool) -> Vec<Report> {
    let each = reports.iter();
    each.map(|report| one_whole(report, fresh)).collect()
}

fn one_whole(of: &Report, fresh: bool) -> Report {
    let mut report = Report::new(of.command.clone());
    for of in &of.parts {
        let mut part = Part::new(of.name.clone());
        for figure in of
            .figures()
            .into_iter()
            .filter(|figure| fresh || figure.key != GROWTH)
        {
            part.push(plain(&figure));
        }
        for row in of.rows.iter().filter(|row| !row.minor) {
            if let (Some(base), Some(ratio)) = (&row.base, row.ratio()) {
                let key = format!("{}, times the {}", row.key, base.of);
                let mut times = Row::new(key, Unit::Average, ratio);
                times.better = row.better;
                part.push(times);
            }
        }
        report.parts.push(part);
    }
    let missing = of.checks.iter().find(|check| check.name == MISSING);
    if let Some(missing) = missing {
        let mut part = Part::new("truth");
        part.push(Row::new(LOST, Unit::Count, float(missing.failed)).lower());
        report.parts.push(part);
    }
    report
}

fn plain(figure: &Figure) -> Row {
    let mut row = Row::new(figure.key.clone(), figure.unit, figure.value);
    row.better = figure.better;
    row
}

fn same<'a>(of: &Values, among: &'a [Values]) -> Option<&'a Values> {
    among.iter().find(|other| other.is_same(of))
}

fn row(values: &Values) -> Row {
    values.row().between(values.range())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command::cli::{Cli, Command};

    fn flags() -> Versus {
        let cli = Cli::try_parse_from(["x", "versus", "--rounds", "3", "deliveries"]).unwrap();
        let Command::Versus(flags) = cli.command else {
            panic!()
        };
        flags
    }

    fn round(cpu: f64, lost: u64) -> Report {
        let mut part = Part::new("4 x 100");
        let row = Row::new("us/delivery", Unit::Micros, cpu).lower();
        part.push(row.to("floor", Some(10.0)));
        part.push(Row::new(GROWTH, Unit::KiB, 3.0).lower());
        let mut report = Report::new("bench deliveries");
        report.parts.push(part);
        report.checks.push(Check::new(MISSING, lost));
        report
    }

    #[test]
    fn both_sides_stand_beside_each_other_with_medians_and_ratios() {
        let compared = Compared {
            name: "deliveries".to_owned(),
            fresh: false,
            ours: [20.0, 30.0, 25.0].map(|cpu| round(cpu, 0)).into(),
            theirs: [50.0, 60.0, 40.0].map(|cpu| round(cpu, 7)).into(),
        };
        let report = report(&flags(), &[compared]);
        let part = report.part("deliveries, 4 x 100: roomwire").unwrap();
        let row = part.row("us/delivery").unwrap();
        assert_eq!((row.value, row.spread), (Some(25.0), Some((20.0, 30.0))));
        assert_eq!(row.ratio(), Some(0.5));
        assert!(part.row(GROWTH).is_none());
        let times = part.row("us/delivery, times the floor").unwrap();
        assert_eq!(times.value, Some(2.5));
        let truth = report.value("deliveries, truth: node", LOST);
        assert_eq!(truth, Some(7.0));
        assert!(report.passed(), "{report}");
        let better = |note: &&String| note.starts_with("better: deliveries, 4 x 100");
        assert!(report.notes.iter().any(|note| better(&note)), "{report}");
    }

    #[test]
    fn what_is_lost_by_ours_fails_the_comparison() {
        let compared = Compared {
            name: "deliveries".to_owned(),
            fresh: false,
            ours: vec![round(20.0, 1)],
            theirs: vec![round(20.0, 0)],
        };
        assert!(!report(&flags(), &[compared]).passed());
    }
}
