//! The measurements of large databases and of rooms that are held or filled, on private stacks small enough for a
//! test.

use std::process::{Command, Output};

use serde_json::Value;

use crate::deployment::{alone, gateway};
use crate::read::{failures, figure, latency};

/// Small, and every number another. Rooms enough that some share a lane with the one that is held.
const QUERIES: &str = "bench queries --rooms 31 --room-messages 5 --members 43 --history 67 --deleted 22 \
                       --asks 2 --warm-up 1 --json";
const NEIGHBOURS: &str = "bench neighbours --shape 12x2 --rate 36 --seconds 2 --warm-up 1 --adding 2 --added 50 \
                          --json";

async fn run(words: &'static str, plant: &'static str) -> Output {
    let run = move || {
        let gateway = if plant.is_empty() {
            gateway("roomwire-gateway", &[])
        } else {
            let features = ["--features", "planted-faults"];
            gateway("roomwire-gateway-planted", &features)
        };
        Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"))
            .args(words.split_ascii_whitespace())
            .arg("--gateway")
            .arg(gateway)
            .env("ROOMWIRE_PLANT", plant)
            .env_remove("JWT_HS256_SECRET")
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn report(output: &Output) -> Value {
    let table = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{table}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(failures(&report), Vec::<&Value>::new());
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_reading_tells_what_it_answered_and_what_it_touched() {
    let _alone = alone().await;
    let report = report(&run(QUERIES, "").await);
    let parts = report["parts"].as_array().unwrap();
    for of in parts {
        let name = of["name"].as_str().unwrap();
        assert_eq!(latency(&report, name, "request")["count"], 2, "{of}");
        assert!(figure(&report, name, "rows touched") > 0.0, "{of}");
    }
    let answered = |name: &str| figure(&report, name, "answered");
    assert!(answered("/chat/messages?limit=20, of 31 rooms") > 19.0);
    assert!(answered("/chat/list?limit=100, of 31 rooms") > 30.0);
    // Behind the deleted ones.
    assert!(answered("/chat/messages?roomId=ROOM&limit=20") > 19.0);
    assert!(answered("/chat/messages?roomId=ROOM&limit=20, read by all") > 19.0);
    assert_eq!(parts.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_measured_while_a_room_is_held_and_while_one_is_filled() {
    let _alone = alone().await;
    let report = report(&run(NEIGHBOURS, "").await);
    for name in [
        "no trouble",
        "a room is held",
        "a room is filled",
        "no trouble again",
    ] {
        assert_eq!(latency(&report, name, "delivery")["count"], 72);
    }
    assert!(figure(&report, "a room is held", "trouble") > 40.0);
    assert!(figure(&report, "a room is filled", "trouble") > 20.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_wait_for_whoever_holds_a_room_are_found() {
    let _alone = alone().await;
    let output = run(NEIGHBOURS, "wait-for-held").await;
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = failures(&report)
        .iter()
        .any(|check| check["part"] == "a room is held");
    assert!(found, "{report:#}");
}
