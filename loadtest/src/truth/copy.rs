//! One client's own copy of one room, kept as the contract says: what `sync` brings, then what is
//! heard live, in that order.
//!
//! Pure. Live changes come in the order of positions, but only new messages say theirs. So a change
//! that is heard after a `sync` may be older than what that brought. It is put right by what follows
//! it, unless the connection ends first: then the next `sync` has to ask from where the last one
//! did. [`Copy::resume`] knows from where.

use std::collections::{BTreeMap, HashSet};

use roomwire_shared::change::{Change, Changes};
use roomwire_shared::{MessageId, UserId};

/// A message as the client has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who wrote it.
    pub sender: UserId,
    /// Its newest known text.
    pub text: String,
}

/// Something heard live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// A new message and its position.
    Written(MessageId, Held, i64),
    /// A message has a new text.
    Edited(MessageId, String),
    /// A message is gone.
    Deleted(MessageId),
}

/// A room as one client knows it.
#[derive(Debug, Clone)]
pub struct Copy {
    held: BTreeMap<MessageId, Held>,
    gone: HashSet<MessageId>,
    /// Up to here everything is applied, whatever happens to the connection now.
    sure: i64,
    /// Where the last complete `sync` ended.
    synced: i64,
    /// From where the present or last `sync` asked.
    asked: i64,
    /// What is heard while a `sync` is under way waits for its end.
    waiting: Option<Vec<Live>>,
}

impl Default for Copy {
    /// Knows nothing yet: what is heard waits for the first `sync`.
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            gone: HashSet::new(),
            sure: 0,
            synced: 0,
            asked: 0,
            waiting: Some(Vec::new()),
        }
    }
}

impl Copy {
    /// From which position the next `sync` must ask.
    #[must_use]
    pub fn resume(&self) -> i64 {
        self.sure
    }

    /// Where the last complete `sync` ended.
    #[must_use]
    pub fn synced(&self) -> i64 {
        self.synced
    }

    /// What it holds.
    #[must_use]
    pub fn messages(&self) -> &BTreeMap<MessageId, Held> {
        &self.held
    }

    /// Starts a `sync`; what is heard from now on is applied after it.
    pub fn begin_sync(&mut self) {
        self.asked = self.sure;
        self.waiting = Some(Vec::new());
    }

    /// Applies one answer; true if the `sync` is complete with it.
    pub fn apply(&mut self, page: Changes) -> bool {
        if page.reset {
            self.held.clear();
            self.gone.clear();
        }
        for change in page.changes {
            match change {
                Change::Message { message, .. } => {
                    let held = Held {
                        sender: message.sender_user,
                        text: message.message,
                    };
                    self.put(message.id, held);
                }
                Change::Deleted { message_id, .. } => self.delete(message_id),
                Change::Member { .. } | Change::Room { .. } => {}
            }
        }
        if page.more {
            return false;
        }
        self.synced = page.position;
        self.sure = page.position;
        for live in self.waiting.take().unwrap_or_default() {
            self.hear(live);
        }
        true
    }

    /// Applies something heard live.
    pub fn hear(&mut self, live: Live) {
        if let Some(waiting) = &mut self.waiting {
            waiting.push(live);
            return;
        }
        match &live {
            Live::Written(_, _, position) if *position >= self.synced => {
                // Everything up to here has been heard in order.
                self.sure = self.sure.max(*position);
                self.asked = self.sure;
            }
            // Perhaps older than what `sync` brought, until something newer is heard.
            _ => self.sure = self.asked,
        }
        match live {
            Live::Written(id, held, _) => self.put(id, held),
            Live::Edited(id, text) => {
                if let Some(held) = self.held.get_mut(&id) {
                    held.text = text;
                }
            }
            Live::Deleted(id) => self.delete(id),
        }
    }

    /// Notes the client's own message once it is acknowledged; its own socket does not hear it.
    pub fn own(&mut self, id: MessageId, held: Held) {
        if !self.gone.contains(&id) {
            self.held.entry(id).or_insert(held);
        }
    }

    fn put(&mut self, id: MessageId, held: Held) {
        if !self.gone.contains(&id) {
            self.held.insert(id, held);
        }
    }

