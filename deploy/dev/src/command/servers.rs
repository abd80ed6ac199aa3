//! `cargo dev servers`: only Postgres and Redis, and how every command starts them.

use std::process::ExitCode;

use anyhow::Context as _;
use roomwire_dev::servers::{Durability, Servers};
use tokio::task::spawn_blocking;

use super::console;
use super::interrupt::{self, Interrupt};

/// Runs until interrupted. The two lines on standard output can be read by a shell.
pub(super) async fn run(interrupt: &mut Interrupt) -> anyhow::Result<ExitCode> {
    let servers = tokio::select! {
        servers = start() => servers?,
        () = interrupt.next() => return Ok(interrupt::EXIT_CODE.into()),
    };
    console::say(&format!("DATABASE_URL={}", servers.database_url()));
    console::say(&format!("REDIS_URL={}", servers.redis_url()));
    console::progress("Ctrl-C stops them");
    interrupt.next().await;
    stop(servers).await;
    Ok(ExitCode::SUCCESS)
}

/// Starts what the environment does not name, durable as in production.
pub(super) async fn start() -> anyhow::Result<Servers> {
    console::progress("starting Postgres and Redis");
    let started = spawn_blocking(|| Servers::start(Durability::Real)).await;
    Ok(started.context("starting the servers was cut short")??)
}

/// Stops those that were started here, and says which.
pub(super) async fn stop(servers: Servers) {
    let started = [
        ("Postgres", servers.postgres_pid()),
        ("Redis", servers.redis_pid()),
    ];
    // Stopping waits for processes.
    spawn_blocking(move || drop(servers)).await.ok();
    for (name, pid) in started {
        if let Some(pid) = pid {
            console::progress(&format!(
                "stopped {name} (process {pid}) and removed its files"
            ));
        }
    }
}
