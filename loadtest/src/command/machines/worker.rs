//! `worker`: plays its share of a scenario against the gateways that it is told by its own flags.

use std::time::{Duration, Instant};

use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::error::MachinesError;
use super::greeting::{GreetingError, enter};
use super::line::{LineError, LineReader, LineWriter};
use super::link::{Heard, Link};
use super::outcome::Outcome;
use super::proof::Keys;
use super::say;
use super::share::Share;
use super::wire::{TO_COORDINATOR_BYTES_MAX, TO_WORKER_BYTES_MAX, ToCoordinator, ToWorker, cut};
use crate::client::Target;
use crate::client::tokens::{Signer, secret};
use crate::command::CommandError;
use crate::command::play::Generator;
use crate::crowd::cohort::CohortError;
use crate::crowd::people::{Crowd, Gathered, Operation, Viewer};
use crate::deployment::stack::resolve;
use crate::load::scenario::Plan;
use crate::result::stats::Latencies;

/// How long one attempt to connect may take, and the pause before the next.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the coordinator is told what is to be seen.
const VIEW_EVERY: Duration = Duration::from_secs(1);
/// The start is not further away than this.
const START_IN_MAX: Duration = Duration::from_mins(1);
/// So long before the start everything stands by.
const AHEAD: Duration = Duration::from_millis(50);
/// What may wait to be looked at.
const HEARD_MAX: usize = 8;

/// Flags of `worker`.
#[derive(Args, Clone)]
pub struct WorkerFlags {
    /// Where the coordinator is, `host:port`
    #[arg(long, value_name = "HOST:PORT")]
    pub coordinator: String,

    /// Gateway to play against, `http://host[:port]`; may be repeated, connections are then spread
    #[arg(long, value_name = "URL", required = true)]
    pub url: Vec<String>,

    /// Secret that the gateways check HS256 tokens with, by which the coordinator knows its workers as
    /// well. It is not sent
    #[arg(
        long,
        env = "JWT_HS256_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        value_parser = secret
    )]
    pub jwt_secret: SecretString,

    /// How long the gateways, and then the coordinator, are looked for, in seconds
    #[arg(
        long,
        value_name = "N",
        default_value_t = 600,
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub wait_seconds: u32,

    /// Threads that serve this program's own connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub client_threads: u8,
}

/// A connection to the coordinator that let this worker in.
struct Session {
    link: Link<ToCoordinator>,
    heard: mpsc::Receiver<Heard<ToWorker>>,
}

/// Plays one share, until the coordinator has taken what came of it. What plays may go on for a while
/// after an error: the caller ends the process.
pub async fn run(flags: &WorkerFlags) -> Result<(), CommandError> {
    let patience = Duration::from_secs(flags.wait_seconds.into());
    let gates = reach(&flags.url, patience).await?;
    let ends = Box::pin(find(flags)).await?;
    let mut session = Session::new(ends);
    let share = session.share().await?;
    let (number, of) = (share.number, share.of);
    say(format_args!("worker {number} of {of}"));
    let signer = Signer::new(&flags.jwt_secret);
    let done = Box::pin(session.work(share, (gates, &signer))).await;
    if let Err(error) = &done {
        let why = error.to_string();
        session.link.tell(ToCoordinator::Failed { why: cut(&why) });
    }
    session.link.close().await;
    done
}

