//! The commands of the page about Kubernetes, run as they stand there, one block after the other.

use std::fs;
use std::path::Path;
use std::process::Command;

use roomwire_chart_tests::chart;

use crate::ground::{Ground, eventually};
use crate::said::Said;

with_each_helm!(the_commands_of_the_page_do_what_it_says);

/// What a reader has to have, by the names of the page.
const GIVEN: [(&str, &str); 3] = [
    ("DATABASE_URL", "postgres://chat@postgres/chat"),
    ("REDIS_URL", "redis://redis"),
    (
        "JWT_HS256_SECRET",
        "a-secret-that-is-long-enough-for-tokens",
    ),
];

fn the_commands_of_the_page_do_what_it_says(ground: &Ground) {
    let top = chart::folder().join("../..").canonicalize().unwrap();
    let page = fs::read_to_string(top.join("docs/kubernetes.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let blocks: Vec<_> = blocks
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect();
    assert!(blocks.len() > 3, "{}", blocks.len());
    let place = std::env::temp_dir().join(&ground.namespace);
    fs::create_dir_all(&place).unwrap();
    let values = top.join("helm/roomwire/ci/minimal-values.yaml");
    fs::copy(values, place.join("values.yaml")).unwrap();
    std::os::unix::fs::symlink(top.join("helm"), place.join("helm")).ok();
    for block in blocks {
        follow(ground, &place, block).ok();
    }
    fs::remove_dir_all(&place).unwrap();
    // Helm does not wait for what it deletes.
    eventually("nothing of the release is left", || {
        let left = ground.get(&["all", "--selector=app.kubernetes.io/instance=chat"]);
        left["items"].as_array().is_some_and(Vec::is_empty)
    });
}

/// Both programs are those of the check, in its namespace, as if that were the reader's own.
fn follow(ground: &Ground, place: &Path, block: &str) -> Said {
    let quoted = |command: &Command| {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        words.join(" ")
    };
    let helm = quoted(&ground.helm_command(&ground.plane.admin(), &[]));
    let kubectl = quoted(&ground.kubectl_command(&[]));
    let script = format!("helm() {{ {helm} \"$@\"; }}\nkubectl() {{ {kubectl} \"$@\"; }}\n{block}");
    let mut command = Command::new("bash");
    command
        .args(["-euc", &script])
        .current_dir(place)
        .envs(GIVEN);
    Said::of(&mut command, "")
}
