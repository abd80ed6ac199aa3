//! The moment at which a socket is told that it is connected: what is for it before then waits, and comes
//! behind its greeting.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::live::Overflow;

/// Frames and answers that may wait for a socket that is being set up.
const WAITING_MAX: usize = 1_024;

/// Whether a socket is open, and what waits until it is.
pub(super) struct Greeting<T> {
    opened: AtomicBool,
    waiting: Mutex<Vec<T>>,
}

impl<T> Greeting<T> {
    pub(super) fn new() -> Self {
        Self {
            opened: AtomicBool::new(false),
            waiting: Mutex::default(),
        }
    }

    /// Whether the greeting and what waited are out.
    pub(super) fn is_out(&self) -> bool {
        self.opened.load(Ordering::Acquire)
    }

    /// Gives something now, or keeps it until the socket is open. Nothing overtakes what was kept before
    /// it, or the greeting that is just going out.
    pub(super) fn pass(
        &self,
        one: T,
        give: impl FnOnce(T) -> Result<(), Overflow>,
    ) -> Result<(), Overflow> {
        if !self.is_out() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have been opened meanwhile.
            if !self.is_out() {
                if waiting.len() >= WAITING_MAX {
                    return Err(Overflow);
                }
                waiting.push(one);
                return Ok(());
            }
        }
        give(one)
    }

    /// Gives the greeting, then what has waited, up to the first that does not fit. From then on nothing
    /// waits.
    pub(super) fn open(
        &self,
        greeting: impl Iterator<Item = T>,
        give: impl FnMut(T) -> Result<(), Overflow>,
    ) -> Result<(), Overflow> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = std::mem::take(&mut *waiting);
        let given = greeting.chain(waited).try_for_each(give);
        // Still under the lock, so that nothing is sent past what waited.
        self.opened.store(true, Ordering::Release);
        given
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Barrier, mpsc},
        thread,
    };

    use super::*;

    #[test]
    fn what_comes_early_waits_behind_the_greeting_in_its_order() {
        let greeting = Greeting::new();
        let mut given = Vec::new();
        for one in [3, 4] {
            assert!(greeting.pass(one, |_| unreachable!("it is closed")).is_ok());
        }
        let opened = greeting.open([1, 2].into_iter(), |one| {
            given.push(one);
            Ok(())
        });
        assert!(opened.is_ok() && greeting.is_out());
        let passed = greeting.pass(5, |one| {
            given.push(one);
            Ok(())
        });
        assert!(passed.is_ok());
        assert_eq!(given, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_answer_does_not_overtake_a_greeting_that_is_going_out() {
        let greeting = Greeting::new();
        let (given, all) = mpsc::channel();
        let half = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                half.wait();
                // The greeting is half out, and goes on only once this one has tried.
                let answered = greeting.pass("answer", |one| {
                    given.send(one).unwrap();
                    Ok(())
                });
                assert!(answered.is_ok());
            });
            let opened = greeting.open(["first", "second"].into_iter(), |one| {
                given.send(one).unwrap();
                if one == "first" {
                    half.wait();
                    // Long enough for an answer that does not wait to get through.
                    (0..10_000).for_each(|_| thread::yield_now());
                }
                Ok(())
            });
            assert!(opened.is_ok());
        });
        let all: Vec<&str> = all.try_iter().collect();
        assert_eq!(all, ["first", "second", "answer"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let greeting = Greeting::new();
        let nobody = |_: usize| -> Result<(), Overflow> { unreachable!("it is closed") };
        assert!((0..WAITING_MAX).all(|one| greeting.pass(one, nobody).is_ok()));
        assert!(greeting.pass(WAITING_MAX, nobody).is_err());
    }
}
