//! Posted payloads of Engine.IO 3: `<length>:<packet>` after each other, lengths in UTF-16 units.

use super::without_query;

/// The payload with the queries of its CONNECT packets cut off; `None` if there are none, or if it
/// is not such a payload, which is for the library to say.
pub(in crate::transport) fn without_queries(payload: &str) -> Option<String> {
    let mut rest = payload;
    let mut out = String::with_capacity(payload.len());
    let mut found = false;
    while !rest.is_empty() {
        let (length, tail) = rest.split_once(':')?;
        let length: usize = length.parse().ok()?;
        let end = end_of(tail, length)?;
        let (packet, tail) = tail.split_at_checked(end)?;
        if let Some(packet) = without_query(packet) {
            found = true;
            push(&mut out, &packet);
        } else {
            push(&mut out, packet);
        }
        rest = tail;
    }
    found.then_some(out)
}

/// Byte index at which so many UTF-16 units end.
fn end_of(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (index, character) in text.char_indices() {
        if left == 0 {
            return Some(index);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

fn push(out: &mut String, packet: &str) {
    let units: usize = packet.chars().map(char::len_utf16).sum();
    out.push_str(&units.to_string());
    out.push(':');
    out.push_str(packet);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn connect_packets_lose_their_query_and_others_stay() {
        let payload = "16:40/chat/?meta=1,22:42/chat/,[\"m\",\"1?,🙂\"]";
        let cut = without_queries(payload).unwrap();
        assert_eq!(cut, "9:40/chat/,22:42/chat/,[\"m\",\"1?,🙂\"]");
        assert_eq!(without_queries("9:40/chat/,"), None);
        assert_eq!(without_queries("99:40/chat/?a,"), None);
        assert_eq!(without_queries("nonsense"), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_read_or_left_without_panic(payload: String, packets in proptest::collection::vec("\\PC{0,20}", 0..5)) {
            drop(without_queries(&payload));
            let mut whole = String::new();
            for packet in &packets {
                push(&mut whole, packet);
            }
            if packets.iter().all(|packet| without_query(packet).is_none()) {
                prop_assert_eq!(without_queries(&whole), None);
            }
        }
    }
}
