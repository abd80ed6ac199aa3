//! Tests of what members may and must hear while others come and go.

use proptest::prelude::*;

use super::*;
use crate::truth::feed::{Feed, Way};
use crate::truth::room_log::RoomLog;

const SECOND: Micros = 1_000_000;

/// A message of somebody else that is due at one second and acknowledged a tenth later.
fn sent(log: &mut RoomLog, second: Micros) -> u32 {
    let number = log.send(9, second * SECOND);
    log.acknowledge(
        number,
        Some(i64::from(number) + 1),
        second * SECOND + SECOND / 10,
    );
    number
}

fn room() -> Members {
    Members::new(vec![1, 2, 3])
}

fn lost(members: &Members, log: &RoomLog, person: u32) -> Vec<u32> {
    let owed = members.owed(person, (0, None));
    Feed::default().missing(log, None, &owed).collect()
}

#[test]
fn what_is_sent_after_leaving_was_acknowledged_must_not_be_heard() {
    let (mut members, mut log) = (room(), RoomLog::default());
    let mut forbidden = |members: &Members, second| {
        let number = sent(&mut log, second);
        members.is_forbidden(1, log.due(number).unwrap())
    };
    assert!(members.leaving(1, 10 * SECOND));
    // Asked for, and perhaps not yet done.
    assert!(!forbidden(&members, 11));
    members.left(1, 12 * SECOND);
    assert!(!forbidden(&members, 11) && !forbidden(&members, 12));
    assert!(forbidden(&members, 13));
    // Whoever may be back may hear everything.
    assert!(members.joining(1));
    assert!(!forbidden(&members, 14));
    members.did_not_join(1);
    assert!(forbidden(&members, 15));
    assert!(!members.is_forbidden(2, 99 * SECOND));
}

#[test]
fn what_is_sent_after_joining_was_acknowledged_is_owed() {
    let (mut members, mut log) = (room(), RoomLog::default());
    for second in 0..20 {
        sent(&mut log, second);
    }
    assert!(members.joining(7) && !members.joining(7));
    assert_eq!(lost(&members, &log, 7), [0; 0]);
    members.joined(7, 8 * SECOND, 5);
    assert_eq!(lost(&members, &log, 7), (8..20).collect::<Vec<_>>());
    assert_eq!((members.from(7), members.from(1)), (5, 0));
    // Some of it may be on its way when they leave.
    assert!(members.leaving(7, 17 * SECOND));
    assert_eq!(lost(&members, &log, 7), [8, 9, 10, 11]);
    members.left(7, 18 * SECOND);
    assert!(members.joining(7));
    members.joined(7, 19 * SECOND, 5);
    assert_eq!(lost(&members, &log, 7), [8, 9, 10, 11, 19]);
    assert_eq!(members.owed(7, (9 * SECOND, Some(15 * SECOND))).0.len(), 2);
}

#[test]
fn what_is_not_known_owes_nothing_and_accuses_nobody() {
    let (mut members, mut log) = (room(), RoomLog::default());
    members.joining(7);
    assert!(members.leaving(1, 0));
    for second in 0..20 {
        sent(&mut log, second);
    }
    for person in [1, 7] {
        assert_eq!(lost(&members, &log, person), [0; 0]);
        assert!(!members.is_forbidden(person, 19 * SECOND));
        assert!(!members.is_inside(person) && members.may_be_inside(person));
        assert!(!members.joining(person) && !members.leaving(person, 0));
        assert!(members.may_be_refused(person, 19 * SECOND));
    }
    assert_eq!(members.inside(), [3, 2]);
}

#[test]
fn the_last_two_stay_and_a_failed_move_changes_nothing() {
    let mut members = room();
    assert!(members.leaving(2, 0));
    assert!(!members.leaving(1, 0) && !members.leaving(3, 0) && !members.leaving(8, 0));
    members.did_not_leave(2);
    assert!(members.is_inside(2) && !members.may_be_refused(2, 0));
    assert_eq!(members.owed(2, (0, None)).0, Owed::always().0);
    assert!(members.joining(8));
    members.did_not_join(8);
    assert!(!members.has_moved(8) && !members.is_inside(8));
    assert_eq!(members.outside().count(), 0);
}

