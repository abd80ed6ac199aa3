//! What was sent to one room, where it was said to stand in the room's log, and where it stands.

use std::collections::HashSet;
use std::time::Duration;

/// A moment of a run, in microseconds from its start.
pub type Micros = u64;

/// Messages of one room at the most: numbers leave a bit for whoever keeps them.
pub(super) const MESSAGES_MAX: u32 = (1 << 31) - 2;

/// A message of a room.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) sender: u32,
    /// When it was due; the first attempt was not before.
    pub(super) at: Micros,
    /// When it was acknowledged.
    pub(super) acked: Option<Micros>,
    /// The position that an ack or an event named.
    told: Option<i64>,
    /// The position that the server's log shows in the end.
    stored: Option<i64>,
    /// It was refused because its sender was no member any more.
    withdrawn: bool,
}

impl Sent {
    pub(super) fn position(&self) -> Option<i64> {
        self.stored.or(self.told)
    }
}

/// What was sent to one room.
#[derive(Debug, Default)]
pub struct RoomLog {
    pub(super) sent: Vec<Sent>,
    /// Acks and events that contradict an earlier one.
    contradictions: u64,
    /// The highest position that was told.
    highest: i64,
}

impl RoomLog {
    /// Notes a message that is about to be sent, and gives it its number.
    pub fn send(&mut self, sender: u32, at: Micros) -> u32 {
        let number = u32::try_from(self.sent.len()).unwrap_or(MESSAGES_MAX);
        self.sent.push(Sent {
            sender,
            at,
            acked: None,
            told: None,
            stored: None,
            withdrawn: false,
        });
        number
    }

    /// Notes an acknowledgement, with the position that it names.
    pub fn acknowledge(&mut self, number: u32, position: Option<i64>, at: Micros) {
        match self.sent.get_mut(index(number)) {
            Some(sent) => {
                sent.acked.get_or_insert(at);
            }
            None => self.contradictions += 1,
        }
        self.tell(number, position);
    }

    /// Notes that somebody was told where a message stands. All must be told the same.
    pub(super) fn tell(&mut self, number: u32, position: Option<i64>) {
        if let (Some(sent), Some(position)) = (self.sent.get_mut(index(number)), position) {
            let known = *sent.told.get_or_insert(position);
            self.contradictions += u64::from(known != position);
            self.highest = self.highest.max(position);
        }
    }

    /// Notes that a message was refused because its sender had left: nobody owes it an answer.
    pub fn withdraw(&mut self, number: u32) {
        if let Some(sent) = self.sent.get_mut(index(number)) {
            sent.withdrawn = true;
        }
    }

    /// When a message was due, if it was sent.
    #[must_use]
    pub fn due(&self, number: u32) -> Option<Micros> {
        self.sent.get(index(number)).map(|sent| sent.at)
    }

    /// The highest position that anybody was told; 0 without any. What is sent from now on stands after it.
    #[must_use]
    pub fn highest(&self) -> i64 {
        self.highest
    }

    /// Notes that the server's log has a message at a position; false if it was never sent, or is there
    /// twice.
    pub fn store(&mut self, number: u32, position: i64) -> bool {
        let Some(sent) = self.sent.get_mut(index(number)) else {
            return false;
        };
        let again = sent.stored.replace(position).is_some();
        !again
    }

    /// Messages that were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.sent.iter().filter(|sent| sent.acked.is_some()).count() as u64
    }

    /// Messages that were acknowledged and that the server's log does not have.
    #[must_use]
    pub fn vanished(&self) -> u64 {
        let acked = self.sent.iter().filter(|sent| sent.acked.is_some());
        acked.filter(|sent| sent.stored.is_none()).count() as u64
    }

    /// The numbers of the messages without an answer, but those whose senders had left.
    pub fn unanswered(&self) -> impl Iterator<Item = u32> {
        let sent = (0..).zip(&self.sent);
        let open = sent.filter(|(_, sent)| sent.acked.is_none() && !sent.withdrawn);
        open.map(|(number, _)| number)
    }

    /// Messages of others that stand after a position in the server's log: what is unread with a read
    /// mark there.
    #[must_use]
    pub fn after(&self, position: i64, reader: u32) -> u64 {
        let others = self.sent.iter().filter(|sent| sent.sender != reader);
        others
            .filter(|sent| sent.stored.is_some_and(|stored| stored > position))
            .count() as u64
    }

    /// What is known of a message, in words.
    #[must_use]
    pub fn story(&self, number: u32) -> String {
        let Some(sent) = self.sent.get(index(number)) else {
            return format!("message {number}: never sent");
        };
        let seconds = |at: Micros| Duration::from_micros(at).as_secs_f64();
        let acked = sent.acked.map_or_else(
            || "never acknowledged".to_owned(),
            |at| format!("acknowledged at {:.3} s", seconds(at)),
        );
        let stands = sent.position().map_or_else(
            || "nowhere in the log".to_owned(),
            |position| format!("at {position} in the log"),
        );
        format!(
            "message {number} of person {}: due at {:.3} s, {acked}, {stands}",
            sent.sender,
            seconds(sent.at)
        )
    }

    /// What cannot all be true: a message at two positions, or two at one.
    #[must_use]
    pub fn contradictions(&self) -> u64 {
        let mut taken = HashSet::new();
        let mut wrong = self.contradictions;
        for sent in &self.sent {
            let both = sent.told.zip(sent.stored);
            wrong += u64::from(both.is_some_and(|(told, stored)| told != stored));
            wrong += u64::from(
                sent.position()
                    .is_some_and(|position| !taken.insert(position)),
            );
        }
        wrong
    }

    pub(super) fn position(&self, number: u32) -> Option<i64> {
        self.sent.get(index(number))?.position()
    }
}

pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
