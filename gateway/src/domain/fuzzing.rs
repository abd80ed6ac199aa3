//! What must hold for the values that requests give as text.

use std::{fmt::Display, str::FromStr};

use roomwire_shared::{
    MessageId, RoomId, Timestamp, UserId,
    limits::{CHATS_PAGE_MAX, PAGE_DEFAULT, PAGE_MAX},
};

use super::{ClientId, Page, RoomName, UserList};

/// Two lines are the two numbers of a page, and all that ids and names may be.
pub(crate) fn numbers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    page(first, second);
    for line in [first, second] {
        spelled_once::<RoomId>(line);
        spelled_once::<MessageId>(line);
        spelled_once::<UserId>(line);
        name(line);
        timestamp(line);
    }
    let users: Vec<&str> = text.split('\n').collect();
    if let Ok(list) = UserList::parse(users.iter().copied()) {
        let list = list.into_vec();
        let mut named: Vec<&str> = list.iter().map(UserId::as_str).collect();
        assert!(users.iter().all(|user| named.contains(user)));
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), list.len());
    }
}

fn page(skip: &str, limit: &str) {
    let wanted = number(skip, 0).zip(number(limit, PAGE_DEFAULT));
    let page = Page::parse(Some(skip), Some(limit)).ok();
    assert_eq!(
        page,
        wanted.map(|(skip, limit)| Page {
            skip,
            limit: limit.min(PAGE_MAX)
        })
    );
    let (offset, limit) = (skip.parse().ok(), limit.parse().ok());
    let page = Page::of_chats(offset, limit);
    assert!(page.skip >= 0 && (0..=CHATS_PAGE_MAX).contains(&page.limit));
}

/// A reference: digits, as far as 63 bits go.
fn number(text: &str, absent: i64) -> Option<i64> {
    let mut sum = 0_i64;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(byte - b'0');
        sum = sum.saturating_mul(10).saturating_add(digit);
    }
    Some(if text.is_empty() { absent } else { sum })
}

/// An id that is accepted is shown as it was written.
fn spelled_once<T: FromStr + Display>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string(), text);
    }
}

fn name(text: &str) {
    if let Ok(name) = RoomName::parse(text) {
        assert!(RoomName::parse(name.as_str()).as_ref().ok() == Some(&name));
        assert!(text.contains(name.as_str()));
    }
    if let Ok(id) = ClientId::parse(text.to_owned()) {
        assert_eq!(id.as_str(), text);
        assert!(id.as_str().len() <= 256);
    }
}

fn timestamp(text: &str) {
    let quoted = serde_json::Value::String(text.to_owned());
    if let Ok(at) = serde_json::from_value::<Timestamp>(quoted) {
        assert_eq!(serde_json::to_value(at).ok(), Some(at.to_string().into()));
        let again = serde_json::from_value::<Timestamp>(at.to_string().into());
        assert_eq!(again.ok(), Some(at));
    }
}
