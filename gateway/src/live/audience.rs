//! For whom something is encoded: once for each face and variant, not for each socket.

use std::sync::Arc;

use roomwire_shared::{RoomId, UserId, chats::event::Typing};

use super::Frame;
use crate::domain::LogEntry;

/// Sockets that are shown the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Contract A.
    Rooms,
    /// Contract A, with identity and position in messages.
    RoomsMeta,
    /// Contract B.
    Chats,
}

impl Audience {
    pub(crate) const COUNT: usize = 3;

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Rooms => 0,
            Self::RoomsMeta => 1,
            Self::Chats => 2,
        }
    }

    /// Its clients have asked for what their contract leaves out.
    pub(crate) fn has_meta(self) -> bool {
        self == Self::RoomsMeta
    }
}

/// Something that is to be shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scene<'a> {
    /// A change of the room.
    Entry(&'a LogEntry),
    /// Somebody has read the room.
    Read(&'a UserId),
    /// Somebody types, or has stopped.
    Typing(Typing, &'a str),
    /// The database was set back: what was shown after this position never came to be.
    Reset { position: i64 },
    /// The viewer is a member from now on.
    Joined { name: &'a str },
}

/// A face's way of showing things.
pub(crate) trait Encode: Send + Sync {
    /// Encodes for one audience; `None` if it is shown nothing.
    fn encode(&self, audience: Audience, room: RoomId, scene: Scene<'_>) -> Option<Frame>;

    /// Encodes that a user came or went; `None` if nobody is shown that.
    fn encode_presence(&self, user: &UserId, online: bool) -> Option<Frame>;
}

/// The encoders of all faces.
#[derive(Clone)]
pub(crate) struct Encoders {
    pub(crate) rooms: Arc<dyn Encode>,
    pub(crate) chats: Arc<dyn Encode>,
}

impl Encoders {
    pub(super) fn of(&self, audience: Audience) -> &dyn Encode {
        match audience {
            Audience::Rooms | Audience::RoomsMeta => &*self.rooms,
            Audience::Chats => &*self.chats,
        }
    }
}

/// The frames of one scene, each encoded when the first socket of its audience needs it.
pub(super) struct Frames<'a> {
    encoders: &'a Encoders,
    room: RoomId,
    scene: Scene<'a>,
    encoded: [Encoded; Audience::COUNT],
}

/// What is known of one audience's frame.
#[derive(Default)]
enum Encoded {
    #[default]
    NotYet,
    /// It is shown nothing.
    Nothing,
    Frame(Frame),
}

impl<'a> Frames<'a> {
    pub(super) fn new(encoders: &'a Encoders, room: RoomId, scene: Scene<'a>) -> Self {
        Self {
            encoders,
            room,
            scene,
            encoded: Default::default(),
        }
    }

    pub(super) fn get(&mut self, audience: Audience) -> Option<&Frame> {
        let (encoders, room, scene) = (self.encoders, self.room, self.scene);
        let encoded = self.encoded.get_mut(audience.index())?;
        if matches!(encoded, Encoded::NotYet) {
            let frame = encoders.of(audience).encode(audience, room, scene);
            *encoded = frame.map_or(Encoded::Nothing, Encoded::Frame);
        }
        match encoded {
            Encoded::Frame(frame) => Some(frame),
            Encoded::NotYet | Encoded::Nothing => None,
        }
    }
}
