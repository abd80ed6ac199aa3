//! One connection of a person: what was missed comes first, then what is unanswered goes out again, then
//! whatever is due.

use std::borrow::Cow;
use std::time::Duration;

use roomwire_shared::RoomId;
use roomwire_shared::chats::event::{GET_LIST_MESSAGE, JOIN_ROOM};
use roomwire_shared::event::{MESSAGE, ReadAck};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::person::{End, Order, Person, Saying};
use super::tally::Operation;
use crate::client::{CloseReason, Connection, Contract, Incoming, Signal, event_payload};
use crate::crowd::wire::{self, Refusal};
use crate::load::stamp::Stamp;
use crate::truth::feed::Way;
use crate::truth::room_log::Micros;

/// How long an answer may take before the connection counts as silent.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait before something that was refused for now is sent again.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// Messages of a chat that are looked at when coming back; the largest page there is.
const PAGE: u32 = 100;

/// A question that waits for its answer.
pub(super) struct Asked {
    id: u64,
    what: What,
    until: Instant,
}

pub(super) enum What {
    Said(Saying),
    Marked(usize, Micros),
    Synced,
    /// The feed of a chat.
    Joined,
    /// The newest messages of a chat, by the number of the room.
    Listed(u32),
}

/// A connection, and what is owed on it.
pub(super) struct Link {
    connection: Connection,
    contract: Contract,
    next_id: u64,
    asked: Vec<Asked>,
    /// When the connection before ended, until everything is held again.
    pub(super) missing_since: Option<Micros>,
    /// When to send again what was refused for now.
    again: Option<Instant>,
    /// When it began.
    begun: Micros,
    /// Its person goes for good, once everything is answered.
    going: bool,
}

/// A message of the contract of rooms, as `meta` sockets get it.
#[derive(Deserialize)]
struct InRoom<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    room: RoomId,
    position: i64,
}

/// A message of the contract of chats.
#[derive(Deserialize)]
struct InChat<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    chat_id: RoomId,
}

impl Link {
    pub(super) async fn ask(
        &mut self,
        what: What,
        (event, arguments): (&str, &[Value]),
    ) -> Result<(), CloseReason> {
        let id = self.next_id;
        self.next_id += 1;
        let payload = event_payload(event, arguments);
        self.asked.push(Asked {
            id,
            what,
            until: Instant::now() + ANSWER_DEADLINE,
        });
        self.connection.emit(Some(id), &payload).await
    }

    /// When the first answer is overdue.
    fn overdue(&self) -> Option<Instant> {
        self.asked.first().map(|asked| asked.until)
    }
}

impl Person {
    /// Serves a connection to its end; the one before ended at `gone`.
    pub(super) async fn session(&mut self, connection: Connection, gone: Micros) -> End {
        for held in &mut self.kept.rooms {
            held.feed.connected();
        }
        let contract = self.who().map_or(Contract::Rooms, super::Who::contract);
        let mut link = Link {
            connection,
            contract,
            next_id: 0,
            asked: Vec::new(),
            missing_since: Some(gone),
            again: None,
            begun: self.shared.now(),
            going: false,
        };
        let end = match self.begin(&mut link).await {
            Ok(()) => self.serve(&mut link).await,
            Err(_) => Ok(End::Broken),
        };
        let end = end.unwrap_or(End::Broken);
        if matches!(end, End::Over | End::Gone | End::Away(_, true)) {
            link.connection.close().await;
        }
        end
    }

    /// Asks for what was missed, and sends what has no answer yet.
    async fn begin(&mut self, link: &mut Link) -> Result<(), CloseReason> {
        if link.contract == Contract::Rooms {
            self.sync(link).await?;
        } else {
            for at in 0..self.kept.rooms.len() {
                let room = self.kept.rooms.get(at).map_or(0, |held| held.room);
                let Some(id) = self.shared.room(room).map(|room| room.id) else {
                    continue;
                };
                link.ask(What::Joined, (JOIN_ROOM, &[json!(id)])).await?;
                if self.known {
                    let page = json!({ "chat_id": id, "limit": PAGE });
                    let what = What::Listed(room);
                    link.ask(what, (GET_LIST_MESSAGE, &[page])).await?;
                }
            }
            if link.asked.is_empty() {
                self.caught_up(link);
            }
        }
        self.send_open(link).await
    }

