//! The house rules that a compiler does not know: who may import whom, and how large a file may be.

#![expect(
    clippy::unwrap_used,
    reason = "whatever fails here should fail its test"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each layer, and what it may import. Below it in the list is below it in the house.
const LAYERS: [(&str, &[&str]); 15] = [
    (
        "transport",
        &["faces", "live", "chat", "bus", "limits", "domain", "config"],
    ),
    (
        "faces",
        &["chat", "live", "auth", "limits", "store", "domain"],
    ),
    (
        "chat",
        &[
            "live", "presence", "bus", "limits", "store", "domain", "config",
        ],
    ),
    ("live", &["presence", "bus", "store", "domain"]),
    ("presence", &["bus", "store"]),
    ("auth", &["domain", "config"]),
    ("limits", &["domain", "config"]),
    ("bus", &["store", "domain", "config"]),
    ("store", &["domain", "config"]),
    ("domain", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("workers", &[]),
    // Parts of the composition, beside `app`, `cli` and `lifecycle`, which see everything.
    ("health", &["auth", "bus", "store", "transport"]),
    ("sweeper", &["bus", "store"]),
];

/// Layers that everybody may use, because they use nobody.
const LEAVES: [&str; 2] = ["telemetry", "workers"];

/// Only these may name the library behind a layer.
const LIBRARIES: [(&str, &[&str]); 6] = [
    ("governor", &["limits.rs"]),
    ("socketioxide", &["transport/engine"]),
    ("fred::", &["bus"]),
    ("sqlx::", &["store", "health.rs"]),
    ("jsonwebtoken", &["auth"]),
    (
        "axum::",
        &[
            "faces/rooms/rest",
            "faces/chats/rest",
            "faces/http.rs",
            "transport",
        ],
    ),
];

const LINES_MAX: usize = 500;

fn sources(root: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if !["node_modules", "target"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// Path below `src`, with `/` between its parts.
fn below_src(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let parts = path.strip_prefix(root).unwrap().components();
    parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// The top-level modules that a file names by `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut at_start = true;
            for (index, character) in group.char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => at_start = true,
                    c if at_start && depth == 0 && c.is_ascii_alphabetic() => {
                        found.insert(word(&group[index..]));
                        at_start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(word(rest));
        }
    }
    found
}

#[test]
fn imports_point_downwards_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let place = below_src(&path);
        let layer = place.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            continue;
        };
        for import in imports(&text) {
            let known = LAYERS.iter().any(|(name, _)| *name == import);
            let leaf = LEAVES.contains(&import.as_str());
            if known && !leaf && import != layer && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{place} imports {import}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "against the direction:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn each_library_is_known_to_its_own_layer_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let place = below_src(&path);
        for (library, homes) in LIBRARIES {
            let used = text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(library));
            if used && !homes.iter().any(|home| place.starts_with(home)) {
                wrong.push(format!("{place} uses {library}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "libraries outside their layer:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_import_reader_sees_nested_groups() {
    let text = "use crate::{\n    bus::{Hint, Topic},\n    store::{self, Store},\n};\nuse crate::live::Hub;";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["bus", "live", "store"]);
}

#[test]
fn no_file_is_longer_than_500_lines_and_every_file_says_what_it_owns() {
    let mut wrong = Vec::new();
    for root in [
        "src",
        "tests",
        "fuzz/targets",
        "../shared/src",
        "../loadtest/src",
        "../deploy/dev/src",
    ] {
        for (path, text) in sources(root) {
            let lines = text.lines().count();
            if lines > LINES_MAX {
                wrong.push(format!("{}: {lines} lines", path.display()));
            }
            if !text.starts_with("//!") {
                wrong.push(format!(
                    "{}: does not begin with what it owns",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_module_is_a_drawer() {
    let drawers = [
        "utils", "util", "helpers", "helper", "common", "misc", "manager",
    ];
    for root in [
        "src",
        "../shared/src",
        "../loadtest/src",
        "../deploy/dev/src",
    ] {
        for (path, _) in sources(root) {
            let stem = path
                .file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            assert!(!drawers.contains(&stem.as_str()), "{}", path.display());
        }
    }
}
