//! The end of a run: everybody goes, and what they heard is compared with what was acknowledged and with
//! what the server says there is.

use std::time::Duration;

use http::Method;
use roomwire_shared::change::{Change, Changes};
use roomwire_shared::chats::Success;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::ended::Ended;
use super::person::{Forbidden, Kept, Order};
use super::{Crowd, Room, Shared, lock};
use crate::client::Contract;
use crate::client::rest::{Rest, RestError};
use crate::load::stamp::Stamp;
use crate::result::Check;
use crate::truth::ledger::FeedFaults;

/// Changes in one answer.
const PAGE: usize = 1_000;
/// How long one read may take, over all gateways.
const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// People whose unread messages are asked for.
const UNREAD_MAX: usize = 200;
/// Chats of one of them that are looked at; the largest page there is.
const CHATS_PAGE: usize = 100;
/// Messages whose stories are told.
const STORIES_MAX: usize = 3;
/// Unread messages are counted up to here.
const UNREAD_COUNTED: u64 = 1_000;

impl Crowd {
    /// Sends everybody away and judges.
    pub async fn end(mut self) -> Result<Ended, RestError> {
        for orders in &self.orders {
            // Who has ended already needs not be told.
            orders.send(Order::Stop).await.unwrap_or_default();
        }
        let mut kept: Vec<(u32, Kept)> = Vec::new();
        let mut died = 0;
        while let Some(one) = self.people.join_next().await {
            match one {
                Ok(one) => kept.push(one),
                Err(_) => died += 1,
            }
        }
        let shared = &self.shared;
        let mut strangers = 0;
        for room in &shared.rooms {
            strangers += read_back(shared, room).await?;
        }
        let (unread_compared, unread_wrong) = Box::pin(unread(shared, &kept)).await?;
        let mut checks = judge(shared, &mut kept);
        checks.push(Check::new(
            "messages in the history twice, or never sent",
            strangers,
        ));
        checks.push(Check::new("unread counts that are wrong", unread_wrong));
        checks.push(Check::new("clients that died", died));
        let acknowledged = shared.rooms.iter().map(|room| room.log().acknowledged());
        Ok(Ended {
            phases: shared.tally.take(),
            course: (shared.tally.course.every(), shared.tally.course.stretches()),
            checks,
            acknowledged: acknowledged.sum(),
            unread_compared,
        })
    }
}

/// Reads a room's whole log into its record; how many of its messages are there twice or were never
/// sent.
async fn read_back(shared: &Shared, room: &Room) -> Result<u64, RestError> {
    // Somebody who still is a member: the last ones stay.
    let reader = room.members().inside().first().copied();
    let reader = reader.and_then(|member| shared.who(member));
    let token = reader.map_or("", |who| who.token.as_str());
    let (mut since, mut wrong) = (0, 0);
    loop {
        let path = format!("/chat/rooms/{}/changes?since={since}&limit={PAGE}", room.id);
        let answer = read(shared, &path, token).await?;
        let page: Changes =
            serde_json::from_value(answer).map_err(|error| RestError::Body(error.to_string()))?;
        let mut log = room.log();
        for change in &page.changes {
            if let Change::Message { position, message } = change {
                let stamp = Stamp::read(&message.message);
                let stored = stamp.is_some_and(|stamp| log.store(stamp.sequence, *position));
                wrong += u64::from(!stored);
            }
        }
        drop(log);
        since = page.position;
        if !page.more {
            return Ok(wrong);
        }
    }
}

/// One read, through one gateway after the other.
async fn read(shared: &Shared, path: &str, token: &str) -> Result<Value, RestError> {
    let deadline = Instant::now() + PATIENCE;
    let mut gates = shared.gates.iter().cycle();
    loop {
        let gate = gates.next().ok_or(RestError::Late)?;
        let rest = Rest::new(gate.clone());
        match Box::pin(rest.call(Method::GET, path, token, None)).await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(AGAIN_AFTER).await,
        }
    }
}

/// Compares the unread counts of some people with what there is after their read marks; how many were
/// compared, and how many of them are wrong.
async fn unread(shared: &Shared, kept: &[(u32, Kept)]) -> Result<(u64, u64), RestError> {
    let (mut compared, mut wrong) = (0, 0);
    let marked = kept.iter().filter(|(_, kept)| {
        let rooms = &kept.rooms;
        rooms.len() <= CHATS_PAGE && rooms.iter().any(|held| held.marked.is_some())
    });
    for (person, kept) in marked.take(UNREAD_MAX) {
        let Some(who) = shared.who(*person) else {
            continue;
        };
        let path = format!("/chat/list?limit={CHATS_PAGE}");
        let answer = read(shared, &path, &who.token).await?;
        let list: Success<Vec<Value>> =
            serde_json::from_value(answer).map_err(|error| RestError::Body(error.to_string()))?;
        for held in &kept.rooms {
            let mark = held.marked.filter(|_| !held.doubtful);
            let room = shared.room(held.room);
            let room = room.filter(|room| room.members().is_inside(*person));
            let (Some(mark), Some(room)) = (mark, room) else {
                continue;
            };
            let id = Value::from(room.id.to_string());
            let chat = list.data.iter().find(|chat| chat.get("_id") == Some(&id));
            let told = chat.and_then(|chat| chat.get("unread_count")?.as_u64());
            let due = room.log().after(mark, *person).min(UNREAD_COUNTED);
            compared += 1;
            wrong += u64::from(told != Some(due));
        }
    }
    Ok((compared, wrong))
}

