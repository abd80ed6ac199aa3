//! The namespace of contract B.

use std::sync::Arc;

use roomwire_shared::{
    RoomId, UserId,
    chats::{
        Success,
        event::{self, OfChat, Presence, UserStatus},
    },
    error::ErrorName,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    commands::{self, Command},
    error, token, views,
};
use crate::{
    auth::Verifier,
    chat::{Chat, Lane, Overview, Sent},
    domain::{ChatError, Direction, Origin, Page, Principal},
    faces::{Asked, Done, Event, Face, Handshake, Refused, Reply, Session, door::Door},
    live::{Audience, CloseReason, Connection, Frame, Outlet},
};

/// What a suspended user is told.
fn suspended() -> Refused {
    Refused::with_text(ErrorName::Forbidden, "ACCOUNT_SUSPENDED")
}

/// The socket side of contract B.
pub(crate) struct ChatsFace(Door);

impl ChatsFace {
    pub(crate) fn new(chat: Chat, verifier: Arc<Verifier>) -> Self {
        Self(Door { chat, verifier })
    }
}

impl Face for ChatsFace {
    type Command = Command;

    const NAME: &'static str = "chats";
    const EVENTS: &'static [&'static str] = &commands::EVENTS;

    async fn admit(
        &self,
        handshake: &Handshake,
        id: Origin,
        outlet: Box<dyn Outlet>,
    ) -> Result<Session, Refused> {
        let shown = token::of_handshake(handshake);
        let socket = (id, Audience::Chats, outlet);
        let admitted = self.0.admit(&shown, socket, suspended).await?;
        let (principal, connection, missed) = admitted;
        let success = Frame::event(event::SUCCESS, &views::welcome(&principal)).ok();
        let greeting = success.into_iter().chain(missed).collect();
        let chat = self.0.chat.clone();
        let session = Session::new(principal, connection, greeting, chat);
        Ok(session.within(handshake.trace()))
    }

    fn label(&self, event: &str) -> &'static str {
        let known = Self::EVENTS.iter().find(|known| **known == event);
        known.copied().unwrap_or("other")
    }

    fn decode(&self, event: &Event<'_>) -> Result<Command, ChatError> {
        commands::decode(event, self.0.chat.rules().message_bytes_max)
    }

    fn lane(&self, command: &Command) -> Option<Lane> {
        match command {
            Command::SendMessage(sending) => Some(Lane::of(sending.chat)),
            _ => None,
        }
    }

    async fn submit(&self, session: &Session, command: Command, asked: Asked) -> Reply {
        let by = session.principal.clone();
        let connection = Arc::clone(&session.connection);
        let chat = self.0.chat.clone();
        if let Command::SendMessage(sending) = command {
            let origin = connection.id().clone();
            let (room, text) = (sending.chat, sending.text.as_str().to_owned());
            let keys = (sending.client_id, Some(origin));
            let sent = chat.send_message(&by, room, sending.text, keys).await;
            return Box::pin(async move {
                let sent = message(&chat, &by, (room, text), sent).await;
                Done::new(sent.map(Success::new), asked, error::answer)
            });
        }
        Box::pin(async move {
            match carry_out(&chat, &connection, command).await {
                Ok(data) => Done::new(Ok(Success::new(data)), asked, error::answer),
                Err(failed) => error::answer(&failed, asked),
            }
        })
    }

    fn failure(&self, failed: &ChatError, asked: Asked) -> Done {
        error::answer(failed, asked)
    }

    /// The contract has no word for it: the namespace is closed, which clients notice.
    fn farewell(&self, _: CloseReason) -> Option<Frame> {
        None
    }
}

