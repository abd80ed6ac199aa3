//! One room on this node: its sockets, and the order in which they are shown its changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use roomwire_shared::{RoomId, Timestamp, UserId, chats::event::Typing};
use serde::{Deserialize, Serialize};

use super::{
    Audience, Connection, Encoders, Scene,
    audience::Frames,
    connection::Corked,
    digest_queue::DigestQueue,
    rewind::Doubt,
    roster::Roster,
    sequence::{Offered, Sequence},
};
use crate::{
    domain::{LogEntry, Origin, Stored, What},
    store::Rewound,
    telemetry::{
        catalogue,
        journal::{self, By},
    },
};

/// Departures remembered per room, against a membership read that is older than the departure.
const DEPARTURES_MAX: usize = 256;

/// What showing needs beside the room itself.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) encoders: &'a Encoders,
    pub(super) roster: &'a Roster,
    pub(super) digest_queue: &'a DigestQueue,
}

/// How far a node has shown a room, and to how many sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoomState {
    pub(crate) cursor: i64,
    pub(crate) sockets: usize,
}

/// A room with a socket on this node, or about to have one.
pub(super) struct Room {
    id: RoomId,
    state: Mutex<State>,
}

/// What a room's lock guards.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts, each with its meaning"
)]
pub(super) struct State {
    id: RoomId,
    name: String,
    pub(super) sequence: Sequence,
    /// Time of the newest change up to the cursor, as far as it is known. In one history none up to the cursor is
    /// newer, and none after it is older.
    pub(super) newest: Option<Timestamp>,
    pub(super) doubt: Doubt,
    members: HashMap<u64, Member>,
    departures: HashMap<UserId, i64>,
    /// Redis has confirmed the subscription, and the log was read after that.
    pub(super) confirmed: bool,
    /// Somebody is at work to close the gap.
    pub(super) filling: bool,
    /// The room does not exist any more: nothing is missing.
    pub(super) gone: bool,
    /// Taken off the node: whoever still holds it must look the room up anew.
    pub(super) closed: bool,
}

struct Member {
    connection: Arc<Connection>,
    /// Entries up to here belong to the history that the client reads, not to its feed.
    from: i64,
    /// Of contract B: has asked for what is written here. Those of contract A always get it.
    follows: bool,
}

impl Member {
    fn is_of_chats(&self) -> bool {
        self.connection.audience() == Audience::Chats
    }
}

impl Room {
    /// A room whose next entry to be shown is the one after `cursor`.
    pub(super) fn new(id: RoomId, name: String, cursor: i64) -> Self {
        let state = State {
            id,
            name,
            sequence: Sequence::new(cursor),
            newest: None,
            doubt: Doubt::default(),
            members: HashMap::new(),
            departures: HashMap::new(),
            confirmed: false,
            filling: false,
            gone: false,
            closed: false,
        };
        Self {
            id,
            state: Mutex::new(state),
        }
    }

