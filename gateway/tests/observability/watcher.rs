//! Looks at a real Prometheus as whoever is called at night does: what fires, and what a query says.

use std::collections::BTreeSet;
use std::time::Duration;

use roomwire_dev::servers::{Prometheus, Watch};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::compressed::compressed;
use super::files;
use super::served::leave_out;

/// Between two scrapes; a busy machine must answer within it.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long an alert may take to fire once its fault is there.
const FIRING_DEADLINE: Duration = Duration::from_mins(1);
/// How long it may take to end: longer than the longest window, compressed.
const QUIET_DEADLINE: Duration = Duration::from_mins(3);

/// An alert by name and severity.
pub(crate) type Alert = (String, String);

/// A Prometheus with the rules in compressed time.
#[derive(Debug)]
pub(crate) struct Watcher {
    prometheus: Prometheus,
    http: reqwest::Client,
}

impl Watcher {
    /// One whose rules run so many times faster. None where the machine has no Prometheus, which has
    /// then been said aloud; with `CI` in the environment that is a failure.
    pub(crate) async fn start(factor: u64) -> Option<Self> {
        let rules = files::rules().into_iter();
        let rules = rules.map(|(name, text)| (name, compressed(&text, factor)));
        let watch = Watch {
            interval: INTERVAL,
            rules: rules.collect(),
        };
        let started = spawn_blocking(move || Prometheus::start(&watch)).await;
        match started.unwrap() {
            Ok(prometheus) => Some(Self {
                prometheus,
                http: reqwest::Client::new(),
            }),
            Err(roomwire_dev::Error::Missing(what)) => {
                leave_out(&what);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Scrapes these admin ports and no others.
    pub(crate) fn scrape(&self, nodes: &[String]) {
        self.prometheus.scrape(nodes).unwrap();
    }

    /// What its API says below `/api/v1`.
    pub(crate) async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut url = reqwest::Url::parse(self.prometheus.url()).unwrap();
        url.set_path(&format!("/api/v1/{path}"));
        url.query_pairs_mut().extend_pairs(query);
        let answer = self.http.get(url).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["status"], "success", "{query:?}: {answer}");
        answer["data"].clone()
    }

    /// The series that a query gives now.
    pub(crate) async fn query(&self, query: &str) -> Vec<Value> {
        let data = self.ask("query", &[("query", query)]).await;
        data["result"].as_array().unwrap().clone()
    }

    /// Its clock, in seconds.
    pub(crate) async fn now(&self) -> f64 {
        let data = self.ask("query", &[("query", "time()")]).await;
        data["result"][0].as_f64().unwrap()
    }

    /// What fires now, after a look at what its texts say.
    pub(crate) async fn firing(&self) -> BTreeSet<Alert> {
        let alerts = self.ask("alerts", &[]).await;
        let alerts = alerts["alerts"].as_array().unwrap();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing
            .map(|alert| {
                let text = |path: &str| alert.pointer(path).unwrap().as_str().unwrap().to_owned();
                let description = text("/annotations/description");
                assert!(
                    !description.contains("<no value>") && !description.contains("<error"),
                    "{description}"
                );
                (text("/labels/alertname"), text("/labels/severity"))
            })
            .collect()
    }

    /// Waits until this alert fires.
    pub(crate) async fn fires(&self, name: &str, severity: &str) {
        let wanted = (name.to_owned(), severity.to_owned());
        let end = Instant::now() + FIRING_DEADLINE;
        loop {
            let firing = self.firing().await;
            if firing.contains(&wanted) {
                return;
            }
            assert!(
                Instant::now() < end,
                "{name} ({severity}) never fires, but {firing:?}"
            );
            sleep(INTERVAL / 2).await;
        }
    }

    /// Waits until none of these fires.
    pub(crate) async fn ends(&self, names: &[&str]) {
        self.quiet(|name| names.contains(&name)).await;
    }

    /// Waits until nothing fires.
    pub(crate) async fn all_end(&self) {
        self.quiet(|_| true).await;
    }

    async fn quiet(&self, is_meant: impl Fn(&str) -> bool) {
        let end = Instant::now() + QUIET_DEADLINE;
        loop {
            let mut firing = self.firing().await;
            firing.retain(|(name, _)| is_meant(name));
            if firing.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "still firing: {firing:?}");
            sleep(INTERVAL).await;
        }
    }

    /// Waits until a query gives something.
    pub(crate) async fn shows(&self, query: &str) {
        let end = Instant::now() + FIRING_DEADLINE;
        while self.query(query).await.is_empty() {
            assert!(Instant::now() < end, "never any {query}");
            sleep(INTERVAL / 2).await;
        }
    }
}
