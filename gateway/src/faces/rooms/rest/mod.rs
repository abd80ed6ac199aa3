//! Routes of contract A. Order of checks: token, suspension, then parameters, then the action.

mod extract;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod messages;
mod respond;
mod rooms;

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state, map_response},
    routing::{get, post, put},
};

use self::respond::{Failure, not_found};
use crate::{auth::Verifier, chat::Chat, domain::ChatError, faces::http};

/// What handlers need.
#[derive(Clone)]
pub(crate) struct Context {
    chat: Chat,
    verifier: Arc<Verifier>,
}

/// All routes, and the envelope for those that do not exist.
pub(crate) fn router(chat: Chat, verifier: Arc<Verifier>) -> Router {
    let rules = chat.rules();
    let message = get(messages::one);
    let message = if rules.allow_edit {
        message.put(messages::edit)
    } else {
        message
    };
    let message = if rules.allow_delete {
        message.delete(messages::delete)
    } else {
        message
    };
    Router::new()
        .route("/chat/new", post(rooms::create))
        .route("/chat/add/{room}", put(rooms::add))
        .route("/chat/leave/{room}", put(rooms::leave))
        .route("/chat/rooms", get(rooms::list))
        .route("/chat/rooms/{room}", get(rooms::one))
        .route("/chat/rooms/{room}/changes", get(rooms::changes))
        .route("/chat/messages", get(messages::list))
        .route("/chat/messages/{message}", message)
        .method_not_allowed_fallback(not_found)
        .fallback(not_found)
        .layer(from_fn_with_state(
            chat.limits().clone(),
            http::limit::<Failure>,
        ))
        .layer(from_fn(http::measure))
        .layer(from_fn(|request, next| {
            http::run_to_end(request, next, || Failure::from(ChatError::internal()))
        }))
        .layer(map_response(http::no_store))
        .with_state(Context { chat, verifier })
}
