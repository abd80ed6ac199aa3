//! A run in which all is well, and what is said of it once one thing is not.

use roomwire_shared::change::Change;
use roomwire_shared::rest::Message;
use roomwire_shared::{RoomId, Timestamp, chats};
use serde_json::json;

mod chats_contract;
mod resumed;

use crate::truth::copy::{Copy, Held, Live};
use crate::truth::finding::Kind;
use crate::truth::judge::*;
use crate::truth::record::{Ack, Asked, Fate, Heard, Marked, Miss, Record, Session};

fn id(number: u64) -> MessageId {
    MessageId::new(1, number)
}

fn seconds(seconds: u64) -> Moment {
    Moment::from_secs(seconds)
}

fn write(key: &str, position: i64) -> Write {
    Write {
        key: key.to_owned(),
        room: 0,
        texts: vec![format!("{key} as written")],
        confirmed: 0,
        uncertain: false,
        edits_asked: 0,
        edits_done: 0,
        changed: None,
        deletion: Asked::No,
        first_sent: seconds(2),
        first_attempt: (0, u64::try_from(position).unwrap()),
        keyed: true,
        attempts: 1,
        acks: vec![Ack {
            id: id(u64::try_from(position).unwrap()),
            position: Some(position),
            at: seconds(3),
            session: 0,
        }],
        fate: Fate::Acknowledged,
        refusal: None,
    }
}

fn heard(key: &str, position: i64) -> Heard {
    Heard {
        room: 0,
        id: id(u64::try_from(position).unwrap()),
        position,
        key: key.to_owned(),
        at: seconds(3),
    }
}

fn message(write: &Write, sender: &str) -> Message {
    Message {
        id: write.acks[0].id,
        message: write.texts[write.confirmed].clone(),
        sender_user: sender.parse().unwrap(),
        room: RoomId::new(0, 0),
        read_by: vec!["u0".parse().unwrap(), "u1".parse().unwrap()],
        created_at: Timestamp::from_unix_ms(0),
        updated_at: Timestamp::from_unix_ms(0),
    }
}

/// The same message as the contract of chats shows it.
fn by_chats(message: &Message) -> chats::object::Message {
    let profile = json!({"_id": message.sender_user, "name": "", "profile_picture": "none"});
    let message = json!({
        "_id": message.id, "__v": 0, "createdAt": message.created_at,
        "updatedAt": message.updated_at, "from": profile, "chat_id": message.room,
        "text": message.message, "new_chat_members": [], "photo": [], "caption_entities": [],
        "entities": [], "read": false,
    });
    serde_json::from_value(message).unwrap()
}

fn user(name: &str, writes: Vec<Write>, heard: Vec<Heard>, pages: &[Message]) -> Seen {
    let mut copy = Copy::default();
    copy.begin_sync();
    copy.apply(roomwire_shared::change::Changes {
        position: 0,
        more: false,
        reset: false,
        changes: vec![],
    });
    for (message, position) in pages.iter().zip(5..) {
        let held = Held {
            sender: message.sender_user.clone(),
            text: message.message.clone(),
        };
        copy.hear(Live::Written(message.id, held, position));
    }
    let session = Session {
        gateway: 0,
        began: seconds(1),
        opened: seconds(1),
        greeted: None,
        caught_up: None,
        closed: None,
        heard,
        feeds: vec![],
    };
    let record = Record {
        writes,
        sessions: vec![session],
        marks: vec![Marked {
            room: 0,
            position: 7,
        }],
        ..Record::default()
    };
    let state = State {
        record,
        copies: [(0, copy)].into(),
        errands: 0,
    };
    Seen {
        id: name.parse().unwrap(),
        contract: Contract::Rooms,
        state,
    }
}

