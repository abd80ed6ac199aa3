//! Objects of Kubernetes itself are what the schemas of its versions say, with no field beside.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use roomwire_chart_tests::{Manifest, tools};
use serde_json::{Map, Value};

use crate::cases::{CLUSTERS, in_parallel, rendering, renderings};
use crate::laws::{Spoilt, gateway};

/// Groups of other makers have a dot and are not below `k8s.io`; Gateway API is no part of Kubernetes.
pub(crate) fn is_built_in(object: &Manifest) -> bool {
    let group = object
        .api_version()
        .rsplit_once('/')
        .map_or("", |(group, _)| group);
    let is_own = !group.contains('.') || group.ends_with(".k8s.io");
    is_own && group != "gateway.networking.k8s.io"
}

/// The schemas of one version, each made when it is first needed.
struct Schemas {
    version: &'static str,
    definitions: Map<String, Value>,
    made: Mutex<BTreeMap<String, &'static Validator>>,
}

impl Schemas {
    fn of(version: &'static str) -> Self {
        let path = tools::schemas(version).unwrap().join("_definitions.json");
        let text = fs::read_to_string(path).unwrap();
        let mut document: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let Some(Value::Object(definitions)) = document.remove("$defs") else {
            panic!("the schemas have no definitions");
        };
        Self {
            version,
            definitions,
            made: Mutex::default(),
        }
    }

    /// The schema of an object's kind.
    fn get(&self, object: &Manifest) -> Option<&'static Validator> {
        let api = object.api_version();
        let (group, version) = api.rsplit_once('/').unwrap_or(("", api));
        // Like `ingress-networking-v1.json` and `pod-v1.json`.
        let mut name = object.kind().to_lowercase();
        for part in [group.split('.').next().unwrap(), version] {
            if !part.is_empty() {
                name.push('-');
                name.push_str(part);
            }
        }
        let mut made = self.made.lock().unwrap();
        if let Some(schema) = made.get(&name) {
            return Some(schema);
        }
        let file = tools::schemas(self.version)
            .unwrap()
            .join(format!("{name}.json"));
        let text = fs::read_to_string(file).ok()?;
        let local = text.replace("/api/_definitions.json#", "#");
        let mut schema: Value = serde_json::from_str(&local).unwrap();
        schema["$defs"] = self.definitions.clone().into();
        let schema = Box::leak(Box::new(jsonschema::validator_for(&schema).unwrap()));
        made.insert(name, schema);
        Some(schema)
    }

    /// What the version says against an object.
    fn complaints(&self, object: &Manifest) -> Vec<String> {
        let Some(schema) = self.get(object) else {
            let api = object.api_version();
            return vec![format!("{} has no {api} {}", self.version, object.kind())];
        };
        let errors = schema.iter_errors(object.value());
        let say = |error: jsonschema::ValidationError<'_>| {
            format!("{} at {}: {error}", object.title(), error.instance_path())
        };
        errors.map(say).collect()
    }
}

fn schemas(version: &str) -> &'static Schemas {
    static ALL: LazyLock<Vec<Schemas>> = LazyLock::new(|| CLUSTERS.map(Schemas::of).into());
    let mut all = ALL.iter();
    all.find(|schemas| schemas.version == version).unwrap()
}

#[test]
fn every_object_has_the_fields_that_its_cluster_knows_and_no_others() {
    let found = in_parallel(renderings(), |rendering| {
        let schemas = schemas(rendering.cluster);
        let objects = rendering.objects().manifests.iter();
        let built_in = objects.filter(|object| is_built_in(object));
        let said = built_in.flat_map(|object| schemas.complaints(object));
        let said = said.map(|fault| format!("{}: {fault}", rendering.title()));
        said.collect::<Vec<_>>()
    });
    let found: Vec<String> = found.into_iter().flatten().collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What a version says against the object that was spoilt.
fn said_of(spoilt: Spoilt<'_>, version: &str) -> Vec<String> {
    let (kind, name) = spoilt.object;
    let objects = spoilt.objects();
    schemas(version).complaints(objects.find(kind, name).unwrap())
}

#[test]
fn a_field_that_does_not_exist_and_a_wrong_type_are_noticed() {
    let container = "/spec/template/spec/containers/0";
    for version in CLUSTERS {
        for (at, value) in [
            ("/spec/replica", "2"),
            ("/spec/replicas", "\"2\""),
            ("/spec/selector", ""),
            ("/spec/template/spec/terminationGracePeriod", "60"),
            (&*format!("{container}/imagePullpolicy"), "\"Always\""),
            (&format!("{container}/env/0/valueFrom/field"), "{}"),
            (&format!("{container}/readinessProbe/httpGet/port"), "true"),
            (&format!("{container}/lifecycle/preStop/sleep"), "5"),
        ] {
            let said = said_of(gateway(at, value), version);
            assert_ne!(said, [""; 0], "{version} has nothing against {at}: {value}");
        }
    }
}

#[test]
fn a_version_and_a_kind_that_a_cluster_does_not_have_are_noticed() {
    let old = gateway("/apiVersion", "\"apps/v1beta1\"");
    let said = said_of(old, "1.37");
    assert_eq!(said, ["1.37 has no apps/v1beta1 Deployment"]);
    let object = rendering(crate::cases::MINIMAL)
        .objects()
        .find("Deployment", "roomwire");
    assert_eq!(schemas("1.37").complaints(object.unwrap()), [""; 0]);
}
