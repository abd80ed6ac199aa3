//! Events, read by the same steps as those of a socket.

use super::packet::Packet;
use crate::faces::Event;

/// The first byte says whether an ack is asked for, the rest is the event's JSON.
pub(crate) fn event(data: &[u8], check: impl FnOnce(&Event<'_>)) {
    let Some((&first, json)) = data.split_first() else {
        return;
    };
    let Ok(json) = std::str::from_utf8(json) else {
        return;
    };
    let packet = Packet {
        json: json.to_owned().into(),
        ack: (first == b'!').then_some(1),
    };
    assert_eq!(packet.bytes(), json.len());
    let Some((name, args)) = packet.parse() else {
        return;
    };
    for arg in &args {
        assert!(json.contains(arg.get()));
    }
    check(&Event {
        name: name.into(),
        args,
        wants_ack: packet.ack.is_some(),
    });
}
