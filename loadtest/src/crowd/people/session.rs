//! One connection of a person: what was missed comes first, then what is unanswered goes out again, then
//! whatever is due.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::micros;
use super::person::{End, Order, Person, Saying};
use super::returning::Listing;
use crate::client::{CloseReason, Connection, Contract, Incoming, Signal, event_payload};
use crate::crowd::wire;
use crate::load::stamp::Stamp;
use crate::truth::room_log::Micros;

/// How long an answer may take before the connection counts as silent.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait before something that was refused for now is sent again.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// A question that waits for its answer.
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) what: What,
    /// When it was asked.
    pub(super) at: Micros,
    until: Instant,
}

pub(super) enum What {
    Said(Saying),
    Marked(usize, Micros),
    Synced,
    /// The feed of a chat, by the number of the room.
    Joined(u32),
    /// Messages of a chat.
    Listed(Listing),
}

/// A connection, and what is owed on it.
pub(super) struct Link {
    connection: Connection,
    pub(super) contract: Contract,
    next_id: u64,
    pub(super) asked: Vec<Asked>,
    /// When the clock of the run started.
    start: std::time::Instant,
    /// When the connection before ended, until everything is held again.
    pub(super) missing_since: Option<Micros>,
    /// When to send again what was refused for now.
    again: Option<Instant>,
    /// When it began.
    pub(super) begun: Micros,
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
            at: micros(self.start.elapsed()),
            until: Instant::now() + ANSWER_DEADLINE,
        });
        self.connection.emit(Some(id), &payload).await
    }

    /// Has sent again, a little later, what was refused for now.
    pub(super) fn try_again(&mut self) {
        self.again.get_or_insert(Instant::now() + AGAIN_AFTER);
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
            start: self.shared.start,
            missing_since: Some(gone),
            again: None,
            begun: self.shared.now(),
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
        // All of them are asked for now.
        self.to_follow.clear();
        if link.contract == Contract::Rooms {
            self.sync(link).await?;
        } else {
            for room in self.rooms() {
                self.follow(link, room).await?;
            }
            if link.asked.is_empty() {
                self.caught_up(link);
            }
        }
        self.send_open(link).await
    }

    async fn serve(&mut self, link: &mut Link) -> Result<End, CloseReason> {
        loop {
            if self.going && self.open.is_empty() && link.missing_since.is_none() {
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
                    self.follow_all(link).await?;
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
                if let Some(id) = self.shared.room(room).map(|room| room.id) {
                    let at = self.place(room);
                    if let Some(held) = self.kept.rooms.get_mut(at) {
                        held.doubtful = true;
                    }
                    let (event, arguments) = wire::read_mark(link.contract, id);
                    link.ask(What::Marked(at, due), (event, &arguments)).await?;
                }
            }
            Order::Follow(room) => self.follow(link, room).await?,
            Order::Reconnect(rude) => {
                self.shared.tally.count("reconnects", self.shared.now());
                return Ok(Some(End::Away(self.away(), !rude)));
            }
            Order::Cut => return Ok(Some(End::Broken)),
            Order::Stall(time) => {
                let since = self.shared.now();
                self.shared.tally.count("stalls", since);
                let order = self.wait(time).await;
                if self.going {
                    // What came meanwhile is not read yet.
                    self.leave(since);
                }
                match order {
                    Some(Order::Stop) => return Ok(Some(End::Over)),
                    Some(_) => return Ok(Some(End::Gone)),
                    None => {}
                }
                for asked in &mut link.asked {
                    asked.until += time;
                }
                self.follow_all(link).await?;
                self.send_open(link).await?;
            }
            Order::Go => self.going = true,
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
        let (event, arguments) = wire::message(link.contract, id, (&text, Some(&key)));
        link.ask(What::Said(saying), (event, &arguments)).await
    }
}