#[test]
fn a_message_may_be_refused_only_to_who_left_after_it_was_due() {
    let mut members = room();
    members.leaving(1, 10);
    members.left(1, 20);
    assert!(members.may_be_refused(1, 15) && !members.may_be_refused(2, 15));
    assert_eq!(members.outside().collect::<Vec<_>>(), [1]);
    members.joining(1);
    members.joined(1, 30, 0);
    assert!(members.may_be_refused(1, 15) && !members.may_be_refused(1, 35));
}

#[test]
fn who_has_moved_too_often_is_moved_no_more() {
    let mut members = room();
    let mut moves = 0;
    while members.joining(7) {
        members.joined(7, moves, 0);
        assert!(members.leaving(7, moves));
        members.left(7, moves);
        moves += 1;
    }
    assert_eq!(moves, STAYS_MAX as u64);
}

#[test]
fn a_delivery_that_is_missing_is_lost_though_others_came() {
    let (mut members, mut log) = (room(), RoomLog::default());
    members.joining(7);
    members.joined(7, SECOND, 0);
    let numbers: Vec<u32> = (2..6).map(|second| sent(&mut log, second)).collect();
    let mut feed = Feed::default();
    for number in [numbers[0], numbers[3]] {
        feed.hear(&mut log, (number, None), Way::Live);
    }
    let owed = members.owed(7, (0, None));
    assert_eq!(feed.judge(&log, None, &owed).lost, 2);
    let missing: Vec<u32> = feed.missing(&log, None, &owed).collect();
    assert_eq!(missing, numbers[1..3]);
}

/// A request with the moments of question, effect and answer.
fn request() -> impl Strategy<Value = [Micros; 3]> {
    (1..9_u64, 0..9_u64, 0..9_u64).prop_map(|(pause, effect, answer)| {
        [pause, pause + effect, pause + effect + answer].map(|of| of * SECOND)
    })
}

proptest! {
    /// Somebody leaves and comes back again and again. A server that does it right at some moment between
    /// question and answer is never accused, and one that does not is where nothing is in doubt.
    #[test]
    fn only_what_is_certain_is_owed_or_forbidden(
        requests in prop::collection::vec(request(), 1..9),
        messages in prop::collection::vec((0..90_u64, 0..7_u64), 0..40),
    ) {
        let mut log = RoomLog::default();
        for (due, took) in &messages {
            let number = log.send(9, due * SECOND);
            log.acknowledge(number, None, (due + took) * SECOND);
        }
        let mut members = room();
        // Changes of membership as the server made them.
        let (mut effects, mut now, mut inside) = (vec![(0, true)], 0, true);
        for request in &requests {
            let [asked, effect, answered] = request.map(|of| now + of);
            let moves = if inside { members.leaving(1, asked) } else { members.joining(1) };
            prop_assert!(moves);
            inside = !inside;
            effects.push((effect, inside));
            now = answered;
            if inside {
                members.joined(1, now, 0);
            } else {
                members.left(1, now);
            }
            let member_at = |moment: Micros| {
                effects.iter().rev().find(|(from, _)| *from <= moment).is_some_and(|(_, is)| *is)
            };
            let owed = members.owed(1, (0, None));
            for sent in &log.sent {
                let acked = sent.acked.unwrap();
                if owed.has(sent) {
                    prop_assert!(member_at(sent.at) && member_at(acked));
                }
                if members.is_forbidden(1, sent.at) {
                    prop_assert!(!inside && !member_at(sent.at) && !member_at(acked.max(now)));
                } else {
                    prop_assert!(inside || sent.at <= now);
                }
                let is_sure = inside && sent.at >= now;
                prop_assert!(!is_sure || owed.has(sent));
            }
        }
    }
}
