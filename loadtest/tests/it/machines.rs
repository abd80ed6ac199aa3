//! One scenario played by several processes against real gateways.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use roomwire_loadtest::deployment::stack::{Setting, Stack};
use secrecy::SecretString;
use serde_json::Value;

use crate::deployment::{alone, gateway};
use crate::read::{count, failed, failures, latency};

const SECRET: &str = "a secret of gateways, coordinator and workers";
/// Longer than any step takes, however slow this machine is.
const PATIENCE: Duration = Duration::from_mins(3);

/// A scenario that fails on nothing but the truth.
fn scenario(seconds: u32) -> String {
    format!(
        "name = \"two of them\"\nlag_max_ms = 60000\n\
         [rooms]\ncount = 7\nmembers = {{ from = 2, to = 6 }}\n\
         [[people]]\nreconnects = 6\n[[people]]\ncontract = \"chats\"\n\
         [[phases]]\nname = \"come\"\nseconds = 2\npeople = 17\nmessages = 20\n\
         [[phases]]\nname = \"stay\"\nseconds = {seconds}\nreads = 4\nmarks = 4\n\
         [[faults]]\nat = 3\nkind = \"storm\"\n\
         [thresholds]\n\"come: connect count\" = \"= 17\"\n"
    )
}

/// A process whose lines to standard error are read as they come.
struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_roomwire-loadtest"))
            .args(arguments)
            .env("JWT_HS256_SECRET", SECRET)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // A test that has failed reads no more.
                sender.send(line).unwrap_or_default();
            }
        });
        Self {
            child,
            lines: receiver,
            said: Vec::new(),
        }
    }

    /// Waits for a line that holds this.
    fn hear(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in {:#?}", self.said));
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Its end, and what it wrote to standard error.
    fn end(mut self) -> (ExitStatus, String) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        (self.child.wait().unwrap(), self.said.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended needs no end.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok();
    }
}

/// A coordinator and two workers at work; removes the scenario's file with itself.
struct Machines {
    coordinator: Process,
    workers: [Process; 2],
    out: PathBuf,
}

impl Machines {
    fn start(scenario: &str, urls: &[String]) -> Self {
        let name = format!("roomwire-machines-{:08x}", rand::random::<u32>());
        let out = std::env::temp_dir().join(name);
        fs::create_dir(&out).unwrap();
        let file = out.join("scenario.toml");
        fs::write(&file, scenario).unwrap();
        let (file, folder) = (file.to_str().unwrap(), out.to_str().unwrap());
        let mut coordinator = Process::start(&[
            "coordinator",
            file,
            "--workers",
            "2",
            "--listen",
            "127.0.0.1:0",
            "--out",
            folder,
        ]);
        let line = coordinator.hear("waiting at ");
        let address = line.split_whitespace().nth(2).unwrap();
        let worker = || {
            let mut arguments = vec!["worker", "--coordinator", address];
            for url in urls {
                arguments.extend(["--url", url]);
            }
            Process::start(&arguments)
        };
        let workers = [worker(), worker()];
        Self {
            coordinator,
            workers,
            out,
        }
    }

    /// The coordinator's result, its exit code, and how the workers ended.
    fn end(self) -> (Value, Option<i32>, [(ExitStatus, String); 2]) {
        let (status, words) = self.coordinator.end();
        let report = fs::read(self.out.join("result.json"));
        let report = report.unwrap_or_else(|error| panic!("{error}: {words}"));
        fs::remove_dir_all(&self.out).unwrap();
        let workers = self.workers.map(Process::end);
        for said in workers.iter().map(|(_, said)| said).chain([&words]) {
            assert!(!said.contains(SECRET), "{said}");
        }
        let report = serde_json::from_slice(&report).unwrap();
        (report, status.code(), workers)
    }
}

/// Runs a blocking test with two real gateways.
async fn with_gateways(test: impl FnOnce(Vec<String>) + Send + 'static) {
    let _alone = alone().await;
    let build = || gateway("roomwire-gateway", &[]);
    let program = tokio::task::spawn_blocking(build).await.unwrap();
    let setting = Setting {
        nodes: 2,
        ..Setting::default()
    };
    let secret = SecretString::from(SECRET);
    let stack = Stack::start(Some(program), &secret, &setting);
    let stack = Box::pin(stack).await.unwrap();
    let urls = stack.urls();
    let tested = tokio::task::spawn_blocking(move || test(urls)).await;
    stack.stop().await.unwrap();
    tested.unwrap();
}

/// The two numbers that a worker tells at its end: messages acknowledged, and deliveries.
fn told(said: &str) -> [u64; 2] {
    let line = said.lines().find(|line| line.contains("was taken"));
    let line = line.unwrap_or_else(|| panic!("nothing was taken: {said}"));
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    [(); 2].map(|()| numbers.next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_play_one_scenario_and_the_result_is_of_both() {
    with_gateways(|urls| {
        let (report, code, workers) = Machines::start(&scenario(4), &urls).end();
        assert_eq!(failures(&report), Vec::<&Value>::new());
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!(latency(&report, "come", "connect")["count"], 17);
        let mut sums = [0; 2];
        for (status, said) in &workers {
            assert_eq!(status.code(), Some(0), "{said}");
            let told = told(said);
            assert!(told.iter().all(|number| *number > 0), "{said}");
            sums = [sums[0] + told[0], sums[1] + told[1]];
        }
        let [acknowledged, deliveries] = sums;
        assert_eq!(count(&report, "in all", "acknowledged"), acknowledged);
        let heard =
            ["come", "stay"].map(|phase| latency(&report, phase, "delivery")["count"].clone());
        let heard = heard.iter().filter_map(Value::as_u64).sum::<u64>();
        assert_eq!(heard, deliveries);
        // Each worker cut its own people's connections, at the same moment of the scenario.
        let returns = latency(&report, "stay", "return")["count"].as_u64();
        assert!(returns >= Some(17), "{returns:?}");
        assert_eq!(report["timeline"]["faults"].as_array().unwrap().len(), 1);
        assert_eq!(failed(&report, "workers that were lost"), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_in_the_middle_is_told_and_the_rest_is_reported() {
    with_gateways(|urls| {
        let mut machines = Machines::start(&scenario(9), &urls);
        machines.coordinator.hear("stay: ");
        machines.workers[0].child.kill().unwrap();
        let (report, code, workers) = machines.end();
        assert_eq!(code, Some(2));
        let lost = failures(&report);
        assert_eq!(lost.len(), 1, "{report:#}");
        assert_eq!(failed(&report, "workers that were lost"), 1);
        let words = lost[0]["told"][0].as_str().unwrap();
        assert!(words.starts_with("worker "), "{words}");
        let (status, said) = &workers[1];
        assert_eq!(status.code(), Some(0), "{said}");
        assert_eq!(count(&report, "in all", "acknowledged"), told(said)[0]);
    })
    .await;
}
