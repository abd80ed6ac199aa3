//! Reads what the server says there is: each room's pages by both contracts, and its log.

use std::time::Duration;

use roomwire_shared::change::Changes;
use roomwire_shared::chats;
use roomwire_shared::rest::{MessagePage, Room};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::world::{RoomInfo, World};
use crate::truth::history::RoomTruth;

/// Messages in one page.
const PAGE: usize = 200;
/// Messages in one page of the contract of chats.
const CHATS_PAGE: usize = 100;
/// Changes in one answer.
const CHANGES: usize = 1_000;
/// How long one read may take, over all gateways.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a room through its keeper.
pub(super) async fn read(world: &World, room: &RoomInfo) -> Result<RoomTruth, String> {
    let mut truth = RoomTruth {
        head: head(world, room).await?,
        ..RoomTruth::default()
    };
    loop {
        let (id, skip) = (room.id, truth.pages.len());
        let path = format!("/chat/messages?roomId={id}&skip={skip}&limit={PAGE}");
        let page: MessagePage = get(world, room, &path).await?;
        truth.count = page.count;
        let last = page.messages.len() < PAGE;
        truth.pages.extend(page.messages);
        if last {
            break;
        }
    }
    truth.pages.reverse();
    truth.chats = chats_pages(world, room).await?;
    loop {
        let (id, since) = (room.id, truth.reached);
        let path = format!("/chat/rooms/{id}/changes?since={since}&limit={CHANGES}");
        let page: Changes = get(world, room, &path).await?;
        truth.changes.extend(page.changes);
        truth.reached = page.position;
        if !page.more {
            break;
        }
    }
    Ok(truth)
}

async fn chats_pages(
    world: &World,
    room: &RoomInfo,
) -> Result<Vec<chats::object::Message>, String> {
    let mut messages = Vec::new();
    loop {
        let (id, offset) = (room.id, messages.len());
        let path = format!(
            "/chat/message/list?chat_id={id}&sort=createdAt&offset={offset}&limit={CHATS_PAGE}"
        );
        let page: chats::Success<Vec<chats::object::Message>> = get(world, room, &path).await?;
        let last = page.data.len() < CHATS_PAGE;
        messages.extend(page.data);
        if last {
            return Ok(messages);
        }
    }
}

/// The head of a room's log.
pub(super) async fn head(world: &World, room: &RoomInfo) -> Result<i64, String> {
    let path = format!("/chat/rooms/{}", room.id);
    Ok(get::<Room>(world, room, &path).await?.position)
}

async fn get<T: DeserializeOwned>(world: &World, room: &RoomInfo, path: &str) -> Result<T, String> {
    let answer: Value = world.read(path, &room.keeper, PATIENCE).await?;
    serde_json::from_value(answer).map_err(|error| format!("{path}: {error}"))
}
