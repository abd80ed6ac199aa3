//! The checker finds each bug that is planted in a gateway, and none in the gateway as it is.

use std::process::{Command, Output};

use serde_json::Value;

use crate::deployment::{alone, gateway};
use crate::read::{failed, figure, part};

/// Runs `verify`, with a plant if one is named, and returns its report beside its output.
async fn verify(plant: &'static str, flags: &'static str) -> (Value, Output) {
    verify_with(("ROOMWIRE_PLANT", plant), plant, flags).await
}

/// As [`verify`], with a variable in the environment of checker and gateways.
async fn verify_with(
    (variable, value): (&'static str, &'static str),
    plant: &'static str,
    flags: &'static str,
) -> (Value, Output) {
    let _alone = alone().await;
    let run = move || {
        let gateway = if plant.is_empty() {
            gateway("roomwire-gateway", &[])
        } else {
            let features = ["--features", "planted-faults"];
            gateway("roomwire-gateway-planted", &features)
        };
        Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"))
            .args(["verify", "--json", "--gateway"])
            .arg(gateway)
            .args(flags.split_ascii_whitespace())
            .env(variable, value)
            .env_remove("JWT_HS256_SECRET")
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    (
        report.unwrap_or_else(|error| panic!("{error}: {words}")),
        output,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_hint_is_found() {
    // The next message of a room shows that one is missing, so many rooms must be quiet for long:
    // of some forty dropped hints more than half are the last of their room for five seconds.
    let flags = "--seed 5 --users 12 --rooms 80 --rate 12 --duration 14 --late-after 5 \
                 --reconnects 0";
    let (report, output) = verify("drop-hints:3", flags).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(failed(&report, "late") > 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_an_upgrade_loses_is_found() {
    let flags = "--seed 3 --users 12 --rooms 4 --rate 120 --duration 12 --late-after 5 \
                 --reconnects 60 --transports upgrade";
    let (report, output) = verify("lose-at-upgrade:1", flags).await;
    assert_eq!(output.status.code(), Some(2));
    let found = ["late", "lost"].map(|kind| failed(&report, kind));
    assert!(found.iter().sum::<u64>() > 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_after_an_upgrade_has_failed_is_found() {
    let flags = "--seed 3 --users 12 --rooms 4 --rate 120 --duration 10 --late-after 5 \
                 --reconnects 60 --transports upgrade --fronts breaking";
    let (report, output) = verify("double-after-probe:1", flags).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(failed(&report, "doubled") > 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_behind_fronts_that_repeat_polls_and_break_upgrades() {
    let flags = "--seed 5 --users 12 --rooms 4 --rate 60 --duration 12 --late-after 10 \
                 --reconnects 30 --transports polling,upgrade --fronts repeating,breaking";
    let (report, output) = verify("", flags).await;
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let notes = report["notes"].to_string();
    assert!(notes.contains("were repeated"), "{notes}");
    assert!(!notes.contains(" 0 polls"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_unknown_outcome_that_is_sent_again_under_new_ids_is_found() {
    let flags = "--seed 5 --users 12 --rooms 4 --rate 250 --duration 20 --late-after 5 --reconnects 0 \
                 --faults postgres-cut,postgres-restart";
    let (report, output) = verify("new-ids", flags).await;
    assert_eq!(output.status.code(), Some(2));
    // What was acknowledged is not what is there, also where nothing had been stored before.
    let found = ["lost", "doubled", "phantom"].map(|kind| failed(&report, kind));
    assert!(found.iter().sum::<u64>() > 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_behind_a_pooler_whatever_dies() {
    let flags = "--seed 7 --users 12 --rooms 4 --rate 60 --duration 15 --pooler session \
                 --faults postgres-cut,postgres-restart,postgres-silent,gateway-kill";
    let (report, output) = verify("", flags).await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(figure(&report, "", "acknowledged") > 200.0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_before_its_commit_is_found() {
    let flags = "--seed 5 --users 12 --rooms 3 --rate 60 --duration 6 --late-after 4";
    let (report, output) = verify("deliver-before-commit", flags).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(failed(&report, "phantom") > 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_without_a_cursor_is_found() {
    // One room with writers on all nodes: their batches cross each other all the time.
    let flags = "--seed 5 --users 12 --rooms 1 --rate 250 --duration 8 --late-after 4";
    let (report, output) = verify("skip-cursor-check", flags).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(failed(&report, "reordered") > 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_does_not_go_on_is_found_unless_clients_join_again() {
    let forgets = ("FEED_MEMORY_HOURS", "0");
    let flags = "--seed 5 --users 12 --rooms 3 --rate 60 --duration 8 --late-after 4 \
                 --reconnects 20";
    let (report, output) = verify_with(forgets, "", flags).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(failed(&report, "late") > 0, "{report:#}");
    let flags = "--seed 5 --users 12 --rooms 3 --rate 60 --duration 8 --late-after 4 \
                 --reconnects 20 --join-again";
    let (_, output) = verify_with(forgets, "", flags).await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_in_the_gateway_as_it_is_whatever_dies() {
    let flags = "--seed 13 --users 16 --rooms 6 --rate 40 --duration 25 --faults all";
    let (report, output) = verify("", flags).await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}");
    for (key, more_than) in [
        ("acknowledged", 300.0),
        ("of these by chats", 100.0),
        ("digests", 50.0),
        ("feeds that went on", 10.0),
        ("heard at a return", 50.0),
    ] {
        assert!(figure(&report, "", key) > more_than, "{report:#}");
    }
    let struck = part(&report, "faults")["rows"].as_array().unwrap();
    assert!(struck.len() >= 14, "{struck:?}");
    let story = report["notes"][0].as_str().unwrap();
    assert_eq!(story, "seed 13");
}

#[test]
fn what_makes_no_sense_is_refused_and_an_absent_target_is_told() {
    let code = |flags: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"));
        program
            .arg("verify")
            .args(flags)
            .env_remove("JWT_HS256_SECRET");
        program.output().unwrap().status.code()
    };
    assert_eq!(code(&["--faults", "fire"]), Some(1));
    assert_eq!(code(&["--url", "http://127.0.0.1:1"]), Some(1));
    let strikes_others = ["--url", "http://127.0.0.1:1", "--faults", "all"];
    assert_eq!(code(&strikes_others), Some(1));
    let absent = ["--url", "http://127.0.0.1:1", "--jwt-secret", "s"];
    assert_eq!(code(&absent), Some(2));
}