/// Everything but sending, which has its place in a lane.
async fn carry_out(
    chat: &Chat,
    connection: &Arc<Connection>,
    command: Command,
) -> Result<Box<RawValue>, ChatError> {
    let user = connection.user();
    match command {
        Command::ListChats { order, page } => {
            let overviews = chat.chat_page(user, order, page).await?;
            chats(user, overviews)
        }
        Command::JoinRoom(chat_id) => {
            chat.join_feed(connection, chat_id).await?;
            data(&OfChat { chat_id })
        }
        Command::LeaveRoom(id) => {
            if let Some(id) = id {
                chat.leave_feed(connection, id).await?;
            }
            data(&serde_json::json!({ "chat_id": id }))
        }
        Command::UserStatus(id) => data(&status(chat, id).await?),
        Command::ListMessages {
            chat: room,
            page,
            direction,
        } => messages(chat, user, (room, page, direction)).await,
        Command::SetAsRead(chat_id) => {
            let origin = Some(connection.id().clone());
            chat.mark_read(user, chat_id, origin).await?;
            data(&OfChat { chat_id })
        }
        Command::CreatePrivate(with) => {
            let room = chat.open_private(user, &with).await?;
            one_chat(chat, user, room).await
        }
        Command::CreateGroup(group) => {
            let room = chat.create_room(user, group).await?;
            one_chat(chat, user, room).await
        }
        Command::Typing {
            chat: chat_id,
            typing,
            message,
        } => {
            chat.relay_typing(connection, chat_id, (typing, message))
                .await?;
            data(&OfChat { chat_id })
        }
        // Goes through a lane.
        Command::SendMessage(_) => Err(ChatError::internal()),
    }
}

/// The message behind a receipt; of a repeated one as it is by now, if it still exists.
pub(super) async fn message(
    chat: &Chat,
    by: &Principal,
    (room, text): (RoomId, String),
    sent: Result<Sent, ChatError>,
) -> Result<roomwire_shared::chats::Message, ChatError> {
    let receipt = sent?.receipt().await?;
    if receipt.repeated
        && let Some(found) = chat.room_message(&by.user, room, receipt.id).await?
    {
        return Ok(views::authored(found));
    }
    Ok(views::sent(by, room, text, receipt))
}

/// A list of chats as one user sees them.
pub(super) fn chats(user: &UserId, overviews: Vec<Overview>) -> Result<Box<RawValue>, ChatError> {
    let drawn: Result<Vec<_>, _> = overviews.into_iter().map(views::Drawn::new).collect();
    let drawn = drawn.map_err(|_| ChatError::internal())?;
    let seen: Result<Vec<_>, _> = drawn.iter().map(|chat| chat.for_viewer(user)).collect();
    let seen: Vec<_> = seen
        .map_err(|_| ChatError::internal())?
        .into_iter()
        .flatten()
        .collect();
    data(&seen)
}

/// One chat as one user sees it.
pub(super) async fn one_chat(
    chat: &Chat,
    user: &UserId,
    room: RoomId,
) -> Result<Box<RawValue>, ChatError> {
    let drawn = views::Drawn::new(chat.chat(user, room).await?);
    let drawn = drawn.map_err(|_| ChatError::internal())?;
    let seen = drawn.for_viewer(user).map_err(|_| ChatError::internal())?;
    data(&seen.ok_or_else(ChatError::no_room)?)
}

/// A page of a chat's messages.
pub(super) async fn messages(
    chat: &Chat,
    user: &UserId,
    (room, page, direction): (RoomId, Page, Direction),
) -> Result<Box<RawValue>, ChatError> {
    let found = chat.room_messages(user, room, page, direction).await?;
    let shown: Vec<_> = found.into_iter().map(views::authored).collect();
    data(&shown)
}

async fn status(chat: &Chat, id: UserId) -> Result<UserStatus, ChatError> {
    let status = chat.status(&id).await?.ok_or_else(ChatError::no_user)?;
    Ok(UserStatus {
        id,
        status: Presence {
            last_active: status.last_active,
            online: status.online,
        },
    })
}

/// Encoded once, and put into the answer as it is.
fn data<T: Serialize>(data: &T) -> Result<Box<RawValue>, ChatError> {
    serde_json::value::to_raw_value(data).map_err(|_| ChatError::internal())
}
