//! Coordinators with workers that play nothing, but say what a test wants.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::coordinator::{CoordinatorFlags, coordinate};
use super::greeting::enter;
use super::line::{LineReader, LineWriter};
use super::proof::Keys;
use super::share::{Share, shares};
use super::wire::{LINE_MAX, TO_WORKER_BYTES_MAX, ToWorker};
use super::worker::reach;
use crate::command::CommandError;
use crate::deployment::flags::OutputFlags;
use crate::load::scenario::Scenario;
use crate::result::Report;
use crate::result::stats::{Coarse, Latencies};

const SECRET: &str = "a secret of coordinator and workers";

const SCENARIO: &str = "
name = \"tea\"
[rooms]
count = 5
members = 2
[[phases]]
name = \"all\"
seconds = 1
people = 10
messages = 20
";

/// A coordinator of two workers, and where it listens.
async fn coordinator() -> (JoinHandle<Result<Report, CommandError>>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let flags = CoordinatorFlags {
        scenario: PathBuf::new(),
        workers: 2,
        listen: address,
        wait_seconds: 60,
        jwt_secret: SecretString::from(SECRET),
        admin_url: Vec::new(),
        seed: None,
        quiet: true,
        output: OutputFlags {
            json: false,
            out: None,
        },
    };
    let task = tokio::spawn(async move {
        let scenario = Scenario::parse(SCENARIO).unwrap();
        let shares = shares(&scenario, 7, 2).unwrap();
        coordinate(listener, (&scenario, 7), shares, &flags).await
    });
    (task, address)
}

struct Fake(LineReader, LineWriter);

impl Fake {
    async fn join(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let keys = Keys::new(&SecretString::from(SECRET));
        let (reader, writer) = enter(stream, &keys).await.unwrap();
        Self(reader, writer)
    }

    async fn tell(&mut self, what: Value) {
        self.1.tell(&what, usize::MAX, LINE_MAX).await.unwrap();
    }

    async fn hear(&mut self) -> ToWorker {
        loop {
            let said = self.0.hear(TO_WORKER_BYTES_MAX, LINE_MAX).await;
            if let Some(said) = said.unwrap() {
                return said;
            }
        }
    }

    async fn share(&mut self) -> Share {
        match self.hear().await {
            ToWorker::Share(share) => *share,
            other => panic!("no share: {other:?}"),
        }
    }

    async fn start(&mut self) {
        self.tell(json!({ "ready": {} })).await;
        let said = self.hear().await;
        assert!(matches!(said, ToWorker::Start { .. }), "{said:?}");
        self.tell(json!({ "begun": {} })).await;
    }
}

/// Two workers that have started.
async fn two(address: SocketAddr) -> [Fake; 2] {
    let mut one = Fake::join(address).await;
    let mut other = Fake::join(address).await;
    let shares = (one.share().await, other.share().await);
    let rooms = [&shares.0, &shares.1].map(|share| share.scenario.rooms.count);
    assert_eq!(rooms.iter().sum::<u32>(), 5);
    if shares.0.number == 2 {
        std::mem::swap(&mut one, &mut other);
    }
    tokio::join!(one.start(), other.start());
    [one, other]
}

/// What came of a share in whose only phase so many deliveries took so long.
fn outcome(phase: &str, deliveries: u64, ms: u64, lost: u64) -> Value {
    let (mut times, mut stretch) = (Latencies::new(), Coarse::default());
    for _ in 0..deliveries {
        times.record(Duration::from_millis(ms));
        stretch.record(Duration::from_millis(ms));
    }
    let stretch = json!({
        "messages": deliveries, "acks": Coarse::default(), "deliveries": stretch, "failures": 1,
    });
    let time = |secs: u64| json!({ "secs": secs, "nanos": 0 });
    json!({ "outcome": {
        "generator": {
            "conducted": {
                "lag": Latencies::new(), "unsent": 0, "storms": [], "settled_in": time(lost),
            },
            "cores": 0.25, "kib": 30, "notes": ["it was late"],
        },
        "ended": {
            "phases": [{
                "name": phase, "times": { "Delivery": times }, "counts": { "messages": deliveries },
            }],
            "course": [time(1), [[time(0), stretch]]],
            "checks": [{ "part": null, "name": "lost", "failed": lost, "told": ["a story"] }],
            "acknowledged": deliveries,
            "unread_compared": 1,
        },
    } })
}

