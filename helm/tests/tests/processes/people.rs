//! People who talk through the Service all the while, and others who watch who comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use roomwire_loadtest::client::tokens::Signer;
use roomwire_loadtest::client::{Target, Transport};
use roomwire_loadtest::command::drill::watchers::Watchers;
use roomwire_loadtest::crowd::trial::{Done, Verdict, run};
use roomwire_loadtest::crowd::world::Plan;
use roomwire_loadtest::load::script::Load;
use roomwire_loadtest::truth::record::{Fate, Record};
use secrecy::SecretString;
use tokio::sync::oneshot;

/// Watchers, spread over the pods as they come.
const WATCHERS: usize = 4;
/// How long an acknowledged message may take to a connected member.
const LATE_AFTER: Duration = Duration::from_secs(10);
/// What the words of a client begin with that closes its connection itself.
const OWN_WISH: &str = "left";

/// For how long somebody is away before others are told.
const HOLD: Duration = Duration::from_secs(3);

/// How it was for them.
pub(crate) struct Experience {
    verdict: Verdict,
    /// How often somebody was said to have come or gone.
    pub(crate) announcements: usize,
    /// Of these, what was not true: they had not been away for so long, or been there all the time.
    pub(crate) untrue: Vec<String>,
}

/// Lets people talk for a time, and does something to the servers meanwhile.
pub(crate) async fn talk<T: Send + 'static>(
    url: &str,
    secret: &SecretString,
    lasts: Duration,
    act: BoxFuture<'static, T>,
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
        transports: vec![Transport::Websocket],
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
    let result = told.await.unwrap();
    let end = verdict.clock.run + verdict.evidence.end;
    let mut experience = Experience {
        verdict,
        announcements: 0,
        untrue: Vec::new(),
    };
    for heard in watchers.announcements() {
        let heard = heard.into_iter().filter(|one| one.at <= end);
        experience.hear(heard.map(|one| (one.user, one.online)).collect());
    }
    (experience, result)
}

impl Experience {
    /// Compares what one watcher was told with what is known. A client that tried to come back without
    /// success may have been there for a moment.
    fn hear(&mut self, heard: Vec<(String, bool)>) {
        let mut told: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for (user, online) in heard {
            told.entry(user).or_default()[usize::from(online)] += 1;
        }
        for seen in &self.verdict.evidence.users {
            let [goings, comings] = told.remove(seen.id.as_str()).unwrap_or_default();
            let record = &seen.state.record;
            let sessions = record.sessions.iter();
            let next = record.sessions.iter().skip(1);
            let long = sessions.zip(next).filter(|(before, after)| {
                let closed = before.closed.as_ref();
                closed.is_some_and(|(at, _)| after.opened.saturating_sub(*at) >= HOLD)
            });
            let failed = usize::try_from(record.failed_connects).unwrap();
            let away = long.count() + failed;
            self.announcements += goings + comings;
            if goings > away || comings > away + 1 {
                let (id, said) = (&seen.id, format!("{comings} comings, {goings} goings"));
                self.untrue
                    .push(format!("{said} of {id}, away {away} times"));
            }
        }
    }

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
