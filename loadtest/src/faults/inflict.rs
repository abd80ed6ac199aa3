//! Does what is planned, when it is due, and notes when it really happened.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roomwire_dev::servers::{Postgres, Redis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::deployment::Node;
use crate::deployment::StackError;
use crate::deployment::proxy::{Proxy, Trouble};
use crate::deployment::stack::Stack;
use crate::faults::{Fault, Planned, Side};
use crate::truth::record::Struck;

/// How long a command to Redis may take.
const COMMAND_DEADLINE: Duration = Duration::from_secs(2);
/// By how much a slow connection holds each chunk, in milliseconds: the base and what is added.
const DELAY_MS: (u64, u64) = (20, 180);

/// By how many seconds a clock jumps: enough for every lease, heartbeat and allowance to be over.
const JUMP_SECONDS: i32 = 45;

/// Strikes the stack until all that is planned is over and healed. Returns what took place, in the
/// order of beginning, and what could not be done or undone.
pub async fn inflict(
    stack: Arc<Stack>,
    planned: Vec<Planned>,
    (run_start, load_start): (Instant, Instant),
) -> (Vec<Struck>, Vec<String>) {
    let struck = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let mut under_way = JoinSet::new();
    for one in planned {
        sleep_until((load_start + one.at).into()).await;
        let (stack, noted) = (Arc::clone(&stack), Arc::clone(&struck));
        under_way.spawn(async move {
            let from = run_start.elapsed();
            let done = strike(&stack, &one).await;
            let to = run_start.elapsed();
            let name = if one.fault.strikes_one() {
                format!("{} on gateway {}", one.fault.name(), one.node)
            } else {
                one.fault.name().to_owned()
            };
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = done {
                noted.1.push(format!("{name}: {error}"));
            }
            noted.0.push(Struck {
                name,
                kind: one.fault.name(),
                from,
                to,
            });
        });
    }
    while under_way.join_next().await.is_some() {}
    let (mut happened, troubles) =
        std::mem::take(&mut *struck.lock().unwrap_or_else(PoisonError::into_inner));
    happened.sort_by_key(|fault: &Struck| fault.from);
    (happened, troubles)
}

async fn strike(stack: &Stack, one: &Planned) -> Result<(), StackError> {
    let Some(node) = stack.nodes.get(one.node) else {
        return Ok(());
    };
    match one.fault {
        Fault::GatewayKill => stack.restart(node, true, one.lasts).await,
        Fault::GatewayTerm => stack.restart(node, false, one.lasts).await,
        Fault::GatewayClock => jump(node, one.flip, one.lasts).await,
        Fault::RedisKill => {
            let act = for_a_time(one.lasts, Redis::kill, Redis::start_again);
            stack.redis(act).await
        }
        Fault::RedisPause => {
            let act = for_a_time(one.lasts, Redis::pause, Redis::resume);
            stack.redis(act).await
        }
        Fault::RedisFlush => command(stack, "FLUSHALL").await,
        Fault::RedisDropNormal => command(stack, "CLIENT KILL TYPE normal").await,
        Fault::RedisDropPubsub => command(stack, "CLIENT KILL TYPE pubsub").await,
        Fault::PostgresRestart => {
            let act = for_a_time(one.lasts, Postgres::stop_immediately, Postgres::start_again);
            stack.postgres(act).await
        }
        Fault::PostgresReadOnly => {
            let begin = |postgres: &mut Postgres| postgres.set_read_only(true);
            let end = |postgres: &mut Postgres| postgres.set_read_only(false);
            stack.postgres(for_a_time(one.lasts, begin, end)).await
        }
        Fault::Cut(side) => trouble(node, side, Trouble::Cut, one.lasts).await,
        Fault::Delay(side) => {
            let added = u64::try_from(one.lasts.as_millis()).unwrap_or(0) % DELAY_MS.1;
            let delay = Duration::from_millis(DELAY_MS.0 + added);
            trouble(node, side, Trouble::Delay(delay), one.lasts).await
        }
        Fault::HalfClose(side) => {
            trouble(node, side, Trouble::HalfClose(one.flip), one.lasts).await
        }
        Fault::BlackHole(side) => trouble(node, side, Trouble::BlackHole, one.lasts).await,
        Fault::PostgresSilence(silence) => {
            trouble(node, Side::Postgres, Trouble::Silence(silence), one.lasts).await
        }
    }
}

/// Does something to a server and, after a time, undoes it. Blocks meanwhile: nobody else may touch it.
fn for_a_time<S>(
    lasts: Duration,
    begin: impl FnOnce(&mut S) -> Result<(), roomwire_dev::Error>,
    end: impl FnOnce(&mut S) -> Result<(), roomwire_dev::Error>,
) -> impl FnOnce(&mut S) -> Result<(), roomwire_dev::Error> {
    move |server| {
        begin(server)?;
        std::thread::sleep(lasts);
        end(server)
    }
}

/// Sets the gateway's clock ahead or back for a time.
async fn jump(node: &Node, ahead: bool, lasts: Duration) -> Result<(), StackError> {
    let Some(clock) = &node.clock else {
        return Ok(());
    };
    let seconds = if ahead { JUMP_SECONDS } else { -JUMP_SECONDS };
    clock.set(seconds).map_err(StackError::Clock)?;
    sleep(lasts).await;
    clock.set(0).map_err(StackError::Clock)
}

async fn trouble(
    node: &Node,
    side: Side,
    trouble: Trouble,
    lasts: Duration,
) -> Result<(), StackError> {
    let proxy: Option<&Proxy> = match side {
        Side::Redis => node.to_redis.as_ref(),
        Side::Postgres => node.to_postgres.as_ref(),
        Side::Clients => node.to_clients.as_ref(),
    };
    if let Some(proxy) = proxy {
        proxy.trouble(Some(trouble));
        sleep(lasts).await;
        proxy.trouble(None);
    }
    Ok(())
}

/// Sends one command to Redis. One that is down at that moment has lost more than this would do.
pub async fn command(stack: &Stack, command: &str) -> Result<(), StackError> {
    let asked = async {
        let mut stream = TcpStream::connect(stack.redis_address()).await?;
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await?;
        match answer.get(..length) {
            Some([b'-', ..]) => Err(io::Error::other(format!("redis refused {command}"))),
            _ => Ok(()),
        }
    };
    match timeout(COMMAND_DEADLINE, asked).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::Other => Err(StackError::Proxy(error)),
        _ => Ok(()),
    }
}
