//! Helm takes the chart, and always makes the same of it.

use std::path::Path;

use roomwire_chart_tests::{Helm, Manifest};

use crate::cases::{CLUSTERS, cases, in_parallel, renderings};

#[test]
fn every_set_of_values_is_rendered_by_both_helm_versions() {
    for rendering in renderings() {
        let deployments = rendering.objects().of_kind("Deployment").count();
        assert!(deployments > 0, "{}", rendering.title());
    }
}

#[test]
fn lint_finds_nothing_even_where_it_is_strict() {
    let mut wanted = Vec::new();
    for case in cases() {
        wanted.extend(Helm::ALL.map(|helm| (case, helm)));
    }
    let found = in_parallel(&wanted, |(case, helm)| {
        let linted = case.render(*helm, CLUSTERS[1]).lint();
        linted
            .err()
            .map(|error| format!("{} by {helm:?}: {error}", case.name))
    });
    let found: Vec<String> = found.into_iter().flatten().collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn lint_finds_a_value_that_is_misspelt() {
    for helm in Helm::ALL {
        let render = cases()[0].render(helm, CLUSTERS[1]);
        let error = render.values("replicaCuont: 3").lint().unwrap_err();
        assert!(error.to_string().contains("replicaCuont"), "{error}");
    }
}

fn sorted(objects: &[Manifest]) -> Vec<Manifest> {
    let mut sorted = objects.to_vec();
    sorted.sort_by_key(Manifest::title);
    sorted
}

#[test]
fn both_helm_versions_and_all_clusters_get_the_same_objects() {
    for rendering in renderings() {
        let mut all = renderings().iter();
        let first = all.find(|other| other.case == rendering.case).unwrap();
        let ours = sorted(&rendering.objects().manifests);
        let theirs = sorted(&first.objects().manifests);
        assert_eq!(ours.len(), theirs.len(), "{}", rendering.title());
        for (one, other) in ours.iter().zip(&theirs) {
            assert_eq!(one, other, "{} and {}", rendering.title(), first.title());
        }
    }
}

#[test]
fn rendering_again_and_for_an_upgrade_gives_the_very_same_text() {
    let newest = renderings().iter();
    let newest: Vec<_> = newest
        .filter(|rendering| rendering.cluster == CLUSTERS[1])
        .collect();
    let differ = in_parallel(&newest, |rendering| {
        let mut again = rendering.case.render(rendering.helm, rendering.cluster);
        again.is_upgrade = true;
        let again = again.run().unwrap();
        (again.text != rendering.objects().text).then(|| rendering.title())
    });
    let differ: Vec<String> = differ.into_iter().flatten().collect();
    assert_eq!(differ, [""; 0]);
}

#[test]
fn a_cluster_that_is_too_old_is_refused() {
    for helm in Helm::ALL {
        let error = cases()[0].render(helm, "1.29").run().unwrap_err();
        assert!(error.to_string().contains("1.30.0-0"), "{error}");
    }
}

#[test]
fn every_template_renders_something_in_some_case() {
    let rendered: Vec<&str> = renderings()
        .iter()
        .flat_map(|rendering| &rendering.objects().manifests)
        .map(Manifest::template)
        .collect();
    let folder = roomwire_chart_tests::chart::folder();
    let mut found = 0;
    for part in ["templates", "templates/tests"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = Path::new(part).join(entry.unwrap().file_name());
            let is_template = path
                .extension()
                .is_some_and(|extension| extension == "yaml");
            if !is_template || path.ends_with("validate.yaml") {
                continue;
            }
            found += 1;
            let path = path.to_str().unwrap();
            assert!(rendered.contains(&path), "{path} is rendered in no case");
        }
    }
    assert!(found > 10);
}