    fn delete(&mut self, id: MessageId) {
        self.held.remove(&id);
        self.gone.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roomwire_shared::rest::Message;
    use roomwire_shared::{RoomId, Timestamp};

    use super::*;

    /// What happened to a room, one thing per position: message `0` is written, edited or deleted.
    #[derive(Debug, Clone, Copy)]
    enum Happening {
        Write,
        Edit(u8),
        Delete(u8),
    }

    fn id(number: usize) -> MessageId {
        MessageId::new(0, u64::try_from(number).unwrap())
    }

    fn held(text: &str) -> Held {
        Held {
            sender: "ann".parse().unwrap(),
            text: text.to_owned(),
        }
    }

    /// The log as live events, one for each position from 1.
    fn log(happenings: &[Happening]) -> Vec<Live> {
        let (mut written, mut gone) = (0, HashSet::new());
        let mut log = Vec::new();
        for happening in happenings {
            let position = i64::try_from(log.len()).unwrap() + 1;
            let text = format!("at {position}");
            let target = |pick: u8| usize::from(pick) % written.max(1);
            log.push(match *happening {
                Happening::Edit(pick) if written > 0 && !gone.contains(&target(pick)) => {
                    Live::Edited(id(target(pick)), text)
                }
                Happening::Delete(pick) if written > 0 && gone.insert(target(pick)) => {
                    Live::Deleted(id(target(pick)))
                }
                _ => {
                    written += 1;
                    Live::Written(id(written - 1), held(&text), position)
                }
            });
        }
        log
    }

    /// The state after the first `upto` entries, and at which position each thing last changed.
    fn state(log: &[Live], upto: usize) -> BTreeMap<MessageId, (i64, Option<Held>)> {
        let mut state = BTreeMap::new();
        for (live, position) in log[..upto].iter().zip(1..) {
            match live {
                Live::Written(id, held, _) => state.insert(*id, (position, Some(held.clone()))),
                Live::Edited(id, text) => state.insert(*id, (position, Some(held(text)))),
                Live::Deleted(id) => state.insert(*id, (position, None)),
            };
        }
        state
    }

    fn changes(log: &[Live], since: i64, upto: usize) -> Changes {
        let mut changes: Vec<Change> = state(log, upto)
            .into_iter()
            .filter(|(_, (position, _))| *position > since)
            .map(|(id, (position, held))| match held {
                None => Change::Deleted {
                    position,
                    message_id: id,
                },
                Some(held) => Change::Message {
                    position,
                    message: Message {
                        id,
                        message: held.text,
                        sender_user: held.sender,
                        room: RoomId::new(0, 0),
                        read_by: vec![],
                        created_at: Timestamp::from_unix_ms(0),
                        updated_at: Timestamp::from_unix_ms(0),
                    },
                },
            })
            .collect();
        changes.sort_by_key(Change::position);
        Changes {
            position: i64::try_from(upto).unwrap(),
            more: false,
            reset: false,
            changes,
        }
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            3 => Just(Happening::Write),
            2 => any::<u8>().prop_map(Happening::Edit),
            1 => any::<u8>().prop_map(Happening::Delete),
        ]
    }

    proptest! {
        /// Sessions, one after the other, begin anywhere in the log, sync a little later, hear the log
        /// from where they began, and break off anywhere. The last one hears all, and then holds the truth.
        #[test]
        fn after_any_breaks_the_copy_is_the_truth(
            happenings in prop::collection::vec(happening(), 1..40),
            moments in prop::collection::vec(any::<u8>(), 0..18),
        ) {
            let log = log(&happenings);
            let mut copy = Copy::default();
            let mut moments: Vec<usize> = moments
                .into_iter()
                .map(|moment| usize::from(moment) % (log.len() + 1))
                .collect();
            moments.sort_unstable();
            let mut sessions: Vec<[usize; 3]> = moments
                .chunks_exact(3)
                .map(|three| [three[0], three[1], three[2]])
                .collect();
            let begin = sessions.last().map_or(0, |last| last[2]);
            sessions.push([begin, begin + (log.len() - begin) / 2, log.len()]);
            for [begin, sync, end] in sessions {
                copy.begin_sync();
                let early = begin + (sync - begin) / 2;
                log[begin..early].iter().for_each(|live| copy.hear(live.clone()));
                prop_assert!(copy.apply(changes(&log, copy.resume(), sync)));
                log[early..end].iter().for_each(|live| copy.hear(live.clone()));
            }
            let truth: BTreeMap<MessageId, Held> = state(&log, log.len())
                .into_iter()
                .filter_map(|(id, (_, held))| Some((id, held?)))
                .collect();
            prop_assert_eq!(copy.messages(), &truth);
        }
    }

    #[test]
    fn what_is_heard_before_the_first_sync_does_not_hide_what_was_before() {
        let log = log(&[Happening::Write, Happening::Write]);
        let mut copy = Copy::default();
        copy.hear(log[1].clone());
        assert_eq!(copy.resume(), 0);
        copy.begin_sync();
        assert!(copy.apply(changes(&log, 0, 2)));
        assert_eq!(copy.messages().len(), 2);
    }

    #[test]
    fn a_deleted_message_does_not_come_back() {
        let mut copy = Copy::default();
        assert!(copy.apply(changes(&[], 0, 0)));
        copy.hear(Live::Deleted(id(1)));
        copy.hear(Live::Written(id(1), held("late"), 1));
        copy.own(id(1), held("own"));
        assert!(copy.messages().is_empty());
    }
}