/// What feeds and rooms show that must not be.
#[derive(Default)]
struct Judged {
    vanished: u64,
    contradictions: u64,
    unanswered: u64,
    /// Stories of messages without an answer.
    open: Vec<String>,
    faults: FeedFaults,
    /// Stories of messages that are missing.
    missing: Vec<String>,
    after_leave: u64,
    /// Stories of messages that came to who had left.
    forbidden: Vec<String>,
}

fn judge(shared: &Shared, kept: &mut [(u32, Kept)]) -> Vec<Check> {
    let mut judged = Judged::default();
    for (room, number) in shared.rooms.iter().zip(0..) {
        judged.add_room(room, number);
    }
    for (person, kept) in kept.iter_mut() {
        judged.add(shared, *person, kept);
    }
    let sum = |of: fn(&Kept) -> u64| kept.iter().map(|(_, kept)| of(kept)).sum::<u64>();
    let refusal = kept.iter().find_map(|(_, kept)| kept.refusal.as_ref());
    let refusal = refusal.map(|words| format!("the first: {words}"));
    let moves = lock(&shared.refusals);
    let faults = judged.faults;
    vec![
        Check::new(
            "acknowledged messages missing in a member's feed",
            faults.lost,
        )
        .told(judged.missing),
        Check::new(
            "acknowledged messages missing in the history",
            judged.vanished,
        ),
        Check::new("messages heard twice", faults.duplicated),
        Check::new("messages heard out of order", faults.out_of_order),
        Check::new(
            "acks, order and history that contradict each other",
            judged.contradictions,
        ),
        Check::new(
            "messages of another room, or of nobody",
            sum(|kept| kept.foreign) + faults.unexpected,
        ),
        Check::new("messages heard after leaving", judged.after_leave).told(judged.forbidden),
        Check::new(
            "messages that came back to their sender",
            sum(|kept| kept.echoed),
        ),
        Check::new("messages refused", sum(|kept| kept.refused)).told(refusal),
        Check::new("messages never acknowledged", judged.unanswered).told(judged.open),
        Check::new("leaving and joining refused", moves.count).told(moves.told.clone()),
    ]
}

impl Judged {
    fn add_room(&mut self, room: &Room, number: u32) {
        let log = room.log();
        self.vanished += log.vanished();
        self.contradictions += log.contradictions();
        self.unanswered += log.unanswered().count() as u64;
        let open = log.unanswered();
        let open = open.take(STORIES_MAX.saturating_sub(self.open.len()));
        let open = open.map(|message| format!("room {number}: {}", log.story(message)));
        self.open.extend(open);
    }

    fn add(&mut self, shared: &Shared, person: u32, kept: &mut Kept) {
        let contract = shared.who(person).map(super::Who::contract);
        let of = contract.unwrap_or_default();
        let own = (of == Contract::Rooms).then_some(person);
        for held in &mut kept.rooms {
            let Some(room) = shared.room(held.room) else {
                continue;
            };
            let owed = kept.here.map(|here| room.members().owed(person, here));
            let (log, owed) = (room.log(), owed.unwrap_or_default());
            self.faults.add(held.feed.judge(&log, own, &owed));
            let missing = held.feed.missing(&log, own, &owed);
            let missing = missing.take(STORIES_MAX.saturating_sub(self.missing.len()));
            self.missing.extend(missing.map(|number| {
                let (room, story) = (held.room, log.story(number));
                let owed = owed.story();
                format!("person {person} ({of:?}), room {room}, owed {owed}: {story}")
            }));
        }
        self.after_leave += kept.after_leave;
        let first = kept.after_leave_first;
        let first = first.filter(|_| self.forbidden.len() < STORIES_MAX);
        let story = first.and_then(|first| forbidden(shared, person, first));
        self.forbidden.extend(story);
    }
}

/// What is known of a message that came to somebody who had left, in words.
fn forbidden(shared: &Shared, person: u32, found: Forbidden) -> Option<String> {
    let room = shared.room(found.room)?;
    let contract = shared.who(person)?.contract();
    let seconds = |at| Duration::from_micros(at).as_secs_f64();
    let begun = found.begun.map_or_else(
        || "in an answer".to_owned(),
        |begun| format!("on a connection of {:.3} s", seconds(begun)),
    );
    let (message, stays) = (room.log().story(found.number), room.members().story(person));
    let (number, at, way) = (found.room, seconds(found.at), found.way);
    Some(format!(
        "person {person} ({contract:?}), room {number}, {stays}; heard at {at:.3} s {begun} \
         ({way:?}): {message}"
    ))
}
