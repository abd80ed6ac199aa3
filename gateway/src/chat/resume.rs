//! Feeds of contract B outlive their socket: a new socket of the user takes them up, with what was
//! missed meanwhile.
//!
//! Clients of that contract's time ask for a feed when they open a chat, and never again. What each
//! connection missed lies between its user's read mark and the border from which the room is shown
//! to it live; so nothing is missing in between, and nothing comes twice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use roomwire_shared::{MessageId, RoomId, UserId};

use super::{Chat, together::Together};
use crate::{
    domain::{ChatError, LogEntry, What},
    live::{Connection, Frame, Hub},
    store::{self, Absence, Feed, MissedMax, Store},
    telemetry::catalogue,
    workers::Workers,
};

/// Feeds that one connection takes up; of more, those that were asked for or taken up last.
const FEEDS_MAX: usize = 16;
/// Messages that are sent again of one feed.
const MESSAGES_MAX: i64 = 100;
/// Messages among which those are looked for: who wrote most of what is after their read mark
/// themselves does not make the database read all of it.
const LOOKED_AT_MAX: i64 = 1_000;
/// Connections whose missed messages are read together. Each may be owed `resent_bytes_max`, and all
/// of that is held at the same time.
const TOGETHER_MAX: usize = 64;
/// A feed that is taken up is written down only after this part of the time for which it is
/// remembered, so that a storm of reconnects is not a storm of writes.
const REFRESHES_PER_MEMORY: u32 = 24;

/// What the use cases of feeds share with everybody who comes at the same time.
pub(super) struct Feeds {
    asked: Together<(UserId, RoomId), bool>,
    missed: Together<Absence, Vec<Frame>>,
}

impl Feeds {
    /// Starts the queues.
    pub(super) fn start(
        store: &Store,
        hub: &Hub,
        resent_bytes_max: usize,
        workers: &Workers,
    ) -> Self {
        let asked = {
            let store = store.clone();
            Together::start(workers, move |asked: Vec<(UserId, RoomId)>| {
                let store = store.clone();
                async move { store.remember_feeds(&asked).await }
            })
        };
        let (store, hub) = (store.clone(), hub.clone());
        let missed = Together::in_rounds_of(TOGETHER_MAX, workers, move |absences| {
            read(store.clone(), hub.clone(), absences, resent_bytes_max)
        });
        Self { asked, missed }
    }

    /// Remembers a feed; false if the user is not a member.
    pub(super) async fn remember(&self, user: &UserId, room: RoomId) -> Result<bool, ChatError> {
        self.asked.ask((user.clone(), room)).await
    }
}

impl Chat {
    /// What the connection has missed of the feeds that it takes up, oldest first. `borders` are the
    /// positions from which their rooms are shown to it live.
    pub(super) async fn catch_up_feeds(
        &self,
        connection: &Arc<Connection>,
        feeds: &[Feed],
        borders: &HashMap<RoomId, i64>,
    ) -> Result<Vec<Frame>, ChatError> {
        // Most have read everything, and cost nothing more.
        let behind = |feed: &Feed| {
            let border = *borders.get(&feed.room)?;
            (feed.since < border).then_some((feed.room, border))
        };
        let rooms: Vec<(RoomId, i64)> = feeds.iter().filter_map(behind).collect();
        let missed = if rooms.is_empty() {
            Vec::new()
        } else {
            let user = connection.user().clone();
            self.0.feeds.missed.ask(Absence { user, rooms }).await?
        };
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        metrics::counter!(catalogue::FEEDS_RESUMED).increment(count(borders.len()));
        metrics::counter!(catalogue::FEED_MESSAGES_RESENT).increment(count(missed.len()));
        Ok(missed)
    }
}

/// Those of a user's feeds that a connection takes up.
pub(super) fn newest(mut feeds: Vec<Feed>) -> Vec<Feed> {
    feeds.sort_by_key(|feed| (feed.age_us, feed.room));
    feeds.truncate(FEEDS_MAX);
    feeds
}

