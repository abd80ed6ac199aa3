//! Does one thing to a private deployment under load, and measures what everybody noticed.
//!
//! Clients, load and judgement are those of `verify`: a drill fails on anything that is found there, and
//! nothing that is done here excuses a late message. `flags` says what can be done, `strike` does it,
//! `probes` and `watchers` look on, `timeline` computes, `report` shows. `outage` is the drills about Postgres, with
//! clients and a judge of its own, since a failover loses messages.

mod flags;
mod outage;
mod probes;
mod report;
mod strike;
mod timeline;
pub mod watchers;

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::PgPoolOptions;

pub use flags::{Drill, DrillFlags};

use self::probes::Probes;
use self::report::Observed;
use self::strike::{Span, strikes};
use self::watchers::Watchers;
use super::CommandError;
use crate::client::Transport;
use crate::client::tokens::Signer;
use crate::crowd::trial;
use crate::crowd::world::Plan;
use crate::deployment::flags::random_secret;
use crate::deployment::stack::{Setting, Stack, resolve};
use crate::result::Report;

/// Connections of the probes to the database.
const PROBING_MAX: u32 = 1;

/// Runs one drill to its end; the deployment is gone afterwards.
pub(super) async fn run(flags: &DrillFlags) -> Result<Report, CommandError> {
    if flags.drill.is_of_postgres() {
        return Box::pin(outage::run(flags)).await;
    }
    let secret = random_secret();
    let signer = Signer::new(&secret);
    let setting = Setting {
        nodes: flags.nodes,
        struck: true,
        counting: true,
        env: vec![
            ("DRAIN_SECONDS", flags.drain_seconds.to_string()),
            // As deployments have it: heartbeats of many clients are work.
            ("PING_INTERVAL_MS", "25000".to_owned()),
            ("PING_TIMEOUT_MS", "20000".to_owned()),
        ],
        ..Setting::default()
    };
    let stack = Arc::new(flags.run.start(&secret, &setting).await?);
    let observed = Box::pin(observe(flags, &stack, &signer)).await;
    Stack::stop_shared(stack).await?;
    Ok(report::report(flags, &observed?))
}

async fn observe(
    flags: &DrillFlags,
    stack: &Arc<Stack>,
    signer: &Signer,
) -> Result<Observed, CommandError> {
    let gates = resolve(&stack.urls()).await?;
    let mut watchers = Watchers::new(gates.len(), signer)?;
    watchers.listen(&gates);
    let probes = probes(stack).await?;
    let plan = Plan {
        seed: flags.seed.unwrap_or_else(rand::random),
        load: flags.load(),
        late_after: Duration::from_secs(flags.late_after.into()),
        look_one_in: 0,
        guests: watchers.users(),
        join_again: false,
        transports: vec![Transport::Websocket],
    };
    let span = Span::default();
    let strikes = strikes(flags, stack, &span);
    let run = trial::run((gates, signer), (Some(stack), strikes), &plan);
    let verdict = Box::pin(run).await?;
    Ok(Observed {
        seed: plan.seed,
        load: plan.load,
        span: strike::taken(&span),
        readings: probes.readings(),
        turns: probes.turns(),
        watchers,
        verdict,
    })
}

async fn probes(stack: &Stack) -> Result<Probes, CommandError> {
    let database = PgPoolOptions::new()
        .max_connections(PROBING_MAX)
        .connect(stack.database_url().expose_secret())
        .await?;
    let admins = resolve(&stack.admin_urls()).await?;
    Ok(Probes::start(probes::meters(database).await, admins))
}
