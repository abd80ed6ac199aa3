//! What an actor emits, and what comes of it.

use std::time::Duration;

use roomwire_shared::MessageId;
use roomwire_shared::chats::Success;
use roomwire_shared::event::ReadAck;
use serde_json::Value;
use tokio::time::sleep;

use super::answer::Answer;
use crate::client::Contract;
use crate::crowd::actor::session::{AGAIN_AFTER, Link};
use crate::crowd::actor::{Actor, at, choose};
use crate::crowd::wire::{self, Refusal};
use crate::load::script::Act;
use crate::truth::copy::Held;
use crate::truth::record::{Ack, Asked, Fate, Marked, Marking, Write};

/// One message in so many has no key: it is sent once.
const KEYLESS_ONE_IN: usize = 5;
/// After this a message of which nobody says what became of it is there, or never will be.
const OUTCOME_MAX: Duration = Duration::from_secs(11);

impl Actor {
    /// Does one step of the script, if there is something to do it to.
    pub(super) async fn act(&mut self, link: &mut Link, act: Act) {
        match act {
            Act::Write { room, bytes, again } => {
                if let Some(room) = self.pick_room(room) {
                    let write = self.compose(link, room, bytes);
                    self.send_as(link, write, again).await;
                }
            }
            Act::Read(room) => {
                if let Some(room) = self.pick_room(room) {
                    self.mark_read(link, room).await;
                }
            }
            Act::Edit(pick) if self.contract() != Contract::Rooms => {
                self.unfollow(link, pick).await;
            }
            // The contract of chats has no such thing.
            Act::Delete(_) if self.contract() != Contract::Rooms => {}
            Act::Edit(pick) => self.edit(pick),
            Act::Delete(pick) => self.delete(pick),
            Act::Hop { .. } => {}
        }
    }

    fn pick_room(&self, pick: u32) -> Option<usize> {
        let mine = |room: &usize| self.world.stays.is_member(*room, self.me);
        let rooms: Vec<usize> = at(&self.desk, |state| {
            state.copies.keys().copied().filter(mine).collect()
        });
        choose(pick, &rooms)
    }

    fn compose(&mut self, link: &Link, room: usize, bytes: usize) -> usize {
        let (me, now) = (self.me, self.world.now());
        at(&self.desk, |state| {
            let number = state.record.writes.len();
            let key = format!("u{me}-{number}");
            let text = format!("{key} as written {}", "é".repeat(bytes / 2));
            state.record.writes.push(Write {
                key,
                room,
                texts: vec![text],
                confirmed: 0,
                uncertain: false,
                edits_asked: 0,
                edits_done: 0,
                changed: None,
                deletion: Asked::No,
                first_sent: now,
                first_attempt: (link.session, link.sent),
                keyed: number % KEYLESS_ONE_IN != 1,
                attempts: 0,
                acks: Vec::new(),
                fate: Fate::Open,
                refusal: None,
            });
            number
        })
    }

    /// Sends a message, for the first time or once more.
    pub(super) async fn send(&mut self, link: &mut Link, write: usize) {
        self.send_as(link, write, false).await;
    }

    async fn send_as(&mut self, link: &mut Link, write: usize, again: bool) {
        let message = at(&self.desk, |state| {
            let write = state.record.writes.get_mut(write)?;
            write.attempts += 1;
            let key = write.keyed.then(|| write.key.clone());
            Some((write.room, write.texts.first()?.clone(), key))
        });
        let Some((room, text, key)) = message else {
            return;
        };
        // Without a key that would be another message.
        let again = again && key.is_some();
        let Some(room) = self.world.rooms.get(room) else {
            return;
        };
        link.sent += 1;
        let event = wire::message(self.contract(), room.id, (&text, key.as_deref()));
        link.request(event, move |reply| Answer::Written(write, again, reply))
            .await;
    }

    async fn mark_read(&mut self, link: &mut Link, room: usize) {
        let Some(info) = self.world.rooms.get(room) else {
            return;
        };
        let event = wire::read_mark(self.contract(), info.id);
        let (now, chats) = (self.world.now(), self.contract() != Contract::Rooms);
        let number = at(&self.desk, |state| {
            state.record.reading.insert(room, None);
            chats.then(|| {
                state.record.markings.push(Marking {
                    room,
                    session: link.session,
                    asked: now,
                    done: None,
                });
                state.record.markings.len() - 1
            })
        });
        link.request(event, move |reply| Answer::Marked(room, number, reply))
            .await;
    }

