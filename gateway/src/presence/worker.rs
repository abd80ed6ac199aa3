//! Tells Redis who is on this node, one step after the other, and keeps that true.

use std::time::Duration;

use roomwire_shared::UserId;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Presence, departures, local::HOLD};
use crate::{bus::Gone, telemetry::catalogue};

/// How often Redis is told that this node lives.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// How soon what Redis did not take is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Users in one go.
const TOGETHER_MAX: usize = 256;
/// Every user's key is renewed this often, a part of them with each heartbeat.
const RENEW_EVERY: Duration = Duration::from_mins(20);
/// After Redis was away or had lost something, how long nobody is said to have come or gone: the
/// other nodes take this long to notice and to tell again who is with them.
const SETTLE: Duration = Duration::from_secs(6);
/// How long after its end a node's users belong to nobody: the time to reconnect elsewhere.
const GRACE_MS: i64 = 3_500;

/// Works until told to stop; then others take over whoever is still here.
pub(super) async fn run(presence: Presence, stop: CancellationToken) {
    let now = Instant::now();
    let mut worker = Worker {
        presence,
        beat_at: now,
        not_before: now,
        worked: false,
        settled_at: now,
        renewing: Vec::new(),
        renewed_at: now,
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = worker.presence.0.changed.notified() => {}
            () = sleep_until(worker.next()) => {}
        }
        if Instant::now() >= worker.not_before {
            worker.work().await;
        }
    }
    let noted = departures::note_all(&worker.presence).await;
    if let Err(error) = worker.presence.0.redis.retire(GRACE_MS, noted).await {
        tracing::debug!(%error, "others will notice by themselves that this node is gone");
    }
}

struct Worker {
    presence: Presence,
    beat_at: Instant,
    /// Redis did not answer: nothing is tried before this.
    not_before: Instant,
    /// Redis has answered at least once since this node began.
    worked: bool,
    /// What Redis knows of other nodes' users may be out of date before this.
    settled_at: Instant,
    /// Users whose keys are still to be renewed this time round.
    renewing: Vec<UserId>,
    renewed_at: Instant,
}

impl Worker {
    fn next(&self) -> Instant {
        let due = self.presence.local().next().unwrap_or(self.beat_at);
        due.min(self.beat_at).max(self.not_before)
    }

    async fn work(&mut self) {
        let done = self.step().await;
        self.worked |= done.is_ok();
        if let Err(error) = done {
            tracing::debug!(%error, "trying again");
            let now = Instant::now();
            self.not_before = now + RETRY_AFTER;
            if self.worked {
                self.settled_at = now + SETTLE;
            }
        }
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        if Instant::now() >= self.beat_at {
            self.beat().await?;
        }
        loop {
            let owed = self.presence.local().take_owed(TOGETHER_MAX);
            if owed.is_empty() {
                break;
            }
            self.enter(owed).await?;
        }
        loop {
            let now = Instant::now();
            let mut due = self.presence.local().due(now, TOGETHER_MAX);
            if now < self.settled_at {
                self.postpone(&std::mem::take(&mut due.announce));
                self.postpone(&std::mem::take(&mut due.leave));
            }
            let nothing = due.announce.is_empty() && due.leave.is_empty();
            // Both are tried before either failure counts: what is due is off its timer.
            let announced = self.announce(due.announce).await;
            let left = self.leave(due.leave).await;
            announced?;
            left?;
            let more = self.presence.local().next();
            if nothing && more.is_none_or(|at| at > Instant::now()) {
                return Ok(());
            }
        }
    }

    async fn enter(&self, users: Vec<UserId>) -> anyhow::Result<()> {
        let entered = self.presence.0.redis.enter(&users, false).await;
        let mut local = self.presence.local();
        match entered {
            Ok(known) => {
                let now = Instant::now();
                for (user, announced) in users.iter().zip(known) {
                    local.entered(user, announced, now);
                }
                Ok(())
            }
            Err(error) => {
                local.give_back(users);
                Err(error.into())
            }
        }
    }

