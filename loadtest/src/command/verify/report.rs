//! What a check showed: how much was tried, and what was found.

use std::collections::BTreeMap;

use crate::client::Contract;
use crate::crowd::trial::Verdict;
use crate::crowd::world::Plan;
use crate::result::json::detail;
use crate::result::stats::{float, ratio};
use crate::result::{Part, Report, Row, Unit};
use crate::truth::finding::checks;
use crate::truth::judge::Seen;
use crate::truth::record::{Asked, Fate, Record, Remembered, Session};

/// Findings that programs are told.
const FINDINGS_MAX: usize = 100;

/// The report of a check.
#[must_use]
pub(super) fn report(plan: &Plan, verdict: &Verdict) -> Report {
    let users = &verdict.evidence.users;
    let mut part = Part::new("");
    for (key, of) in COUNTS {
        part.count(key, users.iter().map(of).sum());
    }
    part.count("joinings and leavings", verdict.moves);
    let events: u64 = users.iter().map(events).sum();
    let seconds = plan.load.lasts.as_secs_f64();
    let rate = ratio(float(events), seconds);
    part.push(Row::new("events/s", Unit::PerSecond, rate));
    let settled = verdict.settled_in.as_secs_f64();
    part.push(Row::new("settled in", Unit::Seconds, settled).lower());
    let of_chats = users.iter().filter(|user| is_of_chats(user)).count();
    for (key, count) in [
        ("users", users.len()),
        ("users of chats", of_chats),
        ("rooms", plan.load.rooms),
    ] {
        part.push(Row::new(key, Unit::Count, float(count as u64)).minor());
    }
    let mut faults: BTreeMap<&'static str, u64> = BTreeMap::new();
    for fault in &verdict.evidence.faults {
        *faults.entry(fault.kind).or_default() += 1;
    }
    let mut struck = Part::new("faults");
    for (kind, count) in faults {
        struck.count(kind, count);
    }
    let mut report = Report::new("verify");
    report.parts = vec![part, struck];
    report.notes.push(format!("seed {}", plan.seed));
    report.notes.extend(verdict.notes.iter().cloned());
    report.checks = checks(&verdict.findings);
    let told = verdict.findings.iter().take(FINDINGS_MAX);
    report.detail("findings", detail(&told.collect::<Vec<_>>()));
    report
}

type Of = fn(&Seen) -> u64;

/// What is counted, over all users.
const COUNTS: [(&str, Of); 19] = [
    ("messages written", |of| length(&record(of).writes)),
    ("acknowledged", |of| with_fate(of, Fate::Acknowledged)),
    ("given up after leaving", |of| with_fate(of, Fate::Left)),
    ("without a key, unsure", |of| with_fate(of, Fate::Unsure)),
    ("without a key, declined", |of| {
        with_fate(of, Fate::Declined)
    }),
    ("edits", |of| {
        let edits = record(of).writes.iter().map(|write| write.edits_done);
        u64::try_from(edits.sum::<i64>()).unwrap_or(0)
    }),
    ("deletions", |of| {
        let writes = record(of).writes.iter();
        writes.filter(|w| w.deletion == Asked::Yes).count() as u64
    }),
    ("read marks", |of| length(&record(of).marks)),
    ("messages heard live", heard),
    ("of these by chats", |of| {
        if is_of_chats(of) { heard(of) } else { 0 }
    }),
    ("feeds that went on", |of| in_chats(of, feeds_taken_up)),
    ("heard at a return", |of| in_chats(of, heard_at_return)),
    ("digests", |of| record(of).digested),
    ("changes by sync", |of| record(of).synced),
    ("looked up when heard", |of| record(of).looks),
    ("connections", |of| length(&record(of).sessions)),
    ("failed connects", |of| record(of).failed_connects),
    ("asked to try again", |of| record(of).unavailable),
    ("given up as silent", |of| record(of).unanswered),
];

fn record(seen: &Seen) -> &Record {
    &seen.state.record
}

fn length<T>(all: &[T]) -> u64 {
    all.len() as u64
}

fn is_of_chats(seen: &Seen) -> bool {
    seen.contract != Contract::Rooms
}

fn with_fate(seen: &Seen, fate: Fate) -> u64 {
    let writes = record(seen).writes.iter();
    writes.filter(|write| write.fate == fate).count() as u64
}

fn heard(seen: &Seen) -> u64 {
    let sessions = record(seen).sessions.iter();
    sessions.map(|session| length(&session.heard)).sum()
}

fn in_chats(seen: &Seen, of: fn(&Session) -> u64) -> u64 {
    let sessions = record(seen).sessions.iter();
    sessions.filter(|_| is_of_chats(seen)).map(of).sum()
}

fn feeds_taken_up(session: &Session) -> u64 {
    let feeds = session.feeds.iter();
    let surely = feeds.filter(|feed| feed.remembered == Remembered::Surely);
    surely.count() as u64
}

fn heard_at_return(session: &Session) -> u64 {
    let heard = session.heard.iter();
    let early = heard.filter(|heard| session.greeted.is_some_and(|end| heard.at <= end));
    early.count() as u64
}

/// Everything that reached the servers or came from them, as far as it was acknowledged.
fn events(seen: &Seen) -> u64 {
    let record = record(seen);
    with_fate(seen, Fate::Acknowledged) + record.events + record.synced
}
