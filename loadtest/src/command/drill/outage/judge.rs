//! What must hold around an outage of Postgres, also of one that loses the newest of the log. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How far a standby may be behind while it still follows.
const LAG_MAX: Duration = Duration::from_secs(1);
/// An answer that takes longer is part of the trouble.
const SLOW: Duration = Duration::from_secs(1);

/// When it was, and of which kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    /// From here on something was wrong; until here a standby followed.
    pub(super) begun: Instant,
    /// From here on there is a server that takes writes.
    pub(super) ended: Instant,
    /// Whether the server of before has kept the newest to itself.
    pub(super) loses: bool,
}

/// What became of a message for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Acknowledged(Instant),
    Refused(Instant),
    /// This program could not send it.
    Unsent,
}

/// A message; its number is its place among all.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) room: usize,
    pub(super) member: usize,
    pub(super) at: Instant,
    pub(super) answer: Option<Answer>,
}

impl Sent {
    fn acknowledged(&self) -> Option<Instant> {
        match self.answer {
            Some(Answer::Acknowledged(at)) => Some(at),
            _ => None,
        }
    }

    /// When it was answered, whatever the answer was.
    fn answered(&self) -> Option<Instant> {
        match self.answer {
            Some(Answer::Acknowledged(at) | Answer::Refused(at)) => Some(at),
            _ => None,
        }
    }

    /// Whether it was acknowledged by a server that stayed.
    pub(super) fn is_after(&self, outage: &Outage) -> bool {
        self.acknowledged().is_some_and(|at| at > outage.ended)
    }
}

/// Everything that is known at the end.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) outage: Outage,
    pub(super) sent: Vec<Sent>,
    /// By room and member, in the order of hearing.
    pub(super) heard: Vec<Vec<Vec<usize>>>,
    /// By room, in the order of the log.
    pub(super) history: Vec<Vec<usize>>,
    /// Connections that ended early.
    pub(super) ended: u64,
}

/// What was counted.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Judged {
    pub(super) acknowledged_before: u64,
    pub(super) acknowledged_after: u64,
    pub(super) refused: u64,
    /// Acknowledged while a standby received nothing, and gone with the old server.
    pub(super) lost_by_database: u64,
    /// Findings, by what is wrong.
    pub(super) lost: u64,
    pub(super) lost_before: u64,
    pub(super) doubled_in_history: u64,
    pub(super) unheard: u64,
    pub(super) heard_twice: u64,
    pub(super) out_of_order: u64,
    pub(super) unanswered: u64,
    pub(super) unsent: u64,
}

/// Looks at everything.
pub(super) fn judge(seen: &Seen) -> Judged {
    let mut judged = Judged::default();
    let mut places: HashMap<usize, usize> = HashMap::new();
    for numbers in &seen.history {
        for (place, number) in numbers.iter().enumerate() {
            judged.doubled_in_history += u64::from(places.insert(*number, place).is_some());
        }
    }
    for (number, sent) in seen.sent.iter().enumerate() {
        let there = places.contains_key(&number);
        match sent.answer {
            None => judged.unanswered += 1,
            Some(Answer::Refused(_)) => judged.refused += 1,
            Some(Answer::Unsent) => judged.unsent += 1,
            Some(Answer::Acknowledged(at)) if at > seen.outage.ended => {
                judged.acknowledged_after += 1;
                judged.lost += u64::from(!there);
            }
            Some(Answer::Acknowledged(at)) => {
                judged.acknowledged_before += 1;
                let was_replicated = !seen.outage.loses || at + LAG_MAX < seen.outage.begun;
                judged.lost_before += u64::from(!there && was_replicated);
                judged.lost_by_database += u64::from(!there && !was_replicated);
            }
        }
    }
    for (room, members) in seen.heard.iter().enumerate() {
        for (member, heard) in members.iter().enumerate() {
            listen((seen, &places), (room, member), heard, &mut judged);
        }
    }
    judged
}

/// What one member heard.
fn listen(
    (seen, places): (&Seen, &HashMap<usize, usize>),
    (room, member): (usize, usize),
    heard: &[usize],
    judged: &mut Judged,
) {
    let mut times: HashMap<usize, u64> = HashMap::new();
    let mut last = None;
    for number in heard {
        *times.entry(*number).or_default() += 1;
        let after = seen
            .sent
            .get(*number)
            .is_some_and(|sent| sent.is_after(&seen.outage));
        let Some(place) = places.get(number).filter(|_| after) else {
            continue;
        };
        judged.out_of_order += u64::from(last.is_some_and(|last| last > *place));
        last = Some(*place);
    }
    judged.heard_twice += times.values().filter(|times| **times > 1).count() as u64;
    let missing = seen.sent.iter().enumerate().filter(|(number, sent)| {
        let others = sent.room == room && sent.member != member;
        others && sent.is_after(&seen.outage) && !times.contains_key(number)
    });
    judged.unheard += missing.count() as u64;
}