    /// Takes an answer, or the lack of one.
    pub(super) async fn answered(&mut self, link: &mut Link, answer: Answer) {
        match answer {
            Answer::Written(write, again, Some(Ok(values))) => {
                let first = values.into_iter().next().unwrap_or_default();
                self.written(link, (write, again), first).await;
            }
            Answer::Marked(room, number, Some(Ok(values))) => {
                let first = values.into_iter().next().unwrap_or_default();
                self.marked((room, number), first);
            }
            Answer::Written(_, _, None) | Answer::Marked(_, _, None) => link.broken = true,
            // The end of the connection is told by its events.
            Answer::Written(_, _, Some(Err(_))) | Answer::Marked(_, _, Some(Err(_))) => {}
            Answer::Synced(rooms, answer) => self.synced(link, rooms, answer).await,
            Answer::Followed(room, number, answer) => self.followed(link, (room, number), answer),
            Answer::Unfollowed(room, numbers, answer) => {
                self.unfollowed(link, (room, &numbers), answer);
            }
            Answer::Greeted(answer) => self.greeted(link, &answer),
            Answer::SyncAgain(rooms) => link.to_sync.extend(rooms),
            Answer::WriteAgain(write) => {
                let fate = |write: &Write| write.fate == Fate::Open;
                let open =
                    |state: &mut super::State| state.record.writes.get(write).is_some_and(fate);
                if at(&self.desk, open) {
                    self.send(link, write).await;
                }
            }
        }
    }

    /// Notes an answer to marking a room as read.
    fn marked(&self, (room, number): (usize, Option<usize>), answer: Value) {
        let now = self.world.now();
        at(&self.desk, |state| {
            state.record.reading.insert(room, Some(now));
            let Some(number) = number else {
                let ack: Option<ReadAck> = serde_json::from_value(answer).ok();
                let mark = ack.map(|ReadAck { position }| Marked { room, position });
                state.record.marks.extend(mark);
                return;
            };
            let done = serde_json::from_value::<Success<Value>>(answer).is_ok();
            if let Some(marking) = state.record.markings.get_mut(number) {
                marking.done = done.then_some(now);
            }
        });
    }

    async fn written(&mut self, link: &mut Link, (write, again): (usize, bool), answer: Value) {
        let (refusal, words) = match wire::sent(self.contract(), answer) {
            Ok(place) => {
                self.acknowledged(link.session, write, place);
                if again {
                    self.send(link, write).await;
                }
                return;
            }
            Err(refused) => refused,
        };
        let try_again = refusal == Refusal::ForNow;
        let without_key = if wire::leaves_unsure(&words) {
            Fate::Unsure
        } else {
            Fate::Declined
        };
        let keyless_in = at(&self.desk, |state| {
            let noted = state.record.writes.get_mut(write)?;
            noted.refusal = Some(words);
            let keyless_in = (!noted.keyed).then_some(noted.room);
            if try_again {
                state.record.unavailable += 1;
                if !noted.keyed && noted.fate == Fate::Open {
                    noted.fate = without_key;
                }
            } else if noted.fate == Fate::Open {
                let gone = refusal == Refusal::Outside && self.may_be_out(noted);
                noted.fate = if gone { Fate::Left } else { Fate::Refused };
            }
            keyless_in
        });
        if let Some(room) = keyless_in {
            // Its writer is not shown it, if it comes to be. The contract of chats has no copies to compare.
            if self.contract() == Contract::Rooms {
                link.sync_after(OUTCOME_MAX, vec![room]);
            }
        } else if try_again {
            link.answers.push(Box::pin(async move {
                sleep(AGAIN_AFTER).await;
                Answer::WriteAgain(write)
            }));
        }
    }

    /// Whether its writer may have been out of the room at some time since it was written.
    fn may_be_out(&self, write: &Write) -> bool {
        let stays = self.world.stays.of(write.room, self.me);
        let since = write.first_sent.saturating_sub(Duration::from_secs(1));
        let left = |stay: &crate::truth::stays::Stay| stay.leaving.is_some_and(|at| at >= since);
        stays.iter().any(left) || !self.world.stays.is_member(write.room, self.me)
    }

    fn acknowledged(
        &mut self,
        session: usize,
        write: usize,
        (id, position): (MessageId, Option<i64>),
    ) {
        let now = self.world.now();
        let me = self.world.users.get(self.me).map(|user| user.id.clone());
        at(&self.desk, |state| {
            let (Some(write), Some(sender)) = (state.record.writes.get_mut(write), me) else {
                return;
            };
            write.fate = Fate::Acknowledged;
            write.acks.push(Ack {
                id,
                position,
                at: now,
                session,
            });
            if let (Some(copy), Some(text)) =
                (state.copies.get_mut(&write.room), write.texts.first())
            {
                let text = text.clone();
                copy.own(id, Held { sender, text });
            }
        });
    }
}
