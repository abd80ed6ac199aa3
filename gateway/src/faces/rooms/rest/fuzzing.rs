//! What must hold for bodies and queries of contract A.

use roomwire_shared::limits::USERS_PER_REQUEST_MAX;
use serde_json::json;

use super::{
    super::fuzzing::refused,
    extract::{Object, Query},
    rooms::whole_number,
};
use crate::domain::RoomName;

/// The body of `POST /chat/new`, `PUT /chat/add` or `PUT /chat/messages`.
pub(crate) fn body(bytes: &[u8]) {
    let mut object = match Object::read(bytes) {
        Ok(object) => object,
        Err(error) => return refused(&error),
    };
    match object.users() {
        Ok(users) => {
            let users = users.into_vec();
            assert!((1..=USERS_PER_REQUEST_MAX).contains(&users.len()));
            let again = json!({ "users": users }).to_string();
            let again = Object::read(again.as_bytes()).and_then(|body| body.users());
            assert!(again.is_ok_and(|again| again.into_vec() == users));
        }
        Err(error) => refused(&error),
    }
    for field in ["roomName", "newMessage"] {
        match object.text(field).and_then(|name| RoomName::parse(&name)) {
            Ok(name) => assert_eq!(name.as_str(), name.as_str().trim()),
            Err(error) => refused(&error),
        }
        // A field is there once.
        assert!(object.text(field).is_err());
    }
}

/// The query of `GET /chat/rooms/:roomId/changes`.
pub(crate) fn positions(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for name in ["since", "limit"] {
        match whole_number(&Query(text.to_owned()), name) {
            Ok(position) => assert!(position.is_none_or(|position| position >= 0)),
            Err(error) => refused(&error),
        }
        for line in text.split('\n').take(2) {
            let query = Query(format!("{name}={line}"));
            let Ok(Some(position)) = whole_number(&query, name) else {
                continue;
            };
            assert!(position >= 0);
            let again = Query(format!("{name}={position}"));
            assert_eq!(whole_number(&again, name).ok(), Some(Some(position)));
        }
    }
}
