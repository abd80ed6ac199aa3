//! Scenarios against real gateways: what they report, what they find, and how they end.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::deployment::played;
use crate::read::{count, failed, failures, latency};

/// A bundled scenario that fails on nothing but the truth: this machine may be as slow as it likes.
fn patient(scenario: &str) -> String {
    let path = format!("{}/scenarios/{scenario}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let (load, _) = text.split_once("[thresholds]").unwrap();
    load.replacen("gateways =", "lag_max_ms = 60000\ngateways =", 1)
}

/// Plays a scenario, on gateways with a plant if one is named.
pub(crate) async fn run(scenario: String, plant: &'static str) -> (Value, Output) {
    played(&["run"], scenario, plant).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_all_kinds_come_talk_read_and_go_and_nothing_is_missing() {
    let (report, output) = run(patient("smoke"), "").await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(failures(&report), Vec::<&Value>::new());
    assert_eq!(output.status.code(), Some(0), "{words}");
    let sent = count(&report, "hold", "messages");
    assert_eq!(latency(&report, "hold", "ack")["count"], sent);
    assert_eq!(latency(&report, "ramp", "connect")["count"], 60);
    for operation in ["delivery", "read", "mark", "return"] {
        let times = latency(&report, "hold", operation);
        assert!(times["count"].as_u64() > Some(5), "{times}");
    }
    assert!(count(&report, "in all", "unread counts compared") > 5);
    let hold = report["parts"][1]["rows"].as_array().unwrap();
    for cost in ["us/delivery", "Postgres us/message", "Redis us/message"] {
        let row = hold.iter().find(|row| row["key"] == cost).unwrap();
        assert!(row["value"].is_number(), "{row}");
    }
    assert_eq!(report["notes"][0], "seed 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_delivery_in_many_is_found_and_told() {
    let (report, output) = run(patient("smoke"), "lose-delivery:900").await;
    assert_eq!(output.status.code(), Some(2));
    let name = "acknowledged messages missing in a member's feed";
    assert!(failed(&report, name) > 0, "{report:#}");
    let failures = failures(&report);
    let story = failures[0]["told"][0].as_str().unwrap();
    assert!(
        story.contains("room") && story.contains("in the log"),
        "{story}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_though_everything_dies_in_between() {
    let (report, output) = run(patient("chaos"), "").await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(failures(&report), Vec::<&Value>::new());
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(latency(&report, "trouble", "return")["count"].as_u64() > Some(80));
    let timeline = &report["timeline"];
    assert!(
        timeline["faults"].as_array().unwrap().len() >= 5,
        "{timeline}"
    );
    assert!(timeline["curves"][0]["points"].as_array().unwrap().len() > 20);
    let lines = words.lines().filter(|line| line.contains("deliveries/s"));
    assert!(lines.count() > 5, "{words}");
    let notes = report["notes"].to_string();
    for fault in [
        "gateway-kill on gateway 0",
        "redis-kill",
        "gateway-term on gateway 1",
    ] {
        assert!(notes.contains(fault), "{notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_that_is_crossed_ends_with_99() {
    let scenario = "
name = \"too much to ask\"
lag_max_ms = 60000
[rooms]
count = 1
members = 4
[[phases]]
name = \"all\"
seconds = 2
people = 4
messages = 20
[thresholds]
\"ack p99\" = \"< 0.001 ms\"
\"all: delivery count\" = \"> 10\"
";
    let (report, output) = run(scenario.to_owned(), "").await;
    assert_eq!(failures(&report), Vec::<&Value>::new());
    assert_eq!(output.status.code(), Some(99));
    let held: Vec<&Value> = report["thresholds"].as_array().unwrap().iter().collect();
    assert_eq!(held.len(), 2);
    assert_eq!(
        (&held[0]["held"], &held[1]["held"]),
        (&false.into(), &true.into())
    );
    assert_eq!(report["passed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_of_a_busy_chat_is_read_back_over_many_pages() {
    let scenario = "
name = \"away from a busy chat\"
seed = 7
lag_max_ms = 60000
[rooms]
count = 1
members = 4
[[people]]
contract = \"chats\"
reconnects = 40
[[phases]]
name = \"arrive\"
seconds = 1
people = 4
[[phases]]
name = \"talk\"
seconds = 0
messages = 500
[[phases]]
name = \"hold\"
seconds = 4
";
    let (report, output) = run(scenario.to_owned(), "").await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(failures(&report), Vec::<&Value>::new());
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(count(&report, "hold", "reconnects") > 3);
    assert!(count(&report, "in all", "acknowledged") > 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_may_be_another_command_with_its_flags() {
    let scenario = "
name = \"what a delivery costs\"
command = \"bench deliveries\"
[flags]
shape = [\"2x5\"]
rate = 50
warm-up = 0
seconds = 1
floor-seconds = 1
[thresholds]
\"2 x 5: deliveries\" = \"= 200\"
";
    let (report, output) = run(scenario.to_owned(), "").await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert_eq!(report["command"], "run what a delivery costs");
    assert_eq!(count(&report, "2 x 5", "deliveries"), 200);
    assert_eq!(report["thresholds"][0]["held"], true);
}

#[test]
fn a_scenario_that_cannot_be_run_is_refused_with_words() {
    let ended = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"));
        let output = program
            .args(arguments)
            .env_remove("JWT_HS256_SECRET")
            .output();
        let output = output.unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), words)
    };
    let (code, words) = ended(&["run", "rumours"]);
    assert!(code == Some(1) && words.contains("smoke"), "{words}");
    let url = ["--url", "http://127.0.0.1:1", "--jwt-secret", "s"];
    let (code, words) = ended(&[&["run", "chaos"], &url[..]].concat());
    assert!(
        code == Some(1) && words.contains("private stack"),
        "{words}"
    );
    assert_eq!(ended(&[&["run", "smoke"], &url[..]].concat()).0, Some(2));
    assert_eq!(ended(&["scenarios"]).0, Some(0));
    assert_eq!(ended(&["scenarios", "rumours"]).0, Some(1));
}
