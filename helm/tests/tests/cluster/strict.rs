//! Every way of using the chart that is written down, judged by the API server itself.

use std::fs;
use std::path::{Path, PathBuf};

use roomwire_chart_tests::{Helm, chart};

use crate::ground::{Ground, RELEASE};

with_each_helm!(
    every_written_use_passes_a_strict_dry_run,
    what_passes_it_has_no_unknown_field,
);

/// The values in `ci` and `presets`.
pub(crate) fn value_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["ci", "presets"] {
        let folder = fs::read_dir(chart::folder().join(folder)).unwrap();
        files.extend(folder.map(|entry| entry.unwrap().path()));
    }
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    assert!(files.len() > 6, "only {files:?}");
    files
}

/// The arguments that install with such a file. Presets say nothing of secrets.
pub(crate) fn arguments(file: &Path) -> Vec<String> {
    let minimal = chart::folder().join("ci/minimal-values.yaml");
    let is_preset = file.parent().unwrap().ends_with("presets");
    let files = [is_preset.then_some(minimal.as_path()), Some(file)];
    let mut arguments = vec![chart::folder().display().to_string()];
    for file in files.into_iter().flatten() {
        arguments.extend(["--values".to_owned(), file.display().to_string()]);
    }
    arguments
}

/// What Helm makes of these values on this very cluster, hooks and tests included.
pub(crate) fn rendered(ground: &Ground, file: &Path) -> String {
    let on_server = match ground.helm {
        Helm::V3 => "--validate",
        Helm::V4 => "--dry-run=server",
    };
    let files = arguments(file);
    let files = files.iter().map(String::as_str);
    let template: Vec<_> = ["template", RELEASE, on_server]
        .into_iter()
        .chain(files)
        .collect();
    let objects = ground.helm(&template).ok().out;
    ground.has_accounts(&objects);
    objects
}

fn every_written_use_passes_a_strict_dry_run(ground: &Ground) {
    for file in value_files() {
        let objects = rendered(ground, &file);
        let said = ground.kubectl_with(&STRICT, &objects);
        let what = file.display();
        assert!(said.is_success(), "{what}: {}", said.all());
        said.without_warning();
    }
}

const STRICT: [&str; 5] = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];

/// Otherwise the check before would prove nothing.
fn what_passes_it_has_no_unknown_field(ground: &Ground) {
    let minimal = chart::folder().join("ci/minimal-values.yaml");
    let objects = rendered(ground, &minimal);
    let wrong = objects.replace("minReadySeconds:", "minimumReadySeconds:");
    assert_ne!(objects, wrong);
    ground
        .kubectl_with(&STRICT, &wrong)
        .refused("minimumReadySeconds");
}
