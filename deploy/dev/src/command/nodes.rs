//! The gateways of one `cargo dev`: their output, their accidents and their end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use roomwire_dev::gateway::Gateway;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::console;
use super::gateway_program::GatewayProgram;
use super::interrupt::Interrupt;

/// How long a gateway may take to end after SIGTERM.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// How much of the output of a dead gateway is shown.
const LAST_LINES: usize = 30;

/// The URLs of one node.
#[derive(Debug)]
pub(super) struct NodeUrls {
    pub(super) public: String,
    pub(super) admin: String,
}

/// Where the nodes are on their way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Killing,
}

/// Running gateways, each watched by a task. Dropping kills them.
#[derive(Debug)]
pub(super) struct Nodes {
    urls: Vec<NodeUrls>,
    phase: watch::Sender<Phase>,
    tasks: JoinSet<()>,
}

impl Nodes {
    /// Starts them one after the other; each is ready before the next starts.
    pub(super) async fn start(program: &GatewayProgram, count: u8) -> anyhow::Result<Self> {
        let (phase, _) = watch::channel(Phase::Running);
        let mut nodes = Self {
            urls: Vec::new(),
            phase,
            tasks: JoinSet::new(),
        };
        for number in 1..=count {
            console::progress(&format!("starting node {number}"));
            let gateway = Gateway::spawn(&program.path, &program.env).await?;
            nodes.urls.push(NodeUrls {
                public: gateway.url().to_owned(),
                admin: gateway.admin_url().to_owned(),
            });
            nodes
                .tasks
                .spawn(watch_over(number, gateway, nodes.phase.subscribe()));
        }
        Ok(nodes)
    }

    pub(super) fn urls(&self) -> &[NodeUrls] {
        &self.urls
    }

    /// The public listeners.
    pub(super) fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let parse = |urls: &NodeUrls| urls.public.trim_start_matches("http://").parse();
        self.urls
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .context("a node has no address")
    }

    /// Returns when the last of them has died.
    pub(super) async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Asks all of them to end and waits; a further interrupt kills what is left.
    pub(super) async fn stop(mut self, interrupt: &mut Interrupt) {
        self.phase.send_replace(Phase::Stopping);
        loop {
            tokio::select! {
                () = self.all_ended() => return,
                () = interrupt.next() => { self.phase.send_replace(Phase::Killing); }
            }
        }
    }
}

/// Shows what the gateway writes, until it dies or is to be stopped.
async fn watch_over(number: u8, mut gateway: Gateway, mut phase: watch::Receiver<Phase>) {
    let (before, mut lines) = gateway.follow();
    for line in before.lines() {
        show(number, line);
    }
    let mut writes = true;
    loop {
        tokio::select! {
            biased;
            line = lines.recv(), if writes => match line {
                Ok(line) => show(number, &line),
                Err(RecvError::Lagged(lost)) => show(number, &format!("({lost} lines lost)")),
                Err(RecvError::Closed) => writes = false,
            },
            status = gateway.wait() => return report_death(number, &gateway, status),
            _ = phase.wait_for(|phase| *phase != Phase::Running) => break,
        }
    }
    stop(number, &mut gateway, &mut phase).await;
}

async fn stop(number: u8, gateway: &mut Gateway, phase: &mut watch::Receiver<Phase>) {
    // If it has ended by itself in the meantime, waiting tells.
    gateway.signal("TERM").ok();
    let ended = tokio::select! {
        ended = timeout(STOP_DEADLINE, gateway.wait()) => ended.ok().and_then(Result::ok),
        _ = phase.wait_for(|phase| *phase == Phase::Killing) => None,
    };
    if let Some(status) = ended {
        console::progress(&format!("stopped node {number} ({status})"));
        return;
    }
    gateway.signal("KILL").ok();
    gateway.wait().await.ok();
    console::progress(&format!("killed node {number}, which had not ended"));
}

fn report_death(
    number: u8,
    gateway: &Gateway,
    status: Result<std::process::ExitStatus, roomwire_dev::Error>,
) {
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let output = gateway.output();
    let lines: Vec<&str> = output.lines().collect();
    console::complain(&format!("node {number} has died ({how}); its last output:"));
    for line in lines.iter().skip(lines.len().saturating_sub(LAST_LINES)) {
        show(number, line);
    }
}

fn show(number: u8, line: &str) {
    console::complain(&format!("node {number} | {line}"));
}
