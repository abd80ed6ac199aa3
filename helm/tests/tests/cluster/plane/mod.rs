//! A control plane on free ports of the loopback interface: etcd, the API server, its controllers, a
//! scheduler, metrics-server, and kwok, which plays three nodes and all pods.
//!
//! It is started once for all checks. Its programs are where `helm/cluster/build` put them.

mod certificates;
mod processes;

use std::env;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use serde_json::json;

use crate::ground::{eventually, eventually_or};
use crate::report::Row;
use crate::said::Said;
use processes::Processes;

const STAGES: &str = include_str!("stages.yaml");
const METRICS: &str = include_str!("metrics.yaml");
const SURROUNDINGS: &str = include_str!("surroundings.yaml");

/// The account that has rights in the namespace of a check only.
pub(crate) const TENANT: &str = "tenant";

static PLANE: OnceLock<Plane> = OnceLock::new();

/// The plane that runs.
#[derive(Debug)]
pub(crate) struct Plane {
    bin: PathBuf,
    folder: PathBuf,
    ports: Ports,
    kubectl: PathBuf,
    processes: Mutex<Processes>,
}

#[derive(Debug)]
struct Ports {
    etcd: u16,
    etcd_peer: u16,
    api: u16,
    controllers: u16,
    scheduler: u16,
    kwok: u16,
    metrics: u16,
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
        plane.start_server();
        plane.start_controllers();
        plane.start_kwok();
        plane.add_nodes();
        plane.add_definitions();
        plane.add_metrics_server();
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

    fn run(&self, name: &'static str, arguments: &str) {
        let arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
        let program = self.bin.join(name);
        self.processes
            .lock()
            .unwrap()
            .start(name, &program, &arguments);
    }

    fn start_server(&self) {
        let Ports {
            etcd,
            etcd_peer,
            api,
            ..
        } = self.ports;
        self.run("etcd", &format!(
            "--data-dir etcd --unsafe-no-fsync --log-level warn
             --listen-client-urls http://127.0.0.1:{etcd} --advertise-client-urls http://127.0.0.1:{etcd}
             --listen-peer-urls http://127.0.0.1:{etcd_peer}
             --initial-advertise-peer-urls http://127.0.0.1:{etcd_peer}
             --initial-cluster default=http://127.0.0.1:{etcd_peer}"
        ));
        self.run("kube-apiserver", &format!(
            "--etcd-servers=http://127.0.0.1:{etcd} --bind-address=127.0.0.1 --secure-port={api}
             --advertise-address=127.0.0.1 --endpoint-reconciler-type=none
             --tls-cert-file=admin.crt --tls-private-key-file=admin.key --client-ca-file=ca.crt
             --service-account-issuer=https://kubernetes.default.svc
             --service-account-key-file=admin.crt --service-account-signing-key-file=admin.key
             --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=RBAC
             --proxy-client-cert-file=admin.crt --proxy-client-key-file=admin.key
             --requestheader-client-ca-file=ca.crt --requestheader-allowed-names=admin
             --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group
             --requestheader-extra-headers-prefix=X-Remote-Extra-"
        ));
        self.wait(
            "the API server is ready",
            &["get", "--raw", "/readyz"],
            "ok",
        );
    }

    fn start_controllers(&self) {
        let Ports {
            controllers,
            scheduler,
            ..
        } = self.ports;
        let common = "--kubeconfig=admin.json --leader-elect=false --bind-address=127.0.0.1
             --tls-cert-file=admin.crt --tls-private-key-file=admin.key";
        // The autoscaler's own caution about young pods is not what is tested.
        self.run(
            "kube-controller-manager",
            &format!(
                "{common} --secure-port={controllers} --root-ca-file=ca.crt
             --service-account-private-key-file=admin.key
             --horizontal-pod-autoscaler-sync-period=2s
             --horizontal-pod-autoscaler-cpu-initialization-period=1s
             --horizontal-pod-autoscaler-initial-readiness-delay=1s"
            ),
        );
        self.run(
            "kube-scheduler",
            &format!("{common} --secure-port={scheduler}"),
        );
    }

    fn start_kwok(&self) {
        let port = self.ports.kwok;
        self.run("kwok", &format!(
            "--kubeconfig=admin.json --config=kwok.yaml --manage-all-nodes=true --cidr=10.0.0.1/16
             --node-ip=127.0.0.1 --node-port={port} --server-address=127.0.0.1:{port}
             --node-lease-duration-seconds=40 --tls-cert-file=admin.crt --tls-private-key-file=admin.key"
        ));
    }

    /// One in each of three zones.
    fn add_nodes(&self) {
        for zone in ["a", "b", "c"] {
            let name = format!("node-{zone}");
            let node = json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "labels": {
                        "kubernetes.io/hostname": name,
                        "kubernetes.io/os": "linux",
                        "topology.kubernetes.io/zone": format!("zone-{zone}"),
                    },
                    "annotations": {
                        "metrics.k8s.io/resource-metrics-path":
                            format!("/metrics/nodes/{name}/metrics/resource"),
                    },
                },
                "status": {
                    "capacity": { "cpu": "64", "memory": "256Gi", "pods": "500" },
                    "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "500" },
                },
            });
            self.apply(&["create", "-f", "-"], &node.to_string());
        }
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

    /// The aggregation layer reaches it by a name, as there is no network of pods.
    fn add_metrics_server(&self) {
        let port = self.ports.metrics;
        self.run(
            "metrics-server",
            &format!(
                "--kubeconfig=admin.json --authentication-kubeconfig=admin.json
             --authorization-kubeconfig=admin.json --bind-address=127.0.0.1 --secure-port={port}
             --tls-cert-file=admin.crt --tls-private-key-file=admin.key --kubelet-insecure-tls
             --kubelet-use-node-status-port --kubelet-preferred-address-types=InternalIP
             --metric-resolution=10s"
            ),
        );
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "metrics-server", "namespace": "kube-system" },
            "spec": { "type": "ExternalName", "externalName": "localhost" },
        });
        let api = json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": { "name": "v1beta1.metrics.k8s.io" },
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": true,
                "service": { "name": "metrics-server", "namespace": "kube-system", "port": port },
            },
        });
        self.apply(&["create", "-f", "-"], &format!("{service}\n---\n{api}"));
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
        self.wait("metrics are served", &metrics, "node-a");
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

impl Ports {
    fn free() -> Self {
        let mut ports = std::collections::BTreeSet::new();
        eventually("seven ports are free", || {
            ports.insert(roomwire_dev::free_port().unwrap());
            ports.len() == 7
        });
        let [etcd, etcd_peer, api, controllers, scheduler, kwok, metrics] =
            Vec::from_iter(ports).try_into().unwrap();
        Self {
            etcd,
            etcd_peer,
            api,
            controllers,
            scheduler,
            kwok,
            metrics,
        }
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