/// Two members (joined at 3 and 4), messages at 5, 6 and 7, the last one edited at 8.
fn sound() -> Evidence {
    let (first, second, mut third) = (write("u0-0", 5), write("u1-0", 6), write("u0-1", 7));
    third.texts.push("u0-1 edit 1".to_owned());
    (third.confirmed, third.edits_asked, third.edits_done) = (1, 1, 1);
    let pages = vec![
        message(&first, "u0"),
        message(&second, "u1"),
        message(&third, "u0"),
    ];
    let member = |position, user: &str| Change::Member {
        position,
        user_id: user.parse().unwrap(),
        joined: true,
    };
    let logged = [5, 6, 8].into_iter().zip(&pages);
    let mut changes = vec![member(3, "u0"), member(4, "u1")];
    changes.extend(logged.map(|(position, message)| Change::Message {
        position,
        message: message.clone(),
    }));
    let stays = Stays::new(1, 2);
    stays.joined(0, 0, 3);
    stays.joined(0, 1, 4);
    let hears_one = vec![heard("u1-0", 6)];
    let hears_two = vec![heard("u0-0", 5), heard("u0-1", 7)];
    Evidence {
        users: vec![
            user("u0", vec![first, third], hears_one, &pages),
            user("u1", vec![second], hears_two, &pages),
        ],
        rooms: vec![RoomTruth {
            head: 8,
            count: 3,
            chats: pages.iter().map(by_chats).collect(),
            pages,
            changes,
            reached: 8,
        }],
        stays,
        guests: 0,
        uncertain_moves: vec![0],
        faults: vec![],
        late_after: Duration::from_secs(10),
        end: seconds(60),
    }
}

