//! Configuration: flags and environment variables, one file per section.
//!
//! Every value is read as text first and parsed here, so that all problems of a start are told at
//! once, by variable name. Must not: open anything; a configuration is only values.

mod auth;
#[cfg(test)]
mod chart;
mod http;
mod limits;
#[cfg(test)]
mod page;
mod postgres;
mod problems;
mod redis;
mod rooms;
mod show;
mod sockets;
mod traces;

pub(crate) use auth::{Auth, AuthArgs, KeySource};
pub(crate) use http::{CorsOrigins, Http, HttpArgs};
#[cfg(test)]
pub(crate) use limits::Rates;
pub(crate) use limits::{Limits, LimitsArgs, Rate};
pub(crate) use postgres::{Postgres, PostgresArgs};
pub(crate) use problems::Problems;
pub(crate) use redis::{Redis, RedisArgs, RedisTls};
pub(crate) use rooms::{Rooms, RoomsArgs, UnknownUsers};
pub(crate) use show::show;
pub(crate) use sockets::{Sockets, SocketsArgs};
pub(crate) use traces::TracesArgs;

use self::problems::Switch;
use crate::telemetry::Destination;

/// Everything `serve` can be told, as text.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServeArgs {
    /// Apply migrations before serving. For development; elsewhere run `migrate` once per release.
    #[arg(long)]
    pub(crate) migrate: bool,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) postgres: PostgresArgs,
    #[command(flatten)]
    pub(crate) redis: RedisArgs,
    #[command(flatten)]
    pub(crate) auth: AuthArgs,
    #[command(flatten)]
    pub(crate) rooms: RoomsArgs,
    #[command(flatten)]
    pub(crate) sockets: SocketsArgs,
    #[command(flatten)]
    pub(crate) limits: LimitsArgs,
    /// Threads that serve, 1 to 256. With one a message costs least; more gateways go further than more
    /// threads.
    #[arg(
        long,
        env = "WORKER_THREADS",
        default_value = "1",
        help_heading = "Process"
    )]
    pub(crate) worker_threads: String,
    /// `off` counts nothing, and there is no `/metrics`: to measure what counting costs.
    #[arg(long, env = "METRICS", default_value = "on", help_heading = "Metrics")]
    pub(crate) metrics: String,
    #[command(flatten)]
    pub(crate) traces: TracesArgs,
}

/// A configuration without contradictions.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) migrate: bool,
    pub(crate) http: Http,
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) auth: Auth,
    pub(crate) rooms: Rooms,
    pub(crate) sockets: Sockets,
    pub(crate) limits: Limits,
    pub(crate) worker_threads: usize,
    /// Metrics are recorded.
    pub(crate) metrics: bool,
    /// Where traces go, if anywhere.
    pub(crate) traces: Option<Destination>,
}

impl ServeArgs {
    /// Parses every section and reports all problems together.
    pub(crate) fn resolve(self) -> Result<Config, Problems> {
        let mut problems = Problems::default();
        let http = self.http.resolve(&mut problems);
        let postgres = self.postgres.resolve(&mut problems);
        let redis = self.redis.resolve(&mut problems);
        let auth = self.auth.resolve(&mut problems);
        let rooms = self.rooms.resolve(&mut problems);
        let sockets = self.sockets.resolve(&mut problems);
        let limits = self.limits.resolve(&mut problems);
        let metrics = problems.parse("METRICS", &self.metrics, Switch::EXPECTED);
        let traces = self.traces.resolve(&mut problems);
        let threads = problems.number("WORKER_THREADS", &self.worker_threads, 1..=256);
        let rest = limits.zip(metrics).zip(threads);
        match (http, postgres, redis, auth, rooms, sockets.zip(rest)) {
            (
                Some(http),
                Some(postgres),
                Some(redis),
                Some(auth),
                Some(rooms),
                Some((sockets, ((limits, Switch(metrics)), worker_threads))),
            ) if problems.is_empty()
                && agree(&rooms, &sockets, &mut problems)
                && fits(&http, &sockets, &mut problems) =>
            {
                Ok(Config {
                    migrate: self.migrate,
                    http,
                    postgres,
                    redis,
                    auth,
                    rooms: rooms.within(sockets.pending_bytes_max),
                    sockets,
                    limits,
                    worker_threads,
                    metrics,
                    traces,
                })
            }
            _ => Err(problems),
        }
    }
}

/// One body that is allowed must fit into what all together may have.
fn fits(http: &Http, sockets: &Sockets, problems: &mut Problems) -> bool {
    let one = usize::try_from(sockets.polling_bytes_max).unwrap_or(usize::MAX);
    let fits = http.bodies_bytes_max >= one;
    if !fits {
        problems.add(
            "BODIES_BYTES_MAX",
            format_args!("must be at least POLLING_BYTES_MAX, which is {one}"),
        );
    }
    fits
}

/// A text that is allowed must fit into what a client may send at once, however much of it JSON
/// escapes, and with all that is around it.
fn agree(rooms: &Rooms, sockets: &Sockets, problems: &mut Problems) -> bool {
    /// `\u0001` for one byte.
    const ESCAPED: usize = 6;
    const AROUND_TEXT: usize = 1_024;
    let needed = rooms.message_bytes_max * ESCAPED + AROUND_TEXT;
    let polled = usize::try_from(sockets.polling_bytes_max).unwrap_or(usize::MAX);
    let bounds = [
        ("WS_MESSAGE_BYTES_MAX", sockets.ws_message_bytes_max),
        ("POLLING_BYTES_MAX", polled),
    ];
    let small = bounds.into_iter().filter(|(_, bound)| *bound < needed);
    for (variable, _) in small.clone() {
        problems.add(
            variable,
            format_args!(
                "must be at least {needed}, {ESCAPED} times MAX_MESSAGE_BYTES and some more"
            ),
        );
    }
    small.count() == 0
}
