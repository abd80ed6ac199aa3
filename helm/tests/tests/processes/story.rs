//! Releases of a chat that people use: an upgrade, the release after it and back again, more gateways and
//! fewer.

use std::sync::Arc;
use std::time::Duration;

use roomwire_chart_tests::Manifest;
use roomwire_dev::front::Front;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::deployment::{Deployment, Ledger};
use super::kubelet::Kubelet;
use super::next_release;
use super::people::{Experience, talk};
use super::release::Release;
use super::service::Service;
use super::stand::Stand;

/// How long people talk before anything is done. Who comes is announced for the first 3 s.
const BEFORE: Duration = Duration::from_secs(6);
/// How long everything that is done takes about, if nothing hinders it.
const ABOUT: Duration = Duration::from_secs(175);
/// How long it may take until no old pod answers any more, and the pause between two looks.
const HEARD_DEADLINE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(250);
/// How long one change may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// What is rendered for each step of the story.
struct Releases {
    first: Release,
    upgrade: Release,
    after: Release,
    more: Release,
    fewer: Release,
}

impl Releases {
    fn render(stand: &Stand) -> Self {
        // One way of migrating to the other and back, so that both meet a newer schema.
        let upgrade = [
            "image.tag=1.1.0",
            "migrations.mode=initContainer",
            "config.pingIntervalMs=20000",
            "podAnnotations.example\\.com/change=second",
        ];
        let scaled = |replicas: &'static str| {
            let mut sets = Vec::from(upgrade);
            sets.push(replicas);
            stand.render(&sets)
        };
        Self {
            first: stand.render(&["replicaCount=3", "image.tag=1.0.0", "migrations.mode=hook"]),
            upgrade: scaled("replicaCount=3"),
            after: stand.render(&["replicaCount=3", "image.tag=2.0.0", "migrations.mode=hook"]),
            more: scaled("replicaCount=5"),
            fewer: scaled("replicaCount=2"),
        }
    }
}

/// What is done while people talk.
struct Play {
    releases: Releases,
    kubelet: Arc<Kubelet>,
    database_url: SecretString,
    deployment: Deployment,
    front: Arc<Front>,
    took: Vec<(&'static str, Duration)>,
}

impl Play {
    async fn play(mut self) -> Self {
        sleep(BEFORE).await;
        self.tell_ping_interval("25000").await;
        self.change("upgrade", self.releases.upgrade.deployment())
            .await;
        self.tell_ping_interval("20000").await;

        next_release::migrate(&self.database_url).await;
        // What stands in for the next release's program knows less than the schema does.
        let hook = self
            .releases
            .after
            .run_hooks("pre-upgrade", &self.kubelet)
            .await;
        self.took
            .push(("migration by a hook, newer schema", hook.unwrap()));
        self.change("the release after", self.releases.after.deployment())
            .await;
        self.change("rollback", self.releases.upgrade.deployment())
            .await;

        self.change("3 to 5", self.releases.more.deployment()).await;
        self.change("5 to 2", self.releases.fewer.deployment())
            .await;
        let quiet = self.deployment.quiet().await;
        self.took.push(("until the last pod had ended", quiet));
        self
    }

    async fn change(&mut self, name: &'static str, manifest: Arc<Manifest>) {
        let took = self.deployment.apply(&manifest, PATIENCE).await;
        self.took.push((name, took));
    }

    /// Waits until all who answer at the Service tell this value of a setting.
    async fn tell_ping_interval(&self, value: &str) {
        let deadline = Instant::now() + HEARD_DEADLINE;
        loop {
            let told = self.ping_intervals().await;
            if told.iter().all(|told| told == value) {
                return;
            }
            assert!(Instant::now() < deadline, "{told:?}");
            sleep(AGAIN).await;
        }
    }

