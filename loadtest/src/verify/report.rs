//! What a run prints.

use std::collections::BTreeMap;

use serde::Serialize;

use super::finding::{Finding, counts, smallest};
use super::judge::Seen;
use super::record::{Asked, Fate, Record, Remembered};
use super::run::Verdict;
use super::world::Plan;
use crate::client::Contract;
use crate::report::{Report, Table, figure, result};
use crate::stats::{float, ratio};

/// Stories printed of each kind of finding.
const STORIES_PER_KIND: usize = 2;
/// Findings in the JSON report.
const FINDINGS_MAX: usize = 100;

/// The figures of a run.
#[derive(Debug, Default, Serialize)]
struct Figures {
    seed: u64,
    users: usize,
    of_chats: usize,
    rooms: usize,
    seconds: f64,
    late_after_seconds: f64,
    written: u64,
    acknowledged: u64,
    given_up_after_leaving: u64,
    edits: i64,
    deletions: u64,
    read_marks: u64,
    membership_moves: u64,
    live_events: u64,
    messages_heard: u64,
    heard_by_chats: u64,
    feeds_taken_up: u64,
    heard_at_return: u64,
    digests: u64,
    changes_synced: u64,
    looked_up: u64,
    connections: u64,
    failed_connects: u64,
    asked_to_try_again: u64,
    connections_given_up: u64,
    events_per_second: Option<f64>,
    settled: bool,
    settled_in_seconds: f64,
    faults: BTreeMap<&'static str, u64>,
    findings: BTreeMap<String, usize>,
    stories: Vec<Finding>,
}

impl Figures {
    fn new(plan: &Plan, verdict: &Verdict) -> Self {
        let mut figures = Self {
            seed: plan.seed,
            users: plan.load.users,
            of_chats: (0..plan.load.users)
                .filter(|user| plan.load.contract_of(*user) != Contract::Rooms)
                .count(),
            rooms: plan.load.rooms,
            seconds: plan.load.lasts.as_secs_f64(),
            late_after_seconds: plan.late_after.as_secs_f64(),
            membership_moves: verdict.moves,
            settled: verdict.settled,
            settled_in_seconds: verdict.settled_in.as_secs_f64(),
            findings: counts(&verdict.findings),
            stories: verdict
                .findings
                .iter()
                .take(FINDINGS_MAX)
                .cloned()
                .collect(),
            ..Self::default()
        };
        for seen in &verdict.evidence.users {
            figures.add(&seen.state.record);
            figures.add_chats(seen);
        }
        for fault in &verdict.evidence.faults {
            *figures.faults.entry(fault.kind).or_default() += 1;
        }
        let events = figures.acknowledged + figures.live_events + figures.changes_synced;
        figures.events_per_second = ratio(float(events), figures.seconds);
        figures
    }

    fn add(&mut self, record: &Record) {
        let count = |fate| {
            let of_fate = record.writes.iter().filter(|write| write.fate == fate);
            u64::try_from(of_fate.count()).unwrap_or(0)
        };
        self.written += u64::try_from(record.writes.len()).unwrap_or(0);
        self.acknowledged += count(Fate::Acknowledged);
        self.given_up_after_leaving += count(Fate::Left);
        self.edits += record
            .writes
            .iter()
            .map(|write| write.edits_done)
            .sum::<i64>();
        let deleted = record.writes.iter().filter(|w| w.deletion == Asked::Yes);
        self.deletions += u64::try_from(deleted.count()).unwrap_or(0);
        self.read_marks += u64::try_from(record.marks.len()).unwrap_or(0);
        self.live_events += record.events;
        let heard: usize = record.sessions.iter().map(|s| s.heard.len()).sum();
        self.messages_heard += u64::try_from(heard).unwrap_or(0);
        self.changes_synced += record.synced;
        self.looked_up += record.looks;
        self.connections += u64::try_from(record.sessions.len()).unwrap_or(0);
        self.failed_connects += record.failed_connects;
        self.asked_to_try_again += record.unavailable;
        self.connections_given_up += record.unanswered;
    }

    fn add_chats(&mut self, seen: &Seen) {
        let record = &seen.state.record;
        if seen.contract != Contract::Rooms {
            let heard: usize = record.sessions.iter().map(|s| s.heard.len()).sum();
            self.heard_by_chats += u64::try_from(heard).unwrap_or(0);
            self.digests += record.digested;
            for session in &record.sessions {
                let feeds = session.feeds.iter();
                let surely = feeds.filter(|feed| feed.remembered == Remembered::Surely);
                self.feeds_taken_up += u64::try_from(surely.count()).unwrap_or(0);
                let heard = session.heard.iter();
                let early =
                    heard.filter(|heard| session.greeted.is_some_and(|end| heard.at <= end));
                self.heard_at_return += u64::try_from(early.count()).unwrap_or(0);
            }
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["", "count"]);
        let mut row = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
        row("messages written", self.written.to_string());
        row("acknowledged", self.acknowledged.to_string());
        row(
            "given up after leaving",
            self.given_up_after_leaving.to_string(),
        );
        row("edits", self.edits.to_string());
        row("deletions", self.deletions.to_string());
        row("read marks", self.read_marks.to_string());
        row("joinings and leavings", self.membership_moves.to_string());
        row("messages heard live", self.messages_heard.to_string());
        row("of these by chats", self.heard_by_chats.to_string());
        row("feeds that went on", self.feeds_taken_up.to_string());
        row("heard at a return", self.heard_at_return.to_string());
        row("digests", self.digests.to_string());
        row("changes by sync", self.changes_synced.to_string());
        row("looked up when heard", self.looked_up.to_string());
        row("connections", self.connections.to_string());
        row("failed connects", self.failed_connects.to_string());
        row("asked to try again", self.asked_to_try_again.to_string());
        row("given up as silent", self.connections_given_up.to_string());
        row("events/s", figure(self.events_per_second));
        row("settled in s", figure(Some(self.settled_in_seconds)));
        for (fault, count) in &self.faults {
            row(fault, count.to_string());
        }
        for (kind, count) in &self.findings {
            row(&format!("FOUND {kind}"), count.to_string());
        }
        table
    }
}

/// The report of a run.
#[must_use]
pub(super) fn report(plan: &Plan, verdict: &Verdict) -> Report {
    let figures = Figures::new(plan, verdict);
    let stories = smallest(&verdict.findings, STORIES_PER_KIND);
    let mut problems: Vec<String> = stories.iter().map(ToString::to_string).collect();
    let untold = verdict.findings.len() - problems.len();
    if untold > 0 {
        problems.push(format!("{untold} more findings"));
    }
    let mut notes = vec![format!("seed {}", plan.seed)];
    notes.extend(verdict.notes.iter().cloned());
    Report {
        command: "verify",
        table: figures.table(),
        notes,
        problems,
        result: result(&figures),
    }
}
