//! A member by the contract of chats who was cut off and comes back: the first two messages were there
//! before, the third is live. The read mark was never moved.

use crate::client::Contract;
use crate::truth::judge::tests::*;
use crate::truth::record::{Fate, Feed, Marking, Remembered, Write};

/// The second member's first connection heard the first message and ended; the second one heard it
/// again, as part of what was missed, and then the third. All is placed.
fn sound_by_returning() -> Evidence {
    let mut evidence = sound();
    evidence.late_after = seconds(5);
    let seen = &mut evidence.users[1];
    seen.contract = Contract::OldChats;
    seen.state.copies = [(0, Copy::default())].into();
    let record = &mut seen.state.record;
    record.marks.clear();
    let feed = Feed {
        room: 0,
        remembered: Remembered::No,
        asked: seconds(1),
        open: Some(seconds(1)),
        ending: None,
        ended: None,
    };
    let again = Session {
        began: seconds(10),
        opened: seconds(11),
        greeted: Some(seconds(12)),
        heard: vec![at_time(heard("u0-0", 5), 11), at_time(heard("u0-1", 7), 30)],
        feeds: vec![Feed {
            remembered: Remembered::Surely,
            asked: seconds(11),
            open: Some(seconds(11)),
            ..feed.clone()
        }],
        ..record.sessions[0].clone()
    };
    let first = &mut record.sessions[0];
    first.feeds.push(feed);
    first.greeted = Some(seconds(2));
    first.heard = vec![heard("u0-0", 5), heard("u1-0", 6)];
    first.closed = Some((seconds(8), "x".to_owned()));
    record.sessions.push(again);
    let live = &mut evidence.users[0].state.record.writes[1];
    live.first_sent = seconds(28);
    live.acks[0].at = seconds(29);
    // What is not looked at here: digests, and pages of the other contract.
    evidence.users[1].state.record.digests.insert(0, digest());
    evidence
}

fn digest() -> crate::truth::record::Digest {
    crate::truth::record::Digest {
        key: "u0-1".to_owned(),
        unread: 0,
        at: seconds(31),
        session: 1,
    }
}

fn at_time(heard: Heard, second: u64) -> Heard {
    Heard {
        at: seconds(second),
        ..heard
    }
}

fn kinds(change: impl FnOnce(&mut Record)) -> Vec<Kind> {
    let mut evidence = sound_by_returning();
    change(&mut evidence.users[1].state.record);
    let mut kinds: Vec<Kind> = judge(&evidence).iter().map(|found| found.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn again(record: &mut Record) -> &mut Session {
    &mut record.sessions[1]
}

fn marked(session: usize, asked: u64, done: Option<u64>) -> Marking {
    Marking {
        room: 0,
        session,
        asked: seconds(asked),
        done: done.map(seconds),
    }
}

#[test]
fn what_comes_again_after_a_return_is_sound() {
    assert_eq!(kinds(|_| ()), []);
}

#[test]
fn a_feed_that_goes_on_owes_what_was_missed_at_once() {
    let never = kinds(|record| drop(again(record).heard.remove(0)));
    assert_eq!(never, [Kind::Late]);
    let later = kinds(|record| {
        let mut missed = again(record).heard.remove(0);
        missed.at = seconds(13);
        again(record).heard.insert(0, missed);
    });
    assert_eq!(later, [Kind::Doubled, Kind::Late]);
    let silent = kinds(|record| again(record).heard.clear());
    assert_eq!(silent, [Kind::Late]);
    let only_missed = kinds(|record| again(record).heard.truncate(1));
    assert_eq!(only_missed, [Kind::Late]);
}

#[test]
fn messages_that_may_have_been_stored_may_fill_the_page_of_what_is_owed() {
    let owed = |unsure: usize, fate: Fate| {
        let mut evidence = sound_by_returning();
        again(&mut evidence.users[1].state.record).heard.remove(0);
        let record = &mut evidence.users[0].state.record;
        let unsure = (0..unsure).map(|number| Write {
            key: format!("u0-{}", 100 + number),
            keyed: false,
            acks: Vec::new(),
            fate,
            ..record.writes[0].clone()
        });
        let unsure: Vec<Write> = unsure.collect();
        record.writes.extend(unsure);
        judge(&evidence)
            .iter()
            .any(|found| found.kind == Kind::Late)
    };
    assert!(owed(50, Fate::Unsure));
    assert!(!owed(100, Fate::Unsure));
    assert!(owed(100, Fate::Declined));
}

#[test]
fn what_may_be_read_or_may_be_forgotten_is_not_owed() {
    let silent = |change: fn(&mut Record)| {
        kinds(|record| {
            again(record).heard.remove(0);
            change(record);
        })
    };
    assert_eq!(
        silent(|record| record.markings.push(marked(0, 1, Some(4)))),
        []
    );
    assert_eq!(
        silent(|record| record.markings.push(marked(0, 1, None))),
        []
    );
    // Read before it was written, it is not read.
    let early = silent(|record| record.markings.push(marked(0, 1, Some(1))));
    assert_eq!(early, [Kind::Late]);
    // On this connection it was read too late to matter.
    let late = silent(|record| record.markings.push(marked(1, 12, Some(13))));
    assert_eq!(late, [Kind::Late]);
    let perhaps = silent(|record| again(record).feeds[0].remembered = Remembered::Perhaps);
    assert_eq!(perhaps, []);
    // Nobody knows what would have come.
    assert_eq!(silent(|record| again(record).greeted = None), []);
}

#[test]
fn what_is_read_or_ones_own_must_not_come_again() {
    let read = kinds(|record| record.markings.push(marked(0, 4, Some(5))));
    assert_eq!(read, [Kind::Doubled]);
    let perhaps = kinds(|record| record.markings.push(marked(0, 4, None)));
    assert_eq!(perhaps, []);
    // Another's message that was there may be read by a mark that was asked for before its ack.
    let around = kinds(|record| record.markings.push(marked(0, 2, Some(5))));
    assert_eq!(around, []);
    let own = kinds(|record| {
        let own = at_time(heard("u1-0", 6), 11);
        again(record).heard.insert(1, own);
    });
    assert_eq!(own, [Kind::Doubled]);
}

#[test]
fn nothing_comes_again_on_a_feed_that_did_not_go_on() {
    let joined = kinds(|record| again(record).feeds[0].remembered = Remembered::No);
    assert_eq!(joined, [Kind::Doubled]);
    let none = kinds(|record| {
        again(record).feeds[0].asked = seconds(13);
        again(record).feeds[0].remembered = Remembered::No;
    });
    assert_eq!(none, [Kind::Doubled, Kind::HeardAfterLeave]);
}

#[test]
fn what_comes_again_comes_once_and_in_order() {
    let twice = kinds(|record| {
        let first = again(record).heard[0].clone();
        again(record).heard.insert(0, first);
    });
    assert_eq!(twice, [Kind::Doubled]);
    let swapped = kinds(|record| {
        again(record).heard.swap(0, 1);
        again(record).heard[1].at = seconds(30);
    });
    assert!(swapped.contains(&Kind::Reordered), "{swapped:?}");
}
