//! How a pod ended, and what it answered meanwhile.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::probes::{Answer, ask};

/// How often a pod that ends is asked.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long an answer may take, on a busy machine.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);
/// Who ends sooner may not have been asked meanwhile.
const QUICK: Duration = Duration::from_secs(5);

/// The answers of one path, each change once.
type Answers = Vec<Answer>;

/// How a pod ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pod: String,
    status: Option<ExitStatus>,
    /// From SIGTERM to its end.
    pub(crate) took: Duration,
    /// It failed its startup or liveness probe, for which Kubernetes kills a container.
    pub(crate) failed_liveness: bool,
    /// It had not ended when the grace period was over.
    pub(crate) was_killed: bool,
    /// Nobody had asked it to end.
    pub(crate) ended_by_itself: bool,
    readyz: Answers,
    livez: Answers,
    output: String,
}

/// Looks on while a pod ends.
pub(crate) struct Look {
    ended: watch::Sender<bool>,
    readyz: JoinHandle<Answers>,
    livez: JoinHandle<Answers>,
}

impl Look {
    /// Begins to ask a pod.
    pub(crate) fn at(admin: SocketAddr) -> Self {
        let (ended, end) = watch::channel(false);
        Self {
            ended,
            readyz: tokio::spawn(look(admin, "/readyz", end.clone())),
            livez: tokio::spawn(look(admin, "/livez", end)),
        }
    }
}

/// Notes what a path answers until the end, and once after that.
async fn look(address: SocketAddr, path: &'static str, end: watch::Receiver<bool>) -> Answers {
    let mut answers = Vec::new();
    loop {
        let is_last = *end.borrow();
        let answer = ask(address, path, LOOK_PATIENCE).await;
        if answers.last() != Some(&answer) {
            answers.push(answer);
        }
        if is_last {
            return answers;
        }
        sleep(LOOK_EVERY).await;
    }
}

impl Ending {
    /// Of this pod, which has not ended yet.
    pub(crate) fn of(pod: &str) -> Self {
        Self {
            pod: pod.to_owned(),
            ..Self::default()
        }
    }

    /// It failed a probe for which a container is killed.
    pub(crate) fn after_failing_probes(self) -> Self {
        Self {
            failed_liveness: true,
            ..self
        }
    }

    /// It ended although nobody asked it to.
    pub(crate) fn by_itself(self, status: ExitStatus) -> Self {
        Self {
            status: Some(status),
            ended_by_itself: true,
            ..self
        }
    }

    /// It ended after it was sent SIGTERM.
    pub(crate) async fn asked_for(self, status: ExitStatus, took: Duration, look: Look) -> Self {
        look.ended.send_replace(true);
        Self {
            status: Some(status),
            took,
            readyz: look.readyz.await.unwrap(),
            livez: look.livez.await.unwrap(),
            ..self
        }
    }

    /// With what it wrote last.
    pub(crate) fn with_output(self, output: String) -> Self {
        Self { output, ..self }
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self) -> Vec<String> {
        let (alive, draining) = (Answer::Status(200), Answer::Status(503));
        let mut readyz = vec![alive, draining, Answer::Nobody];
        if self.took < QUICK && !self.readyz.contains(&draining) {
            readyz.remove(1);
        }
        let is_good = self.status.is_some_and(|status| status.success());
        let must = |is: bool, what: &str| (!is).then(|| format!("{} {what}", self.pod));
        let mut faults: Vec<String> = [
            must(is_good, "did not end well"),
            must(!self.ended_by_itself, "ended by itself"),
            must(
                !self.failed_liveness,
                "would have been killed for its liveness",
            ),
            must(!self.was_killed, "was killed after the grace period"),
            must(self.readyz == readyz, "/readyz was not 200, 503, nobody"),
            must(
                self.livez == [alive, Answer::Nobody],
                "/livez was not 200 until nobody answered",
            ),
            must(!self.output.contains("panicked at"), "panicked"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !faults.is_empty() {
            faults.push(format!("of {self:?}"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn good() -> Ending {
        let (alive, draining) = (Answer::Status(200), Answer::Status(503));
        Ending {
            status: Some(ExitStatus::from_raw(0)),
            took: Duration::from_secs(25),
            readyz: vec![alive, draining, Answer::Nobody],
            livez: vec![alive, Answer::Nobody],
            ..Ending::default()
        }
    }

    #[test]
    fn a_pod_that_drains_and_ends_has_no_faults() {
        assert_eq!(good().faults(), Vec::<String>::new());
    }

    #[test]
    fn every_other_end_is_a_fault() {
        let alive = Answer::Status(200);
        let wrong = [
            Ending {
                status: Some(ExitStatus::from_raw(0x100)),
                ..good()
            },
            Ending {
                status: None,
                ..good()
            },
            Ending {
                ended_by_itself: true,
                ..good()
            },
            Ending {
                failed_liveness: true,
                ..good()
            },
            Ending {
                was_killed: true,
                ..good()
            },
            Ending {
                readyz: vec![alive, Answer::Nobody],
                ..good()
            },
            Ending {
                readyz: vec![alive, Answer::Status(503), alive, Answer::Nobody],
                ..good()
            },
            Ending {
                livez: vec![alive, Answer::Silence, Answer::Nobody],
                ..good()
            },
            Ending {
                livez: vec![alive],
                ..good()
            },
            Ending {
                output: "thread 'main' panicked at src/main.rs".to_owned(),
                ..good()
            },
        ];
        for ending in wrong {
            assert_eq!(ending.faults().len(), 2, "{ending:?}");
        }
    }
}
