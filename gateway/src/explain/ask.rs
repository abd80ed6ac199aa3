//! Asks the nodes, each for what it remembers.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use roomwire_shared::{MessageId, RoomId};
use serde::Deserialize;
use serde_json::Value;

use crate::{live::RoomState, telemetry::journal::Passage};

/// How long a node may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What one node has told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) node: String,
    /// It was living when it was asked for its address.
    pub(super) lives: bool,
    /// `None` if it did not answer.
    pub(super) answer: Option<Answer>,
}

/// What it knows of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) passage: Option<Passage>,
    pub(super) room: Option<RoomState>,
}

#[derive(Deserialize)]
struct OfTrace {
    passages: Vec<Passage>,
}

/// The nodes, and the means to ask them.
pub(super) struct Asking {
    client: Client,
    /// By name, with the URL of the admin port.
    nodes: Vec<(String, Option<String>)>,
}

impl Asking {
    pub(super) fn new(nodes: Vec<(String, Option<String>)>) -> reqwest::Result<Self> {
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self { client, nodes })
    }

    /// The messages of a trace that any node remembers.
    pub(super) async fn of_trace(&self, trace: &str) -> Vec<MessageId> {
        let asked = self.nodes.iter().map(|(_, url)| async move {
            let url = format!("{}/messages?trace={trace}", url.as_ref()?);
            let answer: OfTrace = self.get(&url).await?;
            Some(answer.passages)
        });
        let told = join_all(asked).await.into_iter().flatten().flatten();
        let mut passages: Vec<Passage> = told.collect();
        passages.sort_by_key(|passage| (passage.accepted, passage.position));
        let mut messages: Vec<MessageId> = passages.iter().map(|one| one.message).collect();
        messages.dedup();
        messages
    }

    /// What every node knows of a message, and of its room.
    pub(super) async fn about(&self, message: MessageId, room: Option<RoomId>) -> Vec<Told> {
        let asked = self.nodes.iter().map(|(node, url)| async move {
            let room = room.map_or_else(String::new, |room| format!("?room={room}"));
            let url = url
                .as_ref()
                .map(|url| format!("{url}/messages/{message}{room}"));
            let answer = match &url {
                Some(url) => self.get(url).await,
                None => None,
            };
            Told {
                node: node.clone(),
                lives: url.is_some(),
                answer,
            }
        });
        join_all(asked).await
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, url: &str) -> Option<T> {
        let asked = self.client.get(url).send().await.ok()?;
        let answer: Value = asked.error_for_status().ok()?.json().await.ok()?;
        serde_json::from_value(answer).ok()
    }
}
