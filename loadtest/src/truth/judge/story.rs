//! The lines that make a finding worth reading: who wrote what when, what the reader heard around
//! it, and what was being done to the servers then.

use std::time::Duration;

use roomwire_shared::change::Change;

use crate::truth::judge::{Evidence, Index};
use crate::truth::record::{Asked, Fate, Moment, Write};

/// Positions shown before and after the one in question.
const AROUND: usize = 3;
/// Faults that ended this long before may still matter.
const AFTERMATH: Duration = Duration::from_secs(3);

/// A moment as stories show it.
pub(super) fn at(moment: Moment) -> String {
    format!("{:.3} s", moment.as_secs_f64())
}

/// A position as stories show it.
pub(super) fn position(position: Option<i64>) -> String {
    position.map_or_else(|| "an unknown place".to_owned(), |at| at.to_string())
}

/// A user as stories name them; their messages begin with it.
pub(super) fn name(user: usize) -> String {
    format!("u{user}")
}

impl Index<'_> {
    /// What is known of a message.
    pub(super) fn tell_write(&self, user: usize, write: &Write) -> Vec<String> {
        let writer = name(user);
        let mut lines = vec![format!(
            "{} by {writer} in room {}: first sent at {} on session {}, {} attempts",
            write.key,
            write.room,
            at(write.first_sent),
            write.first_attempt.0,
            write.attempts,
        )];
        for ack in &write.acks {
            lines.push(format!(
                "acknowledged at {} on session {} as {} at position {}",
                at(ack.at),
                ack.session,
                ack.id,
                position(ack.position)
            ));
        }
        let refusal = write.refusal.as_deref().unwrap_or("nothing");
        match write.fate {
            Fate::Acknowledged => {}
            Fate::Open => lines.push(format!("never answered; last said: {refusal}")),
            Fate::Left => lines.push(format!("given up after leaving the room: {refusal}")),
            Fate::Refused => lines.push(format!("refused: {refusal}")),
            Fate::Unsure => lines.push(format!("sent once; last said: {refusal}")),
            Fate::Declined => lines.push(format!("sent once, and refused for now: {refusal}")),
        }
        if let Some(changed) = write.changed {
            let (asked, done) = (write.edits_asked, write.edits_done);
            let place = self.change_of(write);
            lines.push(format!(
                "{asked} edits asked for, {done} confirmed; deletion: {}; last answered at {}, in \
                 the log at {}",
                match write.deletion {
                    Asked::No => "no",
                    Asked::Perhaps => "perhaps",
                    Asked::Yes => "yes",
                },
                at(changed),
                place.map_or("no place".to_owned(), |place| place.to_string())
            ));
            lines.push(self.evidence.tell_faults(changed, changed));
        }
        let until = write.acks.first().map_or(write.first_sent, |ack| ack.at);
        lines.push(self.evidence.tell_faults(write.first_sent, until));
        lines
    }

    /// Where the log has the latest change of a message.
    pub(super) fn change_of(&self, write: &Write) -> Option<i64> {
        let id = write.acks.first()?.id;
        let truth = self.evidence.rooms.get(write.room)?;
        let about = |change: &&Change| match change {
            Change::Message { message, .. } => message.id == id,
            Change::Deleted { message_id, .. } => *message_id == id,
            Change::Member { .. } | Change::Room { .. } => false,
        };
        truth.changes.iter().find(about).map(Change::position)
    }

    /// What a session heard of a room around a position.
    pub(super) fn tell_session(
        &self,
        user: usize,
        number: usize,
        (room, position): (usize, i64),
    ) -> Vec<String> {
        let record = self.evidence.users.get(user).map(|seen| &seen.state.record);
        let Some(session) = record.and_then(|record| record.sessions.get(number)) else {
            return Vec::new();
        };
        let end = match &session.closed {
            Some((moment, reason)) => format!("{} ({reason})", at(*moment)),
            None => "the end".to_owned(),
        };
        let heard: Vec<_> = session.heard.iter().filter(|h| h.room == room).collect();
        let place = heard.iter().rposition(|h| h.position <= position);
        let from = place.map_or(0, |place| (place + 1).saturating_sub(AROUND));
        let around: Vec<String> = heard
            .iter()
            .skip(from)
            .take(2 * AROUND)
            .map(|h| format!("{} ({} at {})", h.position, h.key, at(h.at)))
            .collect();
        vec![
            format!(
                "{}, session {number} on gateway {} from {} to {end}",
                name(user),
                session.gateway,
                at(session.opened),
            ),
            format!("heard of room {room} around it: [{}]", around.join(", ")),
        ]
    }

    /// When somebody was in a room.
    pub(super) fn tell_stays(&self, room: usize, user: usize) -> String {
        let stays = self.evidence.stays.of(room, user);
        let spans: Vec<String> = stays
            .iter()
            .map(|stay| {
                let left = stay.left.map_or("now".to_owned(), |left| left.to_string());
                format!("{} to {left}", stay.joined)
            })
            .collect();
        format!(
            "{} was in room {room} from position {}",
            name(user),
            spans.join(", ")
        )
    }
}

impl Evidence {
    /// Which faults were active in that time, or shortly before.
    pub(super) fn tell_faults(&self, from: Moment, to: Moment) -> String {
        let active: Vec<String> = self
            .faults
            .iter()
            .filter(|fault| fault.from <= to && fault.to + AFTERMATH >= from)
            .map(|fault| format!("{} from {} to {}", fault.name, at(fault.from), at(fault.to)))
            .collect();
        if active.is_empty() {
            return "no fault was active then".to_owned();
        }
        format!("faults then: {}", active.join(", "))
    }
}
