//! The measurement of large rooms and lists on a private stack, small enough for a test.

use std::process::{Command, Output};

use serde_json::Value;

use crate::deployment::{alone, gateway};
use crate::read::{failures, figure, latency};

/// Small, and every number another.
const BENCH: &str = "bench chats --members 30 --base-members 6 --connected 4 --history 12 \
                     --messages 3 --chats 5 --base-chats 2 --chat-messages 3 --growth 4 --lists 7 \
                     --warm-up 1 --idle-seconds 1 --json";

fn bench() -> Output {
    Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"))
        .args(BENCH.split_ascii_whitespace())
        .arg("--gateway")
        .arg(gateway("roomwire-gateway", &[]))
        .env_remove("JWT_HS256_SECRET")
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_lists_are_measured_next_to_smaller_ones() {
    let _alone = alone().await;
    let output = tokio::task::spawn_blocking(bench).await.unwrap();
    let table = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{table}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(failures(&report), Vec::<&Value>::new());
    for members in [6, 30] {
        let name = format!("message, {members} members, 4 connected");
        assert_eq!(latency(&report, &name, "ack")["count"], 3);
        assert_eq!(latency(&report, &name, "last digest")["count"], 3);
        assert!(figure(&report, &name, "Redis") > 0.0);
        let bytes = figure(&report, &name, "B/socket");
        assert!(figure(&report, &name, "digest B/socket") < bytes);
    }
    let mut lists = 0;
    for of in report["parts"].as_array().unwrap() {
        let name = of["name"].as_str().unwrap();
        if name.starts_with("list ") {
            lists += 1;
            assert_eq!(latency(&report, name, "list")["count"], 7, "{of}");
            assert!(figure(&report, name, "answer") > 100.0, "{of}");
        }
    }
    assert_eq!(lists, 8, "{report:#}");
}