/// How long the outage was felt.
#[derive(Debug, PartialEq)]
pub(super) struct Felt {
    /// The longest time from a message to its answer.
    pub(super) longest_answer: Duration,
    /// From the beginning to the last answer that was a refusal or took more than a second; none if there was none.
    pub(super) mended: Option<Duration>,
    /// From the end of the outage to the first ack after it.
    pub(super) first_ack: Option<Duration>,
}

impl Seen {
    pub(super) fn felt(&self) -> Felt {
        let begun = self.outage.begun;
        let took = |sent: &Sent| sent.answered().map(|at| at - sent.at);
        let hurt = |sent: &&Sent| {
            matches!(sent.answer, Some(Answer::Refused(_))) || took(sent) > Some(SLOW)
        };
        let troubles = self.sent.iter().filter(hurt).filter_map(Sent::answered);
        let acks = self.sent.iter().filter_map(Sent::acknowledged);
        let first = acks.filter(|at| *at > self.outage.ended).min();
        Felt {
            longest_answer: self.sent.iter().filter_map(took).max().unwrap_or_default(),
            mended: troubles.max().map(|at| at.saturating_duration_since(begun)),
            first_ack: first.map(|at| at - self.outage.ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Instant {
        static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *BEGIN.get_or_init(Instant::now)
    }

    fn second(second: u64) -> Instant {
        begin() + Duration::from_secs(second)
    }

    /// One room of two; the first sends, and is answered at these seconds, a second later each. Wrong from 10 to 13.
    fn seen(acks: &[Option<u64>], heard: &[usize], history: &[usize]) -> Seen {
        let refused = Answer::Refused(second(12));
        let sent = acks.iter().map(|ack| Sent {
            room: 0,
            member: 0,
            at: second(ack.unwrap_or(12) - 1),
            answer: Some(ack.map_or(refused, |at| Answer::Acknowledged(second(at)))),
        });
        Seen {
            outage: Outage {
                begun: second(10),
                ended: second(13),
                loses: true,
            },
            sent: sent.collect(),
            heard: vec![vec![Vec::new(), heard.to_vec()]],
            history: vec![history.to_vec()],
            ended: 0,
        }
    }

    #[test]
    fn what_was_not_received_is_lost_by_the_database_and_nothing_else_may_be() {
        let acks = [Some(1), Some(11), None, Some(14)];
        let found = judge(&seen(&acks, &[0, 1, 3], &[0, 3]));
        let expected = Judged {
            acknowledged_before: 2,
            acknowledged_after: 1,
            refused: 1,
            lost_by_database: 1,
            ..Judged::default()
        };
        assert_eq!(found, expected);
        let found = judge(&seen(&acks, &[0, 1, 3], &[]));
        assert_eq!((found.lost, found.lost_before), (1, 1));
    }

    #[test]
    fn whoever_hears_nothing_after_it_is_found_and_so_are_doubles_and_disorder() {
        let acks = [Some(14), Some(15), Some(16)];
        let judged = judge(&seen(&acks, &[1, 0, 1], &[0, 1, 2, 2]));
        assert_eq!((judged.unheard, judged.heard_twice), (1, 1));
        assert_eq!((judged.out_of_order, judged.doubled_in_history), (1, 1));
    }

    #[test]
    fn what_is_lost_by_a_server_that_keeps_everything_is_a_finding() {
        let mut seen = seen(&[Some(11)], &[], &[]);
        seen.outage.loses = false;
        let judged = judge(&seen);
        assert_eq!((judged.lost_by_database, judged.lost_before), (0, 1));
    }

    #[test]
    fn an_outage_is_felt_until_the_last_refusal_or_slow_answer() {
        let mut seen = seen(&[Some(1), None, Some(14), Some(17), Some(18)], &[], &[]);
        seen.sent[3].at = second(12);
        let felt = Felt {
            longest_answer: Duration::from_secs(5),
            mended: Some(Duration::from_secs(7)),
            first_ack: Some(Duration::from_secs(1)),
        };
        assert_eq!(seen.felt(), felt);
    }
}
