//! A control plane on free ports of the loopback interface: etcd, the API server, its controllers, a
//! scheduler, metrics-server, and kwok, which plays three nodes and all pods.
//!
//! It is started once for all checks. Its programs are where `helm/cluster/build` put them.

mod certificates;
mod processes;
mod programs;

use std::env;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use serde_json::json;

use crate::ground::eventually_or;
use crate::report::Row;
use crate::said::Said;
use processes::Processes;
use programs::Ports;

const STAGES: &str = include_str!("stages.yaml");
const METRICS: &str = include_str!("metrics.yaml");
const MACHINES: &str = include_str!("machines.yaml");
const SURROUNDINGS: &str = include_str!("surroundings.yaml");

/// The account that has rights in the namespace of a check only.
pub(crate) const TENANT: &str = "tenant";

static PLANE: OnceLock<Plane> = OnceLock::new();
static TRIED: AtomicBool = AtomicBool::new(false);

/// The plane that runs.
#[derive(Debug)]
pub(crate) struct Plane {
    bin: PathBuf,
    folder: PathBuf,
    ports: Ports,
    kubectl: PathBuf,
    processes: Mutex<Processes>,
}

impl Plane {
    /// The plane of this process, which is started if need be.
    pub(crate) fn get() -> &'static Self {
        PLANE.get_or_init(Self::start)
    }

    pub(crate) fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(self.admin());
        command
    }

    /// The configuration of who may do everything.
    pub(crate) fn admin(&self) -> PathBuf {
        self.folder.join("admin.json")
    }

    /// The configuration of [`TENANT`].
    pub(crate) fn tenant(&self) -> PathBuf {
        self.folder.join("tenant.json")
    }

    fn start() -> Self {
        let is_first = !TRIED.swap(true, Ordering::Relaxed);
        assert!(
            is_first,
            "the control plane did not start: the first failure says why"
        );
        let _row = Row::begin("the control plane starts");
        let name = format!("roomwire-cluster-{}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let plane = Self {
            bin: binaries(),
            ports: Ports::free(),
            kubectl: roomwire_chart_tests::tools::kubectl().unwrap(),
            processes: Mutex::new(Processes::new(folder.clone())),
            folder,
        };
        certificates::write(&plane.folder);
        plane.write_configurations();
        plane.start_etcd();
        plane.start_server();
        plane.wait(
            "the API server is ready",
            &["get", "--raw", "/readyz"],
            "ok",
        );
        plane.start_controllers();
        plane.start_kwok();
        plane.start_metrics_server();
        plane.add_machines();
        plane.add_definitions();
        plane.wait_until_complete();
        plane
    }

    fn write_configurations(&self) {
        let server = format!("https://127.0.0.1:{}", self.ports.api);
        let path = |name: &str| self.folder.join(name);
        for (file, namesake) in [(self.admin(), None), (self.tenant(), Some(TENANT))] {
            let mut user = json!({
                "client-certificate": path("admin.crt"),
                "client-key": path("admin.key"),
            });
            if let Some(name) = namesake {
                user["as"] = json!(name);
            }
            let configuration = json!({
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "plane",
                "contexts": [{ "name": "plane", "context": { "cluster": "plane", "user": "user" } }],
                "clusters": [{
                    "name": "plane",
                    "cluster": { "server": server, "certificate-authority": path("ca.crt") },
                }],
                "users": [{ "name": "user", "user": user }],
            });
            fs::write(file, configuration.to_string()).unwrap();
        }
        fs::write(path("kwok.yaml"), format!("{STAGES}---\n{METRICS}")).unwrap();
    }

    fn add_machines(&self) {
        let port = self.ports.metrics.to_string();
        let machines = MACHINES.replace("METRICS_PORT", &port);
        self.apply(&["create", "-f", "-"], &machines);
    }

    /// The definitions of the custom resources that the chart knows.
    fn add_definitions(&self) {
        for of in ["prometheus-operator", "gateway-api", "keda"] {
            let folder = self.bin.join("crds").join(of);
            let from = folder.to_str().unwrap();
            self.apply(&["apply", "--server-side", "-f", from], "");
        }
        self.apply(&["create", "-f", "-"], SURROUNDINGS);
        let wait = [
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ];
        self.apply(&wait, "");
    }

    /// Nodes that take pods, and an aggregated API that answers: without it, discovery fails.
    fn wait_until_complete(&self) {
        let ready = [
            "wait",
            "--for=condition=Ready",
            "node",
            "--all",
            "--timeout=60s",
        ];
        self.apply(&ready, "");
        let metrics = ["get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"];
        self.wait("metrics are served", &metrics, "NodeMetricsList");
    }

    fn apply(&self, arguments: &[&str], input: &str) {
        Said::of(self.kubectl().args(arguments), input).ok();
    }

    fn wait(&self, what: &str, arguments: &[&str], answer: &str) {
        let all_run = || self.processes.lock().unwrap().all_run();
        eventually_or(what, all_run, || {
            let said = Said::of(self.kubectl().args(arguments), "");
            said.is_success() && said.out.contains(answer)
        });
    }
}

/// Where the programs are.
fn binaries() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = || checkout.join(".roomwire/cluster/bin");
    let folder = env::var_os("ROOMWIRE_CLUSTER_BIN").map_or_else(built, PathBuf::from);
    let folder = folder.canonicalize().unwrap_or(folder);
    assert!(
        folder.join("kube-apiserver").exists(),
        "no control plane in {}: run helm/cluster/build",
        folder.display()
    );
    folder
}
