//! What is left of a release in its namespace.

use std::collections::BTreeSet;

use crate::ground::{Ground, RELEASE, eventually};
use crate::strict::{arguments, value_files};

with_each_helm!(
    an_uninstall_leaves_nothing,
    every_written_use_can_be_installed_and_leaves_nothing,
);

fn an_uninstall_leaves_nothing(ground: &Ground) {
    let before = objects(ground);
    ground.install(&[]).ok();
    ground.helm(&["test", RELEASE, "--timeout=60s"]).ok();
    ground.upgrade(&["--set", "image.tag=second"]).ok();
    ground
        .helm(&["uninstall", RELEASE, "--wait", "--timeout=60s"])
        .ok();
    goes_back_to(ground, &before);
}

fn every_written_use_can_be_installed_and_leaves_nothing(ground: &Ground) {
    // Of the one that brings no account of its own.
    ground.has_accounts("serviceAccountName: chat");
    let before = objects(ground);
    for file in value_files() {
        let values = arguments(&file);
        let values = values.iter().map(String::as_str);
        let install = ["install", RELEASE, "--set", "minReadySeconds=1"];
        let install: Vec<_> = install.into_iter().chain(values).collect();
        let said = ground.helm(&install);
        assert!(said.is_success(), "{}: {}", file.display(), said.all());
        said.without_warning();
        let all = format!("--selector=app.kubernetes.io/instance={RELEASE}");
        ground
            .kubectl(&["rollout", "status", "deployment", &all, "--timeout=90s"])
            .ok();
        ground
            .helm(&["uninstall", RELEASE, "--wait", "--timeout=60s"])
            .ok();
        goes_back_to(ground, &before);
    }
}

/// Pods go after their owners.
fn goes_back_to(ground: &Ground, before: &BTreeSet<String>) {
    let left = || &objects(ground) - before;
    let what = format!("these are gone: {:?}", left());
    eventually(&what, || left().is_empty());
}

/// Everything in the namespace that is not written by the cluster about it.
fn objects(ground: &Ground) -> BTreeSet<String> {
    let all = [
        "api-resources",
        "--namespaced",
        "--verbs=list,delete",
        "--output=name",
    ];
    let kinds = ground.kubectl(&all).ok().out;
    let kinds: Vec<_> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events"))
        .collect();
    let list = [
        "get",
        &kinds.join(","),
        "--output=name",
        "--ignore-not-found",
    ];
    let said = ground.kubectl(&list).ok();
    said.out.lines().map(str::to_owned).collect()
}