/// The kinds that are found after this change.
fn kinds(change: impl FnOnce(&mut Evidence)) -> Vec<Kind> {
    let mut evidence = sound();
    change(&mut evidence);
    let mut kinds: Vec<Kind> = judge(&evidence).iter().map(|found| found.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn record(evidence: &mut Evidence, user: usize) -> &mut Record {
    &mut evidence.users[user].state.record
}

fn feed(evidence: &mut Evidence, user: usize) -> &mut Vec<Heard> {
    &mut record(evidence, user).sessions[0].heard
}

#[test]
fn nothing_is_found_in_a_sound_run() {
    assert_eq!(kinds(|_| ()), []);
}

#[test]
fn an_acknowledged_message_that_is_nowhere_is_lost() {
    let lost = kinds(|evidence| record(evidence, 1).writes.push(write("u1-1", 9)));
    assert_eq!(lost, [Kind::Lost, Kind::Late]);
    let kept_in_no_copy = kinds(|evidence| {
        evidence.users[0].state.copies.clear();
    });
    assert_eq!(kept_in_no_copy, [Kind::Lost]);
    let unmarked = kinds(|evidence| evidence.rooms[0].pages[0].read_by.truncate(1));
    assert_eq!(unmarked, [Kind::Lost]);
}

#[test]
fn an_edit_that_is_undone_is_lost() {
    let old = "u0-1 as written";
    let lost = kinds(|evidence| {
        evidence.rooms[0].pages[2].message = old.to_owned();
        evidence.rooms[0].chats[2].text = old.to_owned();
        if let Change::Message { message, .. } = &mut evidence.rooms[0].changes[4] {
            message.message = old.to_owned();
        }
    });
    assert_eq!(lost, [Kind::Lost]);
    let uncertain = kinds(|evidence| record(evidence, 0).writes[1].confirmed = 0);
    assert_eq!(uncertain, [Kind::Lost]);
    let excused = kinds(|evidence| {
        let write = &mut record(evidence, 0).writes[1];
        (write.confirmed, write.uncertain, write.edits_done) = (0, true, 0);
    });
    assert_eq!(excused, []);
}

#[test]
fn what_is_twice_is_doubled() {
    let in_a_feed = kinds(|evidence| feed(evidence, 1).insert(1, heard("u0-0", 5)));
    assert_eq!(in_a_feed, [Kind::Doubled]);
    let came_back = kinds(|evidence| feed(evidence, 0).insert(0, heard("u0-0", 5)));
    assert_eq!(came_back, [Kind::Doubled]);
}

#[test]
fn a_swap_is_reordered() {
    assert_eq!(
        kinds(|evidence| feed(evidence, 1).reverse()),
        [Kind::Reordered]
    );
    let acks = kinds(|evidence| record(evidence, 0).writes[0].first_attempt.1 = 99);
    assert_eq!(acks, [Kind::Reordered]);
}

#[test]
fn what_nobody_wrote_or_nobody_can_read_is_a_phantom() {
    let unknown = kinds(|evidence| feed(evidence, 0).push(heard("u7-7", 8)));
    assert_eq!(unknown, [Kind::Phantom]);
    let unread = |leaving| {
        kinds(|evidence| {
            let heard = heard("u1-0", 6);
            let at = seconds(4);
            record(evidence, 0).misses.push(Miss { heard, at });
            if leaving {
                evidence.stays.leaving(0, 0, seconds(3));
            }
        })
    };
    assert_eq!(unread(false), [Kind::Phantom]);
    assert_eq!(unread(true), []);
}

#[test]
fn nothing_is_heard_after_leaving() {
    let after = kinds(|evidence| {
        evidence.stays.leaving(0, 1, seconds(2));
        evidence.stays.left(0, 1, 7);
        evidence.rooms[0].head = 9;
        evidence.rooms[0].reached = 9;
    });
    assert_eq!(after, [Kind::HeardAfterLeave]);
}

#[test]
fn answers_that_differ_contradict_each_other() {
    let two = kinds(|evidence| {
        let write = &mut record(evidence, 0).writes[0];
        let again = Ack {
            position: Some(6),
            ..write.acks[0]
        };
        write.acks.push(again);
    });
    assert_eq!(two, [Kind::Contradiction]);
    let count = kinds(|evidence| evidence.rooms[0].count = 4);
    assert_eq!(count, [Kind::Contradiction]);
}

#[test]
fn a_position_that_nothing_took_is_a_gap() {
    let gap = |uncertain| {
        kinds(|evidence| {
            evidence.rooms[0].head = 9;
            evidence.rooms[0].reached = 9;
            evidence.uncertain_moves[0] = uncertain;
        })
    };
    assert_eq!(gap(0), [Kind::Gap]);
    assert_eq!(gap(1), []);
}

#[test]
fn a_connected_member_must_hear_in_time_unless_a_fault_excuses_it() {
    let silent = |fault: Option<(u64, u64)>| {
        kinds(|evidence| {
            feed(evidence, 0).clear();
            evidence.faults.extend(fault.map(|(from, to)| Struck {
                name: "x".to_owned(),
                kind: "x",
                from: seconds(from),
                to: seconds(to),
            }));
        })
    };
    assert_eq!(silent(None), [Kind::Late]);
    assert_eq!(silent(Some((4, 20))), [Kind::Late]);
    assert_eq!(silent(Some((4, 55))), []);
    let gone = kinds(|evidence| {
        feed(evidence, 0).clear();
        let sessions = &mut record(evidence, 0).sessions;
        sessions.push(Session {
            opened: seconds(10),
            ..sessions[0].clone()
        });
        sessions[0].closed = Some((seconds(9), "x".to_owned()));
    });
    assert_eq!(gone, []);
}

#[test]
fn what_is_never_answered_or_refused_is_told() {
    let open = kinds(|evidence| {
        let open = Write {
            acks: vec![],
            fate: Fate::Open,
            ..write("u1-1", 9)
        };
        record(evidence, 1).writes.push(open);
    });
    assert_eq!(open, [Kind::Refused]);
    let outside = kinds(|evidence| {
        record(evidence, 0).sessions[0].closed = Some((seconds(59), "x".to_owned()));
    });
    assert_eq!(outside, [Kind::Refused]);
}
