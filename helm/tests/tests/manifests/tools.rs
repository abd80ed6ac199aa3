//! The tools are the ones that are written down.

use std::path::Path;
use std::process::Command;

use roomwire_chart_tests::{Helm, tools};

fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", program.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_program_is_of_the_version_that_is_pinned() {
    for (helm, version) in [(Helm::V3, "v3.17.2"), (Helm::V4, "v4.3.1")] {
        let said = said(&helm.path().unwrap(), &["version", "--short"]);
        assert!(said.starts_with(version), "{helm:?}: {said}");
    }
    let kubectl = tools::kubectl().unwrap();
    let said = said(&kubectl, &["version", "--client"]);
    assert!(said.contains("v1.37.1"), "{said}");
}

#[test]
fn the_schemas_of_the_oldest_and_the_newest_cluster_are_there() {
    for version in ["1.30", "1.37"] {
        let folder = tools::schemas(version).unwrap();
        let schema = folder.join("deployment-apps-v1.json");
        assert!(schema.is_file(), "{}", schema.display());
    }
}
