//! Objects as Helm renders them: what they are, and the pods in them.

use serde_json::{Map, Value};

use crate::Error;

/// Where the pod template is in each kind that makes pods.
const TEMPLATES: [(&str, &str); 7] = [
    ("CronJob", "/spec/jobTemplate/spec/template"),
    ("DaemonSet", "/spec/template"),
    ("Deployment", "/spec/template"),
    ("Job", "/spec/template"),
    ("Pod", ""),
    ("ReplicaSet", "/spec/template"),
    ("StatefulSet", "/spec/template"),
];

/// The annotation that makes an object a hook.
const HOOK: &str = "helm.sh/hook";

/// One rendered object, which has a kind and a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    value: Value,
    template: String,
}

impl Manifest {
    /// Takes a value for an object, if it has an API version, a kind and a name.
    pub fn new(value: Value, template: impl Into<String>) -> Result<Self, Error> {
        let needed = ["/apiVersion", "/kind", "/metadata/name"];
        let is_text = |path: &&str| value.pointer(path).is_some_and(Value::is_string);
        if needed.iter().all(is_text) {
            let template = template.into();
            Ok(Self { value, template })
        } else {
            Err(Error::NoObject(value.to_string()))
        }
    }

    /// The whole object.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The template in the chart that it is from, like `templates/service.yaml`.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// What is at a JSON pointer like `/spec/replicas`.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer)
    }

    /// The text at a JSON pointer; empty if there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        text(&self.value, pointer)
    }

    /// `apiVersion`, like `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `kind`, like `Deployment`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Kind and name, for messages.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name())
    }

    /// One label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        entry(&self.value, "/metadata/labels", name)
    }

    /// One annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        entry(&self.value, "/metadata/annotations", name)
    }

    /// The moments of a release at which Helm makes this object, like `pre-install`; none for what
    /// is part of the release itself.
    #[must_use]
    pub fn hooks(&self) -> Vec<&str> {
        let listed = self.annotation(HOOK).unwrap_or_default();
        let hooks = listed.split(',').map(str::trim);
        hooks.filter(|hook| !hook.is_empty()).collect()
    }

    /// The pod that this object is or makes.
    #[must_use]
    pub fn pod(&self) -> Option<Pod<'_>> {
        let (_, pointer) = TEMPLATES.iter().find(|(kind, _)| *kind == self.kind())?;
        Some(Pod {
            owner: self,
            template: self.at(pointer)?,
        })
    }
}

/// The pod that an object is or makes.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// The object.
    pub owner: &'a Manifest,
    /// `metadata` and `spec` of the pod.
    pub template: &'a Value,
}

impl<'a> Pod<'a> {
    /// What is at a JSON pointer below `spec`.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&'a Value> {
        self.template.pointer("/spec")?.pointer(pointer)
    }

    /// The labels of the pod.
    #[must_use]
    pub fn labels(&self) -> Option<&'a Map<String, Value>> {
        self.template.pointer("/metadata/labels")?.as_object()
    }

    /// All containers, those that come before the others first.
    #[must_use]
    pub fn containers(&self) -> Vec<Container<'a>> {
        let lists = ["/initContainers", "/containers"];
        let found = lists.into_iter().flat_map(|list| elements(self.at(list)));
        found.map(Container).collect()
    }

    /// The container of a name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<Container<'a>> {
        self.containers()
            .into_iter()
            .find(|container| container.name() == name)
    }
}

/// One container of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a>(&'a Value);

impl<'a> Container<'a> {
    /// What is at a JSON pointer below the container.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        text(self.0, "/name")
    }

    /// The image with its tag or digest.
    #[must_use]
    pub fn image(&self) -> &'a str {
        text(self.0, "/image")
    }

    /// The environment in its order, without what `envFrom` brings.
    #[must_use]
    pub fn env(&self) -> Vec<Env<'a>> {
        let entries = elements(self.at("/env"));
        let read = |entry: &'a Value| Env {
            name: text(entry, "/name"),
            value: entry.pointer("/value").and_then(Value::as_str),
            source: entry.pointer("/valueFrom"),
        };
        entries.map(read).collect()
    }

    /// The plain value of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&'a str> {
        let env = self.env();
        env.iter().find(|entry| entry.name == name)?.value
    }

    /// The probe of a kind: `startup`, `liveness` or `readiness`.
    #[must_use]
    pub fn probe(&self, kind: &str) -> Option<&'a Value> {
        self.at(&format!("/{kind}Probe"))
    }
}

/// One variable of a container's environment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Env<'a> {
    /// The name of the variable.
    pub name: &'a str,
    /// The value, if it is written in the manifest.
    pub value: Option<&'a str>,
    /// Where the value comes from, if it is not.
    pub source: Option<&'a Value>,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer);
    found.and_then(Value::as_str).unwrap_or_default()
}

fn entry<'a>(value: &'a Value, pointer: &str, name: &str) -> Option<&'a str> {
    value.pointer(pointer)?.get(name)?.as_str()
}

fn elements(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}
