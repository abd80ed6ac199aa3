//! The Deployment: brings pods to what the manifest asks for, step by step, and watches over what it
//! promises meanwhile.

use std::sync::Arc;
use std::time::Duration;

use roomwire_chart_tests::Manifest;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::ending::Ending;
use super::kubelet::{Kubelet, Running};
use super::promise::Promise;
use super::rollout::{Bounds, Group, Step, first_to_end, next};
use super::service::Service;

/// How often everything is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long pods may take to end after the last of them was told to.
const END_DEADLINE: Duration = Duration::from_secs(90);

/// What there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Changes of what is wanted that have been taken up.
    generation: u64,
    /// All pods are of the wanted template, as many as wanted, and available: when `kubectl rollout
    /// status` says so.
    is_complete: bool,
    /// Pods that are on their way out.
    pub(crate) ending: usize,
}

/// What became of everything.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Pods that have ended.
    pub(crate) endings: Vec<Ending>,
    /// Promises that were not kept.
    pub(crate) broken: Vec<String>,
}

/// What is wanted; `None` for nothing any more.
type Wanted = (u64, Option<Arc<Manifest>>);

/// A Deployment that is looked after until it is deleted.
#[derive(Debug)]
pub(crate) struct Deployment {
    wanted: watch::Sender<Wanted>,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<Ledger>,
}

impl Deployment {
    /// Begins with nothing; its pods are run by a kubelet and offered to a service.
    pub(crate) fn new(kubelet: Arc<Kubelet>, service: Service) -> Self {
        let (wanted, orders) = watch::channel((0, None));
        let (tell, seen) = watch::channel(Seen::default());
        let controller = Controller {
            kubelet,
            service,
            sets: Vec::new(),
            ending: Vec::new(),
            ledger: Ledger::default(),
            promise: Promise::default(),
            started: 0,
        };
        Self {
            wanted,
            seen,
            task: tokio::spawn(controller.run(orders, tell)),
        }
    }

    /// Wants this from now on, and waits until it is so; returns how long that took.
    pub(crate) async fn apply(&mut self, manifest: &Arc<Manifest>, patience: Duration) -> Duration {
        let begin = Instant::now();
        self.wanted.send_modify(|(generation, wanted)| {
            *generation += 1;
            *wanted = Some(Arc::clone(manifest));
        });
        let generation = self.wanted.borrow().0;
        let complete = |seen: &Seen| seen.generation == generation && seen.is_complete;
        let waiting = timeout(patience, self.seen.wait_for(complete)).await;
        let seen = waiting.map(|seen| *seen.unwrap());
        seen.unwrap_or_else(|_| panic!("not rolled out in time: {:?}", *self.wanted.borrow()));
        begin.elapsed()
    }

    /// Waits until all pods that were to end have ended; returns how long that took.
    pub(crate) async fn quiet(&mut self) -> Duration {
        let begin = Instant::now();
        let waiting = self.seen.wait_for(|seen| seen.ending == 0);
        drop(timeout(END_DEADLINE, waiting).await.unwrap().unwrap());
        begin.elapsed()
    }

