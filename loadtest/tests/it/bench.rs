//! What the measurements report about a stand-in, and which faults they catch.

use std::process::{Command, Output, Stdio};

use clap::Parser;
use roomwire_dev::servers::{Durability, Postgres};
use roomwire_loadtest::command::CommandError;
use roomwire_loadtest::command::cli::Cli;
use roomwire_loadtest::command::run::run;
use roomwire_loadtest::result::Report;
use roomwire_loadtest::result::stats::float;
use serde_json::Value;

use crate::stand_in::{Fault, SECRET, StandIn};

/// Without warm-up and floor, to be short.
const DELIVERIES: &str = "bench deliveries --shape 2x5 --rate 200 --warm-up 0 --seconds 1 \
                          --floor-seconds 0";
const WITH_FLOOR: &str = "bench deliveries --shape 2x5 --rate 200 --warm-up 1 --seconds 1 \
                          --floor-seconds 1";
const IDLE: &str =
    "bench idle --connections 19 --room-members 10 --messages 10 --rate 200 --rest 0";
const CHURN: &str = "bench churn --cycles 100 --at-once 4 --room-members 2 --transports websocket";
const APPENDS: &str = "bench appends --senders 6 --rooms 3 --seconds 1 --warm-up 0 --window 2";

pub(crate) async fn report(command: &str, server: &StandIn) -> Result<Report, CommandError> {
    let url = server.url();
    let words = ["roomwire-loadtest"]
        .into_iter()
        .chain(command.split_ascii_whitespace());
    let flags = ["--url", &url, "--jwt-secret", SECRET];
    run(&Cli::try_parse_from(words.chain(flags)).unwrap()).await
}

