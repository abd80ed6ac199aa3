//! Commands that play a scenario more than once: the search for a limit, and the comparison with
//! another program.

use serde_json::Value;

use crate::deployment::played;
use crate::read::failures;

/// Six people who talk at 30 messages a second for two seconds.
const SMALL: &str = "
name = \"small\"
lag_max_ms = 60000
[rooms]
count = 2
members = 3
[[phases]]
name = \"arrive\"
seconds = 1
people = 6
[[phases]]
name = \"talk\"
seconds = 0
messages = 30
[[phases]]
name = \"hold\"
seconds = 2
";

fn row<'a>(report: &'a Value, part: &str, key: &str) -> &'a Value {
    let parts = report["parts"].as_array().unwrap();
    let part = parts.iter().find(|of| of["name"] == part);
    let rows = part.unwrap_or_else(|| panic!("no {part:?} in {report:#}"))["rows"].as_array();
    let row = rows.unwrap().iter().find(|row| row["key"] == key);
    row.unwrap_or_else(|| panic!("no {key:?} in {report:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_lies_where_a_threshold_breaks() {
    // What is counted breaks at the same load on every machine: 60 at first, 120 twice, then between.
    let scenario = format!("{SMALL}[thresholds]\n\"hold: messages\" = \"< 90\"\n");
    let search = &["find-limit", "--seed", "7", "--within", "1.5", "--quiet"];
    let (report, output) = played(search, scenario, "").await;
    assert_eq!(failures(&report), Vec::<&Value>::new());
    assert_eq!(output.status.code(), Some(0));
    let load = |key| row(&report, "limit", key)["value"].as_f64().unwrap();
    let (held, broke) = (load("highest load that held"), load("lowest that broke"));
    assert!(
        held < broke && (30.0..60.0).contains(&held),
        "{held} {broke}"
    );
    let notes = report["notes"].to_string();
    assert!(notes.contains("what gave out at"), "{notes}");
    assert_eq!(report["timeline"]["over_load"], "messages/s");
    let curves = report["timeline"]["curves"].as_array().unwrap();
    let points = curves[0]["points"].as_array().unwrap();
    let parts = report["parts"].as_array().unwrap();
    assert_eq!(points.len() + 1, parts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_comparison_play_the_same() {
    let rounds = &[
        "versus",
        "--rounds",
        "2",
        "--warm-up",
        "0",
        "--name",
        "other",
    ];
    let (report, output) = played(rounds, SMALL.to_owned(), "").await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(failures(&report), Vec::<&Value>::new());
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.contains("round 2 of 2"), "{words}");
    let name = report["parts"][0]["name"].as_str().unwrap();
    let (scenario, _) = name.split_once(", ").unwrap();
    for side in ["roomwire", "other"] {
        let acked = row(&report, &format!("{scenario}, hold: {side}"), "acked/s");
        assert!(acked["value"].as_f64() > Some(10.0), "{acked}");
        assert_eq!(acked["spread"].as_array().unwrap().len(), 2);
        let lost = row(
            &report,
            &format!("{scenario}, truth: {side}"),
            "lost deliveries",
        );
        assert_eq!(lost["value"], 0.0);
    }
    let ours = row(
        &report,
        &format!("{scenario}, hold: roomwire"),
        "us/delivery",
    );
    assert_eq!(ours["base"]["of"], "other");
}
