//! The sets of values that the chart is rendered with, and all renderings of them, made once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;

use roomwire_chart_tests::{Helm, Render, Rendered, chart, yaml};
use serde_json::Value;

/// The oldest and the newest Kubernetes that the chart is for.
pub(crate) const CLUSTERS: [&str; 2] = ["1.30", "1.37"];

/// The least that has to be said.
pub(crate) const MINIMAL: &str = "ci/minimal-values.yaml";

/// As long as Helm lets a release be named.
const LONG_RELEASE: &str = "a-release-with-a-name-as-long-as-helm-lets-it-be-0123";

/// One set of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// For messages.
    pub(crate) name: String,
    /// Files with values, named from the folder of the chart.
    pub(crate) files: Vec<PathBuf>,
    release: &'static str,
}

impl Case {
    /// How to render it.
    pub(crate) fn render(&self, helm: Helm, cluster: &str) -> Render {
        let mut render = Render::new(helm);
        self.release.clone_into(&mut render.release);
        render.kube_version = format!("{cluster}.0");
        self.files.iter().fold(render, Render::file)
    }

    /// All texts in its values, and in those of the chart.
    pub(crate) fn texts(&self) -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        let files = self.files.iter().map(PathBuf::as_path);
        for file in files.chain([Path::new("values.yaml")]) {
            collect(&values(file), &mut texts);
        }
        texts
    }
}

/// A rendering of a case by one Helm for one cluster.
#[derive(Debug)]
pub(crate) struct Rendering {
    pub(crate) case: Case,
    pub(crate) helm: Helm,
    pub(crate) cluster: &'static str,
    /// The objects, or the answer of Helm.
    result: Result<Rendered, String>,
}

impl Rendering {
    /// For messages.
    pub(crate) fn title(&self) -> String {
        format!("{} by {:?} for {}", self.case.name, self.helm, self.cluster)
    }

    /// The objects. Panics where Helm refused.
    pub(crate) fn objects(&self) -> &Rendered {
        match &self.result {
            Ok(rendered) => rendered,
            Err(error) => panic!("{}: {error}", self.title()),
        }
    }
}

/// The content of a YAML file, named from the folder of the chart.
pub(crate) fn values(file: &Path) -> Value {
    let text = fs::read_to_string(chart::folder().join(file)).unwrap();
    yaml::read(&text).unwrap()
}

fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            texts.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, texts)),
        Value::Object(map) => map.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

/// The YAML files of a folder of the chart.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(chart::folder().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut files: Vec<PathBuf> = names.map(|name| Path::new(folder).join(name)).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// Each file of `ci`, each preset on top of the minimal values, and a release with a long name.
pub(crate) fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let of = |files: Vec<PathBuf>, release| Case {
            name: files.last().unwrap().display().to_string(),
            files,
            release,
        };
        let mut cases: Vec<Case> = Vec::new();
        for file in files("ci") {
            cases.push(of(vec![file], "roomwire"));
        }
        for preset in files("presets") {
            cases.push(of(vec![MINIMAL.into(), preset], "chat"));
        }
        let mut long = of(vec!["ci/production-values.yaml".into()], LONG_RELEASE);
        long.name.push_str(" with a long name");
        cases.push(long);
        cases
    });
    &CASES
}

/// Every case by each Helm and for each cluster.
pub(crate) fn renderings() -> &'static [Rendering] {
    static RENDERINGS: LazyLock<Vec<Rendering>> = LazyLock::new(|| {
        for helm in Helm::ALL {
            helm.path().unwrap();
        }
        let mut wanted = Vec::new();
        for case in cases() {
            for helm in Helm::ALL {
                wanted.extend(CLUSTERS.map(|cluster| (case, helm, cluster)));
            }
        }
        in_parallel(&wanted, |(case, helm, cluster)| Rendering {
            case: (*case).clone(),
            helm: *helm,
            cluster,
            result: case
                .render(*helm, cluster)
                .run()
                .map_err(|error| error.to_string()),
        })
    });
    &RENDERINGS
}

/// The rendering of one file by the newest Helm for the newest cluster.
pub(crate) fn rendering(file: &str) -> &'static Rendering {
    let mut all = renderings().iter().rev();
    let found = all.find(|rendering| rendering.case.name == file);
    found.unwrap_or_else(|| panic!("there is no case {file}"))
}

/// Does something for each element, on as many threads as there are processors.
pub(crate) fn in_parallel<'a, T: Sync, R: Send>(
    all: &'a [T],
    work: impl Fn(&'a T) -> R + Sync,
) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let size = all.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let work = &work;
        let parts = all.chunks(size);
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let done = parts.into_iter().flat_map(|part| part.join().unwrap());
        done.collect()
    })
}
