//! What whoever installs the chart is told: the names that things have, and what to beware of.

use roomwire_chart_tests::{Helm, Render};

use crate::cases::{MINIMAL, cases, in_parallel, rendering};
use crate::secrecy::given;

fn notes(file: &str, values: &str) -> String {
    let render = Render::new(Helm::V4).file(file).values(values);
    render.notes().unwrap()
}

/// What follows each place of a text in others, up to the end of a name.
fn names_after<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    let found = text.split(mark).skip(1);
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    found
        .map(|rest| rest.split(|c| !is_inner(c)).next().unwrap())
        .collect()
}

#[test]
fn the_notes_name_objects_that_are_there_and_tell_no_secret() {
    let all = in_parallel(cases(), |case| {
        case.render(Helm::V4, "1.37").notes().unwrap()
    });
    for (case, notes) in cases().iter().zip(&all) {
        let rendered = rendering(&case.name).objects();
        let deployments = names_after(notes, "deployment/");
        assert!(!deployments.is_empty(), "{}: {notes}", case.name);
        for name in deployments {
            assert!(
                rendered.find("Deployment", name).is_some(),
                "{}: {name}",
                case.name
            );
        }
        for name in names_after(notes, "service/") {
            assert!(
                rendered.find("Service", name).is_some(),
                "{}: {name}",
                case.name
            );
        }
        for name in names_after(notes, "kubectl -n ") {
            assert_eq!(name, "chat", "{}", case.name);
        }
        for odd in ["<no value>", "<nil>", "%!"] {
            assert!(!notes.contains(odd), "{}: {notes}", case.name);
        }
        for secret in given(case) {
            assert!(!notes.contains(&secret), "{} tells a secret", case.name);
        }
    }
}

#[test]
fn what_is_risky_is_said_where_it_is_so_and_nowhere_else() {
    let calm = notes(MINIMAL, "{}");
    for (file, values, text) in [
        ("ci/evaluation-values.yaml", "{}", "evaluation.enabled"),
        (
            "ci/chart-secrets-values.yaml",
            "{}",
            "secrets.databaseUrl.value",
        ),
        (
            MINIMAL,
            "config: {rateLimits: \"off\"}",
            "rate limits are off",
        ),
        (MINIMAL, "migrations: {mode: none}", "nobody migrates"),
        (MINIMAL, "replicaCount: 1", "there is one gateway"),
    ] {
        assert!(!calm.contains(text), "{text} is said without a reason");
        let said = notes(file, values);
        assert!(
            said.contains(text),
            "{file} with {values}: no {text} in {said}"
        );
    }
}

#[test]
fn clients_are_told_the_address_that_they_have_to_take() {
    for (values, address) in [
        ("{}", "http://roomwire.chat:80"),
        (
            "{ingress: {enabled: true, hosts: [{host: a.example}]}}",
            "http://a.example",
        ),
        (
            "{ingress: {enabled: true, hosts: [{host: a.example}], tls: [{hosts: [a.example]}]}}",
            "https://a.example",
        ),
        (
            "{httpRoute: {enabled: true, parentRefs: [{name: a}], hostnames: [b.example]}}",
            "https://b.example",
        ),
    ] {
        let said = notes(MINIMAL, values);
        assert!(said.contains(address), "{values}: no {address} in {said}");
    }
}
