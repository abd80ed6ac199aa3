//! What must hold for anything that arrives from Redis.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is what fuzzing looks for"
)]

use super::{
    envelope::{Hint, Opened, open, seal},
    names::{Names, NodeId},
};

const HERE: &str = "00000000000000aa";
const THERE: &str = "00000000000000bb";

/// The first line is a channel's name, the rest a payload, or the JSON part of one.
pub(crate) fn hint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (channel, payload) = text.split_once('\n').unwrap_or(("", text));
    let names = Names::new("rw");
    if let Some(topic) = names.topic(channel) {
        assert_eq!(names.channel(&topic), channel);
    }
    let here = NodeId::parse(HERE).expect("an id");
    if let Opened::Hint(hint, _) = open(payload, &here) {
        reads_back(hint, &here);
    }
    assert_eq!(
        open(payload, &here) == Opened::Own,
        payload.starts_with(&format!("1 {HERE} "))
    );
    if let Opened::Hint(hint, _) = open(&format!("1 {THERE} {payload}"), &here) {
        reads_back(hint, &here);
    }
}

/// What was understood is written and understood again as the same.
fn reads_back(hint: Hint, here: &NodeId) {
    let sealed = seal(&hint, None, None).expect("a hint that was read can be written");
    assert_eq!(open(&sealed, here), Opened::Hint(hint, None));
}
