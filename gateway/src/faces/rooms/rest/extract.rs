//! Takes requests apart, failing in the contract's envelope.

use axum::{
    RequestPartsExt,
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, RawQuery, Request},
    http::request::Parts,
};
use roomwire_shared::{RoomId, UserId, limits::BODY_BYTES_MAX};
use serde_json::{Map, Value};

use super::{super::token, Context, respond::Failure};
use crate::{
    domain::{ChatError, ClientId, UserList},
    faces::{query_value, read_body},
};

/// The user behind the request's token, who is not suspended.
pub(super) struct Caller(pub(super) UserId);

impl FromRequestParts<Context> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Failure> {
        let shown = token::of_request(&parts.headers, parts.uri.query());
        let principal = cx.verifier.check(&shown).await?;
        cx.chat.refuse_suspended(&principal.user).await?;
        Ok(Self(principal.user))
    }
}

/// The one id in the path; a malformed one is unknown, which is for the use case to say.
pub(super) struct Id<T>(pub(super) Option<T>);

impl<T: std::str::FromStr> FromRequestParts<Context> for Id<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Failure> {
        let text = parts.extract::<Path<String>>().await;
        Ok(Self(text.ok().and_then(|Path(text)| text.parse().ok())))
    }
}

/// The query, read parameter by parameter.
pub(super) struct Query(pub(super) String);

impl FromRequestParts<Context> for Query {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Failure> {
        let RawQuery(query) = parts.extract::<RawQuery>().await.unwrap_or(RawQuery(None));
        Ok(Self(query.unwrap_or_default()))
    }
}

impl Query {
    /// The first value of a parameter; an empty one counts as missing.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        query_value(&self.0, name)
    }
}

/// A JSON object, of which only known fields are read.
pub(super) struct Object(Map<String, Value>);

impl FromRequest<Context> for Object {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, _: &Context) -> Result<Self, Failure> {
        let bytes = read_body(request.into_body(), BODY_BYTES_MAX).await?;
        Ok(Self::read(&bytes)?)
    }
}

impl Object {
    pub(super) fn read(body: &[u8]) -> Result<Self, ChatError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(ChatError::malformed("the body must be a JSON object")),
            Err(_) => Err(ChatError::malformed("the body is not valid JSON")),
        }
    }

    /// A field that must be a string.
    pub(super) fn text(&mut self, field: &str) -> Result<String, ChatError> {
        match self.0.remove(field) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(ChatError::malformed(format!("{field} must be a string"))),
            None => Err(ChatError::malformed(format!("{field} is missing"))),
        }
    }

    /// The field `clientId`, if there is one.
    pub(super) fn client_id(&mut self) -> Result<Option<ClientId>, ChatError> {
        match self.0.get("clientId") {
            None | Some(Value::Null) => Ok(None),
            Some(_) => ClientId::parse(self.text("clientId")?).map(Some),
        }
    }

    /// The field `users`: a list of ids, or a lone one.
    pub(super) fn users(&self) -> Result<UserList, ChatError> {
        let wrong = || ChatError::malformed("users must be a list of ids");
        match self.0.get("users") {
            Some(Value::String(id)) => UserList::parse([id.as_str()]),
            Some(Value::Array(ids)) => {
                let ids: Option<Vec<&str>> = ids.iter().map(Value::as_str).collect();
                UserList::parse(ids.ok_or_else(wrong)?)
            }
            _ => Err(wrong()),
        }
    }
}

impl Id<RoomId> {
    pub(super) fn room(&self) -> Result<RoomId, ChatError> {
        self.0.ok_or_else(ChatError::no_room)
    }
}