    /// What those tell who answer at the Service, one after the other.
    async fn ping_intervals(&self) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..self.front.connections().len().max(1) {
            let mut stream = TcpStream::connect(self.front.addr()).await.unwrap();
            let request = "GET /realtime/?EIO=4&transport=polling HTTP/1.1\r\nHost: chat\r\n\
                           Connection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (_, after) = answer.split_once("\"pingInterval\":").unwrap();
            told.push(after.split(',').next().unwrap().to_owned());
        }
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_an_upgrade_a_rollback_and_a_change_of_scale() {
    let stand = Stand::start().await;
    let releases = Releases::render(&stand);
    let template = |release: &Release| release.deployment().at("/spec/template").cloned();
    assert_eq!(template(&releases.more), template(&releases.upgrade));

    let hook = releases
        .first
        .run_hooks("pre-install", &stand.kubelet)
        .await;
    let service = Service::start(&releases.first.service()).await;
    let front = service.front();
    let mut deployment = Deployment::new(Arc::clone(&stand.kubelet), service);
    let first = deployment
        .apply(&releases.first.deployment(), PATIENCE)
        .await;
    let play = Play {
        releases,
        kubelet: Arc::clone(&stand.kubelet),
        database_url: stand.database_url.clone(),
        deployment,
        front: Arc::clone(&front),
        took: vec![("migration by a hook", hook.unwrap()), ("install", first)],
    };
    let url = format!("http://{}", front.addr());
    let (experience, play) = talk(&url, &stand.jwt_secret, ABOUT, Box::pin(play.play())).await;
    let ledger = play.deployment.delete().await;
    print(&play.took, &ledger, &experience, &front);

    assert_eq!(experience.findings(), Vec::<String>::new());
    assert!(experience.acknowledged() > 1_000);
    assert!(experience.announcements > 0, "the watchers are deaf");
    assert_eq!(experience.untrue, Vec::<String>::new());
    assert_eq!(front.refusals(), 0);
    assert_eq!(ledger.broken, Vec::<String>::new());
    // Three of each release, three times three, two more, and back to two at the end.
    assert_eq!(ledger.endings.len(), 3 * 4 + 2);
    let faults: Vec<String> = ledger
        .endings
        .iter()
        .flat_map(super::ending::Ending::faults)
        .collect();
    assert_eq!(faults, Vec::<String>::new());
}

fn print(
    took: &[(&'static str, Duration)],
    ledger: &Ledger,
    experience: &Experience,
    front: &Front,
) {
    let mut rows: Vec<(String, String)> = took
        .iter()
        .map(|(name, took)| (format!("{name}, s"), format!("{:.1}", took.as_secs_f64())))
        .collect();
    let longest = ledger.endings.iter().map(|ending| ending.took).max();
    let count = |is: fn(&super::ending::Ending) -> bool| {
        ledger.endings.iter().filter(|ending| is(ending)).count()
    };
    let (reconnects, cut) = experience.reconnects();
    let (put_off, unanswered) = experience.put_off();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    row(
        "longest from SIGTERM to the end, s",
        format!("{:.1}", longest.unwrap_or_default().as_secs_f64()),
    );
    row("pods that ended", ledger.endings.len().to_string());
    row(
        "killed after the grace period",
        count(|e| e.was_killed).to_string(),
    );
    row(
        "killed for their liveness",
        count(|e| e.failed_liveness).to_string(),
    );
    row("promises broken", ledger.broken.len().to_string());
    row("connections refused", front.refusals().to_string());
    row(
        "connects that failed",
        experience.failed_connects().to_string(),
    );
    row("events to be tried again", put_off.to_string());
    row("events without an answer", unanswered.to_string());
    row("reconnects", reconnects.to_string());
    row("of these after a pod's end", cut.to_string());
    row(
        "messages acknowledged",
        experience.acknowledged().to_string(),
    );
    row("announcements", experience.announcements.to_string());
    row("untrue ones", experience.untrue.len().to_string());
    row("findings", experience.findings().len().to_string());
    for (name, value) in rows {
        println!("{name:<40} {value:>8}");
    }
}
