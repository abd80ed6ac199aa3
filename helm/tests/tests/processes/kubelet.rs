//! Runs pods: their containers one after the other, their probes, and their end.
//!
//! A container that fails or is killed is not started again as Kubernetes would do it. That it ended is
//! noted, and is wrong in every test here.

use std::fs::DirBuilder;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use roomwire_chart_tests::{Container, Manifest, Pod};
use roomwire_dev::program::Program;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::container::{self, Place, is_understood};
use super::ending::{Ending, Look};
use super::environment::Secrets;
use super::probes::{Probe, follow};

/// How long a pod may take to end where the manifest does not say it.
const GRACE_DEFAULT: u64 = 30;
/// What an ending container has in any case once it was sent SIGTERM.
const GRACE_LEAST: Duration = Duration::from_secs(2);
/// How long a container that runs to its end may take.
const COMPLETION_DEADLINE: Duration = Duration::from_mins(2);

/// The machine that all pods run on.
#[derive(Debug)]
pub(crate) struct Kubelet {
    gateway: PathBuf,
    folder: PathBuf,
    secrets: Secrets,
    /// The network of the pods: 127.x.y.0/24.
    network: [u8; 3],
    pods: AtomicU8,
}

/// Since when a pod has been ready without a break.
type Ready = Option<Instant>;

/// A pod that was started.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where clients reach it.
    pub(crate) http: SocketAddr,
    ready: watch::Receiver<Ready>,
    delete: oneshot::Sender<()>,
    life: JoinHandle<Ending>,
}

impl Running {
    /// Since when it has been ready.
    pub(crate) fn ready_since(&self) -> Option<Instant> {
        *self.ready.borrow()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.life.is_finished()
    }

    /// Lets it end, as deleting it does. One that has ended by itself hears nothing any more.
    pub(crate) fn delete(self) -> JoinHandle<Ending> {
        self.delete.send(()).ok();
        self.life
    }
}

impl Kubelet {
    /// A machine without pods, whose images' program is `gateway`.
    pub(crate) fn new(gateway: PathBuf, folder: PathBuf, secrets: Secrets) -> Self {
        Self {
            gateway,
            folder,
            secrets,
            // Other tests of this machine have networks of their own.
            network: [
                127,
                rand::random_range(16..=254),
                rand::random_range(0..=254),
            ],
            pods: AtomicU8::new(0),
        }
    }

    /// A port of pods that nobody holds on all addresses of this machine: this one, or another.
    pub(crate) fn free_port(&self, port: u16) -> u16 {
        let [a, b, c] = self.network;
        let address = Ipv4Addr::new(a, b, c, 254);
        let bound = TcpListener::bind((address, port)).or_else(|_| TcpListener::bind((address, 0)));
        bound.unwrap().local_addr().unwrap().port()
    }

    /// Runs the pod of a Job to its end, which must be a good one at the first try.
    pub(crate) async fn complete(&self, job: &Manifest) -> Duration {
        let pod = job.pod().unwrap();
        is_understood(pod);
        let place = self.place(job, &format!("{}-1", job.name()));
        let begin = Instant::now();
        let limit = job.at("/spec/activeDeadlineSeconds");
        let limit = limit.map_or(COMPLETION_DEADLINE, |limit| {
            Duration::from_secs(limit.as_u64().unwrap())
        });
        let running = async {
            for container in pod.containers() {
                self.run_to_end(pod, container, &place).await;
            }
        };
        timeout(limit, running).await.unwrap();
        begin.elapsed()
    }

    /// Starts a pod of a Deployment's template.
    pub(crate) fn run(self: &Arc<Self>, owner: &Arc<Manifest>, name: &str) -> Running {
        is_understood(owner.pod().unwrap());
        let place = self.place(owner, name);
        let (tell, ready) = watch::channel(None);
        let (delete, deleted) = oneshot::channel();
        let gateway = owner.pod().unwrap().container("gateway").unwrap();
        let http = SocketAddr::new(place.ip, container::port(gateway, "http"));
        let life = Life {
            kubelet: Arc::clone(self),
            owner: Arc::clone(owner),
            place,
            tell,
        };
        Running {
            http,
            ready,
            delete,
            life: tokio::spawn(life.live(deleted)),
        }
    }

