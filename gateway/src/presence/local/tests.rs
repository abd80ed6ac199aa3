//! What is due when, for users who come and go in any order.

use super::*;

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// A user whom Redis knows of and everybody has been told of.
fn announced(local: &mut LocalUsers, ann: &UserId, now: Instant) {
    assert!(local.arrived(ann, now));
    assert_eq!(local.take_owed(10), std::slice::from_ref(ann));
    local.entered(ann, true, now);
}

#[test]
fn whoever_stays_is_announced_once() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    local.arrived(&ann, now);
    local.take_owed(10);
    local.entered(&ann, false, now);
    assert_eq!(local.due(now, 10), Due::default());
    let due = local.due(now + HOLD, 10);
    assert_eq!(due.announce, std::slice::from_ref(&ann));
    local.announced(&ann);
    assert_eq!(local.due(now + HOLD * 2, 10), Due::default());
}

#[test]
fn whoever_comes_back_in_time_has_never_been_away() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    announced(&mut local, &ann, now);
    local.departed(&ann, at(1), now);
    assert!(!local.arrived(&ann, now + HOLD / 2));
    assert_eq!(local.due(now + HOLD * 2, 10), Due::default());
    assert_eq!(local.written(), 1);
}

/// What was due to be noted by then, and is noted now.
fn noted(local: &mut LocalUsers, now: Instant) -> Vec<(UserId, Timestamp)> {
    let gone = local.take_departed(now, 10);
    for (user, at) in &gone {
        local.noted(user, *at, now);
    }
    gone
}

#[test]
fn whoever_goes_is_taken_off_after_the_hold_and_not_before() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    announced(&mut local, &ann, now);
    local.arrived(&ann, now);
    local.departed(&ann, at(1), now);
    assert_eq!(noted(&mut local, now + HOLD), []);
    local.departed(&ann, at(2), now + HOLD);
    assert_eq!(noted(&mut local, now + HOLD), []);
    assert_eq!(noted(&mut local, now + HOLD * 2), [(ann.clone(), at(2))]);
    let due = local.due(now + HOLD * 2, 10);
    assert_eq!(due.leave, std::slice::from_ref(&ann));
    local.left(&ann);
    assert_eq!((local.count(), local.written()), (0, 0));
}

#[test]
fn nobody_is_gone_before_it_is_noted_since_when() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    announced(&mut local, &ann, now);
    local.departed(&ann, at(1), now);
    for hold in 1..4 {
        let now = now + HOLD * hold;
        assert_eq!(local.take_departed(now, 10), [(ann.clone(), at(1))]);
        assert_eq!(local.due(now + HOLD, 10), Due::default());
        assert!(local.counts_as_here(&ann));
        local.not_noted(&ann, now);
    }
    let now = now + HOLD * 4;
    assert_eq!(noted(&mut local, now), [(ann.clone(), at(1))]);
    assert!(!local.counts_as_here(&ann));
    assert_eq!(local.due(now, 10).leave, [ann]);
}

#[test]
fn a_departure_that_is_noted_too_late_takes_nobody_off_who_came_back() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    announced(&mut local, &ann, now);
    local.departed(&ann, at(1), now);
    let first = local.take_departed(now + HOLD, 10);
    assert_eq!(first, [(ann.clone(), at(1))]);
    local.arrived(&ann, now + HOLD);
    local.noted(&ann, at(1), now + HOLD);
    local.departed(&ann, at(2), now + HOLD);
    local.noted(&ann, at(1), now + HOLD);
    assert_eq!(local.due(now + HOLD, 10), Due::default());
    assert_eq!(noted(&mut local, now + HOLD * 2), [(ann.clone(), at(2))]);
    assert_eq!(local.due(now + HOLD * 2, 10).leave, [ann]);
}

#[test]
fn whoever_comes_back_while_redis_takes_them_off_is_told_of_anew() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    announced(&mut local, &ann, now);
    local.departed(&ann, at(1), now);
    noted(&mut local, now + HOLD);
    assert_eq!(local.due(now + HOLD, 10).leave.len(), 1);
    local.arrived(&ann, now + HOLD);
    local.left(&ann);
    assert_eq!(local.take_owed(10), [ann]);
}

#[test]
fn whoever_comes_and_goes_while_redis_takes_them_off_is_noted_once_more() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    announced(&mut local, &ann, now);
    local.departed(&ann, at(1), now);
    noted(&mut local, now + HOLD);
    assert_eq!(local.due(now + HOLD, 10).leave.len(), 1);
    local.arrived(&ann, now + HOLD);
    local.departed(&ann, at(2), now + HOLD);
    local.left(&ann);
    assert!(local.counts_as_here(&ann));
    assert_eq!(noted(&mut local, now + HOLD * 2), [(ann.clone(), at(2))]);
    assert_eq!(local.due(now + HOLD * 2, 10), Due::default());
    assert_eq!((local.count(), local.written()), (0, 0));
}

#[test]
fn whoever_was_here_shorter_than_redis_took_is_forgotten_without_a_word() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    local.arrived(&ann, now);
    local.departed(&ann, at(5), now);
    assert!(local.take_owed(10).is_empty());
    assert_eq!(noted(&mut local, now + HOLD), [(ann, at(5))]);
    assert_eq!(local.due(now + HOLD, 10), Due::default());
    assert_eq!(local.count(), 0);
}

#[test]
fn a_node_that_was_taken_for_dead_tells_of_all_its_users_again() {
    let (mut local, ann, now) = (LocalUsers::default(), user("ann"), Instant::now());
    announced(&mut local, &ann, now);
    local.start_over();
    assert_eq!(local.written(), 0);
    assert_eq!(local.take_owed(10), [ann]);
}
