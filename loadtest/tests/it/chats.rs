//! The measurement of large rooms and lists on a private stack, small enough for a test.

use std::process::{Command, Output};

use serde_json::Value;

use crate::stage::{alone, gateway};

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
    assert_eq!(report["problems"], serde_json::json!([]));
    let figures = |name: &str| report["result"][name].as_array().unwrap().clone();
    let messages = figures("messages");
    let members: Vec<&Value> = messages.iter().map(|of| &of["members"]).collect();
    assert_eq!(members, [6, 30]);
    for of in &messages {
        assert_eq!(of["ack"]["count"], 3, "{of}");
        assert_eq!(of["last_digest"]["count"], 3, "{of}");
        assert!(of["cost"]["redis_bytes"].is_number(), "{of}");
        assert!(of["digest_bytes_per_socket"].as_f64() < of["bytes_per_socket"].as_f64());
    }
    let lists = figures("lists");
    let conditions: Vec<String> = lists
        .iter()
        .map(|of| format!("{} of {}", of["limit"], of["condition"]))
        .collect();
    assert_eq!(lists.len(), 8, "{conditions:?}");
    for of in &lists {
        assert_eq!(of["latency"]["count"], 7, "{of}");
        assert!(of["answer_bytes"].as_f64() > Some(100.0), "{of}");
    }
}
