//! `get_list_chat`, one after the other: what it costs, how long it takes, how large its answer is.

use std::time::Instant;

use roomwire_shared::chats::event::GET_LIST_CHAT;
use serde_json::json;

use super::{Bench, socket};
use crate::client::{Connection, event_payload};
use crate::command::CommandError;
use crate::deployment::rows::Group;
use crate::meters::cost::{Background, Cost};
use crate::result::stats::{Latencies, float, ratio};

/// Chats asked for, in one request.
const LIMITS: [u32; 2] = [20, 100];

/// What is different between the measurements of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    /// Chats that the asking user is in.
    pub(super) chats: u32,
    /// Messages in each chat.
    pub(super) messages: u32,
    /// Whether all of them have been read by everybody, or none by anybody.
    pub(super) read: bool,
}

/// What a list costs.
#[derive(Debug)]
pub(super) struct ListFigures {
    pub(super) condition: Condition,
    pub(super) limit: u32,
    pub(super) cost: Cost,
    pub(super) answer_bytes: Option<f64>,
    pub(super) latency: Latencies,
    /// What went wrong with the answer.
    pub(super) problem: Option<String>,
}

/// Measures both limits as the owner of the group.
pub(super) async fn measure(
    bench: &Bench<'_>,
    group: &Group,
    condition: Condition,
) -> Result<Vec<ListFigures>, CommandError> {
    let mut connections = socket::connect(bench.access, &[group.owner()]).await?;
    let connection = connections.pop();
    let connection = connection.ok_or(CommandError::Generator("nobody is connected"))?;
    let background = bench.meters.background(bench.flags.idle()).await?;
    let mut asking = Asking {
        connection,
        next_id: 0,
    };
    let mut figures = Vec::new();
    for limit in LIMITS {
        let measured = asking.measure((bench, &background), condition, limit);
        figures.push(measured.await?);
    }
    asking.connection.close().await;
    Ok(figures)
}

struct Asking {
    connection: Connection,
    next_id: u64,
}

impl Asking {
    async fn measure(
        &mut self,
        (bench, background): (&Bench<'_>, &Background),
        condition: Condition,
        limit: u32,
    ) -> Result<ListFigures, CommandError> {
        let (meters, flags) = (&bench.meters, bench.flags);
        let expected = usize::try_from(limit.min(condition.chats)).unwrap_or_default();
        let mut problem = None;
        for _ in 0..flags.warm_up.max(1) {
            let listed = socket::data(&self.list(limit).await?)?;
            let listed = listed.as_array().map_or(0, Vec::len);
            if listed != expected {
                problem = Some(format!("{listed} chats listed instead of {expected}"));
            }
        }
        let mut latencies = Latencies::new();
        let mut bytes = 0;
        let before = meters.read().await?;
        for _ in 0..flags.lists {
            let asked = Instant::now();
            let answer = self.list(limit).await?;
            latencies.record(asked.elapsed());
            bytes += answer.len() as u64;
        }
        let after = meters.read().await?;
        Ok(ListFigures {
            condition,
            limit,
            cost: meters.cost((&before, &after), background, flags.lists),
            answer_bytes: ratio(float(bytes), f64::from(flags.lists)),
            latency: latencies,
            problem,
        })
    }

    async fn list(&mut self, limit: u32) -> Result<crate::client::Payload, CommandError> {
        let payload = event_payload(GET_LIST_CHAT, &[json!({ "limit": limit })]);
        let id = self.next_id;
        self.next_id += 1;
        socket::ask(&mut self.connection, (id, &payload)).await
    }
}
