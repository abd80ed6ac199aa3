//! REST twins of contract B: the same use cases in the same envelope.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

use std::sync::Arc;

use axum::{
    RequestPartsExt, Router,
    body::Body,
    extract::{FromRequestParts, RawQuery, State},
    http::{StatusCode, request::Parts},
    middleware::{from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use roomwire_shared::{
    chats::{Code, Failure, Success},
    limits::BODY_BYTES_MAX,
};
use serde_json::{Map, Value};

use super::{error, params::Params, socket, token};
use crate::{
    auth::{Refusal, Verifier},
    chat::Chat,
    domain::{ChatError, Kind, Principal, RoomKind},
    faces::{BodyError, http, read_body},
};

/// What handlers need.
#[derive(Clone)]
struct Context {
    chat: Chat,
    verifier: Arc<Verifier>,
}

/// All routes. What else there is, the other contract answers.
pub(crate) fn router(chat: Chat, verifier: Arc<Verifier>) -> Router {
    Router::new()
        .route("/chat/list", get(list))
        .route("/chat/message/list", get(list_messages))
        .route("/chat/create", post(create))
        .route("/chat/send_message", post(send))
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(
            chat.limits().clone(),
            http::limit::<Failed>,
        ))
        .layer(from_fn(http::measure))
        .layer(from_fn(|request, next| {
            http::run_to_end(request, next, || Failed::from(ChatError::internal()))
        }))
        .layer(map_response(http::no_store))
        .with_state(Context { chat, verifier })
}

type Answer = Result<Response, Failed>;

/// Like any unknown route.
async fn no_such_method() -> Failed {
    ChatError::new(Kind::NotFound, "no such route").into()
}

/// `GET /chat/list?offset&limit&sort&type`
async fn list(State(cx): State<Context>, caller: Caller, mut query: Query) -> Answer {
    let page = query.0.page()?;
    let order = query.0.chat_order()?;
    let Principal { user, .. } = caller.check_in(&cx).await?;
    let overviews = cx.chat.chat_page(&user, order, page).await?;
    Ok(success(socket::chats(&user, overviews)?))
}

/// `GET /chat/message/list?chat_id&offset&limit&sort`
async fn list_messages(State(cx): State<Context>, caller: Caller, mut query: Query) -> Answer {
    let page = query.0.page()?;
    let direction = query.0.message_order()?;
    let chat = query.0.chat()?;
    let Principal { user, .. } = caller.check_in(&cx).await?;
    let of = (chat, page, direction);
    Ok(success(socket::messages(&cx.chat, &user, of).await?))
}

/// `POST /chat/create`
async fn create(State(cx): State<Context>, caller: Caller, body: Body) -> Answer {
    let mut params = read(body).await?;
    let kind = params.kind()?.ok_or_else(|| ChatError::missing("type"))?;
    let (room, user) = match kind {
        RoomKind::Group => {
            let group = params.group()?;
            let Principal { user, .. } = caller.check_in(&cx).await?;
            (cx.chat.create_room(&user, group).await?, user)
        }
        RoomKind::Private => {
            let users = params.users()?.ok_or_else(|| ChatError::missing("users"))?;
            let [with] = users
                .into_vec()
                .try_into()
                .map_err(|_| ChatError::invalid("a private chat is with one other user"))?;
            let Principal { user, .. } = caller.check_in(&cx).await?;
            (cx.chat.open_private(&user, &with).await?, user)
        }
    };
    Ok(success(socket::one_chat(&cx.chat, &user, room).await?))
}

/// `POST /chat/send_message`
async fn send(State(cx): State<Context>, caller: Caller, body: Body) -> Answer {
    let bytes_max = cx.chat.rules().message_bytes_max;
    let sending = read(body).await?.sending(bytes_max)?;
    let by = caller.check_in(&cx).await?;
    let (room, text) = (sending.chat, sending.text.as_str().to_owned());
    let keys = (sending.client_id, None);
    let sent = cx.chat.send_message(&by, room, sending.text, keys).await;
    let message = socket::message(&cx.chat, &by, (room, text), sent).await?;
    Ok(success(message))
}

fn success<T: serde::Serialize>(data: T) -> Response {
    axum::Json(Success::new(data)).into_response()
}

/// The user behind the request's token.
struct Caller(Principal);

impl Caller {
    /// Refuses the suspended, and notes the profile that the token brings.
    async fn check_in(self, cx: &Context) -> Result<Principal, ChatError> {
        cx.chat.check_in(&self.0).await?;
        Ok(self.0)
    }
}

impl FromRequestParts<Context> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Failed> {
        let shown = token::of_request(&parts.headers);
        Ok(Self(cx.verifier.check(&shown).await?))
    }
}

/// The query, in which digits are numbers.
struct Query(Params);

impl FromRequestParts<Context> for Query {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Failed> {
        let RawQuery(query) = parts.extract::<RawQuery>().await.unwrap_or(RawQuery(None));
        Ok(Self::read(&query.unwrap_or_default()))
    }
}

impl Query {
    fn read(query: &str) -> Self {
        let mut map = Map::new();
        for (name, text) in form_urlencoded::parse(query.as_bytes()) {
            let number = ["offset", "limit"].contains(&&*name);
            let value = match text.parse::<u64>() {
                Ok(digits) if number => digits.into(),
                _ => Value::String(text.into_owned()),
            };
            if value != "" {
                map.entry(name).or_insert(value);
            }
        }
        Self(Params::new(map))
    }
}

async fn read(body: Body) -> Result<Params, Failed> {
    let bytes = read_body(body, BODY_BYTES_MAX).await?;
    Ok(object(&bytes)?)
}

fn object(body: &[u8]) -> Result<Params, ChatError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(Params::new(map)),
        _ => Err(ChatError::malformed("the body must be a JSON object")),
    }
}

/// A request that failed.
struct Failed {
    status: u16,
    envelope: Failure,
}

impl From<BodyError> for Failed {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::Busy => Code::Unavailable,
            BodyError::TooLarge | BodyError::TooSlow | BodyError::Broken => Code::ParameterWrong,
        };
        Self {
            status: error.status().as_u16(),
            envelope: Failure::new(code, error.to_string()),
        }
    }
}

impl From<ChatError> for Failed {
    fn from(failed: ChatError) -> Self {
        let envelope = error::envelope(&failed);
        Self {
            status: envelope.code.status(),
            envelope,
        }
    }
}

impl From<Refusal> for Failed {
    /// The contract has no code of its own for it.
    fn from(refusal: Refusal) -> Self {
        if let Some(outage) = refusal.as_outage() {
            return outage.into();
        }
        Self {
            status: StatusCode::UNAUTHORIZED.as_u16(),
            envelope: Failure::new(Code::Forbidden, refusal.to_string()),
        }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        http::failure(self.status, &self.envelope)
    }
}
