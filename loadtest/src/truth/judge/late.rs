//! What each connection should have heard by when.
//!
//! A member who was connected before a message was sent must have heard it within the bound after
//! its ack. The bound counts time without faults only, in one piece: it starts anew after each fault.
//! A connection that ended before that owes nothing; its client asks for what it missed.

use std::collections::HashMap;
use std::time::Duration;

use roomwire_shared::MessageId;

use crate::client::Contract;
use crate::truth::finding::{Finding, Kind};
use crate::truth::judge::Index;
use crate::truth::judge::story::{at, name};
use crate::truth::record::Struck;
use crate::truth::record::{Asked, Moment, Session, Write};

pub(super) fn check(index: &Index<'_>) -> Vec<Finding> {
    let evidence = index.evidence;
    let mut findings = Vec::new();
    for (user, seen) in evidence.users.iter().enumerate() {
        let sessions = &seen.state.record.sessions;
        let heard: HashMap<(usize, MessageId), Moment> = sessions
            .iter()
            .enumerate()
            .flat_map(|(number, session)| session.heard.iter().map(move |h| ((number, h.id), h.at)))
            .collect();
        // What was deleted may have been so before its turn to be shown. Only in the contract of
        // chats a client hears itself.
        let hears_itself = seen.contract != Contract::Rooms;
        let due = |(writer, _, write): &(usize, usize, &Write)| {
            (*writer != user || hears_itself) && write.deletion == Asked::No
        };
        for (writer, _, write) in index.writes().filter(due) {
            let Some((number, due)) = owed(index, user, sessions, write) else {
                continue;
            };
            let follows = || {
                let feeds = sessions.get(number).map(|session| &session.feeds);
                let mut feeds = feeds.into_iter().flatten();
                feeds.any(|feed| feed.room == write.room && feed.spans(write.first_sent, due))
            };
            if hears_itself && !follows() {
                continue;
            }
            let id = write.acks.first().map(|ack| ack.id);
            let came = id.and_then(|id| heard.get(&(number, id)));
            if came.is_some_and(|came| *came <= due) {
                continue;
            }
            findings.push(tell(index, (user, number), (writer, write), (due, came)));
        }
    }
    findings
}

/// On which of the user's sessions a message must be heard, and by when.
fn owed(
    index: &Index<'_>,
    user: usize,
    sessions: &[Session],
    write: &Write,
) -> Option<(usize, Moment)> {
    let evidence = index.evidence;
    let ack = write.acks.first()?;
    let stays = evidence.stays.of(write.room, user);
    let stay = stays
        .iter()
        .find(|stay| ack.position.is_some_and(|at| stay.covers(at)))?;
    let number = sessions
        .partition_point(|session| session.opened < write.first_sent)
        .checked_sub(1)?;
    let session = sessions.get(number)?;
    let until = session.closed.as_ref().map_or(evidence.end, |(at, _)| *at);
    let due = due(ack.at, &evidence.faults, evidence.late_after);
    let member = stay.leaving.is_none_or(|leaving| leaving > due);
    (member && due <= until).then_some((number, due))
}

/// By when a connection must hear what it was owed at this moment.
pub(super) fn due_after(index: &Index<'_>, from: Moment) -> Moment {
    due(from, &index.evidence.faults, index.evidence.late_after)
}

/// The end of the first stretch of this length, after this moment, in which no fault was active.
fn due(from: Moment, faults: &[Struck], stretch: Duration) -> Moment {
    let mut start = from;
    for fault in faults {
        if fault.to > start && fault.from < start + stretch {
            start = fault.to;
        }
    }
    start + stretch
}

fn tell(
    index: &Index<'_>,
    (user, number): (usize, usize),
    (writer, write): (usize, &Write),
    (due, came): (Moment, Option<&Moment>),
) -> Finding {
    let how = came.map_or_else(
        || "not at all".to_owned(),
        |came| format!("only at {}", at(*came)),
    );
    let what = format!(
        "{} was due to {} by {} and was heard {how}",
        write.key,
        name(user),
        at(due)
    );
    let position = write.position().unwrap_or_default();
    let mut story = index.tell_write(writer, write);
    story.extend(index.tell_session(user, number, (write.room, position)));
    Finding::new(Kind::Late, what).told(story)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(from: u64, to: u64) -> Struck {
        Struck {
            name: String::new(),
            kind: "x",
            from: Moment::from_secs(from),
            to: Moment::from_secs(to),
        }
    }

    #[test]
    fn the_bound_starts_anew_after_each_fault() {
        let due = |from, faults: &[Struck]| {
            due(Moment::from_secs(from), faults, Duration::from_secs(10)).as_secs()
        };
        assert_eq!(due(5, &[]), 15);
        assert_eq!(due(5, &[fault(1, 4), fault(15, 20)]), 15);
        assert_eq!(due(5, &[fault(1, 6)]), 16);
        assert_eq!(due(5, &[fault(1, 6), fault(15, 18), fault(40, 41)]), 28);
        assert_eq!(due(5, &[fault(4, 30), fault(6, 7)]), 40);
    }
}