    pub(super) fn id(&self) -> RoomId {
        self.id
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn cursor(&self) -> i64 {
        self.sequence.cursor()
    }

    pub(super) fn has_gap(&self) -> bool {
        self.sequence.has_gap()
    }

    pub(super) fn expect(&mut self, head: i64) {
        self.sequence.expect(head);
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.members.values().map(|member| member.connection.user())
    }

    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// The log leads to what was shown only up to `found.to`: what is written after that is shown, whatever had these
    /// positions before. Who is no member by the log goes, and who is comes in.
    pub(super) fn rewind(&mut self, found: &Rewound, context: Context<'_>) {
        let to = found.to;
        self.sequence.rewind(to, found.head);
        self.departures.retain(|_, left| *left <= to);
        let members: HashMap<&UserId, i64> = found.members.iter().map(|(u, p)| (u, *p)).collect();
        let id = self.id;
        self.members.retain(|_, member| {
            member.from = member.from.min(to);
            let stays = members.contains_key(member.connection.user());
            if !stays {
                member.connection.exit(id);
            }
            stays
        });
        for (user, joined) in &found.members {
            self.show_joined(user, (*joined).min(to), context);
        }
        self.send(Scene::Reset { position: to }, |_| true, context);
    }

    /// Where it stands, for operators.
    pub(super) fn state(&self) -> RoomState {
        RoomState {
            cursor: self.sequence.cursor(),
            sockets: self.members.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a connection whose user was a member when the log reached to `from`, unless the user is
    /// known to have left after that.
    pub(super) fn admit(&mut self, connection: &Arc<Connection>, from: i64) {
        let left_later = self
            .departures
            .get(connection.user())
            .is_some_and(|&left| left > from);
        if !left_later {
            self.insert(connection, from);
        }
    }

    /// As [`State::admit`], with the feed of a connection of contract B. Returns the border: what is
    /// up to there is not shown to it any more, what is later will be; `None` if it is not admitted.
    ///
    /// The room may have been shown more than the log held when the membership was read, and what was
    /// shown before this is in the log by now.
    pub(super) fn resume(&mut self, connection: &Arc<Connection>, from: i64) -> Option<i64> {
        let border = self.sequence.cursor().max(from);
        self.admit(connection, from);
        let member = self.members.get_mut(&connection.key())?;
        member.from = member.from.max(border);
        member.follows = true;
        Some(member.from)
    }

    /// True if it was not among the members before.
    fn insert(&mut self, connection: &Arc<Connection>, from: i64) -> bool {
        if self.members.contains_key(&connection.key()) || !connection.enter(self.id) {
            return false;
        }
        let member = Member {
            connection: Arc::clone(connection),
            from,
            follows: false,
        };
        self.members.insert(connection.key(), member);
        true
    }

    /// Lets a member in whose joining was passed over. What was shown since is history to them.
    pub(super) fn let_in(&mut self, user: &UserId, joined: i64, context: Context<'_>) {
        let left_later = self.departures.get(user).is_some_and(|&left| left > joined);
        if self.sequence.cursor() >= joined && !left_later {
            self.show_joined(user, joined, context);
        }
    }

    /// Removes a connection that was closed.
    pub(super) fn dismiss(&mut self, connection: &Connection) {
        self.members.remove(&connection.key());
    }

    /// The room is gone: nobody is in it any more.
    pub(super) fn dissolve(&mut self) {
        self.gone = true;
        for member in self.members.drain().map(|(_, member)| member) {
            member.connection.exit(self.id);
        }
    }

    /// Takes entries of the log in any order and shows what is due. Returns how many frames went to
    /// sockets, here and below.
    pub(super) fn offer(&mut self, entries: Vec<LogEntry>, context: Context<'_>) -> u64 {
        if self.doubt.is_open() {
            for entry in &entries {
                self.sequence.expect(entry.position);
            }
            return 0;
        }
        let mut due = Vec::with_capacity(entries.len());
        let mut duplicates = 0;
        for entry in entries {
            let at = written_at(&entry);
            if self.sequence.offer(entry, &mut due) == Offered::Duplicate {
                duplicates += 1;
                // Of another history: in this one, what is at the cursor or before it is not newer.
                self.doubt
                    .raise_if(self.newest.is_some() && self.newest < at);
            }
        }
        if duplicates > 0 {
            metrics::counter!(catalogue::DUPLICATES_DROPPED).increment(duplicates);
        }
        self.show(&due, By::Itself, context)
    }

    /// Starts or ends the feed of a connection of contract B; false if it is not in the room.
    pub(super) fn follow(&mut self, connection: &Connection, follows: bool) -> bool {
        match self.members.get_mut(&connection.key()) {
            Some(member) => {
                member.follows = follows;
                true
            }
            None => false,
        }
    }

    pub(super) fn has(&self, connection: &Connection) -> bool {
        self.members.contains_key(&connection.key())
    }

    /// The connections of contract B.
    pub(super) fn of_chats(&self) -> impl Iterator<Item = &Arc<Connection>> {
        let members = self.members.values().filter(|member| member.is_of_chats());
        members.map(|member| &member.connection)
    }

    /// Shows that a user has read the room to everybody but the socket that said so.
    pub(super) fn show_read(
        &self,
        user: &UserId,
        origin: Option<&Origin>,
        context: Context<'_>,
    ) -> u64 {
        let others = |member: &Member| Some(member.connection.id()) != origin;
        self.send(Scene::Read(user), others, context)
    }

    /// Shows to everybody else that a user types, or has stopped.
    pub(super) fn show_typing(
        &self,
        user: &UserId,
        (typing, message): (Typing, &str),
        context: Context<'_>,
    ) -> u64 {
        let others = |member: &Member| member.connection.user() != user;
        self.send(Scene::Typing(typing, message), others, context)
    }

    pub(super) fn show(&mut self, due: &[LogEntry], by: By, context: Context<'_>) -> u64 {
        let newest = due.iter().filter_map(written_at).max();
        self.newest = self.newest.max(newest);
        self.dismiss_rejoined(due);
        // Several entries go out to each in one write.
        let together = self.members.values().filter(|_| due.len() > 1);
        let _corked: Vec<Corked> = together.map(|one| one.connection.corked()).collect();
        let mut sent = 0;
        for entry in due {
            match &entry.what {
                What::Joined { user } => self.show_joined(user, entry.position, context),
                What::Left { user } => {
                    self.show_left(user, entry.position);
                    sent += self.show_entry(entry, context);
                }
                What::Named { name } => {
                    self.name.clone_from(name);
                    sent += self.show_entry(entry, context);
                }
                What::Written(message) => {
                    let recipients = self.show_written(entry, message, context);
                    journal::shown((message.id, self.id, entry.position), recipients, by);
                    sent += recipients;
                }
                What::Edited { .. } | What::Deleted { .. } => {
                    sent += self.show_entry(entry, context);
                    // Their contract knows no such change, but its newest state does.
                    if self.of_chats().next().is_some() {
                        context.digest_queue.note(self.id);
                    }
                }
            }
        }
        sent
    }

    /// Who is in the room and joins it must have left it before, which a read of the log does not
    /// say. Whether what was said meanwhile came before that is not known, so it is not shown: the
    /// client reads it as history, like everything from before a joining.
    fn dismiss_rejoined(&mut self, due: &[LogEntry]) {
        let joinings = due.iter().filter_map(|entry| match &entry.what {
            What::Joined { user } => Some((user, entry.position)),
            _ => None,
        });
        let joinings: HashMap<&UserId, i64> = joinings.collect();
        if joinings.is_empty() {
            return;
        }
        let id = self.id;
        self.members.retain(|_, member| {
            let joins = joinings.get(member.connection.user());
            let stays = joins.is_none_or(|position| member.from >= *position);
            if !stays {
                member.connection.exit(id);
            }
            stays
        });
    }

    fn show_entry(&self, entry: &LogEntry, context: Context<'_>) -> u64 {
        let position = entry.position;
        let wanted = |member: &Member| member.from < position;
        self.send(Scene::Entry(entry), wanted, context)
    }

    /// The sender's own socket is left out by contract A, and not by contract B.
    fn show_written(&self, entry: &LogEntry, message: &Stored, context: Context<'_>) -> u64 {
        let mut of_chats = false;
        let wanted = |member: &Member| {
            if member.is_of_chats() {
                of_chats = true;
                return member.follows && member.from < entry.position;
            }
            member.from < entry.position && message.origin.as_ref() != Some(member.connection.id())
        };
        #[cfg(feature = "planted-faults")]
        let mut wanted = wanted;
        #[cfg(feature = "planted-faults")]
        let wanted = |member: &Member| wanted(member) && !crate::planted::loses_delivery();
        let timed = (Scene::Entry(entry), Some(message.at));
        let sent = self.send_timed(timed, wanted, context);
        if of_chats {
            context.digest_queue.note(self.id);
        }
        sent
    }

    fn show_joined(&mut self, user: &UserId, position: i64, context: Context<'_>) {
        self.departures.remove(user);
        let mut added = context.roster.of(user);
        added.retain(|connection| self.insert(connection, position));
        let mut frames = Frames::new(
            context.encoders,
            self.id,
            Scene::Joined { name: &self.name },
        );
        for connection in &added {
            if let Some(frame) = frames.get(connection.audience()) {
                connection.send(frame);
            }
        }
    }

    fn show_left(&mut self, user: &UserId, position: i64) {
        if self.departures.len() >= DEPARTURES_MAX {
            let oldest = self.departures.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(user, _)| user.clone()) {
                self.departures.remove(&oldest);
            }
        }
        self.departures.insert(user.clone(), position);
        #[cfg(feature = "planted-faults")]
        if crate::planted::keeps_leaver() {
            return;
        }
        let id = self.id;
        self.members.retain(|_, member| {
            let stays = member.connection.user() != user;
            if !stays {
                member.connection.exit(id);
            }
            stays
        });
    }

    /// Sends one scene to those members who are to get it, encoded once per audience.
    fn send(&self, scene: Scene<'_>, to: impl FnMut(&Member) -> bool, context: Context<'_>) -> u64 {
        self.send_timed((scene, None), to, context)
    }

    /// As [`State::send`]. The last of them who can tell when it has it takes the time since then;
    /// so its frame is held back until another one is found, or all have theirs.
    fn send_timed(
        &self,
        (scene, since): (Scene<'_>, Option<Timestamp>),
        mut to: impl FnMut(&Member) -> bool,
        context: Context<'_>,
    ) -> u64 {
        let mut frames = Frames::new(context.encoders, self.id, scene);
        let mut sent = 0;
        let mut last: Option<&Connection> = None;
        for member in self.members.values() {
            if !to(member) {
                continue;
            }
            let connection = &*member.connection;
            let Some(frame) = frames.get(connection.audience()) else {
                continue;
            };
            sent += 1;
            if since.is_none() || !connection.can_time() {
                connection.send(frame);
            } else if let Some(before) = last.replace(connection)
                && let Some(frame) = frames.get(before.audience())
            {
                before.send(frame);
            }
        }
        if let (Some(last), Some(since)) = (last, since)
            && let Some(frame) = frames.get(last.audience())
        {
            last.send_timed(frame, since);
        }
        if sent > 0 {
            metrics::counter!(catalogue::DELIVERIES).increment(sent);
        }
        sent
    }
}

/// When a message was written; nothing else says when it was.
fn written_at(entry: &LogEntry) -> Option<Timestamp> {
    match &entry.what {
        What::Written(message) => Some(message.at),
        _ => None,
    }
}
