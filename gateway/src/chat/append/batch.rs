//! Messages that are committed together, and who waits for them.

use std::time::Duration;

use tokio::time::Instant;

use super::{Asker, Waiting};
use crate::domain::NewMessage;

/// Messages in one batch.
const MESSAGES_MAX: usize = 512;
/// Bytes of text in one batch, beside which the next message waits.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long halves of a batch are tried, once the whole has failed. What is left then is refused with it.
const HALVING_MAX: Duration = Duration::from_secs(5);

/// Messages in the order in which they came, each with its asker.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) messages: Vec<NewMessage>,
    pub(super) askers: Vec<Asker>,
}

impl Batch {
    pub(super) fn push(&mut self, Waiting { message, asker }: Waiting) {
        self.messages.push(message);
        self.askers.push(asker);
    }

    /// Takes what `next` gives for as long as it belongs into one batch. Returns what does not any more.
    pub(super) fn gather(
        first: Waiting,
        expected: usize,
        mut next: impl FnMut() -> Option<Waiting>,
    ) -> (Self, Option<Waiting>) {
        let expected = expected.min(MESSAGES_MAX) + 1;
        let mut batch = Self {
            messages: Vec::with_capacity(expected),
            askers: Vec::with_capacity(expected),
        };
        let mut bytes = first.message.text.as_str().len();
        batch.push(first);
        while batch.messages.len() < MESSAGES_MAX {
            let Some(waiting) = next() else {
                break;
            };
            bytes += waiting.message.text.as_str().len();
            if bytes > BYTES_MAX {
                return (batch, Some(waiting));
            }
            batch.push(waiting);
        }
        (batch, None)
    }

    /// Parts it into what is wanted and the rest, each in the order of the batch.
    pub(super) fn split(self, is_wanted: impl Fn(&NewMessage) -> bool) -> (Self, Self) {
        let (mut wanted, mut rest) = (Self::default(), Self::default());
        for waiting in self.into_waiting() {
            let half = if is_wanted(&waiting.message) {
                &mut wanted
            } else {
                &mut rest
            };
            half.push(waiting);
        }
        (wanted, rest)
    }

    pub(super) fn into_waiting(self) -> impl Iterator<Item = Waiting> {
        let both = self.messages.into_iter().zip(self.askers);
        both.map(|(message, asker)| Waiting { message, asker })
    }
}

/// What is to be committed of a batch, part after part: one that fails for what is in it is halved until what fails
/// is alone. At most one for each halving, the next on top.
pub(super) struct Parts {
    parts: Vec<Batch>,
    until: Instant,
}

impl Parts {
    pub(super) fn of(batch: Batch) -> Self {
        Self {
            parts: vec![batch],
            until: Instant::now() + HALVING_MAX,
        }
    }

    /// The next part, in the order of the batch.
    pub(super) fn next(&mut self) -> Option<Batch> {
        self.parts.pop()
    }

    pub(super) fn may_halve(&self, part: &Batch) -> bool {
        part.messages.len() > 1 && Instant::now() < self.until
    }

    pub(super) fn halve(&mut self, mut part: Batch) {
        let half = part.messages.len() / 2;
        let second = Batch {
            messages: part.messages.split_off(half),
            askers: part.askers.split_off(half),
        };
        self.parts.extend([second, part]);
    }
}
