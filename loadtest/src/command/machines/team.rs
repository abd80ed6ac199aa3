//! The workers of a run, as their coordinator sees them: each makes its rooms, plays, and sends what came
//! of it. Whoever is lost after the start is told of; the others go on.

use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::error::MachinesError;
use super::link::{Heard, Link};
use super::outcome::Outcome;
use super::registration::{Gathered, Member};
use super::say;
use super::share::Share;
use super::wire::{ToCoordinator, ToWorker, cut};
use crate::crowd::people::View;
use crate::load::scenario::Scenario;

/// How long the making of all rooms may take.
const READY_MAX: Duration = Duration::from_mins(15);
/// The time from the last word that all are ready to the common start: for the word to get around.
const START_IN: Duration = Duration::from_secs(2);
/// How long the end may take beyond the scenario: what is late, and the reading of all that was stored.
const END_MAX: Duration = Duration::from_mins(30);
/// What to say of whoever says the wrong thing.
const RUDE: &str = "it said something that is not due";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It makes its rooms.
    Making,
    Ready,
    Playing,
    /// Its load is over, and it judges.
    Over,
    /// Its outcome is here.
    Done,
    Lost,
}

struct Worker {
    id: u64,
    number: u16,
    /// For messages.
    title: String,
    state: State,
    link: Option<Link<ToWorker>>,
    /// When it was heard that it began.
    begun: Option<Instant>,
}

/// What is seen of all workers together.
#[derive(Clone, Default)]
pub(super) struct Views(Arc<Mutex<Vec<(u16, View)>>>);

impl Views {
    /// The latest of all that are still there.
    pub(super) fn look(&self) -> View {
        let mut all = View::default();
        for (_, view) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            all.merge(view);
        }
        all
    }

    fn set(&self, number: u16, view: Option<View>) {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.retain(|(of, _)| *of != number);
        views.extend(view.map(|view| (number, view)));
    }
}

/// The workers of a run.
pub(super) struct Team<'a> {
    scenario: &'a Scenario,
    workers: Vec<Worker>,
    heard: mpsc::Receiver<Heard<ToCoordinator>>,
    start: Instant,
    pub(super) views: Views,
    outcomes: Vec<(u16, Outcome)>,
    /// Whoever was lost, in words.
    pub(super) lost: Vec<String>,
    quiet: bool,
}

impl<'a> Team<'a> {
    /// Gives each its share. Without quiet it says at once who was lost.
    pub(super) fn new(
        scenario: &'a Scenario,
        gathered: Gathered,
        shares: Vec<Share>,
        quiet: bool,
    ) -> Self {
        let worker = |(member, share): (Member, Share)| {
            let Member { id, peer, link } = member;
            let number = share.number;
            // One that does not take it is heard of.
            link.tell(ToWorker::Share(Box::new(share)));
            Worker {
                id,
                number,
                title: format!("worker {number} ({peer})"),
                state: State::Making,
                link: Some(link),
                begun: None,
            }
        };
        let workers = gathered.members.into_iter().zip(shares).map(worker);
        Self {
            scenario,
            workers: workers.collect(),
            heard: gathered.heard,
            start: Instant::now(),
            views: Views::default(),
            outcomes: Vec::new(),
            lost: Vec::new(),
            quiet,
        }
    }

