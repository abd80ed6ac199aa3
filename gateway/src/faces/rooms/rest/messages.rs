//! Messages: pages of them, single ones, changing and deleting them.

use axum::{Json, extract::State};
use roomwire_shared::{
    MessageId, RoomId,
    rest::{Done, Message, MessagePage},
};

use super::{
    super::views,
    Context,
    extract::{Caller, Id, Object, Query},
    respond::Failure,
};
use crate::domain::{ChatError, MessageText, Page};

/// `GET /chat/messages?roomId&skip&limit`
pub(super) async fn list(
    State(cx): State<Context>,
    Caller(user): Caller,
    query: Query,
) -> Result<Json<MessagePage>, Failure> {
    let page = Page::parse(query.get("skip").as_deref(), query.get("limit").as_deref())?;
    let room: Option<RoomId> = match query.get("roomId") {
        Some(id) => Some(id.parse().map_err(|_| ChatError::no_room())?),
        None => None,
    };
    let (messages, count) = cx.chat.messages(&user, room, page).await?;
    Ok(Json(MessagePage {
        messages: messages.into_iter().map(views::message).collect(),
        count,
    }))
}

/// `GET /chat/messages/:messageId`
pub(super) async fn one(
    State(cx): State<Context>,
    Caller(user): Caller,
    Id(message): Id<MessageId>,
) -> Result<Json<Message>, Failure> {
    let id = message.ok_or_else(ChatError::no_message)?;
    Ok(Json(views::message(cx.chat.message(&user, id).await?)))
}

/// `PUT /chat/messages/:messageId`
pub(super) async fn edit(
    State(cx): State<Context>,
    Caller(user): Caller,
    Id(message): Id<MessageId>,
    mut body: Object,
) -> Result<Json<Done>, Failure> {
    let text = MessageText::parse(body.text("newMessage")?, cx.chat.rules().message_bytes_max)?;
    cx.chat
        .edit_message(&user, message.ok_or_else(ChatError::no_message)?, text)
        .await?;
    Ok(Json(Done {
        result: "Message updated successfully".into(),
    }))
}

/// `DELETE /chat/messages/:messageId`
pub(super) async fn delete(
    State(cx): State<Context>,
    Caller(user): Caller,
    Id(message): Id<MessageId>,
) -> Result<Json<Done>, Failure> {
    cx.chat
        .delete_message(&user, message.ok_or_else(ChatError::no_message)?)
        .await?;
    Ok(Json(Done {
        result: "Message deleted successfully".into(),
    }))
}
