//! The same run, in which the second member speaks the contract of chats.

use crate::truth::judge::tests::*;
use crate::truth::record::{Digest, Feed, Remembered};

fn sound_by_chats() -> Evidence {
    let mut evidence = sound();
    for message in &mut evidence.rooms[0].pages {
        // Written at 0; whoever was edited says so.
        let edited = i64::from(message.message.contains("edit"));
        message.updated_at = Timestamp::from_unix_ms(edited);
    }
    let messages = evidence.rooms[0].pages.clone();
    for (change, message) in evidence.rooms[0].changes[2..].iter_mut().zip(&messages) {
        if let Change::Message {
            message: logged, ..
        } = change
        {
            *logged = message.clone();
        }
    }
    let seen = &mut evidence.users[1];
    seen.contract = Contract::OldChats;
    seen.state.copies = [(0, Copy::default())].into();
    let record = &mut seen.state.record;
    record.writes[0].acks[0].position = None;
    let session = &mut record.sessions[0];
    session.greeted = Some(seconds(1));
    session.feeds.push(Feed {
        room: 0,
        remembered: Remembered::No,
        asked: seconds(1),
        open: Some(seconds(1)),
        ending: None,
        ended: None,
    });
    session.heard.insert(1, heard("u1-0", 6));
    for heard in &mut session.heard {
        heard.position = 0;
    }
    let digest = Digest {
        key: "u0-1".to_owned(),
        unread: 0,
        at: seconds(4),
        session: 0,
    };
    record.digests.insert(0, digest);
    evidence
}

fn kinds(change: impl FnOnce(&mut Evidence)) -> Vec<Kind> {
    let mut evidence = sound_by_chats();
    change(&mut evidence);
    place(&mut evidence);
    let mut kinds: Vec<Kind> = judge(&evidence).iter().map(|found| found.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn session(evidence: &mut Evidence) -> &mut Session {
    &mut record(evidence, 1).sessions[0]
}

#[test]
fn nothing_is_found_in_a_sound_run_and_all_has_its_place() {
    assert_eq!(kinds(|_| ()), []);
    let mut evidence = sound_by_chats();
    place(&mut evidence);
    let positions = session(&mut evidence).heard.iter().map(|h| h.position);
    assert_eq!(positions.collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!(record(&mut evidence, 1).writes[0].position(), Some(6));
}

#[test]
fn what_is_heard_out_of_order_twice_or_by_nobodys_hand_is_found() {
    let swapped = kinds(|evidence| session(evidence).heard.swap(0, 2));
    assert_eq!(swapped, [Kind::Reordered]);
    let twice = kinds(|evidence| session(evidence).heard.insert(1, heard("u0-0", 5)));
    assert_eq!(twice, [Kind::Doubled]);
    let phantom = kinds(|evidence| session(evidence).heard.insert(3, heard("u7-7", 8)));
    assert_eq!(phantom, [Kind::Phantom]);
}

#[test]
fn a_feed_owes_also_what_its_own_user_wrote() {
    let silent = |feed: fn(&mut Feed)| {
        kinds(|evidence| {
            session(evidence).heard.remove(1);
            feed(&mut session(evidence).feeds[0]);
        })
    };
    assert_eq!(silent(|_| ()), [Kind::Late]);
    // Asked for later, it owes nothing of before.
    assert_eq!(silent(|feed| feed.open = Some(seconds(3))), []);
    let lost = kinds(|evidence| {
        let mut lost = write("u1-1", 9);
        lost.acks[0].position = None;
        record(evidence, 1).writes.push(lost);
    });
    assert_eq!(lost, [Kind::Lost]);
}

#[test]
fn nothing_is_heard_without_a_feed_and_nobody_stays_without_one() {
    let never_asked = kinds(|evidence| session(evidence).feeds[0].asked = seconds(5));
    assert_eq!(never_asked, [Kind::HeardAfterLeave]);
    let given_up = kinds(|evidence| {
        let again = session(evidence).feeds[0].clone();
        let feed = &mut session(evidence).feeds[0];
        (feed.ending, feed.ended) = (Some(seconds(2)), Some(seconds(2)));
        session(evidence).feeds.push(Feed {
            asked: seconds(5),
            open: Some(seconds(5)),
            ..again
        });
    });
    assert_eq!(given_up, [Kind::HeardAfterLeave]);
    let in_vain = kinds(|evidence| session(evidence).feeds[0].ending = Some(seconds(5)));
    assert_eq!(in_vain, [Kind::Refused]);
}

#[test]
fn a_digest_ends_on_the_newest_state() {
    let old = kinds(|evidence| {
        let digest = record(evidence, 1).digests.get_mut(&0).unwrap();
        digest.key = "u0-0".to_owned();
    });
    assert_eq!(old, [Kind::Late]);
    let none = kinds(|evidence| record(evidence, 1).digests.clear());
    assert_eq!(none, [Kind::Late]);
    let miscounted = |reading: Option<Option<u64>>| {
        kinds(|evidence| {
            evidence.late_after = seconds(2);
            let record = record(evidence, 1);
            record.digests.get_mut(&0).unwrap().unread = 2;
            record
                .reading
                .extend(reading.map(|at| (0, at.map(seconds))));
        })
    };
    assert_eq!(miscounted(None), [Kind::Contradiction]);
    assert_eq!(miscounted(Some(Some(1))), [Kind::Contradiction]);
    // Read since then, or perhaps, nobody knows what it should have said.
    assert_eq!(miscounted(Some(Some(5))), []);
    assert_eq!(miscounted(Some(None)), []);
}

#[test]
fn the_pages_of_both_contracts_are_the_same() {
    let shorter = kinds(|evidence| {
        evidence.rooms[0].chats.pop();
    });
    assert_eq!(shorter, [Kind::Contradiction]);
    let changed = kinds(|evidence| evidence.rooms[0].chats[0].text.push('!'));
    assert_eq!(changed, [Kind::Contradiction]);
}
