//! What the server says there is, once nothing moves any more: each room's pages and its log.

use std::collections::BTreeMap;
use std::time::Duration;

use roomwire_shared::change::{Change, Changes};
use roomwire_shared::rest::{Message, MessagePage, Room};
use roomwire_shared::{MessageId, chats};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::world::{RoomInfo, World};

/// Messages in one page.
const PAGE: usize = 200;
/// Messages in one page of the contract of chats.
const CHATS_PAGE: usize = 100;
/// Changes in one answer.
const CHANGES: usize = 1_000;
/// How long one read may take, over all gateways.
const PATIENCE: Duration = Duration::from_secs(10);

/// One room.
#[derive(Debug, Clone, Default)]
pub struct RoomTruth {
    /// Its head, as the room itself says.
    pub head: i64,
    /// Its messages as pages show them, oldest first.
    pub pages: Vec<Message>,
    /// What the pages say how many there are.
    pub count: i64,
    /// Its messages as the pages of the contract of chats show them, oldest first.
    pub chats: Vec<chats::object::Message>,
    /// Its log from 0.
    pub changes: Vec<Change>,
    /// Where the reader of the log stands at its end.
    pub reached: i64,
}

impl RoomTruth {
    /// Reads a room through its keeper.
    pub async fn read(world: &World, room: &RoomInfo) -> Result<Self, String> {
        let mut truth = Self {
            head: head(world, room).await?,
            ..Self::default()
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

    /// The messages by id.
    #[must_use]
    pub fn by_id(&self) -> BTreeMap<MessageId, &Message> {
        self.pages
            .iter()
            .map(|message| (message.id, message))
            .collect()
    }
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

/// The first word of a text is the key of its message.
pub(super) fn key_of(message: &Message) -> &str {
    message.message.split(' ').next().unwrap_or_default()
}

/// The head of a room's log.
pub async fn head(world: &World, room: &RoomInfo) -> Result<i64, String> {
    let path = format!("/chat/rooms/{}", room.id);
    Ok(get::<Room>(world, room, &path).await?.position)
}

async fn get<T: DeserializeOwned>(world: &World, room: &RoomInfo, path: &str) -> Result<T, String> {
    let answer: Value = world.read(path, &room.keeper, PATIENCE).await?;
    serde_json::from_value(answer).map_err(|error| format!("{path}: {error}"))
}
