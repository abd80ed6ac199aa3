//! The figures of `bench chats`: a part for each thing measured, next to the one that it is compared
//! with.

use super::list::{Condition, ListFigures};
use super::messages::MessageFigures;
use crate::meters::cost::Cost;
use crate::meters::own::saturation;
use crate::result::json::detail;
use crate::result::{Check, Part, Report, Row, Unit};

/// Adds the messages into rooms, each compared with the room before.
pub(super) fn messages(report: &mut Report, figures: &[MessageFigures]) {
    let mut before: Option<&MessageFigures> = None;
    for of in figures {
        let name = format!(
            "message, {} members, {} connected",
            of.members, of.connected
        );
        let mut part = Part::new(name.clone());
        let base = before.map(|of| (format!("{} members", of.members), of));
        costs(
            &mut part,
            &of.cost,
            base.as_ref().map(|(of, before)| (of, &before.cost)),
        );
        part.push(compared(
            ("B/socket", Unit::Bytes, of.bytes_per_socket),
            base.as_ref()
                .map(|(of, before)| (of, before.bytes_per_socket)),
        ));
        let digests = Row::new("digest B/socket", Unit::Bytes, of.digest_bytes_per_socket);
        part.push(digests.lower());
        part.latency("ack", &of.ack);
        part.latency("last feed", &of.last_feed);
        part.latency("last digest", &of.last_digest);
        let busy = saturation(of.generator_cpu_cores);
        report
            .notes
            .extend(busy.map(|busy| format!("{name}: {busy}")));
        add(report, part, &of.cost, of.problem.as_ref());
        before = Some(of);
    }
}

/// Adds the lists, each compared with the one before of the same limit.
pub(super) fn lists(report: &mut Report, figures: &[ListFigures]) {
    let mut limits: Vec<u32> = figures.iter().map(|of| of.limit).collect();
    limits.sort_unstable();
    limits.dedup();
    for limit in limits {
        let mut before: Option<&ListFigures> = None;
        for of in figures.iter().filter(|of| of.limit == limit) {
            let mut part = Part::new(name(of.condition, limit));
            let base = before.map(|of| (name(of.condition, limit), of));
            costs(
                &mut part,
                &of.cost,
                base.as_ref().map(|(of, before)| (of, &before.cost)),
            );
            part.push(compared(
                ("answer", Unit::Bytes, of.answer_bytes),
                base.as_ref().map(|(of, before)| (of, before.answer_bytes)),
            ));
            part.latency("list", &of.latency);
            add(report, part, &of.cost, of.problem.as_ref());
            before = Some(of);
        }
    }
}

fn add(report: &mut Report, part: Part, cost: &Cost, problem: Option<&String>) {
    let wrong = Check::new("wrong or missing answers", u64::from(problem.is_some()));
    report
        .checks
        .push(wrong.of(&part.name).told(problem.cloned()));
    report.detail(&part.name, detail(&cost.by_statement));
    report.parts.push(part);
}

fn name(condition: Condition, limit: u32) -> String {
    let Condition {
        chats,
        messages,
        read,
    } = condition;
    let unread = if read { "read" } else { "unread" };
    format!("list {limit} of {chats} chats, {messages} {unread} each")
}

fn costs(part: &mut Part, cost: &Cost, base: Option<(&String, &Cost)>) {
    type Of = fn(&Cost) -> Option<f64>;
    let all: [(&'static str, Unit, Of); 5] = [
        ("statements", Unit::Average, |of| of.statements),
        ("database", Unit::Millis, |of| of.database_ms),
        ("database blocks", Unit::Count, |of| of.database_blocks),
        ("gateway CPU", Unit::Millis, |of| of.cpu_ms),
        ("Redis", Unit::Bytes, |of| of.redis_bytes),
    ];
    for (key, unit, of) in all {
        let base = base.map(|(name, base)| (name, of(base)));
        part.push(compared((key, unit, of(cost)), base));
    }
}

fn compared(
    (key, unit, value): (&'static str, Unit, Option<f64>),
    base: Option<(&String, Option<f64>)>,
) -> Row {
    let row = Row::new(key, unit, value).lower();
    match base {
        Some((of, base)) => row.to(of.clone(), base),
        None => row,
    }
}
