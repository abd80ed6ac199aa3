//! A face that sends back what it is sent, as the official test suites of Engine.IO and Socket.IO expect of
//! a server. Nobody signs in, and nothing is stored.

use std::{
    future::ready,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde_json::json;

use super::{Answer, Asked, Done, Event, Face, Handshake, Refused, Reply, Session};
use crate::{
    chat::{Chat, Lane},
    domain::{Author, ChatError, Origin, Principal},
    live::{Audience, CloseReason, Connection, Frame, Outlet},
};

/// Where sockets connect.
pub(crate) const SOCKET_PATH: &str = "/socket.io";
/// The namespaces.
pub(crate) const NAMESPACES: [&str; 2] = ["/", "/custom"];

/// Comes back as `message-back`.
const MESSAGE: &str = "message";
/// Comes back as the answer that is asked for.
const MESSAGE_WITH_ACK: &str = "message-with-ack";
/// Longer than any suite takes.
const LIFETIME: Duration = Duration::from_hours(24);

/// The echo.
pub(crate) struct EchoFace {
    pub(crate) chat: Chat,
}

/// What comes back: a JSON array, and the frames that follow it.
pub(crate) struct Echo {
    pub(crate) json: String,
    pub(crate) attachments: Vec<Bytes>,
    /// Not an event.
    pub(crate) is_answer: bool,
}

impl Face for EchoFace {
    type Command = Echo;

    const NAME: &'static str = "echo";
    const EVENTS: &'static [&'static str] = &[MESSAGE, MESSAGE_WITH_ACK];

    async fn admit(
        &self,
        handshake: &Handshake,
        id: Origin,
        outlet: Box<dyn Outlet>,
    ) -> Result<Session, Refused> {
        // Ids of sockets are ids of users too.
        let user: roomwire_shared::UserId = id.0.parse().map_err(|_| unreachable_id())?;
        let principal = Principal {
            user: user.clone(),
            author: Author::default(),
            expires: SystemTime::now() + LIFETIME,
        };
        let connection = Connection::new(id, user, Audience::Rooms, outlet);
        let shown = handshake.auth.clone().unwrap_or_else(|| json!({}));
        let greeting = Frame::event("auth", &shown).into_iter().collect();
        let chat = self.chat.clone();
        Ok(Session::new(principal, connection.into(), greeting, chat))
    }

    fn label(&self, event: &str) -> &'static str {
        let known = Self::EVENTS.iter().find(|known| **known == event);
        known.copied().unwrap_or("other")
    }

    fn decode(&self, event: &Event<'_>) -> Result<Echo, ChatError> {
        let is_answer = event.name == MESSAGE_WITH_ACK;
        if !is_answer && event.name != MESSAGE {
            return Err(ChatError::malformed("there is no such event"));
        }
        let name = (!is_answer).then_some("\"message-back\"");
        let arguments = event.args.iter().map(|argument| argument.get());
        let parts: Vec<&str> = name.into_iter().chain(arguments).collect();
        Ok(Echo {
            json: format!("[{}]", parts.join(",")),
            attachments: event.attachments.to_vec(),
            is_answer,
        })
    }

    fn lane(&self, _: &Echo) -> Option<Lane> {
        None
    }

    async fn submit(&self, _: &Session, echo: Echo, _: Asked) -> Reply {
        let done = Done {
            answer: Answer::Echo(echo),
            outcome: "ok",
        };
        Box::pin(ready(done))
    }

    fn failure(&self, error: &ChatError, _: Asked) -> Done {
        Done {
            answer: Answer::Nothing,
            outcome: error.kind.label(),
        }
    }

    fn farewell(&self, _: CloseReason) -> Option<Frame> {
        None
    }
}

fn unreachable_id() -> Refused {
    let name = roomwire_shared::error::ErrorName::Unauthorized;
    Refused::new(name, "the socket has no id")
}
