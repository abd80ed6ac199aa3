//! The answers to what a person asked.

use std::time::Duration;

use roomwire_shared::event::ReadAck;
use serde_json::Value;

use super::person::{Person, Saying};
use super::returning::Listing;
use super::session::{Asked, Link, What};
use super::tally::Operation;
use crate::client::{CloseReason, Contract};
use crate::crowd::wire::{self, Refusal};
use crate::truth::room_log::Micros;

impl Person {
    /// Takes an answer.
    pub(super) async fn answered(
        &mut self,
        link: &mut Link,
        id: u64,
        payload: &str,
    ) -> Result<(), CloseReason> {
        let Some(at) = link.asked.iter().position(|asked| asked.id == id) else {
            return Err(CloseReason::Protocol("an answer to nothing".to_owned()));
        };
        let asked = link.asked.remove(at);
        let answer = serde_json::from_str::<Vec<Value>>(payload);
        let answer = answer.ok().and_then(|all| all.into_iter().next());
        let answer = answer.unwrap_or_default();
        match asked.what {
            What::Said(saying) => self.said(link, saying, answer),
            What::Marked(at, due) => {
                let more = |asked: &Asked| matches!(asked.what, What::Marked(of, _) if of == at);
                let doubtful = link.asked.iter().any(more);
                self.marked(at, due, (answer, doubtful));
            }
            What::Synced => self.synced(link, answer).await?,
            What::Listed(Listing { room, .. }) | What::Joined(room) if refused_for_now(&answer) => {
                self.shared.tally.failed("asked to try again", asked.at);
                self.follow_later(room);
                link.try_again();
            }
            What::Listed(listing) => self.listed(link, listing, &answer).await?,
            What::Joined(_) => {}
        }
        let asking = |asked: &Asked| matches!(asked.what, What::Joined(_) | What::Listed(_));
        if link.asked.iter().any(asking) || !self.to_follow.is_empty() {
            return Ok(());
        }
        if link.contract != Contract::Rooms && link.missing_since.is_some() {
            self.caught_up(link);
        }
        if link.missing_since.is_none()
            && let Some(who) = self.who()
        {
            // Answers come in order with what is shown, and nothing is missing.
            who.has_heard(asked.at);
        }
        Ok(())
    }

    fn said(&mut self, link: &mut Link, saying: Saying, answer: Value) {
        let now = self.shared.now();
        match wire::sent(link.contract, answer) {
            Ok((_, position)) => {
                if let Some(room) = self.shared.room(saying.room) {
                    room.log().acknowledge(saying.number, position, now);
                }
                if let (Some(held), Some(position)) = (self.held(saying.room), position) {
                    held.feed.own(position);
                }
                let took = Duration::from_micros(now.saturating_sub(saying.due));
                self.shared.tally.took(Operation::Ack, saying.due, took);
            }
            Err((Refusal::ForNow, _)) => {
                self.shared.tally.failed("asked to try again", saying.due);
                link.try_again();
                return;
            }
            Err((Refusal::Outside, _)) if self.may_be_refused(&saying) => {
                self.shared.tally.count("not sent, had left", saying.due);
                if let Some(room) = self.shared.room(saying.room) {
                    room.log().withdraw(saying.number);
                }
            }
            Err((_, words)) => {
                self.kept.refused += 1;
                self.kept.refusal.get_or_insert(words);
            }
        }
        let same = |of: &Saying| of.room == saying.room && of.number == saying.number;
        if let Some(at) = self.open.iter().position(same) {
            self.open.remove(at);
            self.shared.tally.closed();
        }
    }

    /// Whether they may have left the room since the message was due.
    fn may_be_refused(&self, saying: &Saying) -> bool {
        let room = self.shared.room(saying.room);
        room.is_some_and(|room| room.members().may_be_refused(self.me, saying.due))
    }

    fn marked(&mut self, at: usize, due: Micros, (answer, more): (Value, bool)) {
        let took = Duration::from_micros(self.shared.now().saturating_sub(due));
        self.shared.tally.took(Operation::Mark, due, took);
        if let Ok(ReadAck { position }) = serde_json::from_value(answer)
            && let Some(held) = self.kept.rooms.get_mut(at)
        {
            held.marked = held.marked.max(Some(position));
            held.doubtful = more;
        }
    }
}

/// Whether a question of the contract of chats is to be asked again a little later.
fn refused_for_now(answer: &Value) -> bool {
    let refused = wire::refused_by_chats(answer);
    refused.is_some_and(|(refusal, _)| refusal == Refusal::ForNow)
}
