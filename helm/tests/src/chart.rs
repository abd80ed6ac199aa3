//! Runs Helm over a chart and reads the objects that it renders.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{Error, Helm, Manifest, yaml};

/// Helm says so of each link in the chart, which is no part of an error.
const LINK_NOTICE: &str = "found symbolic link in path";

/// The folder of the chart in this checkout.
#[must_use]
pub fn folder() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).join("roomwire")
}

/// What to render and with what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Render {
    /// Which Helm.
    pub helm: Helm,
    /// The folder of the chart.
    pub chart: PathBuf,
    /// The name of the release.
    pub release: String,
    /// The namespace of the release.
    pub namespace: String,
    /// The version of the cluster, like `1.37.0`.
    pub kube_version: String,
    /// Files with values; the later ones win.
    pub files: Vec<PathBuf>,
    /// Values as a YAML text, which win over the files.
    pub values: String,
    /// `key=value` as for `--set`, which win over everything else.
    pub sets: Vec<String>,
    /// Whether it is an upgrade of a release that is there.
    pub is_upgrade: bool,
}

impl Render {
    /// The chart of this checkout with its own values, as release `roomwire` of namespace `chat`.
    #[must_use]
    pub fn new(helm: Helm) -> Self {
        Self {
            helm,
            chart: folder(),
            release: "roomwire".to_owned(),
            namespace: "chat".to_owned(),
            kube_version: "1.37.0".to_owned(),
            files: Vec::new(),
            values: String::new(),
            sets: Vec::new(),
            is_upgrade: false,
        }
    }

    /// Also with a file of values, named from the folder of the chart.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.files.push(self.chart.join(path));
        self
    }

    /// With a YAML text of values in place of an earlier one.
    #[must_use]
    pub fn values(mut self, yaml: impl Into<String>) -> Self {
        self.values = yaml.into();
        self
    }

    /// Also with `key=value`, as for `--set`.
    #[must_use]
    pub fn set(mut self, pair: impl Into<String>) -> Self {
        self.sets.push(pair.into());
        self
    }

    /// Renders by `helm template`, hooks and tests included.
    pub fn run(&self) -> Result<Rendered, Error> {
        let first = ["template", &self.release].map(OsString::from);
        let mut arguments = Vec::from(first);
        arguments.extend(self.inputs());
        arguments.extend(["--kube-version", &self.kube_version].map(OsString::from));
        if self.is_upgrade {
            arguments.push("--is-upgrade".into());
        }
        Rendered::of(self.call(&arguments)?)
    }

    /// What is told to whoever installs the chart. Helm 4 does so without a cluster, Helm 3 does not.
    pub fn notes(&self) -> Result<String, Error> {
        let first = ["install", &self.release, "--dry-run=client"].map(OsString::from);
        let mut arguments = Vec::from(first);
        arguments.extend(self.inputs());
        let said = self.call(&arguments)?;
        let notes = said.split_once("\nNOTES:\n");
        Ok(notes.map_or(String::new(), |(_, notes)| notes.to_owned()))
    }

    /// Judges the chart by `helm lint --strict` and returns what Helm said.
    pub fn lint(&self) -> Result<String, Error> {
        let mut arguments = vec![OsString::from("lint"), "--strict".into()];
        arguments.extend(self.inputs());
        arguments.extend(["--kube-version", &self.kube_version].map(OsString::from));
        self.call(&arguments)
    }

    /// Packs the chart by `helm package` into a folder and returns what Helm said.
    pub fn package(&self, into: &Path) -> Result<String, Error> {
        let arguments = [
            "package".into(),
            self.chart.clone().into_os_string(),
            "--destination".into(),
            into.as_os_str().to_owned(),
        ];
        self.call(&arguments)
    }

    /// The chart, the namespace and the values, as every command takes them.
    fn inputs(&self) -> Vec<OsString> {
        let mut inputs = vec![self.chart.clone().into_os_string()];
        inputs.extend(["--namespace", &self.namespace].map(OsString::from));
        for file in &self.files {
            inputs.extend(["--values".into(), file.clone().into_os_string()]);
        }
        if !self.values.is_empty() {
            inputs.extend(["--values", "-"].map(OsString::from));
        }
        for set in &self.sets {
            inputs.extend(["--set".into(), OsString::from(set)]);
        }
        inputs
    }

    /// Runs Helm without a cluster, and returns what it wrote if it succeeds.
    fn call(&self, arguments: &[OsString]) -> Result<String, Error> {
        let program = self.helm.path()?;
        let output = self
            .output(&program, arguments)
            .map_err(|source| Error::Run { program, source })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        // `lint` tells on standard output what it finds.
        let said = text(&[output.stdout, output.stderr].concat());
        let lines = said.lines().filter(|line| !line.contains(LINK_NOTICE));
        let said = lines.collect::<Vec<_>>().join("\n");
        Err(Error::Refused(said.trim().to_owned()))
    }

    fn output(&self, program: &Path, arguments: &[OsString]) -> std::io::Result<Output> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", "/dev/null")
            // It ends before it would have to collect any garbage.
            .env("GOGC", "off")
            .env_remove("HELM_NAMESPACE")
            .env_remove("HELM_DEBUG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // Helm that refuses its arguments does not read on; its own words are the better ones.
            input.write_all(self.values.as_bytes()).ok();
        }
        child.wait_with_output()
    }
}

/// What Helm made of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The text as Helm wrote it.
    pub text: String,
    /// The objects, in the order of the text.
    pub manifests: Vec<Manifest>,
}

impl Rendered {
    fn of(text: String) -> Result<Self, Error> {
        let manifests = read(&text)?;
        Ok(Self { text, manifests })
    }

    /// The objects of one kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Manifest> {
        self.manifests
            .iter()
            .filter(move |manifest| manifest.kind() == kind)
    }

    /// The object of a kind and a name.
    #[must_use]
    pub fn find(&self, kind: &str, name: &str) -> Option<&Manifest> {
        self.of_kind(kind).find(|manifest| manifest.name() == name)
    }
}

/// The objects of a YAML text with any number of documents; empty ones are left out.
pub fn read(text: &str) -> Result<Vec<Manifest>, Error> {
    let mut manifests = Vec::new();
    for document in documents(text) {
        let value = yaml::read(&document)?;
        if !value.is_null() {
            manifests.push(Manifest::new(value, template(&document))?);
        }
    }
    Ok(manifests)
}

/// Three dashes at the start of a line end a document wherever they stand.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents
}

/// The template that a document is from, as Helm writes above it; empty if it does not.
fn template(document: &str) -> String {
    let mark = "# Source: ";
    let source = document.lines().find_map(|line| line.strip_prefix(mark));
    let below_chart = source.and_then(|source| source.split_once('/'));
    below_chart.map_or(String::new(), |(_, path)| path.to_owned())
}
