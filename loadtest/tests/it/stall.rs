//! The measurement of a member who stops reading, against gateways that cut it and that do not.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::bench::report;
use crate::stage::gateway;
use crate::stand_in::{Fault, StandIn};

/// So much for so few that the bound is reached within a second or two.
const PRIVATE: &str = "bench stall --members 41 --rate 50 --text-bytes 4096 --seconds 4 \
                       --warm-up 1 --pending-bytes-max 65536 --json";
const SHORT: &str = "bench stall --members 20 --rate 40 --text-bytes 64 --seconds 1 --warm-up 0 \
                     --grace 0";

fn private() -> Output {
    Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"))
        .args(PRIVATE.split_ascii_whitespace())
        .arg("--gateway")
        .arg(gateway("roomwire-gateway", &[]))
        .env_remove("JWT_HS256_SECRET")
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .output()
        .unwrap()
}

#[test]
fn who_stops_reading_is_cut_with_a_reason_between_two_parts_without() {
    let output = private();
    let table = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{table}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["problems"], json!([]));
    let parts = report["result"]["parts"].as_array().unwrap();
    let names: Vec<&Value> = parts.iter().map(|part| &part["part"]).collect();
    assert_eq!(names, ["base", "stalled", "base again"]);
    for part in parts {
        assert_eq!(part["deliveries"], 50 * 4 * 39, "{part}");
        assert_eq!(part["deliveries"], part["latency"]["count"], "{part}");
        assert!(part["rss_kib_highest"].as_u64() >= part["rss_kib_before"].as_u64());
        assert!(part["ratio_p99_to_base"].is_number(), "{part}");
        let stalls = part["part"] == "stalled";
        let (slow, closed) = if stalls {
            (json!({"bytes": 1}), json!({"slow_consumer": 1}))
        } else {
            (json!({}), json!({}))
        };
        assert_eq!(part["slow_consumers"], slow, "{part}");
        assert_eq!(part["connections_closed"], closed, "{part}");
        let cut = part["seconds_until_cut"].as_array().unwrap();
        assert_eq!(cut.len(), usize::from(stalls), "{part}");
    }
    assert_eq!(parts[1]["pending_kib_bound"], 64.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_keeps_who_stops_reading_fails_the_run() {
    let server = StandIn::start(Fault::None).await;
    // Its memory stands still, unlike that of a process with other tests in it.
    let mut quiet = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let report = report(&format!("{SHORT} --pid {}", quiet.id()), &server).await;
    drop(quiet.stdin.take());
    assert!(quiet.wait().unwrap().success());
    let report = report.unwrap();
    assert_eq!(
        report.problems,
        ["stalled: 1 stalled connections not cut within 0 s after the last message"]
    );
    assert_eq!(report.result["parts"][1]["deliveries"], 40 * 18);
    let notes = report.notes.join("\n");
    assert!(notes.contains("no reasons without --admin-url"), "{notes}");
}
