//! People who talk through the Service all the while, and others who watch who comes and goes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use roomwire_loadtest::client::Target;
use roomwire_loadtest::drill::watchers::Watchers;
use roomwire_loadtest::tokens::Signer;
use roomwire_loadtest::verify::record::{Fate, Record};
use roomwire_loadtest::verify::run::{Done, Verdict, run};
use roomwire_loadtest::verify::script::Load;
use roomwire_loadtest::verify::world::Plan;
use secrecy::SecretString;
use tokio::sync::oneshot;

/// Watchers, spread over the pods as they come.
const WATCHERS: usize = 4;
/// How long an acknowledged message may take to a connected member.
const LATE_AFTER: Duration = Duration::from_secs(10);
/// What the words of a client begin with that closes its connection itself.
const OWN_WISH: &str = "left";

/// How it was for them.
pub(crate) struct Experience {
    verdict: Verdict,
    /// Announcements of somebody's coming before anything was done.
    pub(crate) came_before: usize,
    /// Announcements of comings and goings after that.
    pub(crate) came_and_went: usize,
}

/// Lets people talk for a time, and does something to the servers meanwhile. That begins with whatever
/// `act` waits for; it returns when it began to disturb, and its own result.
pub(crate) async fn talk<T: Send + 'static>(
    url: &str,
    secret: &SecretString,
    lasts: Duration,
    act: BoxFuture<'static, (Instant, T)>,
) -> (Experience, T) {
    let signer = Signer::new(secret);
    let gate = Target::resolve(url).await.unwrap();
    let mut watchers = Watchers::new(WATCHERS, &signer).unwrap();
    watchers.listen(&vec![gate.clone(); WATCHERS]);
    let plan = Plan {
        seed: rand::random(),
        load: Load {
            users: 24,
            rooms: 8,
            per_second: 40,
            lasts,
            reconnects: 3,
            members: None,
            moves: true,
            chats_one_in: 4,
        },
        late_after: LATE_AFTER,
        look_one_in: 8,
        guests: watchers.users(),
        join_again: false,
    };
    let (tell, told) = oneshot::channel();
    let strikes = Box::new(move |_| -> BoxFuture<'static, Done> {
        Box::pin(async move {
            // Whoever waits for this fails if it fails.
            tell.send(act.await).ok();
            Done::default()
        })
    });
    let verdict = Box::pin(run((vec![gate], &signer), (None, strikes), &plan)).await;
    let verdict = verdict.unwrap();
    let (from, result) = told.await.unwrap();
    let (start, end) = (verdict.clock.run, verdict.clock.run + verdict.evidence.end);
    let heard = |from, to| {
        let told = watchers.told((from, to), &HashSet::new());
        let comings: usize = told.iter().map(|told| told.comings).sum();
        let goings: usize = told.iter().map(|told| told.goings).sum();
        (comings, goings)
    };
    let (comings, goings) = heard(from, end);
    let experience = Experience {
        came_before: heard(start, from).0,
        came_and_went: comings + goings,
        verdict,
    };
    (experience, result)
}

impl Experience {
    /// What was found that contradicts what is promised.
    pub(crate) fn findings(&self) -> Vec<String> {
        let findings = self.verdict.findings.iter().map(ToString::to_string);
        findings.chain(self.verdict.notes.iter().cloned()).collect()
    }

    /// Messages that were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        let of = |record: &Record| {
            let writes = record.writes.iter();
            writes
                .filter(|write| write.fate == Fate::Acknowledged)
                .count()
        };
        self.sum(of)
    }

    /// Connections that were opened in place of earlier ones, and those of them whose clients had not
    /// closed the earlier one themselves.
    pub(crate) fn reconnects(&self) -> (usize, usize) {
        let all = self.sum(|record| record.sessions.len().saturating_sub(1));
        let cut = self.sum(|record| {
            let ends = record.sessions.iter().filter_map(|one| one.closed.as_ref());
            ends.filter(|(_, reason)| !reason.starts_with(OWN_WISH))
                .count()
        });
        (all, cut)
    }

    /// Connections that could not be opened.
    pub(crate) fn failed_connects(&self) -> u64 {
        self.sum(|record| record.failed_connects)
    }

    /// Events that were answered by asking for another try, and those that were not answered.
    pub(crate) fn put_off(&self) -> (u64, u64) {
        (
            self.sum(|record| record.unavailable),
            self.sum(|record| record.unanswered),
        )
    }

    fn sum<N: std::iter::Sum>(&self, of: impl Fn(&Record) -> N) -> N {
        let users = self.verdict.evidence.users.iter();
        users.map(|seen| of(&seen.state.record)).sum()
    }
}
