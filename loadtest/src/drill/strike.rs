//! What is done to the servers, and when it began and ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roomwire_dev::servers::Redis;
use tokio::time::{sleep, sleep_until};

use super::flags::{Drill, DrillFlags};
use crate::stack::StackError;
use crate::verify::faults::{Proxy, Stage, Trouble, command};
use crate::verify::record::Moment;
use crate::verify::run::{Clock, Done, Strikes};

/// How long all connections are reset when they are cut.
const CUT: Duration = Duration::from_millis(50);
/// Between the two ways to lose what is in Redis.
const BETWEEN: Duration = Duration::from_secs(10);

/// When it began and ended, once that is known.
pub(super) type Span = Arc<Mutex<Option<(Moment, Moment)>>>;

/// Strikes as the drill says, after its time of quiet. It excuses nothing: no fault is handed to the
/// judge, so messages must not be late while it lasts either.
pub(super) fn strikes(flags: &DrillFlags, stage: &Arc<Stage>, span: &Span) -> Strikes {
    let (stage, span) = (Arc::clone(stage), Arc::clone(span));
    let (drill, during) = (flags.drill, flags.during());
    let before = Duration::from_secs(flags.before.into());
    Box::new(move |clock: Clock| {
        Box::pin(async move {
            sleep_until((clock.load + before).into()).await;
            let from = clock.run.elapsed();
            let done = strike(&stage, drill, during).await;
            let to = clock.run.elapsed();
            *span.lock().unwrap_or_else(PoisonError::into_inner) = Some((from, to));
            let trouble = done.err().map(|error| error.to_string());
            (Vec::new(), trouble.into_iter().collect()) as Done
        })
    })
}

async fn strike(stage: &Stage, drill: Drill, during: Duration) -> Result<(), StackError> {
    match drill {
        Drill::Restart => {
            for node in &stage.nodes {
                stage.restart(node, false, Duration::ZERO).await?;
            }
            Ok(())
        }
        Drill::Storm => {
            let proxies = stage.nodes.iter().filter_map(|n| n.to_clients.as_ref());
            trouble(proxies.collect(), Trouble::Cut, CUT).await;
            Ok(())
        }
        Drill::RedisErased => {
            command(stage, "FLUSHALL").await?;
            sleep(BETWEEN).await;
            away(stage, Duration::ZERO).await
        }
        Drill::RedisAway => away(stage, during).await,
        Drill::RedisBlackHole => {
            let first = stage.nodes.first().and_then(|n| n.to_redis.as_ref());
            trouble(first.into_iter().collect(), Trouble::BlackHole, during).await;
            Ok(())
        }
    }
}

/// Kills Redis, and starts it again, empty, so much later.
async fn away(stage: &Stage, time: Duration) -> Result<(), StackError> {
    stage.redis(Redis::kill).await?;
    sleep(time).await;
    stage.redis(Redis::start_again).await
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