    fn place(&self, owner: &Manifest, name: &str) -> Place {
        let [a, b, c] = self.network;
        let number = self.pods.fetch_add(1, Ordering::Relaxed) + 1;
        let folder = self.folder.join(name);
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(true).create(&folder).unwrap();
        Place {
            name: name.to_owned(),
            namespace: owner.text("/metadata/namespace").to_owned(),
            node: "machine-1".to_owned(),
            ip: IpAddr::V4(Ipv4Addr::new(a, b, c, number)),
            folder,
        }
    }

    fn start(&self, pod: Pod<'_>, container: Container<'_>, place: &Place) -> Program {
        container::start(&self.gateway, (pod, container), place, &self.secrets)
    }

    async fn run_to_end(&self, pod: Pod<'_>, container: Container<'_>, place: &Place) {
        let mut program = self.start(pod, container, place);
        let status = program.wait().await.unwrap();
        let (name, output) = (container.name(), program.output());
        assert!(
            status.success(),
            "{name} of {}: {status}\n{output}",
            place.name
        );
    }
}

/// One pod from its start to its end.
struct Life {
    kubelet: Arc<Kubelet>,
    owner: Arc<Manifest>,
    place: Place,
    tell: watch::Sender<Ready>,
}

impl Life {
    async fn live(self, mut deleted: oneshot::Receiver<()>) -> Ending {
        let pod = self.owner.pod().unwrap();
        let names = |list: &str| -> Vec<&str> {
            let list = pod.at(list).and_then(Value::as_array);
            let containers = list.into_iter().flatten();
            containers
                .map(|one| one["name"].as_str().unwrap())
                .collect()
        };
        for name in names("/initContainers") {
            let container = pod.container(name).unwrap();
            self.kubelet.run_to_end(pod, container, &self.place).await;
        }
        assert_eq!(names("/containers"), ["gateway"]);
        let container = pod.container("gateway").unwrap();
        let mut program = self.kubelet.start(pod, container, &self.place);
        let ending = Ending::of(&self.place.name);
        let ending = tokio::select! {
            status = program.wait() => ending.by_itself(status.unwrap()),
            () = self.probe(container) => {
                let ending = ending.after_failing_probes();
                self.end(container, &mut program, ending).await
            }
            _ = &mut deleted => self.end(container, &mut program, ending).await,
        };
        self.tell.send_replace(None);
        ending.with_output(program.output())
    }

    /// Asks the probes of a container; returns when it must be killed for them.
    async fn probe(&self, container: Container<'_>) {
        let probe = |kind: &str| Probe::of(container, kind, self.place.ip);
        let mut started = false;
        // The others wait for this one.
        follow(&probe("startup"), |passed| {
            started = passed;
            ControlFlow::Break(())
        })
        .await;
        if !started {
            return;
        }
        let (liveness, readiness) = (probe("liveness"), probe("readiness"));
        let dead = follow(&liveness, |passed| {
            if passed {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let watched = follow(&readiness, |passed| {
            self.tell.send_modify(|since| {
                *since = passed.then(|| since.unwrap_or_else(Instant::now));
            });
            ControlFlow::Continue(())
        });
        tokio::select! {
            () = dead => {}
            () = watched => {}
        }
    }

    /// Ends a container: the hook before its end, SIGTERM, and SIGKILL after the grace period, which
    /// begins with the hook.
    async fn end(
        &self,
        container: Container<'_>,
        program: &mut Program,
        mut ending: Ending,
    ) -> Ending {
        let begin = Instant::now();
        self.tell.send_replace(None);
        let pod = self.owner.pod().unwrap();
        let grace = pod.at("/terminationGracePeriodSeconds");
        let grace = grace.map_or(GRACE_DEFAULT, |grace| grace.as_u64().unwrap());
        let deadline = begin + Duration::from_secs(grace);
        let admin = SocketAddr::new(self.place.ip, container::port(container, "admin"));
        let look = Look::at(admin);
        if let Some(lifecycle) = container.at("/lifecycle") {
            container::only(lifecycle, &["preStop"], "of a lifecycle");
            container::only(&lifecycle["preStop"], &["sleep"], "of preStop");
            let seconds = lifecycle["preStop"]["sleep"]["seconds"].as_u64().unwrap();
            sleep_until(deadline.min(begin + Duration::from_secs(seconds))).await;
        }
        let told = Instant::now();
        program.signal("TERM").unwrap();
        let deadline = deadline.max(told + GRACE_LEAST);
        let status = if let Ok(status) = timeout_at(deadline, program.wait()).await {
            status.unwrap()
        } else {
            ending.was_killed = true;
            program.signal("KILL").unwrap();
            program.wait().await.unwrap()
        };
        ending.asked_for(status, told.elapsed(), look).await
    }
}
