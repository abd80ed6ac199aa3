//! What an actor asks for by REST: changes of its own messages, and a look at what it heard.
//!
//! A request whose outcome is unknown is not repeated, since a late copy of it may still be under way.

use std::sync::Arc;

use http::Method;
use rand::RngExt;
use serde_json::{Value, json};

use crate::crowd::actor::{Actor, at, choose};
use crate::crowd::world::Outcome;
use crate::truth::record::{Asked, Fate, Heard, Miss};

/// Requests of one actor that may be under way.
pub(super) const ERRANDS_MAX: usize = 8;
/// Of its own messages, the actor changes only so many of the latest.
const RECENT: usize = 64;

/// What came of a request.
pub(super) enum Errand {
    Looked(Heard, Outcome),
    Edited(usize, usize, Outcome),
    Deleted(usize, Outcome),
}

impl Actor {
    /// One of the latest own messages that nothing is known against.
    fn pick_write(&self, pick: u32) -> Option<(usize, String)> {
        let mine = |room| self.world.stays.is_member(room, self.me);
        let recent: Vec<(usize, String)> = at(&self.desk, |state| {
            let writes = state.record.writes.iter().enumerate().rev().take(RECENT);
            writes
                .filter(|(number, write)| {
                    write.fate == Fate::Acknowledged
                        && write.deletion == Asked::No
                        && !write.uncertain
                        && !self.busy.contains(number)
                        && mine(write.room)
                })
                .filter_map(|(number, write)| Some((number, write.acks.first()?.id.to_string())))
                .collect()
        });
        choose(pick, &recent).filter(|_| self.errands.len() < ERRANDS_MAX)
    }

    pub(super) fn edit(&mut self, pick: u32) {
        let Some((write, id)) = self.pick_write(pick) else {
            return;
        };
        let text = at(&self.desk, |state| {
            let write = state.record.writes.get_mut(write)?;
            let text = format!("{} edit {}", write.key, write.texts.len());
            write.texts.push(text.clone());
            write.edits_asked += 1;
            Some((text, write.texts.len() - 1))
        });
        let Some((text, version)) = text else {
            return;
        };
        let body = json!({ "newMessage": text });
        self.request(write, (Method::PUT, id, Some(body)), move |outcome| {
            Errand::Edited(write, version, outcome)
        });
    }

    pub(super) fn delete(&mut self, pick: u32) {
        let Some((write, id)) = self.pick_write(pick) else {
            return;
        };
        at(&self.desk, |state| {
            if let Some(write) = state.record.writes.get_mut(write) {
                write.deletion = Asked::Perhaps;
            }
        });
        self.request(write, (Method::DELETE, id, None), move |outcome| {
            Errand::Deleted(write, outcome)
        });
    }

    fn request(
        &mut self,
        write: usize,
        (method, id, body): (Method, String, Option<Value>),
        done: impl FnOnce(Outcome) -> Errand + Send + 'static,
    ) {
        self.busy.insert(write);
        at(&self.desk, |state| state.errands += 1);
        let (world, me, gate) = (
            Arc::clone(&self.world),
            self.me,
            self.dice.random_range(0..1024),
        );
        self.errands.push(Box::pin(async move {
            let path = format!("/chat/messages/{id}");
            let token = world.users.get(me).map_or("", |user| &user.token);
            done(
                world
                    .call(gate, (method, &path), token, body.as_ref())
                    .await,
            )
        }));
    }

    /// Asks for a message that was just heard.
    pub(super) fn look(&mut self, heard: Heard) {
        let (world, me, gate) = (
            Arc::clone(&self.world),
            self.me,
            self.dice.random_range(0..1024),
        );
        self.errands.push(Box::pin(async move {
            let path = format!("/chat/messages/{}", heard.id);
            let token = world.users.get(me).map_or("", |user| &user.token);
            let outcome = world.call(gate, (Method::GET, &path), token, None).await;
            Errand::Looked(heard, outcome)
        }));
    }

    /// Notes what came of a request.
    pub(super) fn back_from(&mut self, errand: Errand) {
        let now = self.world.now();
        let number = match &errand {
            Errand::Edited(write, ..) | Errand::Deleted(write, _) => Some(*write),
            Errand::Looked(..) => None,
        };
        if let Some(number) = number {
            self.busy.remove(&number);
            at(&self.desk, |state| {
                state.errands = state.errands.saturating_sub(1);
            });
        }
        at(&self.desk, |state| match errand {
            Errand::Looked(heard, Outcome::NotFound(_)) => {
                state.record.misses.push(Miss { heard, at: now });
            }
            Errand::Looked(_, Outcome::Done(_)) => state.record.looks += 1,
            Errand::Looked(..) => {}
            Errand::Edited(write, version, outcome) => {
                let Some(write) = state.record.writes.get_mut(write) else {
                    return;
                };
                write.changed = Some(now);
                match outcome {
                    Outcome::Done(_) => {
                        write.confirmed = version;
                        write.edits_done += 1;
                    }
                    Outcome::Unknown(_) => write.uncertain = true,
                    _ => write.edits_asked -= 1,
                }
            }
            Errand::Deleted(write, outcome) => {
                let Some(write) = state.record.writes.get_mut(write) else {
                    return;
                };
                write.changed = Some(now);
                write.deletion = match outcome {
                    Outcome::Done(_) => Asked::Yes,
                    Outcome::Unknown(_) => Asked::Perhaps,
                    _ => Asked::No,
                };
            }
        });
    }
}
