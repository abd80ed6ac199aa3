//! Does one thing to a local deployment under load, and measures what everybody noticed.
//!
//! Clients, load and judgement are those of [`crate::verify`]: a drill fails on anything that is found
//! there, and nothing that is done here excuses a late message. `flags` says what can be done,
//! `strike` does it, `probes` and `watchers` look on, `timeline` computes, `report` shows.

mod flags;
mod probes;
mod report;
mod strike;
mod timeline;
pub mod watchers;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgPoolOptions;
use thiserror::Error;

pub use flags::{Drill, DrillFlags};

use self::probes::Probes;
use self::report::Observed;
use self::strike::{Span, strikes};
use self::watchers::Watchers;
use crate::report::Report;
use crate::stack::StackError;
use crate::tokens::{Signer, TokenError};
use crate::verify::faults::{Setting, Stage};
use crate::verify::world::Plan;
use crate::verify::{VerifyError, resolve, run, stop};

/// Connections of the probes to the database.
const PROBING_MAX: u32 = 1;

/// Why a drill has no report.
#[derive(Debug, Error)]
pub enum DrillError {
    /// The load or its check broke off.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The deployment could not be started.
    #[error("local stack: {0}")]
    Stack(#[from] StackError),
    /// A token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The database could not be looked at.
    #[error("cannot use the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Runs one drill to its end; the deployment is gone afterwards.
pub async fn drill(flags: &DrillFlags) -> Result<Report, DrillError> {
    let secret = SecretString::from(format!("{:032x}", rand::random::<u128>()));
    let signer = Signer::new(&secret);
    let setting = Setting {
        nodes: flags.nodes,
        struck: true,
        clocks: false,
        counting: true,
        env: vec![
            ("DRAIN_SECONDS", flags.drain_seconds.to_string()),
            // As deployments have it: heartbeats of many clients are work.
            ("PING_INTERVAL_MS", "25000".to_owned()),
            ("PING_TIMEOUT_MS", "20000".to_owned()),
        ],
    };
    let stage = Box::pin(Stage::start(flags.gateway.clone(), &secret, &setting)).await?;
    let stage = Arc::new(stage);
    let observed = Box::pin(observe(flags, &stage, &signer)).await;
    stop(stage).await?;
    Ok(report::report(flags, &observed?))
}

async fn observe(
    flags: &DrillFlags,
    stage: &Arc<Stage>,
    signer: &Signer,
) -> Result<Observed, DrillError> {
    let gates = resolve(&stage.urls()).await.map_err(VerifyError::from)?;
    let mut watchers = Watchers::new(gates.len(), signer)?;
    watchers.listen(&gates);
    let probes = probes(stage).await?;
    let plan = Plan {
        seed: flags.seed.unwrap_or_else(rand::random),
        load: flags.load(),
        late_after: Duration::from_secs(flags.late_after.into()),
        look_one_in: 0,
        guests: watchers.users(),
        join_again: false,
    };
    let span = Span::default();
    let strikes = strikes(flags, stage, &span);
    let run = run::run((gates, signer), (Some(stage), strikes), &plan);
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

async fn probes(stage: &Stage) -> Result<Probes, DrillError> {
    let database = PgPoolOptions::new()
        .max_connections(PROBING_MAX)
        .connect(stage.database_url().expose_secret())
        .await?;
    let admins = stage.nodes.iter().map(|node| node.admin_url().to_owned());
    let admins: Vec<String> = admins.collect();
    let admins = resolve(&admins).await.map_err(VerifyError::from)?;
    Ok(Probes::start(probes::meters(database).await, admins))
}
