//! The command itself, as far as it goes without a gateway.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test"
)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn servers_prints_both_urls_and_ends_cleanly_on_sigterm() {
    let mut child = start(&["servers"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("DATABASE_URL=postgres://roomwire@127.0.0.1:")
    );
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("REDIS_URL=redis://127.0.0.1:")
    );

    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();

    let process = child.id();
    let done = child.wait_with_output().unwrap();
    let messages = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{messages}");
    assert!(messages.contains("stopped Postgres") && messages.contains("stopped Redis"));
    let left = std::env::temp_dir().read_dir().unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.starts_with("roomwire-") && name.contains(&format!("-{process}-"))
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn a_taken_port_is_told_before_anything_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let done = start(&["--port", &port]).wait_with_output().unwrap();
    let messages = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        messages.starts_with(&format!("error: 127.0.0.1:{port} is in use")),
        "{messages}"
    );
}

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_roomwire-dev"))
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}
