//! What is done to the servers, and when it began and ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roomwire_dev::servers::Redis;
use tokio::time::{sleep, sleep_until};

use crate::command::drill::flags::{Drill, DrillFlags};
use crate::crowd::trial::{Clock, Done, Strikes};
use crate::deployment::StackError;
use crate::deployment::proxy::{Proxy, Trouble};
use crate::deployment::stack::Stack;
use crate::faults::command;
use crate::truth::record::Moment;

/// How long all connections are reset when they are cut.
const CUT: Duration = Duration::from_millis(50);
/// Between the two ways to lose what is in Redis.
const BETWEEN: Duration = Duration::from_secs(10);

/// When it began and ended, once that is known.
pub(super) type Span = Arc<Mutex<Option<(Moment, Moment)>>>;

/// Strikes as the drill says, after its time of quiet. It excuses nothing: no fault is handed to the
/// judge, so messages must not be late while it lasts either.
pub(super) fn strikes(flags: &DrillFlags, stack: &Arc<Stack>, span: &Span) -> Strikes {
    let (stack, span) = (Arc::clone(stack), Arc::clone(span));
    let (drill, during) = (flags.drill, flags.during());
    let before = Duration::from_secs(flags.before.into());
    Box::new(move |clock: Clock| {
        Box::pin(async move {
            sleep_until((clock.load + before).into()).await;
            let from = clock.run.elapsed();
            let done = strike(&stack, drill, during).await;
            let to = clock.run.elapsed();
            *span.lock().unwrap_or_else(PoisonError::into_inner) = Some((from, to));
            let trouble = done.err().map(|error| error.to_string());
            (Vec::new(), trouble.into_iter().collect()) as Done
        })
    })
}

async fn strike(stack: &Stack, drill: Drill, during: Duration) -> Result<(), StackError> {
    match drill {
        Drill::Restart => {
            for node in &stack.nodes {
                stack.restart(node, false, Duration::ZERO).await?;
            }
            Ok(())
        }
        Drill::Storm => {
            let proxies = stack.nodes.iter().filter_map(|n| n.to_clients.as_ref());
            trouble(proxies.collect(), Trouble::Cut, CUT).await;
            Ok(())
        }
        Drill::RedisErased => {
            command(stack, "FLUSHALL").await?;
            sleep(BETWEEN).await;
            away(stack, Duration::ZERO).await
        }
        Drill::RedisAway => away(stack, during).await,
        Drill::RedisBlackHole => {
            let first = stack.nodes.first().and_then(|n| n.to_redis.as_ref());
            trouble(first.into_iter().collect(), Trouble::BlackHole, during).await;
            Ok(())
        }
        // They have a way of their own.
        Drill::PostgresFailover
        | Drill::PostgresRestart
        | Drill::PostgresReadOnly
        | Drill::PostgresSilent => Ok(()),
    }
}

/// Kills Redis, and starts it again, empty, so much later.
async fn away(stack: &Stack, time: Duration) -> Result<(), StackError> {
    stack.redis(Redis::kill).await?;
    sleep(time).await;
    stack.redis(Redis::start_again).await
}

async fn trouble(proxies: Vec<&Proxy>, trouble: Trouble, time: Duration) {
    for proxy in &proxies {
        proxy.trouble(Some(trouble));
    }
    sleep(time).await;
    for proxy in &proxies {
        proxy.trouble(None);
    }
}

/// When it was, if it has ended.
pub(super) fn taken(span: &Span) -> Option<(Moment, Moment)> {
    *span.lock().unwrap_or_else(PoisonError::into_inner)
}