async fn problems(fault: Fault) -> Vec<String> {
    let server = StandIn::start(fault).await;
    report(DELIVERIES, &server).await.unwrap().problems()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_counted_timed_and_compared_to_the_floor() {
    let server = StandIn::start(Fault::None).await;
    let report = report(WITH_FLOOR, &server).await.unwrap();
    assert_eq!(report.problems(), Vec::<String>::new());
    let figure = |key| report.value("2 x 5", key);
    assert_eq!(
        (figure("deliveries"), figure("expected")),
        (Some(800.0), Some(800.0))
    );
    let shape = report.part("2 x 5").unwrap();
    assert_eq!(shape.latencies[0].latencies.count(), 800);
    assert_eq!(figure("msg/frame"), Some(1.0));
    assert!(figure("floor").is_some() && figure("msg/read").is_some());
    assert!(shape.row("us/delivery").unwrap().ratio().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_delivery_fails_the_run() {
    assert_eq!(
        problems(Fault::Loses).await,
        ["2 x 5: 1 deliveries of acknowledged messages lost"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_delivery_fails_the_run() {
    assert_eq!(
        problems(Fault::Doubles).await,
        ["2 x 5: 1 deliveries came twice"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_deliveries_fail_the_run() {
    assert_eq!(
        problems(Fault::Swaps).await,
        ["2 x 5: 1 deliveries came out of the order of their positions"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_fails_the_run_with_the_servers_words() {
    let problems = problems(Fault::Refuses).await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("1 messages refused") && problems[0].contains("NOT_FOUND"));
    assert!(problems[1].contains("1 messages never acknowledged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_come_and_go_as_often_as_is_asked_for() {
    let server = StandIn::start(Fault::None).await;
    let report = report(CHURN, &server).await.unwrap();
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(report.value("", "cycles"), Some(100.0));
    assert!(report.value("", "bytes/cycle").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_rounded_up_and_all_hear_everything() {
    let server = StandIn::start(Fault::None).await;
    // Its memory stands still, unlike that of a process with other tests in it.
    let mut quiet = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let report = report(&format!("{IDLE} --pid {}", quiet.id()), &server).await;
    drop(quiet.stdin.take());
    assert!(quiet.wait().unwrap().success());
    let report = report.unwrap();
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(report.value("idle", "connections"), Some(20.0));
    assert_eq!(report.value("after traffic", "messages"), Some(20.0));
    assert_eq!(report.value("after traffic", "deliveries"), Some(180.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_are_measured_in_many_rooms_and_in_one_next_to_the_database() {
    let postgres = tokio::task::spawn_blocking(|| Postgres::start(Durability::Fast));
    let postgres = postgres.await.unwrap().unwrap();
    let server = StandIn::start(Fault::None).await;
    let command = format!("{APPENDS} --database-url {}", postgres.url());
    let report = report(&command, &server).await.unwrap();
    assert_eq!(report.problems(), Vec::<String>::new());
    for name in ["3 room(s)", "1 room(s)"] {
        let part = report.part(name).unwrap();
        let acked = part.latencies[0].latencies.count();
        assert_eq!(part.row("acked").unwrap().value, Some(float(acked)));
        assert!(part.row("acked/s").unwrap().ratio().is_some(), "{name}");
    }
    assert_eq!(report.value("baseline", "connections"), Some(64.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_keeps_everybody_out_is_an_error() {
    let server = StandIn::start(Fault::KeepsOut).await;
    let error = report(IDLE, &server).await.unwrap_err();
    assert!(error.to_string().contains("UNAUTHORIZED"), "{error}");
}

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"));
    command
        .args(arguments)
        .env_remove("JWT_HS256_SECRET")
        .output()
        .unwrap()
}

async fn program_on(fault: Fault) -> Output {
    let server = StandIn::start(fault).await;
    let url = server.url();
    let pid = std::process::id().to_string();
    let mut arguments: Vec<String> = DELIVERIES
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    for argument in [
        "--url",
        &url,
        "--pid",
        &pid,
        "--jwt-secret",
        SECRET,
        "--json",
    ] {
        arguments.push(argument.to_owned());
    }
    let run = move || program(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_run_exits_with_0_and_prints_json() {
    let output = program_on(Fault::None).await;
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["command"], &json["passed"]),
        (&"bench deliveries".into(), &true.into())
    );
    let table = String::from_utf8(output.stderr).unwrap();
    assert!(
        table.contains("us/delivery") && table.contains("2 x 5"),
        "{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_can_be_kept_as_files() {
    let folder = std::env::temp_dir().join(format!("roomwire-out-{:08x}", rand::random::<u32>()));
    let server = StandIn::start(Fault::None).await;
    let command = format!("{DELIVERIES} --out {}", folder.display());
    let ended = tokio::task::spawn_blocking(move || {
        let (url, pid) = (server.url(), std::process::id().to_string());
        let target = ["--url", &url, "--pid", &pid, "--jwt-secret", SECRET];
        let words: Vec<&str> = command.split_ascii_whitespace().chain(target).collect();
        program(&words)
    });
    assert_eq!(ended.await.unwrap().status.code(), Some(0));
    let json = std::fs::read(folder.join("result.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (&json["schema"], &json["passed"]),
        (&1.into(), &true.into())
    );
    let summary = std::fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(
        summary.starts_with("# bench deliveries: passed\n"),
        "{summary}"
    );
    assert!(summary.contains("|  | 2 x 5 |"), "{summary}");
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("bench deliveries") && page.contains("us/delivery"));
    let kept = folder.to_str().unwrap();
    assert_eq!(program(&["compare", kept, kept]).status.code(), Some(0));
    assert_eq!(
        program(&["compare", kept, "rumours"]).status.code(),
        Some(1)
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_check_exits_with_2() {
    let output = program_on(Fault::Doubles).await;
    assert_eq!(output.status.code(), Some(2));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["passed"], false);
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("FAILED: ")
    );
}

#[test]
fn wrong_usage_exits_with_1_and_an_absent_target_with_2() {
    let code = |arguments: &[&str]| program(arguments).status.code();
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["bench", "nothing"]), Some(1));
    assert_eq!(
        code(&["bench", "idle", "--url", "http://127.0.0.1:1"]),
        Some(1)
    );
    let absent = [
        "bench",
        "idle",
        "--url",
        "http://127.0.0.1:1",
        "--jwt-secret",
        "s",
    ];
    assert_eq!(code(&absent), Some(2));
}
