//! `cargo dev`: servers, gateways and the front, until Ctrl-C.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use roomwire_dev::Error;
use roomwire_dev::front::Front;
use roomwire_dev::servers::{Prometheus, Servers};

use super::gateway_program::GatewayProgram;
use super::interrupt::{self, Interrupt};
use super::nodes::Nodes;
use super::welcome::Welcome;
use super::{UpOptions, console, observe, servers};

/// With this, Ctrl-C does not wait for sockets to be closed at a production pace.
const DRAIN_SECONDS: &str = "1";

/// What the nodes write is shown as it is, so only what matters should be written.
const LOG_FILTER: &str = "warn";

/// What runs beside the servers, in the order in which it is stopped.
struct Stack {
    prometheus: Option<Prometheus>,
    front: Front,
    nodes: Nodes,
}

/// Runs until interrupted. Whatever has been started ends in every case.
pub(super) async fn run(
    options: &UpOptions,
    interrupt: &mut Interrupt,
) -> anyhow::Result<ExitCode> {
    check_port(options.port)?;
    let servers = tokio::select! {
        servers = servers::start() => servers?,
        () = interrupt.next() => return Ok(interrupt::EXIT_CODE.into()),
    };
    let stack = tokio::select! {
        stack = start(options, &servers) => stack,
        () = interrupt.next() => {
            servers::stop(servers).await;
            return Ok(interrupt::EXIT_CODE.into());
        }
    };
    let outcome = match stack {
        Ok(Stack {
            prometheus,
            front,
            mut nodes,
        }) => {
            tokio::select! {
                () = nodes.all_ended() => Err(anyhow::anyhow!("no gateway is left")),
                () = interrupt.next() => {
                    drop(prometheus);
                    drop(front);
                    nodes.stop(interrupt).await;
                    Ok(ExitCode::SUCCESS)
                }
            }
        }
        Err(error) => Err(error),
    };
    servers::stop(servers).await;
    outcome
}

/// Builds, migrates, starts the nodes and the front, and tells the user about them.
async fn start(options: &UpOptions, servers: &Servers) -> anyhow::Result<Stack> {
    console::progress("building the gateway");
    let gateway = GatewayProgram::build(options.release, environment(servers)).await?;
    console::progress("migrating the database");
    gateway.migrate().await?;
    let nodes = Nodes::start(&gateway, options.nodes).await?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let front = Front::start(listen, nodes.addresses()?).await?;
    let prometheus = if options.observe {
        observe::start(nodes.urls()).await?
    } else {
        None
    };
    let welcome = Welcome {
        front: front.addr(),
        nodes: nodes.urls(),
        prometheus: prometheus.as_ref(),
        alice: gateway.token("alice", "Alice").await?,
        bob: gateway.token("bob", "Bob").await?,
    };
    console::say(&welcome.text(servers));
    Ok(Stack {
        prometheus,
        front,
        nodes,
    })
}

/// Fails before anything is started, rather than after minutes of building.
fn check_port(port: u16) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("{} (--port)", Error::AddressTaken(address))
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// What the gateways get beside the environment of this process.
fn environment(servers: &Servers) -> Vec<(&'static str, String)> {
    let mut env = vec![
        ("DATABASE_URL", servers.database_url().to_owned()),
        ("REDIS_URL", servers.redis_url().to_owned()),
    ];
    let defaults = [
        ("JWT_HS256_SECRET", secret()),
        ("RUST_LOG", LOG_FILTER.to_owned()),
        ("DRAIN_SECONDS", DRAIN_SECONDS.to_owned()),
    ];
    let is_open = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
    env.extend(defaults.into_iter().filter(|(name, _)| is_open(name)));
    env
}

/// Good for this run only: two random numbers of 128 bits in hexadecimal.
fn secret() -> String {
    format!(
        "{:032x}{:032x}",
        rand::random::<u128>(),
        rand::random::<u128>()
    )
}
