//! Makes the users and rooms of a run, and learns where in the logs their memberships begin.

use std::collections::HashMap;
use std::time::Instant;

use http::Method;
use roomwire_shared::change::{Change, Changes};
use roomwire_shared::rest::RoomCreated;
use serde_json::json;
use tokio::sync::watch;

use super::trial::TrialError;
use crate::client::tokens::Signer;
use crate::client::{Contract, Target};
use crate::crowd::world::{Outcome, Phase, Plan, RoomInfo, User, World};
use crate::load::script::Script;
use crate::truth::stays::Stays;

/// Changes in one answer.
const PAGE: usize = 1_000;

/// The world at the beginning, and the head of each room's log.
pub(super) async fn world(
    plan: &Plan,
    (gates, signer): (Vec<Target>, &Signer),
    script: &Script,
    phase: watch::Receiver<Phase>,
) -> Result<(World, Vec<i64>), TrialError> {
    let run = format!("verify-{:08x}", rand::random::<u32>());
    let user = |name: String, contract: Contract| {
        let id = name.parse().map_err(|_| TrialError::Setup(name.clone()))?;
        let token = signer.sign(&name)?;
        Ok::<_, TrialError>(User {
            id,
            token,
            contract,
        })
    };
    let users: Vec<User> = (0..script.users.len())
        .map(|number| user(format!("{run}-u{number}"), plan.load.contract_of(number)))
        .collect::<Result<_, _>>()?;
    let mut world = World {
        start: Instant::now(),
        seed: plan.seed,
        look_one_in: plan.look_one_in,
        join_again: plan.join_again,
        transports: plan.transports.clone(),
        gates,
        stays: Stays::new(script.members.len(), users.len()),
        users,
        rooms: Vec::new(),
        numbers: HashMap::new(),
        phase,
    };
    let mut heads = Vec::new();
    for (number, members) in script.members.iter().enumerate() {
        let keeper = user(format!("{run}-keeper{number}"), Contract::Rooms)?;
        let room = create(&world, &format!("{run}-{number}"), keeper, (members, plan)).await?;
        heads.push(join(&world, number, &room).await?);
        world.numbers.insert(room.id, number);
        world.rooms.push(room);
    }
    Ok((world, heads))
}

async fn create(
    world: &World,
    name: &str,
    keeper: User,
    (members, plan): (&[usize], &Plan),
) -> Result<RoomInfo, TrialError> {
    let members = members.iter().filter_map(|user| world.users.get(*user));
    let mut users: Vec<_> = members.map(|user| user.id.clone()).collect();
    users.push(keeper.id);
    users.extend(plan.guests.iter().cloned());
    let body = json!({ "roomName": name, "users": users });
    let call = world.call(0, (Method::POST, "/chat/new"), &keeper.token, Some(&body));
    let created = match call.await {
        Outcome::Done(created) => created,
        other => return Err(TrialError::Setup(format!("no room: {other:?}"))),
    };
    let created: RoomCreated =
        serde_json::from_value(created).map_err(|error| TrialError::Setup(error.to_string()))?;
    Ok(RoomInfo {
        id: created.room_id,
        keeper: keeper.token,
    })
}

/// Notes where the first members' stays begin.
async fn join(world: &World, number: usize, room: &RoomInfo) -> Result<i64, TrialError> {
    let mut since = 0;
    loop {
        let path = format!("/chat/rooms/{}/changes?since={since}&limit={PAGE}", room.id);
        let read = world.read(&path, &room.keeper, std::time::Duration::from_secs(10));
        let page = read.await.map_err(TrialError::Setup)?;
        let page: Changes =
            serde_json::from_value(page).map_err(|error| TrialError::Setup(error.to_string()))?;
        for change in &page.changes {
            if let Change::Member {
                position, user_id, ..
            } = change
                && let Some(user) = world.users.iter().position(|user| user.id == *user_id)
            {
                world.stays.joined(number, user, *position);
            }
        }
        since = page.position;
        if !page.more {
            return Ok(since);
        }
    }
}