/// Writes down that feeds were taken up, where that is due. Without it they are forgotten a little
/// early, so it is no reason to turn anybody away.
pub(super) async fn refresh(store: &Store, taken_up: &[(&UserId, &[Feed])], memory: Duration) {
    let after = memory / REFRESHES_PER_MEMORY;
    let is_due = |feed: &&Feed| {
        let age = u64::try_from(feed.age_us).unwrap_or(0);
        Duration::from_micros(age) >= after
    };
    let due = taken_up.iter().flat_map(|(user, feeds)| {
        let due = feeds.iter().filter(is_due);
        due.map(|feed| ((*user).clone(), feed.room))
    });
    // Somebody may connect twice in one round.
    let due: HashSet<(UserId, RoomId)> = due.collect();
    if due.is_empty() {
        return;
    }
    let due: Vec<(UserId, RoomId)> = due.into_iter().collect();
    if let Err(error) = store.refresh_feeds(&due, after).await {
        tracing::warn!(%error, feeds = due.len(), "feeds that were taken up cannot be noted");
    }
}

/// Reads what was missed, for many connections at once.
async fn read(
    store: Store,
    hub: Hub,
    absences: Vec<Absence>,
    bytes_max: usize,
) -> Result<Vec<Vec<Frame>>, store::Error> {
    let max = MissedMax {
        looked_at: LOOKED_AT_MAX,
        messages: MESSAGES_MAX,
        // A frame has at least the bytes of its text, so this cuts nothing that would fit.
        bytes: i64::try_from(bytes_max).unwrap_or(i64::MAX),
    };
    let missed = store.missed(&absences, max).await?;
    // Members of one room have missed the same messages.
    let mut encoded: HashMap<MessageId, Option<Frame>> = HashMap::new();
    let mut frame = |(room, entry): &(RoomId, LogEntry)| match &entry.what {
        What::Written(message) => {
            let encode = || hub.as_shown_to_chats(*room, entry);
            encoded.entry(message.id).or_insert_with(encode).clone()
        }
        _ => None,
    };
    let mut frames = |entries: &Vec<(RoomId, LogEntry)>| -> Vec<Frame> {
        entries.iter().filter_map(&mut frame).collect()
    };
    let missed = missed.iter().map(&mut frames);
    Ok(missed
        .map(|frames| newest_within(bytes_max, frames, Frame::bytes))
        .collect())
}

/// The longest end of a list that has at most so many bytes.
fn newest_within<T>(bytes_max: usize, mut list: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<T> {
    let mut left = bytes_max;
    let kept = list.iter().rev().map_while(|one| {
        left = left.checked_sub(bytes(one))?;
        Some(())
    });
    let first = list.len() - kept.count();
    list.drain(..first);
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(number: u64, age_us: i64) -> Feed {
        Feed {
            room: RoomId::new(0, number),
            age_us,
            since: 0,
        }
    }

    #[test]
    fn of_many_feeds_those_count_that_were_asked_for_last() {
        let ages = [5, -1, 30, 2, 9];
        let feeds: Vec<Feed> = (0..20)
            .zip(ages.into_iter().chain(100..))
            .map(|(number, age)| feed(number, age))
            .collect();
        let counted = newest(feeds);
        let ages: Vec<i64> = counted.iter().map(|feed| feed.age_us).collect();
        assert_eq!(ages[..5], [-1, 2, 5, 9, 30]);
        assert_eq!(ages[5..], (100..111).collect::<Vec<_>>());
        assert!(newest(Vec::new()).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_longest_end_that_fits(
            sizes in prop::collection::vec(0_usize..50, 0..40),
            max in 0_usize..600,
        ) {
            let kept = newest_within(max, sizes.clone(), |size| *size);
            prop_assert!(sizes.ends_with(&kept));
            prop_assert!(kept.iter().sum::<usize>() <= max);
            if let Some(next) = sizes.len().checked_sub(kept.len() + 1) {
                prop_assert!(sizes[next..].iter().sum::<usize>() > max);
            }
        }
    }
}
