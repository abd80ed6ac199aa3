//! The drills about Postgres: it dies while its standby lacks the newest of its log, and the standby takes its place; the
//! open connections of one gateway fall silent; it takes no writes for a time; it dies and recovers.
//!
//! What was acknowledged and had not reached the standby is lost by the database, and told as that. Nothing else may be:
//! whatever is acknowledged afterwards must be in the history, and be heard by every member, although it may take places
//! that were taken before. So the clients are simpler than those of `verify`: they stay connected, send each message
//! once, and write down what they are answered and what they hear.

mod judge;
mod people;
mod show;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roomwire_dev::servers::Postgres;
use serde_json::Value;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use self::judge::{Outage, Seen};
use self::people::People;
use super::flags::{Drill, DrillFlags};
use crate::client::Target;
use crate::client::rest::{Rest, RestError};
use crate::client::tokens::Signer;
use crate::command::CommandError;
use crate::crowd::cohort::{Access, Room, Shape};
use crate::deployment::StackError;
use crate::deployment::flags::random_secret;
use crate::deployment::proxy::{Silence, Trouble};
use crate::deployment::stack::{Beside, Setting, Stack, resolve};
use crate::result::Report;

/// Messages asked for at a time.
const PAGE: usize = 200;
/// How often it is looked at whether all has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs it to its end; the deployment is gone afterwards.
pub(super) async fn run(flags: &DrillFlags) -> Result<Report, CommandError> {
    let secret = random_secret();
    let signer = Signer::new(&secret);
    let setting = Setting {
        nodes: flags.nodes,
        struck: true,
        beside: match flags.drill {
            Drill::PostgresFailover => Beside::Standby,
            _ => Beside::Nothing,
        },
        ..Setting::default()
    };
    let stack = Arc::new(flags.run.start(&secret, &setting).await?);
    let seen = Box::pin(observe(flags, &stack, &signer)).await;
    Stack::stop_shared(stack).await?;
    Ok(show::report(flags, &seen?))
}

async fn observe(
    flags: &DrillFlags,
    stack: &Arc<Stack>,
    signer: &Signer,
) -> Result<Seen, CommandError> {
    let gates = resolve(&stack.urls()).await?;
    let access = Access::new(gates.clone(), signer.clone(), "drill".to_owned(), None);
    let load = flags.load();
    let shape = Shape {
        rooms: u16::try_from(load.rooms).unwrap_or(u16::MAX),
        members: flags.members,
    };
    let rooms = access.create(shape).await?;
    let stop = CancellationToken::new();
    let mut people = Box::pin(People::connect(&access, &rooms, stop.clone())).await?;
    let begin = Instant::now();
    let strikes = begin + Duration::from_secs(flags.before.into());
    let struck = {
        let (stack, drill, during) = (Arc::clone(stack), flags.drill, flags.during());
        tokio::spawn(async move {
            sleep_until(strikes.into()).await;
            strike(&stack, drill, during).await
        })
    };
    let sending = people.send(load.per_second, begin + load.lasts);
    sending.await;
    let struck = struck.await;
    let struck = struck.map_err(|_| CommandError::Generator("the fault's task died"))?;
    let outage = struck?;
    let patience = Duration::from_secs(flags.late_after.into());
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && !people.have_all(&outage) {
        sleep(LOOK_EVERY).await;
    }
    let mut history = Vec::new();
    for room in &rooms {
        history.push(numbers(gates.first(), signer, room).await?);
    }
    stop.cancel();
    Ok(people.seen(outage, history).await)
}

/// Does what the drill says, and tells when that was.
async fn strike(stack: &Stack, drill: Drill, during: Duration) -> Result<Outage, StackError> {
    let begun = Instant::now();
    match drill {
        Drill::PostgresFailover => {
            let (begun, ended) = stack.fail_over(during).await?;
            return Ok(Outage {
                begun,
                ended,
                loses: true,
            });
        }
        Drill::PostgresReadOnly => {
            stack
                .postgres(|postgres| postgres.set_read_only(true))
                .await?;
            sleep(during).await;
            stack
                .postgres(|postgres| postgres.set_read_only(false))
                .await?;
        }
        Drill::PostgresRestart => {
            stack.postgres(Postgres::stop_immediately).await?;
            sleep(during).await;
            stack.postgres(Postgres::start_again).await?;
        }
        _ => {
            let first = stack
                .nodes
                .first()
                .and_then(|node| node.to_postgres.as_ref());
            let first = first.ok_or(StackError::NotOurs)?;
            first.trouble(Some(Trouble::Silence(Silence::All)));
            sleep(during).await;
            first.trouble(None);
        }
    }
    Ok(Outage {
        begun,
        ended: Instant::now(),
        loses: false,
    })
}

/// The numbers of a room's messages, in the order of the history.
async fn numbers(
    gate: Option<&Target>,
    signer: &Signer,
    room: &Room,
) -> Result<Vec<usize>, CommandError> {
    let (Some(gate), Some(member)) = (gate, room.members.first()) else {
        return Err(CommandError::Usage("there is no gateway"));
    };
    let (rest, token) = (Rest::new(gate.clone()), signer.sign(&member.user)?);
    let mut pages: HashMap<String, usize> = HashMap::new();
    let mut numbers = Vec::new();
    loop {
        let (id, skip) = (&room.id, pages.len());
        let path = format!("/chat/messages?roomId={id}&limit={PAGE}&skip={skip}");
        let answer = rest.call(http::Method::GET, &path, &token, None).await;
        let answer = answer.map_err(|error: RestError| CommandError::Refused(error.to_string()))?;
        let shown = answer.get("messages").and_then(Value::as_array);
        let shown = shown.map(Vec::as_slice).unwrap_or_default();
        for message in shown {
            let text = |name| {
                message
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            pages.insert(text("_id").to_owned(), numbers.len());
            numbers.extend(people::number(text("message")));
        }
        if shown.len() < PAGE {
            numbers.reverse();
            return Ok(numbers);
        }
    }
}
