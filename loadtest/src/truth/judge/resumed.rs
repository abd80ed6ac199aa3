//! Feeds of the contract of chats that go on from one connection to the next.
//!
//! Such a feed owes what others wrote after the read mark: what was there when its client began to
//! connect must have come when its first question is answered, the rest within the bound for late
//! messages. It sends nothing again that is its client's own, or read, or later than that answer. That
//! each connection hears everything once and in order is checked for all by `feeds`.
//!
//! The contract names no position of a read mark. It stands where the log ended at some moment between
//! asking for it and the answer: what was there before is read, what was sent after is not.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use roomwire_shared::MessageId;

use crate::client::Contract;
use crate::truth::finding::{Finding, Kind};
use crate::truth::judge::late;
use crate::truth::judge::story::{at, name};
use crate::truth::judge::{Index, Seen};
use crate::truth::record::{Asked, Fate, Feed, Heard, Moment, Remembered, Session, Write};

/// What a feed certainly sends again, of others' messages. It is a hundred in all; the rest is for what was stored
/// later than its writer's last word of it.
const MESSAGES_MAX: usize = 90;
/// The messages, everybody's and deleted ones included, among which it looks for them, likewise.
const LOOKED_AT_MAX: usize = 900;
/// What all feeds of a connection send again at most, together.
const BYTES_MAX: usize = 512 * 1024;
/// More than there is around a text of these clients.
const AROUND_TEXT: usize = 512;
/// How long a request without an answer may still take effect after it was sent, or its connection ended.
const TAKES_EFFECT: Duration = Duration::from_secs(30);

pub(super) fn check(index: &Index<'_>) -> Vec<Finding> {
    let rooms = logs(index);
    let mut findings = Vec::new();
    for (user, seen) in index.evidence.users.iter().enumerate() {
        if seen.contract == Contract::Rooms {
            continue;
        }
        let mut before = HashMap::new();
        for (number, session) in seen.state.record.sessions.iter().enumerate() {
            let view = View {
                index,
                user,
                seen,
                number,
                session,
            };
            findings.extend(view.repeated(&before));
            findings.extend(view.missed(&rooms));
            for heard in &session.heard {
                before.entry(heard.id).or_insert(heard.at);
            }
        }
    }
    findings
}

/// What was written to a room.
#[derive(Default)]
struct Log<'a> {
    /// The messages that have a place, newest first, each with its writer.
    placed: Vec<(usize, &'a Write)>,
    /// When messages were sent of which nobody told the place: each may be stored, or not.
    unplaced: Vec<Moment>,
}

impl Log<'_> {
    /// How many messages without a known place may be newer than this one.
    fn perhaps_newer(&self, write: &Write) -> usize {
        let newer = |sent: &&Moment| **sent + TAKES_EFFECT >= write.first_sent;
        self.unplaced.iter().filter(newer).count()
    }
}

fn logs<'a>(index: &Index<'a>) -> HashMap<usize, Log<'a>> {
    let mut logs: HashMap<usize, Log<'a>> = HashMap::new();
    for (writer, _, write) in index.writes() {
        let log = logs.entry(write.room).or_default();
        if write.position().is_some() {
            log.placed.push((writer, write));
        } else if write.fate != Fate::Declined {
            log.unplaced.push(write.first_sent);
        }
    }
    for log in logs.values_mut() {
        let newest_first = |(_, write): &(usize, &Write)| std::cmp::Reverse(write.position());
        log.placed.sort_by_key(newest_first);
    }
    logs
}

/// One connection of one client.
struct View<'a> {
    index: &'a Index<'a>,
    user: usize,
    seen: &'a Seen,
    number: usize,
    session: &'a Session,
}

