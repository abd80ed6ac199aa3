//! What must hold for bodies and queries of contract B.

use roomwire_shared::limits::CHATS_PAGE_MAX;
use serde_json::Value;

use super::{
    super::fuzzing::{TEXT_BYTES_MAX, group, message, refused},
    Params, Query, object,
};
use crate::domain::ChatError;

/// The body of `POST /chat/create` or `POST /chat/send_message`. Reading takes parameters out, so
/// each use case reads its own.
pub(crate) fn body(bytes: &[u8]) {
    kept(bytes, Params::kind, |_| None);
    kept(bytes, Params::users, |users| {
        let ids = users.clone().map(crate::domain::UserList::into_vec);
        Some(serde_json::json!({ "users": ids.unwrap_or_default() }))
    });
    kept(bytes, Params::group, |new| Some(group(new)));
    kept(
        bytes,
        |params| params.sending(TEXT_BYTES_MAX),
        |sending| Some(message(sending)),
    );
}

/// What is read from a body is written and read again as the same.
fn kept<T: PartialEq>(
    bytes: &[u8],
    read: impl Fn(&mut Params) -> Result<T, ChatError>,
    write: impl Fn(&T) -> Option<Value>,
) {
    let first = object(bytes).and_then(|mut params| read(&mut params));
    let value = match first {
        Ok(value) => value,
        Err(error) => return refused(&error),
    };
    if let Some(written) = write(&value) {
        let again = object(written.to_string().as_bytes());
        let again = again.and_then(|mut params| read(&mut params));
        assert!(again.is_ok_and(|again| again == value));
    }
}

/// The query of `GET /chat/list` or `GET /chat/message/list`.
pub(crate) fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Query::read(text).0.page() {
        Ok(page) => {
            assert!(page.skip >= 0 && (0..=CHATS_PAGE_MAX).contains(&page.limit));
            let again = format!("offset={}&limit={}", page.skip, page.limit);
            assert!(
                Query::read(&again)
                    .0
                    .page()
                    .is_ok_and(|again| again == page)
            );
        }
        Err(error) => refused(&error),
    }
    let mut listing = Query::read(text).0;
    if let Err(error) = listing.chat_order() {
        refused(&error);
    }
    let mut listing = Query::read(text).0;
    if let Err(error) = listing.message_order().and_then(|_| listing.chat()) {
        refused(&error);
    }
}