/// The gateways, which may be there later than this worker.
pub(super) async fn reach(
    urls: &[String],
    patience: Duration,
) -> Result<Vec<Target>, MachinesError> {
    let (since, mut told) = (Instant::now(), false);
    loop {
        let why = match reached(urls).await {
            Ok(gates) => return Ok(gates),
            Err(why) => why,
        };
        if since.elapsed() >= patience {
            let seconds = patience.as_secs();
            return Err(MachinesError::NoGateway { seconds, why });
        }
        if !told {
            say(format_args!("waiting for the gateways: {why}"));
            told = true;
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// The gateways, if each of them takes a connection; else why not.
async fn reached(urls: &[String]) -> Result<Vec<Target>, String> {
    let gates = resolve(urls).await.map_err(|error| error.to_string())?;
    for gate in &gates {
        if let Err(error) = gate.dial(None).await {
            return Err(format!("{}: {error}", gate.authority()));
        }
    }
    Ok(gates)
}

/// A connection to the coordinator, which may come later than this worker.
async fn find(flags: &WorkerFlags) -> Result<(LineReader, LineWriter), MachinesError> {
    let keys = Keys::new(&flags.jwt_secret);
    let patience = Duration::from_secs(flags.wait_seconds.into());
    let since = Instant::now();
    say(format_args!("looking for {}", flags.coordinator));
    loop {
        let attempt = Box::pin(attempt(&flags.coordinator, &keys)).await;
        let why = match attempt {
            Ok(ends) => return Ok(ends),
            Err(error) if !error.may_pass() => return Err(error.into()),
            Err(error) => error.to_string(),
        };
        if since.elapsed() > patience {
            return Err(MachinesError::Unreachable {
                address: flags.coordinator.clone(),
                seconds: patience.as_secs(),
                why,
            });
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn attempt(address: &str, keys: &Keys) -> Result<(LineReader, LineWriter), GreetingError> {
    let connected = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
    let connected = connected.map_err(|_| LineError::Late(CONNECT_MAX))?;
    enter(connected.map_err(LineError::from)?, keys).await
}

impl Session {
    fn new(ends: (LineReader, LineWriter)) -> Self {
        let (telling, heard) = mpsc::channel(HEARD_MAX);
        let bounds = (TO_WORKER_BYTES_MAX, TO_COORDINATOR_BYTES_MAX);
        Self {
            link: Link::new(ends, 0, bounds, telling),
            heard,
        }
    }

    /// What is said next, unless it is the end.
    async fn hear(&mut self) -> Result<ToWorker, MachinesError> {
        let heard = self.heard.recv().await.ok_or(LineError::Closed)?;
        match heard.what? {
            ToWorker::GiveUp { why } => Err(MachinesError::GaveUp(cut(&why))),
            said => Ok(said),
        }
    }

    async fn share(&mut self) -> Result<Share, CommandError> {
        let ToWorker::Share(share) = self.hear().await? else {
            return Err(MachinesError::Rude.into());
        };
        // It comes from another machine.
        share.scenario.check()?;
        Ok(*share)
    }

    async fn work(&mut self, share: Share, to: (Vec<Target>, &Signer)) -> Result<(), CommandError> {
        let plan = Plan::new(&share.scenario, share.seed);
        let gathered = Box::pin(Gathered::of(to, (&share.scenario, &plan, share.seed)));
        let gathered = tokio::select! {
            gathered = gathered => gathered?,
            said = self.hear() => return Err(too_early(said).into()),
        };
        self.link.tell(ToCoordinator::Ready {});
        let ToWorker::Start { in_us } = self.hear().await? else {
            return Err(MachinesError::Rude.into());
        };
        let start = Instant::now() + Duration::from_micros(in_us).min(START_IN_MAX);
        let crowd = gathered.start(start);
        let viewer = crowd.viewer();
        let (over, is_over) = oneshot::channel();
        // Playing blocks the task that does it.
        let playing = tokio::spawn(play(crowd, (share, plan), over));
        self.look_on(viewer, start, is_over).await?;
        self.link.tell(ToCoordinator::Over {});
        say("the load is over; what was heard is judged");
        let outcome = tokio::select! {
            outcome = playing => outcome.map_err(|_| BROKEN)??,
            said = self.hear() => return Err(too_early(said).into()),
        };
        self.hand_over(outcome).await
    }

    /// Says when it begins, and what is to be seen until it is over.
    async fn look_on(
        &mut self,
        viewer: Viewer,
        start: Instant,
        mut is_over: oneshot::Receiver<()>,
    ) -> Result<(), CommandError> {
        let mut ticks = interval(VIEW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut begins = Box::pin(sleep_until(start.into()));
        let mut begun = false;
        loop {
            tokio::select! {
                biased;
                () = &mut begins, if !begun => {
                    self.link.tell(ToCoordinator::Begun {});
                    begun = true;
                }
                // If it broke off, what plays says why.
                _ = &mut is_over => return Ok(()),
                said = self.hear() => return Err(too_early(said).into()),
                _ = ticks.tick() => {
                    // One that does not fit in is no loss: there is another one soon.
                    self.link.tell(ToCoordinator::View(Box::new(viewer.look())));
                }
            }
        }
    }

    async fn hand_over(&mut self, outcome: Outcome) -> Result<(), CommandError> {
        let acknowledged = outcome.ended.acknowledged;
        let phases = outcome.ended.phases.iter();
        let heard = phases.filter_map(|phase| phase.times.get(&Operation::Delivery));
        let heard: u64 = heard.map(Latencies::count).sum();
        let told = ToCoordinator::Outcome(Box::new(outcome));
        if !self.link.tell(told) {
            return Err(MachinesError::NotTaken.into());
        }
        let ToWorker::Taken {} = self.hear().await? else {
            return Err(MachinesError::Rude.into());
        };
        say(format_args!(
            "the result was taken: {acknowledged} messages acknowledged and {heard} deliveries here"
        ));
        Ok(())
    }
}

const BROKEN: CommandError = CommandError::Generator("the load broke off");

async fn play(
    crowd: Crowd,
    (share, plan): (Share, Plan),
    over: oneshot::Sender<()>,
) -> Result<Outcome, CommandError> {
    // The wait is no part of what it takes to play.
    let left = crowd.start().saturating_duration_since(Instant::now());
    sleep(left.saturating_sub(AHEAD)).await;
    let generator = Generator::play(&crowd, (&share.scenario, &plan)).await?;
    // Whoever does not wait any more ends the process.
    over.send(()).unwrap_or_default();
    let ended = crowd.end().await.map_err(CohortError::from)?;
    Ok(Outcome { generator, ended })
}

/// Nothing was to be said yet but that it is over.
fn too_early(said: Result<ToWorker, MachinesError>) -> MachinesError {
    said.err().unwrap_or(MachinesError::Rude)
}
