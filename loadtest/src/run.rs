//! From a parsed command line to a report: finds or starts the target, runs the measurement.

use secrecy::SecretString;
use thiserror::Error;

use crate::bench::stall::{self, Stall};
use crate::bench::telemetry::{self, Side, Sink, TelemetryPlan};
use crate::bench::{BenchError, appends, chats, deliveries, idle};
use crate::cli::{Bench, Chats, Cli, Command, TargetFlags, Telemetry};
use crate::client::{Target, TargetError};
use crate::cohort::Access;
use crate::drill::{DrillError, drill};
use crate::process::Processes;
use crate::report::Report;
use crate::rest::Rest;
use crate::stack::{LocalStack, StackError};
use crate::tokens::Signer;
use crate::verify::flags::VerifyFlags;
use crate::verify::{VerifyError, verify};

const NO_SECRET: &str = "--url needs --jwt-secret";

/// Why a command has no report.
#[derive(Debug, Error)]
pub enum RunError {
    /// The flags do not go together.
    #[error("{0}")]
    Usage(&'static str),
    /// The target's address is wrong or unknown.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The private stack could not be started or removed.
    #[error("local stack: {0}")]
    Stack(#[from] StackError),
    /// The measurement broke off.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The drill broke off.
    #[error(transparent)]
    Drill(#[from] DrillError),
    /// The check broke off.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Runs the command to its end; a private stack is gone afterwards.
pub async fn run(cli: &Cli) -> Result<Report, RunError> {
    let bench = match &cli.command {
        Command::Bench(bench) => bench,
        Command::Verify(flags) => return check(flags).await,
        Command::Drill(flags) => return Ok(Box::pin(drill(flags)).await?),
    };
    if let Bench::Telemetry(flags) = bench {
        return Box::pin(compare(flags)).await;
    }
    let flags = bench.target();
    if !flags.url.is_empty() {
        let secret = flags.jwt_secret.clone();
        let secret = secret.ok_or(RunError::Usage(NO_SECRET))?;
        if let Bench::Chats(chats) = bench
            && chats.database_url.is_none()
        {
            return Err(RunError::Usage(
                "bench chats with --url needs --database-url",
            ));
        }
        let access = access(bench, &flags.url, &secret).await?;
        return Ok(Box::pin(measure(bench, &access, None)).await?);
    }
    let secret = secret(flags);
    let gateway = flags.gateway.clone();
    let stack = match bench {
        Bench::Chats(_) => Box::pin(LocalStack::start_counting(gateway, &secret)).await?,
        Bench::Stall(stall) => {
            Box::pin(LocalStack::start_with(gateway, &secret, stall.settings())).await?
        }
        _ => Box::pin(LocalStack::start(gateway, &secret)).await?,
    };
    let access = access(bench, &[stack.url().to_owned()], &secret).await?;
    let report = Box::pin(measure(bench, &access, Some(&stack))).await;
    stack.stop().await?;
    Ok(report?)
}

/// The secret that was named, or one of this run.
fn secret(flags: &TargetFlags) -> SecretString {
    let random = || SecretString::from(format!("{:032x}", rand::random::<u128>()));
    flags.jwt_secret.clone().unwrap_or_else(random)
}

/// Two stacks next to each other, which differ in their telemetry.
async fn compare(flags: &Telemetry) -> Result<Report, RunError> {
    if !flags.target.url.is_empty() {
        return Err(RunError::Usage("bench telemetry starts its own gateways"));
    }
    let plan = TelemetryPlan {
        shape: flags.shape,
        per_second: flags.rate,
        text_bytes: flags.text_bytes,
        slice_seconds: flags.seconds,
        slices: flags.slices,
        kept: flags.kept,
    };
    let sink = Sink::start().await.map_err(BenchError::Floor)?;
    let secret = secret(&flags.target);
    let start = |settings| {
        let gateway = flags.target.gateway.clone();
        LocalStack::start_with(gateway, &secret, settings)
    };
    let on = Box::pin(start(plan.on(sink.url()))).await?;
    let off = Box::pin(start(TelemetryPlan::off())).await?;
    let users = |stack: &LocalStack| (stack.url().to_owned(), Processes::new(vec![stack.pid()]));
    let ((on_url, on_process), (off_url, off_process)) = (users(&on), users(&off));
    let on_access = access_to(&flags.target, &[on_url], &secret).await?;
    let off_access = access_to(&flags.target, &[off_url], &secret).await?;
    let sides = (
        Side {
            access: &on_access,
            processes: on_process,
            admin: Some(Rest::new(Target::resolve(on.admin_url()).await?)),
        },
        Side {
            access: &off_access,
            processes: off_process,
            admin: None,
        },
    );
    let report = Box::pin(telemetry::run(sides, &sink, &plan)).await;
    on.stop().await?;
    off.stop().await?;
    Ok(report?)
}

async fn check(flags: &VerifyFlags) -> Result<Report, RunError> {
    let secret = flags.jwt_secret.clone();
    if !flags.url.is_empty() && secret.is_none() {
        return Err(RunError::Usage(NO_SECRET));
    }
    Ok(Box::pin(verify(flags, secret)).await?)
}

async fn access(
    bench: &Bench,
    urls: &[String],
    secret: &SecretString,
) -> Result<Access, TargetError> {
    access_to(bench.target(), urls, secret).await
}

async fn access_to(
    flags: &TargetFlags,
    urls: &[String],
    secret: &SecretString,
) -> Result<Access, TargetError> {
    let mut targets = Vec::new();
    for url in urls {
        targets.push(Target::resolve(url).await?);
    }
    let sources = flags.source_addresses.map(usize::from);
    Ok(Access::new(
        targets,
        Signer::new(secret),
        flags.users.clone(),
        sources,
    ))
}

async fn measure(
    bench: &Bench,
    access: &Access,
    stack: Option<&LocalStack>,
) -> Result<Report, BenchError> {
    match bench {
        Bench::Deliveries(flags) => {
            let plan = deliveries::DeliveriesPlan {
                shapes: flags.shape.clone(),
                per_second: flags.rate,
                text_bytes: flags.text_bytes,
                warm_up_seconds: flags.warm_up,
                seconds: flags.seconds,
                floor_seconds: flags.floor_seconds,
            };
            Box::pin(deliveries::run(
                access,
                &processes(bench, access, stack)?,
                &plan,
            ))
            .await
        }
        Bench::Idle(flags) => {
            let plan = idle::IdlePlan {
                connections: flags.connections,
                room_members: flags.room_members,
                messages: flags.messages,
                text_bytes: flags.text_bytes,
                per_second: flags.rate,
            };
            Box::pin(idle::run(access, &processes(bench, access, stack)?, &plan)).await
        }
        Bench::Appends(flags) => {
            let plan = appends::AppendsPlan {
                senders: flags.senders,
                rooms: flags.rooms,
                window: flags.window.into(),
                warm_up_seconds: flags.warm_up,
                seconds: flags.seconds,
                text_bytes: flags.text_bytes,
            };
            let database = flags
                .database_url
                .as_ref()
                .or(stack.map(LocalStack::database_url));
            Box::pin(appends::run(access, database, &plan)).await
        }
        Bench::Chats(flags) => {
            let processes = processes(bench, access, stack)?;
            Box::pin(measure_chats(flags, access, (processes, stack))).await
        }
        Bench::Stall(flags) => {
            let processes = processes(bench, access, stack)?;
            Box::pin(measure_stall(flags, access, (&processes, stack))).await
        }
        Bench::Telemetry(_) => Err(BenchError::Generator("it needs two gateways")),
    }
}

async fn measure_chats(
    flags: &Chats,
    access: &Access,
    (processes, stack): (Processes, Option<&LocalStack>),
) -> Result<Report, BenchError> {
    let plan = chats::ChatsPlan {
        members: flags.members,
        base_members: flags.base_members,
        connected: flags.connected,
        history: flags.history,
        messages: flags.messages,
        text_bytes: flags.text_bytes,
        chats: flags.chats,
        base_chats: flags.base_chats,
        chat_messages: flags.chat_messages,
        growth: flags.growth,
        lists: flags.lists,
        warm_up: flags.warm_up,
        idle_seconds: flags.idle_seconds,
    };
    let database = stack.map(LocalStack::database_url);
    let database = database.or(flags.database_url.as_ref());
    let servers = chats::Servers {
        access,
        processes,
        database: database.ok_or(BenchError::Generator("no database is known"))?,
        redis: stack
            .map(LocalStack::redis_url)
            .or(flags.redis_url.as_deref()),
    };
    chats::run(&servers, &plan).await
}

async fn measure_stall(
    flags: &Stall,
    access: &Access,
    (processes, stack): (&Processes, Option<&LocalStack>),
) -> Result<Report, BenchError> {
    let private = stack.map(|stack| vec![stack.admin_url().to_owned()]);
    let admin_urls = private.as_ref().unwrap_or(&flags.admin_url);
    stall::run(access, processes, (&flags.plan(), admin_urls)).await
}

/// The processes whose figures count: those named, else the stack's, else those on the ports.
fn processes(
    bench: &Bench,
    access: &Access,
    stack: Option<&LocalStack>,
) -> Result<Processes, BenchError> {
    let named = &bench.target().pid;
    if !named.is_empty() {
        return Ok(Processes::new(named.clone()));
    }
    if let Some(stack) = stack {
        return Ok(Processes::new(vec![stack.pid()]));
    }
    Ok(Processes::listening_on(&access.ports())?)
}
