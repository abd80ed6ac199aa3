//! What one check stands on: a namespace of its own, a Helm, and both programs pointed at the plane.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use roomwire_chart_tests::{Helm, chart};
use serde_json::{Value, json};

use crate::plane::Plane;
use crate::report::Row;
use crate::said::Said;

/// The release of most checks, which is also the name of its objects.
pub(crate) const RELEASE: &str = "roomwire";

/// How long anything may take that should come by itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// Values that make rollouts short, and a failing migration final at once.
const BRISK: &str = "minReadySeconds=1,migrations.backoffLimit=0,image.tag=first";

/// Runs one check with one Helm in a new namespace.
pub(crate) fn check(helm: Helm, name: &str, body: fn(&Ground)) {
    let plane = Plane::get();
    let major = match helm {
        Helm::V3 => 3,
        Helm::V4 => 4,
    };
    let _row = Row::begin(format!("{name}\tHelm {major}"));
    let ground = Ground::new(plane, helm, &format!("helm-{major}-{name}"));
    body(&ground);
    let namespace = ["delete", "namespace", &ground.namespace, "--wait=false"];
    Said::of(plane.kubectl().args(namespace), "").ok();
}

/// A namespace in which only pods may be that meet the Pod Security level `restricted`.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) plane: &'static Plane,
    pub(crate) helm: Helm,
    pub(crate) namespace: String,
    helm_path: PathBuf,
}

impl Ground {
    fn new(plane: &'static Plane, helm: Helm, name: &str) -> Self {
        let mut namespace = name.replace('_', "-");
        namespace.truncate(60);
        let namespace = namespace.trim_end_matches('-').to_owned();
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": namespace, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/warn": "restricted",
                "pod-security.kubernetes.io/audit": "restricted",
            } },
        });
        let ground = Self {
            plane,
            helm,
            namespace,
            helm_path: helm.path().unwrap(),
        };
        ground
            .kubectl_with(&["create", "-f", "-"], &object.to_string())
            .ok();
        // Controllers put these into every namespace.
        eventually("the namespace is complete", || {
            let config = ground.kubectl(&["get", "configmap", "kube-root-ca.crt"]);
            let account = ground.kubectl(&["get", "serviceaccount", "default"]);
            config.is_success() && account.is_success()
        });
        ground
    }

    pub(crate) fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.plane.kubectl();
        command
            .args(["--namespace", &self.namespace])
            .args(arguments);
        command
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Said {
        self.kubectl_with(arguments, "")
    }

    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Said {
        Said::of(&mut self.kubectl_command(arguments), input)
    }

    /// `kubectl get … -o json`.
    pub(crate) fn get(&self, what: &[&str]) -> Value {
        let arguments = [&["get", "-o", "json"], what].concat();
        self.kubectl(&arguments).ok().json()
    }

    /// The gateways of the release.
    pub(crate) fn deployment(&self) -> Value {
        self.get(&["deployment", RELEASE])
    }

    /// The pods of the gateways, also those that are about to go.
    pub(crate) fn pods(&self) -> Vec<Value> {
        let selector = "--selector=app.kubernetes.io/component=gateway";
        let mut list = self.get(&["pods", selector]);
        serde_json::from_value(list["items"].take()).unwrap()
    }

    /// Helm, as who may do everything.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Said {
        self.helm_as(&self.plane.admin(), arguments)
    }

    /// Helm, as somebody else.
    pub(crate) fn helm_as(&self, configuration: &Path, arguments: &[&str]) -> Said {
        Said::of(&mut self.helm_command(configuration, arguments), "")
    }

    pub(crate) fn helm_command(&self, configuration: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.helm_path);
        command
            .arg("--kubeconfig")
            .arg(configuration)
            .args(["--namespace", &self.namespace])
            .args(arguments)
            .env_remove("HELM_NAMESPACE")
            .env_remove("HELM_DEBUG");
        command
    }

    /// Installs the chart with brisk values and these arguments, and waits until it is ready.
    pub(crate) fn install(&self, arguments: &[&str]) -> Said {
        self.deploy("install", arguments)
    }

    /// Upgrades it likewise. What is not said again has its default.
    pub(crate) fn upgrade(&self, arguments: &[&str]) -> Said {
        self.deploy("upgrade", arguments)
    }

    fn deploy(&self, verb: &str, arguments: &[&str]) -> Said {
        let chart = chart::folder();
        let values = chart.join("ci/minimal-values.yaml");
        let fixed = [
            verb,
            RELEASE,
            chart.to_str().unwrap(),
            "--wait",
            "--timeout=120s",
            "--values",
            values.to_str().unwrap(),
            "--set",
            BRISK,
        ];
        self.helm(&[&fixed, arguments].concat())
    }

    /// Makes the service accounts that pods in this text name: without them no pod is admitted. They
    /// look like Helm's own, or it would refuse to have objects of their names.
    pub(crate) fn has_accounts(&self, objects: &str) {
        let account = |line: &str| {
            let name = line.trim().strip_prefix("serviceAccountName: ");
            name.map(str::to_owned)
        };
        for name in objects.lines().filter_map(account).collect::<BTreeSet<_>>() {
            let object = json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {
                    "name": name,
                    "labels": { "app.kubernetes.io/managed-by": "Helm" },
                    "annotations": {
                        "meta.helm.sh/release-name": RELEASE,
                        "meta.helm.sh/release-namespace": self.namespace,
                    },
                },
            });
            let apply = ["apply", "-f", "-"];
            self.kubectl_with(&apply, &object.to_string()).ok();
        }
    }

    /// Waits until the Deployment is what was asked for and no old pod is left.
    pub(crate) fn settles(&self, replicas: u64) {
        eventually("the gateways settle", || {
            let deployment = self.deployment();
            let status = &deployment["status"];
            let is = |field: &str| status[field] == replicas;
            status["observedGeneration"] == deployment["metadata"]["generation"]
                && is("replicas")
                && is("updatedReplicas")
                && is("availableReplicas")
                && self.pods().len() as u64 == replicas
        });
    }
}

/// The tag of the image of the gateways.
pub(crate) fn tag(deployment: &Value) -> String {
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    let (_, tag) = image.as_str().unwrap().rsplit_once(':').unwrap();
    tag.to_owned()
}

/// Waits until the condition holds.
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_or(what, || (), condition);
}

/// Waits until the condition holds, and looks each time whether it still can.
pub(crate) fn eventually_or(what: &str, still: impl Fn(), mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        still();
        assert!(
            began.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}
