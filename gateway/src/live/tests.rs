//! A connection that takes up a feed is shown what is beyond the border, and nothing before it.

use std::sync::{Arc, Mutex};

use roomwire_shared::{MessageId, RoomId, Timestamp, UserId};

use super::{
    Audience, CloseReason, Connection, DigestQueue, Encode, Encoders, Frame, Outlet, Overflow,
    Scene,
    room::{Context, Room},
    roster::Roster,
};
use crate::domain::{Author, LogEntry, Origin, Stored, What};

/// Notes what it is sent.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<usize>>>);

impl Outlet for Ear {
    fn send(&self, frame: &Frame) -> Result<(), Overflow> {
        self.0.lock().unwrap().push(frame.bytes());
        Ok(())
    }

    fn cut(&self, _: CloseReason) {}
}

/// Shows an entry as so many letters as its position says.
struct Letters;

impl Encode for Letters {
    fn encode(&self, _: Audience, _: RoomId, scene: Scene<'_>) -> Option<Frame> {
        let Scene::Entry(entry) = scene else {
            return None;
        };
        let letters = "x".repeat(usize::try_from(entry.position).unwrap());
        Frame::event("", &letters).ok()
    }

    fn encode_presence(&self, _: &UserId, _: bool) -> Option<Frame> {
        None
    }
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn connection(name: &str) -> (Arc<Connection>, Ear) {
    let ear = Ear::default();
    let outlet = Box::new(ear.clone());
    let origin = Origin(name.into());
    let connection = Connection::new(origin, user(name), Audience::Chats, outlet);
    (Arc::new(connection), ear)
}

fn written(position: i64) -> LogEntry {
    let what = What::Written(Stored {
        id: MessageId::new(0, 0),
        sender: user("ann"),
        text: String::new(),
        at: Timestamp::from_unix_ms(0),
        client_id: None,
        origin: None,
        author: Author::default(),
    });
    LogEntry { position, what }
}

fn joined(position: i64, name: &str) -> LogEntry {
    let what = What::Joined { user: user(name) };
    LogEntry { position, what }
}

/// A room, and what it is shown with.
struct Scenery {
    room: Room,
    encoders: Encoders,
    roster: Roster,
    digest_queue: DigestQueue,
}

impl Scenery {
    fn new(cursor: i64) -> Self {
        let letters: Arc<dyn Encode> = Arc::new(Letters);
        Self {
            room: Room::new(RoomId::new(0, 0), String::new(), cursor),
            encoders: Encoders {
                rooms: Arc::clone(&letters),
                chats: letters,
            },
            roster: Roster::default(),
            digest_queue: DigestQueue::default(),
        }
    }

    fn shows(&self, entries: Vec<LogEntry>) {
        let context = Context {
            encoders: &self.encoders,
            roster: &self.roster,
            digest_queue: &self.digest_queue,
        };
        self.room.lock().offer(entries, context);
    }
}

/// The positions that were heard.
fn heard(ear: &Ear) -> Vec<usize> {
    let around = Frame::event("", &"").unwrap().bytes();
    let frames = ear.0.lock().unwrap();
    frames.iter().map(|bytes| bytes - around).collect()
}

#[test]
fn what_was_shown_between_the_snapshot_and_the_admission_is_before_the_border() {
    let scenery = Scenery::new(3);
    let (bob, ear) = connection("bob");
    // Read when the log reached to 3; meanwhile two more were written and shown.
    scenery.shows(vec![written(4), written(5)]);
    assert_eq!(scenery.room.lock().resume(&bob, 3), Some(5));
    scenery.shows(vec![written(6)]);
    assert_eq!(heard(&ear), [6]);
}

#[test]
fn what_is_still_to_be_shown_of_before_the_snapshot_is_before_the_border() {
    let scenery = Scenery::new(3);
    let (bob, ear) = connection("bob");
    assert_eq!(scenery.room.lock().resume(&bob, 5), Some(5));
    scenery.shows(vec![written(4), written(5), written(6)]);
    assert_eq!(heard(&ear), [6]);
}

#[test]
fn whoever_was_added_while_the_rooms_were_read_hears_nothing_twice() {
    let scenery = Scenery::new(3);
    let (bob, ear) = connection("bob");
    scenery.roster.add(&bob);
    scenery.shows(vec![joined(4, "bob")]);
    // The feed was asked for on another node, and this one knows the log up to 4 only.
    assert_eq!(scenery.room.lock().resume(&bob, 6), Some(6));
    scenery.shows(vec![written(5), written(6), written(7)]);
    assert_eq!(heard(&ear), [7]);
}

#[test]
fn whoever_left_after_the_snapshot_takes_up_nothing() {
    let scenery = Scenery::new(3);
    let (bob, ear) = connection("bob");
    let what = What::Left { user: user("bob") };
    scenery.shows(vec![LogEntry { position: 4, what }]);
    assert_eq!(scenery.room.lock().resume(&bob, 3), None);
    scenery.shows(vec![written(5)]);
    assert!(heard(&ear).is_empty());
}