    /// Waits until all have made their rooms. None may be lost until then.
    pub(super) async fn ready(&mut self) -> Result<(), MachinesError> {
        let until = Instant::now() + READY_MAX;
        while self.is_any(|state| state == State::Making) {
            let Some(heard) = self.next(until).await else {
                return Err(MachinesError::Unready(READY_MAX.as_secs()));
            };
            let Some(worker) = self.workers.iter_mut().find(|one| one.id == heard.from) else {
                continue;
            };
            let why = match heard.what {
                Ok(ToCoordinator::Ready {}) if worker.state == State::Making => {
                    worker.state = State::Ready;
                    continue;
                }
                Ok(ToCoordinator::Failed { why }) => cut(&why),
                Ok(_) => RUDE.to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(MachinesError::LostBefore {
                worker: worker.title.clone(),
                why,
            });
        }
        Ok(())
    }

    /// Starts all at the same moment, which is returned.
    pub(super) fn start(&mut self) -> Instant {
        self.start = Instant::now() + START_IN;
        for worker in &mut self.workers {
            let left = self.start.saturating_duration_since(Instant::now());
            let in_us = u64::try_from(left.as_micros()).unwrap_or_default();
            if let Some(link) = &worker.link {
                link.tell(ToWorker::Start { in_us });
            }
            worker.state = State::Playing;
        }
        self.start
    }

    /// Waits until nobody plays any more, at the most so long after the start.
    pub(super) async fn over(&mut self, lasts: Duration) {
        self.until(|state| state == State::Playing, lasts).await;
    }

    /// Waits until everybody's outcome is here, at the most so long after the start.
    pub(super) async fn done(&mut self, lasts: Duration) {
        let is_open = |state| matches!(state, State::Playing | State::Over);
        self.until(is_open, lasts).await;
    }

    async fn until(&mut self, is_open: fn(State) -> bool, lasts: Duration) {
        let until = self.start + lasts + END_MAX;
        while self.is_any(is_open) {
            if let Some(heard) = self.next(until).await {
                self.hear(heard);
                continue;
            }
            for number in 0..self.workers.len() {
                self.lose(number, "it did not come to an end");
            }
        }
    }

    fn is_any(&self, is: impl Fn(State) -> bool) -> bool {
        self.workers.iter().any(|worker| is(worker.state))
    }

    /// What is heard next; none if nothing is until then.
    async fn next(&mut self, until: Instant) -> Option<Heard<ToCoordinator>> {
        timeout_at(until.into(), self.heard.recv()).await.ok()?
    }

    fn hear(&mut self, heard: Heard<ToCoordinator>) {
        let found = self.workers.iter().position(|one| one.id == heard.from);
        let Some((place, worker)) = found.and_then(|at| Some((at, self.workers.get_mut(at)?)))
        else {
            return;
        };
        let number = worker.number;
        match heard.what {
            // It has done what it had to.
            _ if matches!(worker.state, State::Done | State::Lost) => {}
            Ok(ToCoordinator::Begun {}) => worker.begun = Some(heard.at),
            Ok(ToCoordinator::View(mut view)) => {
                view.phase = cut(&view.phase);
                self.views.set(number, Some(*view));
            }
            Ok(ToCoordinator::Over {}) if worker.state == State::Playing => {
                worker.state = State::Over;
            }
            Ok(ToCoordinator::Outcome(outcome)) => {
                let Some(outcome) = outcome.of_worker(number, self.scenario) else {
                    self.lose(place, "its result is not of this scenario");
                    return;
                };
                worker.state = State::Done;
                if let Some(link) = &worker.link {
                    link.tell(ToWorker::Taken {});
                }
                self.outcomes.push((number, outcome));
            }
            Ok(ToCoordinator::Failed { why }) => self.lose(place, &cut(&why)),
            Ok(_) => self.lose(place, RUDE),
            Err(error) => self.lose(place, &error.to_string()),
        }
    }

    /// Goes on without one that was not done.
    fn lose(&mut self, place: usize, why: &str) {
        let Some(worker) = self.workers.get_mut(place) else {
            return;
        };
        if matches!(worker.state, State::Done | State::Lost) {
            return;
        }
        (worker.state, worker.link) = (State::Lost, None);
        let after = self.start.elapsed().as_secs_f64();
        let told = format!("{}, {after:.1} s after the start: {why}", worker.title);
        self.views.set(worker.number, None);
        if !self.quiet {
            say(format_args!("lost: {told}"));
        }
        self.lost.push(told);
    }

    /// What came of each, in the order of their numbers.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Outcome> + use<> {
        let mut outcomes = take(&mut self.outcomes);
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome)
    }

    /// How far apart the starts were, as far as was heard of them here, in words.
    pub(super) fn spread(&self) -> Option<String> {
        let begun = self.workers.iter().filter_map(|worker| worker.begun);
        let apart = begun.clone().max()?.duration_since(begun.min()?);
        let apart = apart.as_secs_f64() * 1e3;
        Some(format!(
            "{} workers, whose starts were heard within {apart:.1} ms",
            self.workers.len()
        ))
    }

    /// Lets everybody go, with these words if there is to be no result.
    pub(super) async fn close(self, why: Option<&str>) {
        let links = self.workers.into_iter().filter_map(|worker| worker.link);
        let closing = links.map(|link| {
            if let Some(why) = why {
                link.tell(ToWorker::GiveUp { why: cut(why) });
            }
            link.close()
        });
        join_all(closing).await;
    }
}
