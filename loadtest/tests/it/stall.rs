//! The measurement of a member who stops reading, against gateways that cut it and that do not.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::bench::report;
use crate::deployment::gateway;
use crate::read::{count, failures, figure, latency, part};
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
    assert_eq!(failures(&report), Vec::<&Value>::new());
    for name in ["base", "stalled", "base again"] {
        let deliveries = count(&report, name, "deliveries");
        assert_eq!(deliveries, 50 * 4 * 39, "{name}");
        let latency = latency(&report, name, "delivery");
        assert_eq!(latency["count"], deliveries, "{name}");
        assert!(latency["base"]["ratio"].is_number(), "{latency}");
        assert!(figure(&report, name, "highest") >= figure(&report, name, "RSS"));
        let rows = part(&report, name)["rows"].as_array().unwrap();
        let counted: Vec<&str> = rows
            .iter()
            .filter_map(|row| row["key"].as_str())
            .filter(|key| key.starts_with("cut: ") || key.starts_with("closed: "))
            .collect();
        let stalls = name == "stalled";
        if stalls {
            assert_eq!(counted, ["cut: bytes", "closed: slow_consumer"]);
        } else {
            assert!(counted.is_empty(), "{name}: {counted:?}");
        }
        let cut = figure(&report, name, "cut after");
        assert_eq!(cut.is_nan(), !stalls, "{name}");
    }
    assert_eq!(count(&report, "stalled", "bound"), 64);
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
        report.problems(),
        ["stalled: 1 stalled connections not cut within 0 s after the last message"]
    );
    assert_eq!(report.value("stalled", "deliveries"), Some(720.0));
    let notes = report.notes.join("\n");
    assert!(notes.contains("no reasons without --admin-url"), "{notes}");
}
