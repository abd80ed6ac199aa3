//! Starts one container of a manifest as a process: its program, arguments, environment and files.
//!
//! Everything comes from the manifest. What is different here, since processes share the machine's
//! network and files:
//! - a pod's address is one of the loopback network, and the gateway listens on that one instead of on
//!   all addresses, on the ports of the manifest;
//! - a volume is a folder of the pod's own, and paths below its mount path lead there.
//!
//! What this does not know how to obey fails the test, so that nothing of a manifest is left out unseen.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use roomwire_chart_tests::{Container, Pod};
use roomwire_dev::program::Program;
use serde_json::Value;

use super::environment::{Secrets, environment, expand};

/// What a container may say. Resources and security contexts need a kernel's help, images a registry.
const OF_CONTAINERS: [&str; 13] = [
    "args",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "volumeMounts",
];

/// What a pod may say. Scheduling and accounts have no meaning for processes of one machine.
const OF_PODS: [&str; 10] = [
    "automountServiceAccountToken",
    "containers",
    "enableServiceLinks",
    "initContainers",
    "restartPolicy",
    "securityContext",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "topologySpreadConstraints",
    "volumes",
];

/// Where a pod is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) node: String,
    pub(crate) ip: IpAddr,
    /// Its own folder, for its volumes.
    pub(crate) folder: PathBuf,
}

/// Fails unless an object has only these keys.
pub(crate) fn only(object: &Value, keys: &[&str], what: &str) {
    for key in object.as_object().unwrap().keys() {
        let known = keys.contains(&key.as_str());
        assert!(known, "nothing is known of {key} {what}: obey it here");
    }
}

/// Fails if a pod says something that is not obeyed here.
pub(crate) fn is_understood(pod: Pod<'_>) {
    only(pod.at("").unwrap(), &OF_PODS, "of a pod");
    for container in pod.containers() {
        only(container.at("").unwrap(), &OF_CONTAINERS, "of a container");
    }
}

/// The number of a container's port.
pub(crate) fn port(container: Container<'_>, name: &str) -> u16 {
    let ports = container.at("/ports").and_then(Value::as_array);
    let mut ports = ports.into_iter().flatten();
    let port = ports.find(|port| port["name"] == name).unwrap();
    port["containerPort"].as_u64().unwrap().try_into().unwrap()
}

/// Starts a container. The image's program is `gateway`.
pub(crate) fn start(
    gateway: &Path,
    (pod, container): (Pod<'_>, Container<'_>),
    place: &Place,
    secrets: &Secrets,
) -> Program {
    let mut variables = environment(container, place, secrets);
    let mounts = container.at("/volumeMounts").and_then(Value::as_array);
    for mount in mounts.into_iter().flatten() {
        only(mount, &["name", "mountPath", "readOnly"], "of a mount");
        let folder = volume(pod, mount["name"].as_str().unwrap(), place, secrets);
        let path = mount["mountPath"].as_str().unwrap();
        for (_, value) in &mut variables {
            if let Some(file) = value.strip_prefix(path)
                && (file.is_empty() || file.starts_with('/'))
            {
                *value = format!("{}{file}", folder.display());
            }
        }
    }
    if container.at("/ports").is_some() {
        listen(gateway, container, &mut variables, place);
    }
    let arguments = container.at("/args").and_then(Value::as_array).unwrap();
    let arguments = arguments
        .iter()
        .map(|argument| expand(argument.as_str().unwrap(), &variables));
    let title = format!("{} of {}", container.name(), place.name);
    let program = Program::start(&title, gateway, |command| {
        command
            .args(arguments)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir("/");
    });
    program.unwrap()
}

/// Lets a gateway listen on the pod's address. On which ports is its own decision, which must be the
/// one that the manifest tells everybody else.
fn listen(
    gateway: &Path,
    container: Container<'_>,
    variables: &mut Vec<(String, String)>,
    place: &Place,
) {
    let config = std::process::Command::new(gateway)
        .arg("config")
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let config = String::from_utf8(config.stdout).unwrap();
    for (variable, name) in [("LISTEN_ADDR", "http"), ("ADMIN_ADDR", "admin")] {
        let mut lines = config.lines();
        let decided = lines.find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
        let port = port(container, name);
        assert_eq!(decided, Some(format!("0.0.0.0:{port}").as_str()), "{name}");
        variables.retain(|(known, _)| known != variable);
        variables.push((variable.to_owned(), format!("{}:{port}", place.ip)));
    }
}

/// Makes a volume of a pod unless it is there, and says where it is.
fn volume(pod: Pod<'_>, name: &str, place: &Place, secrets: &Secrets) -> PathBuf {
    let folder = place.folder.join(name);
    if folder.exists() {
        return folder;
    }
    DirBuilder::new().mode(0o700).create(&folder).unwrap();
    let volumes = pod.at("/volumes").and_then(Value::as_array).unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == name);
    let volume = volume.unwrap();
    only(volume, &["name", "projected"], "of a volume");
    let projected = &volume["projected"];
    only(projected, &["defaultMode", "sources"], "of a projection");
    let mode = u32::try_from(projected["defaultMode"].as_u64().unwrap()).unwrap();
    for source in projected["sources"].as_array().unwrap() {
        only(source, &["secret"], "of a projected source");
        only(
            &source["secret"],
            &["items", "name"],
            "of a projected Secret",
        );
        let secret = source["secret"]["name"].as_str().unwrap();
        for item in source["secret"]["items"].as_array().unwrap() {
            only(item, &["key", "path"], "of an item");
            let value = secrets.value(secret, item["key"].as_str().unwrap());
            let path = folder.join(item["path"].as_str().unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(mode).open(path);
            file.unwrap().write_all(value.as_bytes()).unwrap();
        }
    }
    folder
}
