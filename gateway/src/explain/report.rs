//! Puts together what was found, as a story in the order of time.

use std::fmt;

use roomwire_shared::{MessageId, RoomId, Timestamp};
use serde::Serialize;

use super::ask::{Answer, Told};
use crate::{
    live::RoomState,
    store::Evidence,
    telemetry::journal::{By, Micros, Passage},
};

/// All that is known of one message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    message: MessageId,
    /// `None` if the store has no such message.
    stored: Option<Stored>,
    nodes: Vec<Node>,
    /// What speaks against it having been given to every socket that it was for.
    doubts: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    room: RoomId,
    position: i64,
    head: i64,
    deleted: bool,
    changed_position: i64,
    created_at: Timestamp,
    members: i64,
    outbox_rows_of_room: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    name: String,
    lives: bool,
    answered: bool,
    passage: Option<Passage>,
    room: Option<RoomState>,
}

impl Report {
    pub(super) fn new(message: MessageId, evidence: Option<Evidence>, told: Vec<Told>) -> Self {
        let nodes: Vec<Node> = told.into_iter().map(Node::new).collect();
        let doubts = doubts(evidence.as_ref(), &nodes);
        Self {
            message,
            stored: evidence.map(Stored::new),
            nodes,
            doubts,
        }
    }

    pub(super) fn is_well(&self) -> bool {
        self.doubts.is_empty()
    }

    /// What happened, by the clock of the node that did it.
    fn events(&self) -> Vec<(Micros, &str, String)> {
        let mut events = Vec::new();
        for node in &self.nodes {
            let Some(passage) = &node.passage else {
                continue;
            };
            let mut add = |at: Micros, what: String| events.push((at, node.name.as_str(), what));
            if let Some(at) = passage.accepted {
                add(at, "accepted from its sender".to_owned());
            }
            if let Some(at) = passage.committed {
                add(at, format!("committed at position {}", passage.position));
            }
            if let Some(published) = passage.published {
                let how = if published.taken {
                    "published to Redis"
                } else {
                    "not taken by Redis, left to the outbox"
                };
                add(published.at, how.to_owned());
            }
            if let Some(shown) = passage.shown {
                let from = match shown.by {
                    By::Itself => "",
                    By::Log => ", from the log",
                };
                let sockets = counted(shown.sockets, "socket");
                add(shown.at, format!("given to {sockets}{from}"));
            }
        }
        events.sort_by_key(|(at, ..)| *at);
        events
    }
}

impl Stored {
    fn new(evidence: Evidence) -> Self {
        Self {
            room: evidence.room,
            position: evidence.position,
            head: evidence.head,
            deleted: evidence.deleted,
            changed_position: evidence.changed_position,
            created_at: evidence.created_at,
            members: evidence.members,
            outbox_rows_of_room: evidence.owed,
        }
    }
}

impl Node {
    fn new(told: Told) -> Self {
        let Told {
            node,
            lives,
            answer,
        } = told;
        let answered = answer.is_some();
        let (passage, room) = match answer {
            Some(Answer { passage, room }) => (passage, room),
            None => (None, None),
        };
        Self {
            name: node,
            lives,
            answered,
            passage,
            room,
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn doubts(evidence: Option<&Evidence>, nodes: &[Node]) -> Vec<String> {
    let Some(evidence) = evidence else {
        return vec![
            "it is not in the store: it was never committed, or its id is another one".to_owned(),
        ];
    };
    let mut doubts = Vec::new();
    if evidence.owed > 0 {
        doubts.push(format!(
            "its room has {} in the outbox, not known to be published yet",
            counted(evidence.owed.unsigned_abs(), "change")
        ));
    }
    for node in nodes {
        match &node.room {
            _ if node.lives && !node.answered => {
                doubts.push(format!("node {} does not answer", node.name));
            }
            Some(room) if room.sockets > 0 && room.cursor < evidence.position => {
                let sockets = counted(room.sockets as u64, "socket");
                doubts.push(format!(
                    "node {} has {sockets} in the room and stands at position {}",
                    node.name, room.cursor
                ));
            }
            _ => {}
        }
    }
    doubts
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "message {}", self.message)?;
        if let Some(stored) = &self.stored {
            stored.fmt(f)?;
        }
        let events = self.events();
        let begun = events.first().map_or(0, |(at, ..)| *at);
        for (at, node, what) in &events {
            let (seconds, micros) = ((at - begun) / 1_000_000, (at - begun) % 1_000_000);
            writeln!(f, "  +{seconds}.{micros:06} s  node {node}  {what}")?;
        }
        if events.is_empty() && self.stored.is_some() {
            writeln!(f, "  no node remembers it any more")?;
        }
        for node in &self.nodes {
            let name = &node.name;
            match &node.room {
                Some(room) => writeln!(
                    f,
                    "  node {name} stands at position {} of the room, with {} in it",
                    room.cursor,
                    counted(room.sockets as u64, "socket")
                )?,
                None if node.answered => writeln!(f, "  node {name} has no socket in the room")?,
                None if node.lives => {}
                None => writeln!(f, "  node {name} has ended")?,
            }
        }
        for doubt in &self.doubts {
            writeln!(f, "  ! {doubt}")?;
        }
        if self.is_well() {
            writeln!(
                f,
                "  every node has given it to all sockets that it has in the room"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  stored in room {} at position {} of {}, at {}, for {} members",
            self.room, self.position, self.head, self.created_at, self.members
        )?;
        if self.deleted {
            writeln!(f, "  deleted at position {}", self.changed_position)?;
        } else if self.changed_position != self.position {
            writeln!(f, "  last edited at position {}", self.changed_position)?;
        }
        Ok(())
    }
}