    async fn announce(&self, users: Vec<UserId>) -> anyhow::Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        let first = match self.presence.0.redis.announce(&users).await {
            Ok(first) => first,
            Err(error) => {
                self.postpone(&users);
                return Err(error.into());
            }
        };
        let mut mine = Vec::new();
        for (user, first) in users.into_iter().zip(first) {
            self.presence.local().announced(&user);
            if first {
                mine.push(user);
            }
        }
        self.presence.0.announcer.announce(mine, true).await;
        Ok(())
    }

    /// Takes users off this node. Postgres knows since when they are gone, so whoever hears of it and
    /// asks finds the time.
    async fn leave(&mut self, users: Vec<UserId>) -> anyhow::Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        let gone = match self.presence.0.redis.leave(&users).await {
            Ok(gone) => gone,
            Err(error) => {
                self.postpone(&users);
                return Err(error.into());
            }
        };
        let mut everywhere = Vec::new();
        let mut missing = Vec::new();
        for (user, gone) in users.into_iter().zip(gone) {
            if gone == Gone::NotFound {
                missing.push(user);
                continue;
            }
            self.presence.local().left(&user);
            if gone == Gone::Everywhere {
                everywhere.push(user);
            }
        }
        self.presence.0.announcer.announce(everywhere, false).await;
        if !missing.is_empty() {
            // Redis has lost what it was told, perhaps of other nodes too. They get the time to say
            // again who is with them, before anybody is said to be nowhere.
            self.postpone(&missing);
            self.tell_again().await?;
        }
        Ok(())
    }

    fn postpone(&self, users: &[UserId]) {
        let mut local = self.presence.local();
        let now = Instant::now();
        for user in users {
            local.postpone(user, now);
        }
    }

    async fn beat(&mut self) -> anyhow::Result<()> {
        let listed = self.presence.0.redis.beat().await?;
        self.beat_at = Instant::now() + BEAT_EVERY;
        let (written, here) = {
            let local = self.presence.local();
            (local.written(), local.count())
        };
        let here = u32::try_from(here).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::PRESENCE_USERS).set(here);
        if listed != written {
            return self.tell_again().await;
        }
        self.renew().await
    }

    /// Redis does not list whom it should.
    async fn tell_again(&mut self) -> anyhow::Result<()> {
        metrics::counter!(catalogue::PRESENCE_REFILLS).increment(1);
        self.settled_at = Instant::now() + SETTLE;
        if self.presence.0.redis.was_reaped().await? {
            tracing::warn!("other nodes took this one for dead, telling of its users again");
            self.presence.local().start_over();
            self.presence.0.changed.notify_one();
            return Ok(());
        }
        let (announced, others) = self.presence.local().all_written();
        let users = announced.len() + others.len();
        tracing::info!(users, "redis has lost presence, telling it again");
        for (users, announced) in [(announced, true), (others, false)] {
            for some in users.chunks(TOGETHER_MAX) {
                self.presence.0.redis.enter(some, announced).await?;
            }
        }
        Ok(())
    }

    /// Renews the keys of some users.
    async fn renew(&mut self) -> anyhow::Result<()> {
        if self.renewing.is_empty() {
            if self.renewed_at.elapsed() < RENEW_EVERY {
                return Ok(());
            }
            self.renewed_at = Instant::now();
            self.renewing = self.presence.local().all_written().0;
        }
        // All of them within the time after which they would be renewed again.
        let beats = RENEW_EVERY.as_secs() / BEAT_EVERY.as_secs();
        let share = self.renewing.len() / usize::try_from(beats).unwrap_or(1) + 1;
        let some = self
            .renewing
            .split_off(self.renewing.len().saturating_sub(share));
        let still_here: Vec<UserId> = {
            let local = self.presence.local();
            some.into_iter()
                .filter(|user| local.is_here(user))
                .collect()
        };
        for some in still_here.chunks(TOGETHER_MAX) {
            self.presence.0.redis.enter(some, true).await?;
        }
        Ok(())
    }
}

const _: () = assert!(HOLD.as_secs() > BEAT_EVERY.as_secs());
