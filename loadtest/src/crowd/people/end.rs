//! The end of a run: everybody goes, and what they heard is compared with what was acknowledged and with
//! what the server says there is.

use std::time::Duration;

use http::Method;
use roomwire_shared::change::{Change, Changes};
use roomwire_shared::chats::Success;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::ended::Ended;
use super::person::{Kept, Order};
use super::{Crowd, Room, Shared};
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
    let reader = room.members.first().and_then(|member| shared.who(*member));
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
            let (Some(mark), Some(room)) = (mark, shared.room(held.room)) else {
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

fn judge(shared: &Shared, kept: &mut [(u32, Kept)]) -> Vec<Check> {
    let (mut faults, mut after_leave) = (FeedFaults::default(), 0);
    let mut stories = Vec::new();
    let (mut vanished, mut contradictions, mut unanswered) = (0, 0, 0);
    for room in &shared.rooms {
        let log = room.log();
        vanished += log.vanished();
        contradictions += log.contradictions();
        unanswered += log.unanswered();
    }
    for (person, kept) in kept.iter_mut() {
        let contract = shared.who(*person).map(super::Who::contract);
        let rooms = contract == Some(Contract::Rooms);
        for held in &mut kept.rooms {
            let Some(room) = shared.room(held.room) else {
                continue;
            };
            let (log, own) = (room.log(), rooms.then_some(*person));
            faults.add(held.feed.judge(&log, own));
            after_leave += held.feed.after_leave;
            let missing = held.feed.missing(&log, own);
            let missing = missing.take(STORIES_MAX.saturating_sub(stories.len()));
            stories.extend(missing.map(|number| {
                let (of, room) = (contract.unwrap_or_default(), held.room);
                format!(
                    "person {person} ({of:?}), room {room}: {}",
                    log.story(number)
                )
            }));
        }
    }
    let sum = |of: fn(&Kept) -> u64| kept.iter().map(|(_, kept)| of(kept)).sum::<u64>();
    let refusal = kept.iter().find_map(|(_, kept)| kept.refusal.as_ref());
    let refusal = refusal.map(|words| format!("the first: {words}"));
    vec![
        Check::new(
            "acknowledged messages missing in a member's feed",
            faults.lost,
        )
        .told(stories),
        Check::new("acknowledged messages missing in the history", vanished),
        Check::new("messages heard twice", faults.duplicated),
        Check::new("messages heard out of order", faults.out_of_order),
        Check::new(
            "acks, order and history that contradict each other",
            contradictions,
        ),
        Check::new(
            "messages of another room, or of nobody",
            sum(|kept| kept.foreign) + faults.unexpected,
        ),
        Check::new("messages heard after leaving", after_leave),
        Check::new(
            "messages that came back to their sender",
            sum(|kept| kept.echoed),
        ),
        Check::new("messages refused", sum(|kept| kept.refused)).told(refusal),
        Check::new("messages never acknowledged", unanswered),
    ]
}