impl View<'_> {
    /// What came again and should not have. `before` says when each message was first heard on an
    /// earlier connection.
    fn repeated(&self, before: &HashMap<MessageId, Moment>) -> Vec<Finding> {
        let wrong = self.session.heard.iter().filter_map(|heard| {
            let (writer, _, write) = self.index.of_id(heard.id)?;
            let acked = write.acks.first().map(|ack| ack.at);
            let first = before.get(&heard.id).copied();
            let there = acked.into_iter().chain(first).min()?;
            let why = if writer == self.user && acked.is_some_and(|at| at < self.session.began) {
                "its own and was acknowledged before"
            } else if self.had_read(heard.room, there) {
                "read before"
            } else if first.is_some() && !self.takes_up(heard.room) {
                "heard before, and the feed did not go on"
            } else if first.is_some() && self.session.greeted.is_some_and(|end| heard.at > end) {
                "heard before, and not part of what was missed"
            } else {
                return None;
            };
            let (who, key) = (name(self.user), &heard.key);
            let what = format!("{who} was sent {key} ({}), which was {why}", heard.position);
            Some(self.told(Kind::Doubled, what, (write, writer)))
        });
        wrong.collect()
    }

    /// Whether a read mark of an earlier connection certainly covers what was there at this moment.
    fn had_read(&self, room: usize, there: Moment) -> bool {
        self.seen.state.record.markings.iter().any(|marking| {
            marking.room == room
                && marking.session < self.number
                && marking.done.is_some_and(|done| done < self.session.began)
                && there < marking.asked
        })
    }

    fn takes_up(&self, room: usize) -> bool {
        let mut feeds = self.session.feeds.iter();
        feeds.any(|feed| feed.room == room && feed.remembered != Remembered::No)
    }

    /// What was owed to the feeds that go on, and did not come in time.
    fn missed(&self, rooms: &HashMap<usize, Log<'_>>) -> Vec<Finding> {
        let heard: HashMap<MessageId, &Heard> =
            self.session.heard.iter().map(|h| (h.id, h)).collect();
        let feeds = self.session.feeds.iter();
        let feeds = feeds.filter(|feed| feed.remembered == Remembered::Surely);
        let mut findings = Vec::new();
        for feed in feeds {
            let Some(log) = rooms.get(&feed.room) else {
                continue;
            };
            for (writer, write) in self.owed(feed, log, rooms) {
                let Some(ack) = write.acks.first() else {
                    continue;
                };
                let Some(due) = self.due(feed, ack.at) else {
                    continue;
                };
                let came = heard.get(&ack.id).map(|heard| heard.at);
                if !self.is_member(write, due) || came.is_some_and(|came| came <= due) {
                    continue;
                }
                let how = came.map_or("not at all".to_owned(), |came| format!("at {}", at(came)));
                let what = format!(
                    "{} was missed by {}, whose feed goes on since {}, was due by {} and came {how}",
                    write.key,
                    name(self.user),
                    at(self.session.opened),
                    at(due)
                );
                findings.push(self.told(Kind::Late, what, (write, writer)));
            }
        }
        findings
    }

    /// The messages that a feed owes, as far as the bounds certainly leave room for them.
    fn owed<'w>(
        &self,
        feed: &Feed,
        log: &'w Log<'_>,
        rooms: &HashMap<usize, Log<'_>>,
    ) -> Vec<(usize, &'w Write)> {
        let read = self.read_until(feed.room);
        let sent = |(_, write): &&(usize, &Write)| write.first_sent < self.session.opened;
        let (mut looked_at, mut others) = (0, 0);
        let mut owed = Vec::new();
        for (writer, write) in log.placed.iter().filter(sent) {
            looked_at += 1;
            let perhaps = log.perhaps_newer(write);
            if looked_at + perhaps > LOOKED_AT_MAX || others + perhaps >= MESSAGES_MAX {
                break;
            }
            if *writer == self.user {
                continue;
            }
            others += 1;
            if write.deletion == Asked::No && read.is_none_or(|read| write.first_sent > read) {
                owed.push((*writer, *write));
            }
        }
        if self.bytes_since(Moment::ZERO, rooms) > BYTES_MAX {
            owed.retain(|(_, write)| self.bytes_since(write.first_sent, rooms) <= BYTES_MAX);
        }
        owed
    }

    /// The bytes of everything that may be newer than what was sent at this moment, in all feeds that
    /// may go on.
    fn bytes_since(&self, moment: Moment, rooms: &HashMap<usize, Log<'_>>) -> usize {
        let feeds = self.session.feeds.iter();
        let feeds = feeds.filter(|feed| feed.remembered != Remembered::No);
        let feeds: HashSet<usize> = feeds.map(|feed| feed.room).collect();
        let newer = feeds
            .iter()
            .filter_map(|room| rooms.get(room))
            .map(|written| {
                let others = written.placed.iter().filter(|(writer, write)| {
                    let acked = write.acks.first();
                    *writer != self.user
                        && write.first_sent < self.session.opened
                        && acked.is_some_and(|ack| ack.at >= moment)
                });
                let bytes = others.map(|(_, write)| {
                    let longest = write.texts.iter().map(String::len).max();
                    longest.unwrap_or_default() + AROUND_TEXT
                });
                bytes.take(MESSAGES_MAX).sum::<usize>()
            });
        newer.sum()
    }

    /// The last moment at which a mark of this client may have been moved, on earlier connections.
    fn read_until(&self, room: usize) -> Option<Moment> {
        let record = &self.seen.state.record;
        let markings = record.markings.iter();
        let markings = markings.filter(|m| m.room == room && m.session < self.number);
        let until = markings.map(|marking| {
            marking.done.unwrap_or_else(|| {
                let closed = record.sessions.get(marking.session);
                let closed = closed.and_then(|session| session.closed.as_ref());
                closed.map_or(marking.asked, |(closed, _)| *closed) + TAKES_EFFECT
            })
        });
        until.max()
    }

    /// By when a message that was acknowledged at this moment must have come; `None` if the connection
    /// or the feed ended before.
    fn due(&self, feed: &Feed, acked: Moment) -> Option<Moment> {
        let due = if acked < self.session.began {
            self.session.greeted?
        } else {
            late::due_after(self.index, acked.max(self.session.opened))
        };
        let end = self.index.evidence.end;
        let until = self
            .session
            .closed
            .as_ref()
            .map_or(end, |(closed, _)| *closed);
        (due <= until && feed.ending.is_none_or(|ending| ending > due)).then_some(due)
    }

    fn is_member(&self, write: &Write, due: Moment) -> bool {
        let stays = self.index.evidence.stays.of(write.room, self.user);
        stays.iter().any(|stay| {
            write.position().is_some_and(|at| stay.covers(at))
                && stay.leaving.is_none_or(|leaving| leaving > due)
        })
    }

    fn told(&self, kind: Kind, what: String, (write, writer): (&Write, usize)) -> Finding {
        let position = write.position().unwrap_or_default();
        let mut story = self.index.tell_write(writer, write);
        let sessions = [self.number.checked_sub(1), Some(self.number)];
        for number in sessions.into_iter().flatten() {
            let around = (write.room, position);
            story.extend(self.index.tell_session(self.user, number, around));
        }
        Finding::new(kind, what).told(story)
    }
}