    async fn serve(&mut self, link: &mut Link) -> Result<End, CloseReason> {
        loop {
            if link.going && self.open.is_empty() {
                // Noted before the farewell: nothing needs to arrive from here on.
                self.leave(self.shared.now());
                return Ok(End::Gone);
            }
            let (overdue, again) = (link.overdue(), link.again);
            tokio::select! {
                biased;
                order = self.orders.recv() => {
                    if let Some(end) = self.obey(link, order.unwrap_or(Order::Stop)).await? {
                        return Ok(end);
                    }
                }
                signal = link.connection.read() => match signal? {
                    Signal::Ping => link.connection.pong().await?,
                    Signal::Packet(Incoming::Event(payload)) => self.hear(link, &payload),
                    Signal::Packet(Incoming::Ack(id, payload)) => {
                        self.answered(link, id, &payload).await?;
                    }
                    Signal::Nothing => {}
                },
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {
                    link.again = None;
                    self.send_open(link).await?;
                }
                () = sleep_until(overdue.unwrap_or_else(Instant::now)), if overdue.is_some() => {
                    self.shared.tally.failed("given up as silent", self.shared.now());
                    return Ok(End::Broken);
                }
            }
        }
    }

    async fn obey(&mut self, link: &mut Link, order: Order) -> Result<Option<End>, CloseReason> {
        match order {
            Order::Say(saying) => {
                if self.keep(saying) {
                    self.say(link, saying).await?;
                }
            }
            Order::Mark(room, due) => {
                let at = self.kept.rooms.iter().position(|held| held.room == room);
                let id = self.shared.room(room).map(|room| room.id);
                if let (Some(at), Some(id)) = (at, id) {
                    if let Some(held) = self.kept.rooms.get_mut(at) {
                        held.doubtful = true;
                    }
                    let (event, arguments) = wire::read_mark(link.contract, id);
                    link.ask(What::Marked(at, due), (event, &arguments)).await?;
                }
            }
            Order::Reconnect(rude) => {
                self.shared.tally.count("reconnects", self.shared.now());
                return Ok(Some(End::Away(self.away(), !rude)));
            }
            Order::Cut => return Ok(Some(End::Broken)),
            Order::Stall(time) => {
                self.shared.tally.count("stalls", self.shared.now());
                match self.wait(time).await {
                    Some(Order::Stop) => return Ok(Some(End::Over)),
                    Some(_) => return Ok(Some(End::Gone)),
                    None => {}
                }
                for asked in &mut link.asked {
                    asked.until += time;
                }
                self.send_open(link).await?;
            }
            Order::Go => link.going = true,
            Order::Stop => return Ok(Some(End::Over)),
            Order::Come(_) => {}
        }
        Ok(None)
    }

    /// Sends everything that has no final answer and is not under way.
    async fn send_open(&mut self, link: &mut Link) -> Result<(), CloseReason> {
        for at in 0..self.open.len() {
            let Some(saying) = self.open.get(at).copied() else {
                break;
            };
            let under_way = |asked: &Asked| matches!(&asked.what, What::Said(of) if of.room == saying.room && of.number == saying.number);
            if !link.asked.iter().any(under_way) {
                self.say(link, saying).await?;
            }
        }
        Ok(())
    }

    async fn say(&mut self, link: &mut Link, saying: Saying) -> Result<(), CloseReason> {
        let Some(id) = self.shared.room(saying.room).map(|room| room.id) else {
            return Ok(());
        };
        let text = Stamp {
            room: saying.room,
            sequence: saying.number,
            sender: self.me,
            intended_us: saying.due,
        }
        .text(usize::try_from(saying.bytes).unwrap_or_default());
        let key = format!("{:x}", saying.number);
        let (event, arguments) = wire::message(link.contract, id, &text, &key);
        link.ask(What::Said(saying), (event, &arguments)).await
    }