fn failed(report: &Report, name: &str) -> (u64, Vec<String>) {
    let check = report.checks.iter().find(|check| check.name == name);
    let check = check.unwrap();
    (check.failed, check.told.clone())
}

#[tokio::test]
async fn the_result_is_that_of_all_workers_together() {
    let (report, address) = coordinator().await;
    let [mut one, mut other] = two(address).await;
    other.tell(json!({ "over": {} })).await;
    other.tell(outcome("all", 2, 9, 0)).await;
    one.tell(outcome("all", 3, 400, 1)).await;
    for fake in [&mut one, &mut other] {
        assert!(matches!(fake.hear().await, ToWorker::Taken {}));
    }
    let report = report.await.unwrap().unwrap();
    assert_eq!(report.command, "run tea");
    let all = report.part("all").unwrap();
    assert_eq!(all.row("messages").unwrap().value, Some(5.0));
    let summary = all.latencies[0].latencies.summary();
    assert!(summary.count == 5 && summary.max_ms > 390.0, "{summary:?}");
    assert_eq!(report.value("in all", "acknowledged"), Some(5.0));
    assert_eq!(report.value("in all", "generator"), Some(0.5));
    assert_eq!(report.value("in all", "generator KiB/person"), Some(6.0));
    assert_eq!(report.value("in all", "settled in"), Some(1.0));
    let stories = ["worker 1: a story", "worker 2: a story"].map(str::to_owned);
    assert_eq!(failed(&report, "lost"), (1, stories.to_vec()));
    assert_eq!(failed(&report, "workers that were lost").0, 0);
    assert!(report.notes.contains(&"worker 2: it was late".to_owned()));
    let notes = report.notes.join("\n");
    assert!(
        notes.contains("2 workers, whose starts were heard within"),
        "{notes}"
    );
    let curves = &report.timeline.unwrap().curves;
    let rate = curves
        .iter()
        .find(|curve| curve.chart == "Deliveries a second");
    assert_eq!(rate.unwrap().points, [(0.5, 5.0)]);
}

#[tokio::test]
async fn whoever_is_lost_in_the_middle_is_told_and_the_rest_is_reported() {
    let (report, address) = coordinator().await;
    let [one, mut other] = two(address).await;
    drop(one);
    other.tell(outcome("all", 2, 9, 0)).await;
    let report = report.await.unwrap().unwrap();
    let (lost, told) = failed(&report, "workers that were lost");
    assert!(
        lost == 1 && told[0].starts_with("worker 1 (127.0.0.1:"),
        "{told:?}"
    );
    assert!(!report.passed());
    assert_eq!(report.value("all", "messages"), Some(2.0));
}

#[tokio::test]
async fn what_is_not_of_the_scenario_or_not_due_loses_its_worker() {
    let (report, address) = coordinator().await;
    let [mut one, mut other] = two(address).await;
    one.tell(outcome("rumours", 2, 9, 0)).await;
    other.tell(json!({ "ready": {} })).await;
    let report = report.await.unwrap().unwrap();
    let (lost, told) = failed(&report, "workers that were lost");
    let told = told.join("\n");
    assert!(lost == 2 && told.contains("not of this scenario"), "{told}");
    assert!(told.contains("not due"), "{told}");
    assert_eq!(report.part("all").unwrap().latencies.len(), 0);
}

#[tokio::test]
async fn nobody_starts_if_one_cannot() {
    let (report, address) = coordinator().await;
    let (mut one, mut other) = (Fake::join(address).await, Fake::join(address).await);
    one.share().await;
    other.share().await;
    one.tell(json!({ "ready": {} })).await;
    let why = "no room\u{7}";
    other.tell(json!({ "failed": { "why": why } })).await;
    let error = report.await.unwrap().unwrap_err();
    assert!(
        !error.is_usage() && error.to_string().contains("no room "),
        "{error}"
    );
    match one.hear().await {
        ToWorker::GiveUp { why } => assert!(why.contains("before the start"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_worker_waits_for_gateways_that_come_after_it() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let urls = [format!("http://{}", socket.local_addr().unwrap())];
    // The port is taken, but nobody listens yet.
    let error = reach(&urls, Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains(&urls[0][7..]), "{error}");
    let waiting = tokio::spawn(async move { reach(&urls, Duration::from_mins(1)).await });
    let _listener = socket.listen(8).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
}
