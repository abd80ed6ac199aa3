//! The figures of an outage.

use super::judge::{Judged, Seen, judge};
use crate::command::drill::flags::DrillFlags;
use crate::result::{Check, Part, Report, Row, Unit};

pub(super) fn report(flags: &DrillFlags, seen: &Seen) -> Report {
    let judged = judge(seen);
    let mut report = Report::new(flags.drill.name());
    if seen.outage.loses {
        report.notes.push(format!(
            "the standby received nothing for {} s, then Postgres died and the standby took its place",
            flags.during().as_secs()
        ));
    }
    let mut part = Part::new("messages");
    for (key, count) in [
        ("acknowledged before", judged.acknowledged_before),
        ("of these lost by the database", judged.lost_by_database),
        ("refused", judged.refused),
        ("acknowledged after", judged.acknowledged_after),
    ] {
        part.count(key, count);
    }
    let felt = seen.felt();
    let seconds = |time: std::time::Duration| time.as_secs_f64();
    for (key, time) in [
        ("longest until an answer", Some(felt.longest_answer)),
        ("mended after", felt.mended),
        ("first ack after its end", felt.first_ack),
    ] {
        part.push(Row::new(key, Unit::Seconds, time.map(seconds)).lower());
    }
    report.parts.push(part);
    report.checks = checks(seen, &judged);
    report
}

fn checks(seen: &Seen, judged: &Judged) -> Vec<Check> {
    let in_vain = seen.outage.loses && judged.lost_by_database == 0;
    vec![
        Check::new(
            "acknowledged afterwards and not in the history",
            judged.lost,
        ),
        Check::new(
            "acknowledged before and not in the history, by the gateway's fault",
            judged.lost_before,
        ),
        Check::new("in the history twice", judged.doubled_in_history),
        Check::new(
            "acknowledged afterwards and not heard by a member",
            judged.unheard,
        ),
        Check::new("heard twice", judged.heard_twice),
        Check::new("heard out of the order of the history", judged.out_of_order),
        Check::new("never answered", judged.unanswered),
        Check::new("connections ended early", seen.ended),
        Check::new("nothing was lost, so nothing was tried", u64::from(in_vain)),
        Check::new(
            "nothing was acknowledged afterwards",
            u64::from(judged.acknowledged_after == 0),
        ),
        Check::unsent(judged.unsent),
    ]
}
