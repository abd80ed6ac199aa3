//! "Did it arrive?": what became of one message, from the store and from every node.
//!
//! Nodes remember what they did with the latest messages (`telemetry/journal`) and tell it on their
//! admin ports; the store has all messages, but not who was shown them.

mod ask;
mod report;

use std::{collections::HashMap, io::Write, str::FromStr};

use anyhow::Context as _;
use futures_util::future::join_all;
use roomwire_shared::{MessageId, RoomId};

use self::{
    ask::{Asking, Told},
    report::Report,
};
use crate::{
    bus,
    config::{Postgres, PostgresArgs, Problems, Redis, RedisArgs},
    store::Store,
};

/// Messages of one trace that are explained.
const MESSAGES_MAX: usize = 20;

/// What to explain, and whom to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// Id of the message (24 hexadecimal digits), or of its trace (32).
    id: Subject,
    /// Admin port of a node, as in <http://10.0.0.7:9090>, instead of those that Redis knows. May be
    /// given several times.
    #[arg(long = "node", value_name = "URL")]
    nodes: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    postgres: PostgresArgs,
    #[command(flatten)]
    redis: RedisArgs,
}

/// A message, or the messages of a trace.
#[derive(Debug, Clone)]
enum Subject {
    Message(MessageId),
    Trace(String),
}

impl FromStr for Subject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match text.parse() {
            Ok(message) => Ok(Self::Message(message)),
            Err(_) if hex && text.len() == 32 => Ok(Self::Trace(text.to_owned())),
            Err(_) => Err("expected 24 or 32 hexadecimal digits, in lower case"),
        }
    }
}

/// Looks everywhere and writes what was found. True if nothing speaks against the message having
/// been given to every socket that it was for.
pub(crate) async fn explain(args: ExplainArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut problems = Problems::default();
    let postgres = args.postgres.resolve(&mut problems);
    // Without Redis the nodes must be named.
    let redis = if args.nodes.is_empty() {
        args.redis.resolve(&mut problems)
    } else {
        None
    };
    let (Some(postgres), true) = (postgres, problems.is_empty()) else {
        return Err(problems.into());
    };
    let asking = Asking::new(nodes(redis.as_ref(), &args.nodes).await?)?;
    let messages = match args.id {
        Subject::Message(message) => vec![message],
        Subject::Trace(trace) => {
            let mut found = asking.of_trace(&trace).await;
            anyhow::ensure!(
                !found.is_empty(),
                "no node remembers a message of trace {trace}"
            );
            found.truncate(MESSAGES_MAX);
            found
        }
    };
    let reports = reports(&postgres, &asking, messages).await?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &reports)?;
        writeln!(out)?;
    } else {
        for report in &reports {
            write!(out, "{report}")?;
        }
    }
    Ok(reports.iter().all(Report::is_well))
}

/// Those that were named, or those that Redis knows of, by name and address. A node without a lease
/// has ended, or is about to be taken for dead.
async fn nodes(
    redis: Option<&Redis>,
    named: &[String],
) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let Some(redis) = redis else {
        let named = named.iter().map(|url| (url.clone(), Some(url.clone())));
        return Ok(named.collect());
    };
    let known = bus::directory(redis).await;
    let known = known.context("redis does not tell which nodes there are, name them by --node")?;
    Ok(known
        .into_iter()
        .map(|(node, address)| {
            let url = address.map(|address| format!("http://{address}"));
            (node.to_string(), url)
        })
        .collect())
}

async fn reports(
    postgres: &Postgres,
    asking: &Asking,
    messages: Vec<MessageId>,
) -> anyhow::Result<Vec<Report>> {
    let store = Store::new(postgres)?;
    let mut evidence = HashMap::new();
    for message in &messages {
        let known = store.evidence(*message).await;
        evidence.insert(*message, known?);
    }
    store.close().await;
    let each = messages.into_iter().map(|message| {
        let evidence = evidence.remove(&message).flatten();
        async move {
            let room: Option<RoomId> = evidence.map(|evidence| evidence.room);
            let told: Vec<Told> = asking.about(message, room).await;
            Report::new(message, evidence, told)
        }
    });
    Ok(join_all(each).await)
}