    fn hear(&mut self, link: &Link, payload: &str) {
        if link.contract == Contract::Rooms {
            let message = serde_json::from_str::<(Cow<'_, str>, InRoom<'_>)>(payload);
            if let Ok((name, body)) = message
                && name == MESSAGE
            {
                self.take(link, (&body.message, body.room), Some(body.position));
            }
        } else if payload.starts_with("[\"room_new_message:") {
            let message = serde_json::from_str::<(Cow<'_, str>, InChat<'_>)>(payload);
            match message {
                Ok((_, body)) => self.take(link, (&body.text, body.chat_id), None),
                Err(_) => self.kept.foreign += 1,
            }
        }
    }

    /// Notes a message that came live, or as part of what was missed.
    fn take(&mut self, link: &Link, (text, room): (&str, RoomId), position: Option<i64>) {
        let way = if link.missing_since.is_some() {
            Way::CaughtUp
        } else {
            Way::Live
        };
        if let Some((due, true)) = self.note((text, room), position, (way, Some(link)))
            && way == Way::Live
        {
            let now = self.shared.now();
            let took = Duration::from_micros(now.saturating_sub(due));
            self.shared.tally.took(Operation::Delivery, due, took);
        }
        self.shared.tally.came();
    }

    /// Notes a message; when it was due, and whether it is new.
    pub(super) fn note(
        &mut self,
        (text, room): (&str, RoomId),
        position: Option<i64>,
        (way, link): (Way, Option<&Link>),
    ) -> Option<(Micros, bool)> {
        let of_rooms = self.who()?.contract() == Contract::Rooms;
        let number = self.shared.numbers.get(&room).copied();
        let stamp = Stamp::read(text).filter(|stamp| Some(stamp.room) == number);
        let mut held = self.kept.rooms.iter_mut();
        let held = held.find(|held| Some(held.room) == number);
        let (Some(stamp), Some(held)) = (stamp, held) else {
            self.kept.foreign += 1;
            return None;
        };
        let room = self.shared.room(held.room)?;
        let new = {
            let mut log = room.log();
            held.feed.check_stay(&log, stamp.sequence);
            // One's own do not come back in the contract of rooms, but to other connections than the
            // one that sent them.
            if of_rooms && stamp.sender == self.me {
                let sent_here = link.is_some_and(|link| link.begun <= stamp.intended_us);
                self.kept.echoed += u64::from(sent_here);
                false
            } else {
                held.feed.hear(&mut log, (stamp.sequence, position), way)
            }
        };
        // What comes before everything missed is there may be lost once more with what is missed.
        if way == Way::Live {
            held.position = held.position.max(position.unwrap_or_default());
        }
        Some((stamp.intended_us, new && stamp.sender != self.me))
    }

    async fn answered(
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
            What::Listed(room) => self.listed(room, &answer),
            What::Joined => {}
        }
        let asking = |asked: &Asked| matches!(asked.what, What::Joined | What::Listed(_));
        let chats = link.contract != Contract::Rooms;
        if chats && link.missing_since.is_some() && !link.asked.iter().any(asking) {
            self.caught_up(link);
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
                let held = self.kept.rooms.iter_mut();
                let mut held = held.filter(|held| held.room == saying.room);
                if let (Some(held), Some(position)) = (held.next(), position) {
                    held.feed.own(position);
                }
                let took = Duration::from_micros(now.saturating_sub(saying.due));
                self.shared.tally.took(Operation::Ack, saying.due, took);
            }
            Err((Refusal::ForNow, _)) => {
                self.shared.tally.failed("asked to try again", saying.due);
                link.again.get_or_insert(Instant::now() + AGAIN_AFTER);
                return;
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
