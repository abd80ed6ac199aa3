//! What child processes write: the bounded end of it, and each line as it comes.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

/// How much of the end is kept.
const TAIL_MAX_BYTES: usize = 64 * 1024;

/// A longer line is handed on in pieces of this size.
const LINE_MAX_BYTES: u64 = 8 * 1024;

/// Lines that a slow follower may lag behind; it loses older ones.
const FOLLOW_MAX_LINES: usize = 1024;

/// The output of one process.
#[derive(Debug)]
pub(crate) struct Output {
    tail: Mutex<VecDeque<u8>>,
    lines: broadcast::Sender<String>,
}

impl Output {
    pub(crate) fn new() -> Self {
        let (lines, _) = broadcast::channel(FOLLOW_MAX_LINES);
        Self {
            tail: Mutex::default(),
            lines,
        }
    }

    /// Reads to the end, which comes when the last holder of the other end is gone.
    pub(crate) fn read_from(&self, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        loop {
            line.clear();
            match source
                .by_ref()
                .take(LINE_MAX_BYTES)
                .read_until(b'\n', &mut line)
            {
                Ok(0) | Err(_) => return,
                Ok(_) => self.append(&line),
            }
        }
    }

    /// The last 64 KiB at most.
    pub(crate) fn tail(&self) -> String {
        text(&self.lock())
    }

    /// What there is so far, and every line after that.
    pub(crate) fn follow(&self) -> (String, broadcast::Receiver<String>) {
        let tail = self.lock();
        (text(&tail), self.lines.subscribe())
    }

    fn append(&self, line: &[u8]) {
        let mut tail = self.lock();
        tail.extend(line);
        let excess = tail.len().saturating_sub(TAIL_MAX_BYTES);
        tail.drain(..excess);
        // Under the lock, so that a new follower gets every line exactly once.
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        // Nobody need be following.
        self.lines.send(line).ok();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(bytes: &VecDeque<u8>) -> String {
    let (front, back) = bytes.as_slices();
    String::from_utf8_lossy(&[front, back].concat()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let output = Output::new();
        let long = "x".repeat(TAIL_MAX_BYTES) + "\nthe end\n";
        output.read_from(long.as_bytes());
        assert_eq!(output.tail().len(), TAIL_MAX_BYTES);
        assert!(output.tail().ends_with("\nthe end\n"));
    }

    #[test]
    fn a_follower_gets_what_was_there_and_then_each_line() {
        let output = Output::new();
        output.read_from("one\n".as_bytes());
        let (before, mut lines) = output.follow();
        output.read_from("two\nthree".as_bytes());
        assert_eq!(before, "one\n");
        assert_eq!(lines.try_recv().unwrap(), "two");
        assert_eq!(lines.try_recv().unwrap(), "three");
    }
}
