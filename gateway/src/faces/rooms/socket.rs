//! The `/chat/` namespace.

use std::sync::Arc;

use roomwire_shared::{
    RoomId,
    error::ErrorName,
    event::{self, MessageAck, ReadAck},
    limits::CHANGES_MAX,
};
use serde_json::Value;

use super::{
    commands::{self, Command},
    error, token, views,
};
use crate::{
    auth::{Refusal, Verifier},
    chat::{Chat, Lane, Sent},
    domain::{ChatError, Origin, Principal},
    faces::{
        Answer, Asked, Done, Event, Face, Handshake, Refused, Reply, Session, Traced, door::Door,
        query_value,
    },
    live::{Audience, CloseReason, Frame, Outlet},
    store::Since,
};

/// The contract knows no suspended users: their token is refused.
fn suspended() -> Refused {
    Refused::new(ErrorName::Unauthorized, Refusal::Refused.to_string())
}

/// The socket side of contract A.
pub(crate) struct RoomsFace(Door);

impl RoomsFace {
    pub(crate) fn new(chat: Chat, verifier: Arc<Verifier>) -> Self {
        Self(Door { chat, verifier })
    }
}

impl Face for RoomsFace {
    type Command = Command;

    const NAME: &'static str = "rooms";
    const EVENTS: &'static [&'static str] = &[event::MESSAGE, event::MESSAGES_READ, event::SYNC];

    async fn admit(
        &self,
        handshake: &Handshake,
        id: Origin,
        outlet: Box<dyn Outlet>,
    ) -> Result<Session, Refused> {
        let shown = token::of_handshake(handshake);
        let socket = (id, audience(handshake), outlet);
        let admitted = self.0.admit(&shown, socket, suspended).await?;
        let (principal, connection, greeting) = admitted;
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
            Command::Message { room, .. } => Some(Lane::of(*room)),
            Command::MessagesRead { .. } | Command::Sync(_) => None,
        }
    }

    async fn submit(&self, session: &Session, command: Command, asked: Asked) -> Reply {
        let by = session.principal.clone();
        let origin = session.connection.id().clone();
        let chat = self.0.chat.clone();
        match command {
            Command::Message {
                room,
                text,
                client_id,
            } => {
                let keys = (client_id, Some(origin));
                let sent = chat.send_message(&by, room, text, keys).await;
                Box::pin(async move { Done::new(receipt(sent).await, asked, failure) })
            }
            Command::MessagesRead { room } => Box::pin(async move {
                let read = chat.mark_read(&by.user, room, Some(origin)).await;
                Done::new(read.map(|position| ReadAck { position }), asked, failure)
            }),
            Command::Sync(rooms) => {
                Box::pin(async move { Done::new(sync(&chat, &by, rooms).await, asked, failure) })
            }
        }
    }

    fn failure(&self, error: &ChatError, asked: Asked) -> Done {
        failure(error, asked)
    }

    fn farewell(&self, reason: CloseReason) -> Option<Frame> {
        match reason {
            CloseReason::TokenExpired => {
                let expired = roomwire_shared::error::ConduitError {
                    code: ErrorName::Unauthorized.grpc_code(),
                    details: "the token is expired".to_owned(),
                };
                Frame::event(event::CONDUIT_ERROR, &expired).ok()
            }
            _ => None,
        }
    }
}

/// Clients that keep count ask for it: `auth: {meta: true}`, or `meta=1` in the query.
fn audience(handshake: &Handshake) -> Audience {
    let asked = handshake
        .auth
        .as_ref()
        .and_then(|auth| auth.get("meta"))
        .is_some_and(|meta| {
            meta == &Value::Bool(true) || meta == 1 || meta == "1" || meta == "true"
        });
    let asked =
        asked || query_value(&handshake.query, "meta").is_some_and(|v| v == "1" || v == "true");
    if asked {
        Audience::RoomsMeta
    } else {
        Audience::Rooms
    }
}

async fn receipt(sent: Result<Sent, ChatError>) -> Result<MessageAck, ChatError> {
    let receipt = sent?.receipt().await?;
    Ok(MessageAck {
        id: receipt.id,
        position: receipt.position,
        created_at: receipt.at,
    })
}

async fn sync(
    chat: &Chat,
    by: &Principal,
    rooms: Vec<(String, Option<RoomId>, i64)>,
) -> Result<event::SyncAck, ChatError> {
    let since: Vec<Since> = rooms
        .iter()
        .filter_map(|(_, room, position)| {
            Some(Since {
                room: (*room)?,
                position: *position,
            })
        })
        .collect();
    let found = chat.changes(&by.user, &since, CHANGES_MAX).await?;
    let asked = rooms
        .into_iter()
        .map(|(name, room, _)| (name, room))
        .collect();
    Ok(views::sync(asked, found))
}

fn failure(failed: &ChatError, asked: Asked) -> Done {
    let answer = if asked.wants_ack {
        Answer::ack(&error::ack(failed), asked).unwrap_or(Answer::Nothing)
    } else {
        let payload = error::conduit(failed);
        Frame::event(event::CONDUIT_ERROR, &Traced::new(&payload, asked))
            .map_or(Answer::Nothing, Answer::Emit)
    };
    Done {
        answer,
        outcome: failed.kind.label(),
    }
}
