//! Each drill, small: it ends, fails on nothing, and its figures are those of what was done.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::deployment;
use crate::read::{count, failures, figure};

/// Runs a drill with these flags and returns its report. Nothing may be found.
async fn drill(flags: &'static str) -> Value {
    let (report, output) = drill_with("", flags).await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}");
    report
}

/// Runs a drill against gateways with a planted bug, if one is named.
async fn drill_with(plant: &'static str, flags: &'static str) -> (Value, Output) {
    let _alone = deployment::alone().await;
    let run = move || {
        let gateway: PathBuf = if plant.is_empty() {
            deployment::gateway("roomwire-gateway", &[])
        } else {
            let features = ["--features", "planted-faults"];
            deployment::gateway("roomwire-gateway-planted", &features)
        };
        Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"))
            .arg("drill")
            .args(flags.split_ascii_whitespace())
            .args(["--json", "--seed", "3", "--users", "40", "--members", "8"])
            .arg("--gateway")
            .arg(gateway)
            .env("ROOMWIRE_PLANT", plant)
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {words}"));
    (report, output)
}

fn delivered(report: &Value) -> [f64; 3] {
    ["before", "during", "after"].map(|part| figure(report, part, "heard"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_announced_and_nothing_is_lost_when_gateways_restart() {
    let report = drill("restart --before 8 --after 3 --drain-seconds 2 --rate 40").await;
    assert!(delivered(&report).iter().all(|count| *count > 0.0));
    // Everybody is sent away at least once on the way, whoever was moved to the next one twice.
    let reconnects = figure(&report, "return", "reconnects");
    assert!(reconnects >= 40.0, "{report:#}");
    for watcher in 0..3 {
        figure(&report, &format!("watcher {watcher}"), "comings");
    }
    for node in report["details"]["readiness"].as_array().unwrap() {
        let turns = node.as_array().unwrap();
        let gone = turns.iter().any(|turn| turn[1] == false);
        assert!(gone && turns.last().unwrap()[1] == true, "{turns:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_cuts_everybody_once_and_brings_everybody_back() {
    let report = drill("storm --before 4 --after 4 --rate 20").await;
    let reconnects = count(&report, "return", "reconnects");
    assert_eq!(reconnects, 40, "{report:#}");
    assert_eq!(failures(&report), Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_while_redis_is_away_and_after_it_was_emptied() {
    let away = drill("redis-away --before 4 --during 6 --after 4 --rate 40").await;
    assert!(
        delivered(&away).iter().all(|count| *count > 0.0),
        "{away:#}"
    );
    let erased = drill("redis-erased --before 4 --after 4 --rate 40").await;
    assert!(
        delivered(&erased).iter().all(|count| *count > 0.0),
        "{erased:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_alone_is_deaf_leaves_the_service_and_comes_back() {
    let report = drill("redis-black-hole --before 4 --during 10 --after 12 --rate 40").await;
    let nodes = report["details"]["readiness"].as_array().unwrap();
    let turns: Vec<Vec<bool>> = nodes
        .iter()
        .map(|turns| turns.as_array().unwrap().iter())
        .map(|turns| turns.map(|turn| turn[1] == true).collect())
        .collect();
    assert_eq!(turns, [vec![true, false, true], vec![true], vec![true]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_after_a_failover_that_lost_the_newest_is_there_and_heard() {
    let flags = "postgres-failover --before 4 --during 1 --after 6 --rate 60 --late-after 15";
    let report = drill(flags).await;
    let lost = count(&report, "messages", "of these lost by the database");
    let after = count(&report, "messages", "acknowledged after");
    assert!(lost > 10 && after > 100, "{report:#}");
    let (report, output) = drill_with("ignore-rewinds", flags).await;
    assert_eq!(output.status.code(), Some(2));
    let unheard = |check: &&Value| check["name"].as_str().unwrap().contains("not heard");
    assert!(failures(&report).iter().any(unheard), "{report:#}");
}
