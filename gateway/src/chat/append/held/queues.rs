//! What waits, room by room.

use std::collections::{HashMap, HashSet, VecDeque};

use roomwire_shared::{RoomId, UserId};
use tokio::time::Instant;

use super::super::{Waiting, batch::Batch};
use crate::domain::NewMessage;

/// Messages of one room that are tried together while it is held.
const SOME_MAX: usize = 64;

/// The messages of each room in their order. A room is here for as long as one of its messages waits or is being
/// tried; it is due, or whoever took messages of it gives it back with [`Queues::put_back`].
#[derive(Default)]
pub(super) struct Queues {
    rooms: HashMap<RoomId, VecDeque<Waiting>>,
    /// Rooms with messages that nobody tries.
    due: VecDeque<RoomId>,
    /// Whether somebody takes what is due.
    pub(super) is_taken: bool,
}

/// What was left of a try.
#[derive(Default)]
pub(super) struct Left {
    /// Rooms that are held still. They stay in the hands of who tried.
    pub(super) held: Vec<RoomId>,
    /// Messages that have waited for too long, of those rooms.
    pub(super) given_up: Vec<Waiting>,
}

impl Queues {
    /// How many rooms wait.
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn has(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Queues a message behind those of its room, which is due if it was not here.
    pub(super) fn push(&mut self, waiting: Waiting) {
        let room = waiting.message.room;
        let due = &mut self.due;
        let queue = self.rooms.entry(room).or_insert_with(|| {
            due.push_back(room);
            VecDeque::new()
        });
        queue.push_back(waiting);
    }

    /// Takes the first messages of all rooms that are due, as many as belong into a batch. None are due any more of
    /// which it has some.
    pub(super) fn take_due(&mut self) -> Option<Batch> {
        let first = self.pop_due()?;
        let (batch, rest) = Batch::gather(first, self.due.len(), || self.pop_due());
        if let Some(rest) = rest {
            let room = rest.message.room;
            self.push_front(rest);
            if self.due.front() != Some(&room) {
                self.due.push_front(room);
            }
        }
        // Only the last may have more than it gave.
        let last = self.due.front().copied();
        if last.is_some_and(|last| batch.messages.iter().any(|m| m.room == last)) {
            self.due.pop_front();
        }
        Some(batch)
    }

    /// Takes the first message of one room that is in the caller's hands, by which it is seen whether it is free, and
    /// those of senders whom the node does not have in the room: whoever is no member is refused also while it is held.
    /// Nothing passes what its sender sent before.
    pub(super) fn take_some(&mut self, room: RoomId) -> Batch {
        let mut taken = Batch::default();
        let Some(queue) = self.rooms.get_mut(&room) else {
            return taken;
        };
        let mut passed: HashSet<UserId> = HashSet::new();
        for waiting in std::mem::take(queue) {
            let NewMessage {
                expected, sender, ..
            } = &waiting.message;
            let is_first = taken.messages.is_empty();
            if is_first
                || (!expected && !passed.contains(sender) && taken.messages.len() < SOME_MAX)
            {
                taken.push(waiting);
            } else {
                passed.insert(sender.clone());
                queue.push_back(waiting);
            }
        }
        taken
    }

    /// Puts back in front what was left of a batch that had messages of these rooms. Rooms that it was left of are
    /// held still, and what has waited there since too long is given up. Rooms that are not are due if
    /// anything waits there. Rooms of which nothing waits are forgotten.
    pub(super) fn put_back(
        &mut self,
        rooms: HashSet<RoomId>,
        left: Vec<Waiting>,
        is_too_long: impl Fn(Instant) -> bool,
    ) -> Left {
        let mut held = HashSet::new();
        for waiting in left.into_iter().rev() {
            held.insert(waiting.message.room);
            self.push_front(waiting);
        }
        let mut left = Left::default();
        for room in rooms {
            let Some(queue) = self.rooms.get_mut(&room) else {
                continue;
            };
            let is_held = held.contains(&room);
            while is_held && queue.front().is_some_and(|w| is_too_long(w.asker.since)) {
                left.given_up.extend(queue.pop_front());
            }
            if queue.is_empty() {
                self.rooms.remove(&room);
            } else if is_held {
                left.held.push(room);
            } else {
                self.due.push_back(room);
            }
        }
        left
    }

    fn pop_due(&mut self) -> Option<Waiting> {
        let room = self.due.front()?;
        let queue = self.rooms.get_mut(room)?;
        let waiting = queue.pop_front();
        if queue.is_empty() {
            self.due.pop_front();
        }
        waiting
    }

    fn push_front(&mut self, waiting: Waiting) {
        let queue = self.rooms.entry(waiting.message.room).or_default();
        queue.push_front(waiting);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roomwire_shared::MessageId;
    use tokio::sync::oneshot;
    use tracing::Span;

    use super::*;
    use crate::{
        chat::append::Asker,
        domain::{Author, MessageText},
        telemetry::journal,
    };

    /// Its id tells its place in its room. Every third is of somebody who is not known there.
    fn waiting(room: u8, place: u64) -> Waiting {
        let expected = !place.is_multiple_of(3);
        let message = NewMessage {
            id: MessageId::new(0, place),
            room: RoomId::new(0, u64::from(room)),
            sender: if expected { "ann" } else { "mal" }.parse().unwrap(),
            text: MessageText::parse("text".into(), 100).unwrap(),
            client_id: None,
            origin: None,
            author: Author::default(),
            expected,
        };
        let asker = Asker {
            done: oneshot::channel().0,
            accepted: journal::now(),
            since: Instant::now(),
            span: Span::none(),
        };
        Waiting { message, asker }
    }

    fn of(waiting: &Waiting) -> (RoomId, UserId) {
        (waiting.message.room, waiting.message.sender.clone())
    }

    /// What happens to the queues. Of a try, so many of the first messages of each room are settled.
    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        TryTogether(usize),
        TryAlone(usize),
        GiveUp,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..4_u8).prop_map(Step::Push),
            2 => (0..3_usize).prop_map(Step::TryTogether),
            2 => (0..3_usize).prop_map(Step::TryAlone),
            1 => Just(Step::GiveUp),
        ]
    }

    #[derive(Default)]
    struct Model {
        queues: Queues,
        /// By room and sender.
        pushed: HashMap<(RoomId, UserId), Vec<MessageId>>,
        settled: HashMap<(RoomId, UserId), Vec<MessageId>>,
        /// Rooms in the hands of those who try them alone.
        alone: Vec<RoomId>,
    }

    impl Model {
        fn step(&mut self, step: &Step) {
            match *step {
                Step::Push(room) => {
                    let pushed = self.pushed.values().map(Vec::len).sum::<usize>();
                    let waiting = waiting(room, u64::try_from(pushed).unwrap());
                    let all = self.pushed.entry(of(&waiting)).or_default();
                    all.push(waiting.message.id);
                    self.queues.push(waiting);
                }
                Step::TryTogether(settled) => {
                    if let Some(batch) = self.queues.take_due() {
                        self.settle(batch, settled, false);
                    }
                }
                Step::TryAlone(settled) => {
                    if let Some(room) = self.alone.pop() {
                        let some = self.queues.take_some(room);
                        assert!(!some.messages.is_empty(), "a held room without messages");
                        self.settle(some, settled, false);
                    }
                }
                Step::GiveUp => {
                    if let Some(batch) = self.queues.take_due() {
                        self.settle(batch, 0, true);
                    }
                }
            }
        }

        fn settle(&mut self, batch: Batch, settled: usize, gives_up: bool) {
            let rooms: HashSet<RoomId> = batch.messages.iter().map(|m| m.room).collect();
            let mut left = Vec::new();
            let mut counts: HashMap<RoomId, usize> = HashMap::new();
            for waiting in batch.into_waiting() {
                let room = waiting.message.room;
                let count = counts.entry(room).or_default();
                *count += 1;
                if *count <= settled {
                    let all = self.settled.entry(of(&waiting)).or_default();
                    all.push(waiting.message.id);
                } else {
                    left.push(waiting);
                }
            }
            let left = self.queues.put_back(rooms, left, |_| gives_up);
            self.alone.extend(left.held);
            for waiting in left.given_up {
                let all = self.settled.entry(of(&waiting)).or_default();
                all.push(waiting.message.id);
            }
        }
    }

    proptest! {
        #[test]
        fn what_a_sender_writes_to_a_room_is_tried_in_its_order(steps in prop::collection::vec(step(), 0..80)) {
            let mut model = Model::default();
            for step in &steps {
                model.step(step);
                for room in &model.alone {
                    prop_assert!(!model.queues.due.contains(room), "two try the same room");
                }
            }
            while model.queues.has_due() || !model.alone.is_empty() {
                model.step(&Step::TryTogether(usize::MAX));
                model.step(&Step::TryAlone(usize::MAX));
            }
            prop_assert_eq!(model.queues.len(), 0);
            prop_assert_eq!(model.settled, model.pushed);
        }
    }
}