    /// Deletes it with its pods, and returns what became of everything.
    pub(crate) async fn delete(mut self) -> Ledger {
        self.wanted.send_replace((u64::MAX, None));
        timeout(END_DEADLINE, &mut self.task)
            .await
            .unwrap()
            .unwrap()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The pods of one template.
struct Set {
    owner: Arc<Manifest>,
    name: String,
    pods: Vec<Running>,
}

struct Controller {
    kubelet: Arc<Kubelet>,
    service: Service,
    /// The oldest first; of the wanted template the last.
    sets: Vec<Set>,
    ending: Vec<JoinHandle<Ending>>,
    ledger: Ledger,
    promise: Promise,
    started: usize,
}

/// What a manifest asks for.
struct Spec {
    replicas: usize,
    bounds: Bounds,
    rest: Duration,
}

impl Spec {
    fn of(manifest: &Manifest) -> Self {
        let number = |path: &str| manifest.at(path).and_then(Value::as_u64);
        let replicas = usize::try_from(number("/spec/replicas").unwrap_or(1)).unwrap();
        let strategy = manifest.at("/spec/strategy").unwrap();
        assert_eq!(strategy["type"], "RollingUpdate");
        Self {
            replicas,
            bounds: Bounds::of(strategy, replicas),
            rest: Duration::from_secs(number("/spec/minReadySeconds").unwrap_or(0)),
        }
    }
}

impl Controller {
    async fn run(mut self, orders: watch::Receiver<Wanted>, tell: watch::Sender<Seen>) -> Ledger {
        loop {
            let (generation, wanted) = orders.borrow().clone();
            self.bury().await;
            let Some(manifest) = wanted else {
                if generation == u64::MAX {
                    return self.end_all().await;
                }
                sleep(TICK).await;
                continue;
            };
            let spec = Spec::of(&manifest);
            self.take_up(&manifest);
            self.step(&spec);
            self.offer();
            let is_complete = self.look(&spec);
            tell.send_if_modified(|seen| {
                let now = Seen {
                    generation,
                    is_complete,
                    ending: self.ending.len(),
                };
                std::mem::replace(seen, now) != now
            });
            sleep(TICK).await;
        }
    }

    /// Makes the set of the wanted template the last one.
    fn take_up(&mut self, manifest: &Arc<Manifest>) {
        let template = |of: &Manifest| of.at("/spec/template").unwrap().clone();
        let wanted = template(manifest);
        let known = self
            .sets
            .iter()
            .position(|set| template(&set.owner) == wanted);
        let set = if let Some(known) = known {
            self.sets.remove(known)
        } else {
            let selector = manifest.at("/spec/selector/matchLabels").unwrap();
            let labels = manifest.pod().unwrap().labels().unwrap();
            let selector = selector.as_object().unwrap();
            assert!(
                selector
                    .iter()
                    .all(|(key, value)| labels.get(key) == Some(value))
            );
            assert!(self.service.selects(labels));
            self.started += 1;
            Set {
                owner: Arc::clone(manifest),
                name: format!("{}-{}", manifest.name(), self.started),
                pods: Vec::new(),
            }
        };
        self.sets.push(set);
    }

    fn step(&mut self, spec: &Spec) {
        let groups: Vec<Group> = self.sets.iter().map(|set| group(set, spec)).collect();
        let (new, old) = groups.split_last().unwrap();
        let last = old.len();
        match next(spec.replicas, spec.bounds, *new, old) {
            Step::Wait => {}
            Step::EndNew(count) => self.end(last, count),
            Step::EndOld(set, count) => self.end(set, count),
            Step::Start(count) => {
                for _ in 0..count {
                    self.started += 1;
                    let set = &mut self.sets[last];
                    let name = format!("{}-{}", set.name, self.started);
                    set.pods.push(self.kubelet.run(&set.owner, &name));
                }
            }
        }
    }

    fn end(&mut self, set: usize, count: usize) {
        let pods = &mut self.sets[set].pods;
        let ready_for: Vec<Option<Duration>> = pods
            .iter()
            .map(|pod| pod.ready_since().map(|since| since.elapsed()))
            .collect();
        let mut chosen = first_to_end(&ready_for, count);
        chosen.sort_unstable();
        for number in chosen.into_iter().rev() {
            self.ending.push(pods.remove(number).delete());
        }
    }

    /// Offers the pods that are ready to the service.
    fn offer(&mut self) {
        let pods = self.sets.iter().flat_map(|set| &set.pods);
        let ready = pods.filter(|pod| pod.ready_since().is_some());
        let addresses = ready.map(|pod| pod.http).collect();
        self.service.offer(addresses);
    }

    /// Checks what is promised, and says whether everything is as it is wanted.
    fn look(&mut self, spec: &Spec) -> bool {
        let groups: Vec<Group> = self.sets.iter().map(|set| group(set, spec)).collect();
        let all = Group {
            pods: groups.iter().map(|group| group.pods).sum(),
            available: groups.iter().map(|group| group.available).sum(),
        };
        let new = groups.last().copied().unwrap_or_default();
        let is_complete = all.pods == spec.replicas && new == all && new.available == new.pods;
        let broken = self
            .promise
            .keep(spec.replicas, spec.bounds, all, is_complete);
        self.ledger.broken.extend(broken);
        is_complete
    }

    /// Takes note of pods that have ended, and forgets templates without pods.
    async fn bury(&mut self) {
        for set in &mut self.sets {
            while let Some(dead) = set.pods.iter().position(Running::has_ended) {
                self.ending.push(set.pods.remove(dead).delete());
            }
        }
        self.sets.retain(|set| !set.pods.is_empty());
        while let Some(ended) = self.ending.iter().position(JoinHandle::is_finished) {
            let ending = self.ending.remove(ended).await.unwrap();
            // Others in its place would only do the same, again and again.
            assert!(!ending.ended_by_itself, "{ending:#?}");
            self.ledger.endings.push(ending);
        }
    }

    async fn end_all(mut self) -> Ledger {
        for set in std::mem::take(&mut self.sets) {
            self.ending
                .extend(set.pods.into_iter().map(Running::delete));
        }
        self.offer();
        for ending in std::mem::take(&mut self.ending) {
            self.ledger.endings.push(ending.await.unwrap());
        }
        self.ledger
    }
}

fn group(set: &Set, spec: &Spec) -> Group {
    let available = |pod: &&Running| {
        let since = pod.ready_since();
        since.is_some_and(|since| since.elapsed() >= spec.rest)
    };
    Group {
        pods: set.pods.len(),
        available: set.pods.iter().filter(available).count(),
    }
}
