//! The figures of `bench queries`: a part for each kind of request.

use super::measure::Figures;
use crate::meters::cost::Meters;
use crate::result::json::detail;
use crate::result::stats::float;
use crate::result::{Check, Part, Report, Row, Unit};

/// So many rows may be touched for a request, whatever it asks: its user, the room, and what the gateway itself does
/// meanwhile.
const ALWAYS: f64 = 500.0;

/// Adds what was measured, and what must hold of it.
pub(super) fn figures(report: &mut Report, meters: &Meters, all: &[Figures]) {
    report.notes = vec![
        "per request: rows touched are rows of tables passed over and entries of indexes walked"
            .to_owned(),
        "what a request may touch is told in the README of this program".to_owned(),
    ];
    if !meters.counts_statements() {
        report.notes.extend(meters.notes());
    }
    for of in all {
        let mut part = Part::new(of.name.clone());
        part.count("answered", of.answer.items);
        part.push(Row::new("answer", Unit::Bytes, float(of.answer.bytes)).lower());
        part.push(Row::new("rows touched", Unit::Average, of.touched).lower());
        part.push(Row::new("it may touch", Unit::Count, may_touch(of)));
        part.push(Row::new("statements", Unit::Average, of.cost.statements).lower());
        part.push(Row::new("database", Unit::Millis, of.cost.database_ms).lower());
        part.push(Row::new("database blocks", Unit::Count, of.cost.database_blocks).lower());
        part.latency("request", &of.latency);
        let refused = Check::new("refused or unanswered", u64::from(of.problem.is_some()));
        let touched = Check::new(
            format!("touches more than it may ({})", of.what),
            u64::from(of.touched > may_touch(of)),
        );
        report
            .checks
            .push(refused.of(&of.name).told(of.problem.clone()));
        report.checks.push(touched.of(&of.name));
        report.detail(&part.name, detail(&of.cost.by_statement));
        report.parts.push(part);
    }
}

fn may_touch(of: &Figures) -> f64 {
    let (each, beside) = of.allowed;
    ALWAYS + each * float(of.answer.items) + beside
}
