//! What waits, room by room.

use std::collections::{HashMap, HashSet, VecDeque};

use roomwire_shared::RoomId;

use super::super::{Waiting, batch::Batch};

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

    /// Takes the first messages of one room that is in the caller's hands.
    pub(super) fn take(&mut self, room: RoomId) -> Option<Batch> {
        let queue = self.rooms.get_mut(&room)?;
        let first = queue.pop_front()?;
        let (batch, rest) = Batch::gather(first, queue.len(), || queue.pop_front());
        if let Some(rest) = rest {
            queue.push_front(rest);
        }
        Some(batch)
    }

    /// Puts back in front what was left of a batch that had messages of these rooms. Returns the rooms that it was
    /// left of: they stay in the caller's hands. Others are due if anything waits there, and are forgotten if not.
    pub(super) fn put_back(&mut self, rooms: HashSet<RoomId>, left: Vec<Waiting>) -> Vec<RoomId> {
        let mut still_held = HashSet::new();
        for waiting in left.into_iter().rev() {
            still_held.insert(waiting.message.room);
            self.push_front(waiting);
        }
        for room in rooms.difference(&still_held) {
            if self.rooms.get(room).is_some_and(VecDeque::is_empty) {
                self.rooms.remove(room);
            } else {
                self.due.push_back(*room);
            }
        }
        still_held.into_iter().collect()
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
    use tokio::{sync::oneshot, time::Instant};
    use tracing::Span;

    use super::*;
    use crate::{
        chat::append::Asker,
        domain::{Author, MessageText, NewMessage},
        telemetry::journal,
    };

    /// Its id tells its place in its room.
    fn waiting(room: u8, place: u64) -> Waiting {
        let message = NewMessage {
            id: MessageId::new(0, place),
            room: RoomId::new(0, u64::from(room)),
            sender: "ann".parse().unwrap(),
            text: MessageText::parse("text".into(), 100).unwrap(),
            client_id: None,
            origin: None,
            author: Author::default(),
            expected: true,
        };
        let asker = Asker {
            done: oneshot::channel().0,
            accepted: journal::now(),
            since: Instant::now(),
            span: Span::none(),
        };
        Waiting { message, asker }
    }

    /// What happens to the queues. Of a try, so many of the first messages of each room are settled.
    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        TryTogether(usize),
        TryAlone(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..4_u8).prop_map(Step::Push),
            2 => (0..3_usize).prop_map(Step::TryTogether),
            1 => (0..3_usize).prop_map(Step::TryAlone),
        ]
    }

    #[derive(Default)]
    struct Model {
        queues: Queues,
        pushed: HashMap<RoomId, Vec<MessageId>>,
        settled: HashMap<RoomId, Vec<MessageId>>,
        /// Rooms in the hands of those who try them alone.
        alone: Vec<RoomId>,
    }

    impl Model {
        fn step(&mut self, step: &Step) {
            match *step {
                Step::Push(room) => {
                    let pushed = self.pushed.values().map(Vec::len).sum::<usize>();
                    let waiting = waiting(room, u64::try_from(pushed).unwrap());
                    let all = self.pushed.entry(waiting.message.room).or_default();
                    all.push(waiting.message.id);
                    self.queues.push(waiting);
                }
                Step::TryTogether(settled) => {
                    if let Some(batch) = self.queues.take_due() {
                        self.settle(batch, settled);
                    }
                }
                Step::TryAlone(settled) => {
                    if let Some(room) = self.alone.pop() {
                        let batch = self.queues.take(room).expect("messages of a held room");
                        self.settle(batch, settled);
                    }
                }
            }
        }

        fn settle(&mut self, batch: Batch, settled: usize) {
            let rooms: HashSet<RoomId> = batch.messages.iter().map(|m| m.room).collect();
            let mut left = Vec::new();
            let mut counts: HashMap<RoomId, usize> = HashMap::new();
            for waiting in batch.into_waiting() {
                let room = waiting.message.room;
                let count = counts.entry(room).or_default();
                *count += 1;
                if *count <= settled {
                    let all = self.settled.entry(room).or_default();
                    all.push(waiting.message.id);
                } else {
                    left.push(waiting);
                }
            }
            self.alone.extend(self.queues.put_back(rooms, left));
        }
    }

    proptest! {
        #[test]
        fn every_message_is_tried_in_the_order_of_its_room(steps in prop::collection::vec(step(), 0..80)) {
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
