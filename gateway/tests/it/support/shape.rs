//! What values look like: ids, dates, keys; and values with the changing parts taken out.

use serde_json::{Map, Value};

/// 24 lower-case hexadecimal characters.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 24
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// ISO 8601 in UTC, with milliseconds and `Z`.
pub(crate) fn is_date(text: &str) -> bool {
    const PATTERN: &[u8] = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, pattern): (u8, &u8)| match pattern {
        b'0' => byte.is_ascii_digit(),
        other => byte == *other,
    };
    text.len() == PATTERN.len() && text.bytes().zip(PATTERN).all(fits)
}

/// The keys of an object, in alphabetical order.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// The value with ids and dates replaced. Ids are numbered in the order of `known`, others shown
/// as such.
pub(crate) fn redacted(value: &Value, known: &[(&str, &str)]) -> Value {
    let text = |text: &str| match known.iter().find(|(id, _)| *id == text) {
        Some((_, name)) => format!("[{name}]"),
        None if is_id(text) => "[id]".to_owned(),
        None if is_date(text) => "[date]".to_owned(),
        None => text.to_owned(),
    };
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(items) => items.iter().map(|item| redacted(item, known)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, item)| (text(key), redacted(item, known)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
