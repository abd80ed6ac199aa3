//! Rooms: making, joining, leaving, listing, and what changed in them.

use axum::{Json, extract::State};
use roomwire_shared::{
    RoomId,
    change::Changes,
    limits::{CHANGES_MAX, PAGE_DEFAULT},
    rest::{Done, Room, RoomCreated, RoomPage},
};

use super::{
    super::views,
    Context,
    extract::{Caller, Id, Object, Query},
    respond::Failure,
};
use crate::{
    domain::{ChatError, GroupDetails, NewGroup, Page, RoomName},
    store::Since,
};

/// `POST /chat/new`
pub(super) async fn create(
    State(cx): State<Context>,
    Caller(user): Caller,
    mut body: Object,
) -> Result<Json<RoomCreated>, Failure> {
    let group = NewGroup {
        title: RoomName::parse(&body.text("roomName")?)?,
        users: Some(body.users()?),
        // Whoever is in a room of this contract may do everything.
        details: GroupDetails {
            all_administrators: true,
            ..GroupDetails::default()
        },
        client_id: body.client_id()?,
    };
    let room_id = cx.chat.create_room(&user, group).await?;
    Ok(Json(RoomCreated { room_id }))
}

/// `PUT /chat/add/:roomId`
pub(super) async fn add(
    State(cx): State<Context>,
    Caller(user): Caller,
    room: Id<RoomId>,
    body: Object,
) -> Result<Json<Done>, Failure> {
    let users = body.users()?;
    cx.chat.add_users(&user, room.room()?, users).await?;
    Ok(Json(Done {
        result: "Users added".into(),
    }))
}

/// `PUT /chat/leave/:roomId`
pub(super) async fn leave(
    State(cx): State<Context>,
    Caller(user): Caller,
    room: Id<RoomId>,
) -> Result<Json<Done>, Failure> {
    cx.chat.leave_room(&user, room.room()?).await?;
    Ok(Json(Done {
        result: "Ok".into(),
    }))
}

/// `GET /chat/rooms?skip&limit`
pub(super) async fn list(
    State(cx): State<Context>,
    Caller(user): Caller,
    query: Query,
) -> Result<Json<RoomPage>, Failure> {
    let page = Page::parse(query.get("skip").as_deref(), query.get("limit").as_deref())?;
    let (rooms, count) = cx.chat.rooms(&user, page).await?;
    Ok(Json(RoomPage {
        rooms: rooms.into_iter().map(views::room).collect(),
        count,
    }))
}

/// `GET /chat/rooms/:roomId`
pub(super) async fn one(
    State(cx): State<Context>,
    Caller(user): Caller,
    room: Id<RoomId>,
) -> Result<Json<Room>, Failure> {
    Ok(Json(views::room(cx.chat.room(&user, room.room()?).await?)))
}

/// `GET /chat/rooms/:roomId/changes?since&limit`
pub(super) async fn changes(
    State(cx): State<Context>,
    Caller(user): Caller,
    room: Id<RoomId>,
    query: Query,
) -> Result<Json<Changes>, Failure> {
    let position = whole_number(&query, "since")?.unwrap_or(0);
    let limit = whole_number(&query, "limit")?
        .unwrap_or(PAGE_DEFAULT)
        .min(CHANGES_MAX);
    let room = room.room()?;
    let mut found = cx
        .chat
        .changes(&user, &[Since { room, position }], limit)
        .await?;
    let changes = found
        .remove(&room)
        .and_then(views::changes)
        .ok_or_else(ChatError::no_room)?;
    Ok(Json(changes))
}

pub(super) fn whole_number(query: &Query, name: &str) -> Result<Option<i64>, ChatError> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    let wrong = || ChatError::malformed(format!("{name} must be a whole number from 0"));
    number.map(Some).ok_or_else(wrong)
}
