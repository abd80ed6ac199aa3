//! Rooms whose members come and go, in scenarios against real gateways.

use serde_json::Value;

use crate::read::{count, failed, failures, latency};
use crate::run::run;

/// People of all contracts, who come back now and then; much moving in small rooms, so that many come back
/// to a room that they have left.
const COMING_AND_GOING: &str = r#"
name = "people of all kinds come and go"
seed = 11
gateways = 2
lag_max_ms = 60000

[rooms]
count = 10
members = { from = 3, to = 16, zipf = 1.1 }

[[people]]
share = 2
contract = "rooms"
reconnects = 6

[[people]]
contract = "chats"
reconnects = 6

[[people]]
contract = "chats-2018"
transport = "upgrade"
reconnects = 3

[[phases]]
name = "ramp"
seconds = 4
people = 40
messages = 50
reads = 3
marks = 5

[[phases]]
name = "hold"
seconds = 12
leaves = 8
joins = 8
"#;

#[tokio::test(flavor = "multi_thread")]
async fn members_of_all_kinds_come_and_go_and_hear_what_is_theirs_and_no_more() {
    let (report, output) = run(COMING_AND_GOING.to_owned(), "").await;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(failures(&report), Vec::<&Value>::new());
    assert_eq!(output.status.code(), Some(0), "{words}");
    for operation in ["leave", "join"] {
        let times = latency(&report, "hold", operation);
        assert!(times["count"].as_u64() > Some(40), "{times}");
    }
    assert!(latency(&report, "hold", "return")["count"].as_u64() > Some(5));
    assert!(count(&report, "in all", "unread counts compared") > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_goes_on_hearing_a_room_after_leaving_it_is_found() {
    let (report, output) = run(COMING_AND_GOING.to_owned(), "keep-leavers:5").await;
    assert_eq!(output.status.code(), Some(2));
    let name = "messages heard after leaving";
    assert!(failed(&report, name) > 0, "{report:#}");
    let failures = failures(&report);
    let found = failures.iter().find(|of| of["name"] == name).unwrap();
    let story = found["told"][0].as_str().unwrap();
    assert!(
        story.contains("left at") && story.contains("due at"),
        "{story}"
    );
}
