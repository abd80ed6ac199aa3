//! The house rules that a compiler does not know: who may import whom, and how large a file may be.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "whatever fails here should fail its test"
)]

#[path = "layers/reader.rs"]
mod reader;

use std::{
    fs,
    path::{Path, PathBuf},
};

use reader::{Reader, code_of};

/// Each layer, and what it may import. Below it in the list is below it in the house.
const LAYERS: [(&str, &[&str]); 17] = [
    // Parts of the composition that are no roots: each sees a little.
    (
        "health",
        &["transport", "chat", "auth", "bus", "store", "config"],
    ),
    ("housekeeping", &["store"]),
    ("sweeper", &["bus", "store"]),
    ("planted", &["bus"]),
    (
        "transport",
        &["faces", "live", "chat", "limits", "bus", "domain", "config"],
    ),
    (
        "faces",
        &["chat", "live", "auth", "limits", "store", "domain"],
    ),
    (
        "chat",
        &[
            "live", "presence", "limits", "bus", "store", "domain", "config",
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
];

/// What everybody may use: leaves, which use nobody, and the bugs on purpose, which are in no release.
const ANYWHERE: [&str; 3] = ["telemetry", "workers", "planted"];

/// These put the layers together and see all of them; no layer sees these.
const ROOTS: [&str; 7] = [
    "app",
    "check",
    "cli",
    "explain",
    "fuzzing",
    "lib",
    "lifecycle",
];

/// Programs are crates of their own, which see what the library shows everybody, and no layer.
const PROGRAMS: [&str; 2] = ["main", "bin"];

/// Only these may name the library behind a layer.
const LIBRARIES: [(&str, &[&str]); 10] = [
    ("opentelemetry", &["telemetry"]),
    ("governor", &["limits.rs"]),
    ("metrics_process", &["telemetry"]),
    ("tikv_jemalloc", &["telemetry", "main.rs", "bin"]),
    ("socketioxide", &["transport/engine"]),
    (
        "engineioxide",
        &[
            "transport/engine",
            "transport/http/edge.rs",
            "transport/sessions/known.rs",
        ],
    ),
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

/// The modules that a file stands in, from the top: none for the root of the crate.
fn module(place: &str) -> Vec<&str> {
    let parts = place.trim_end_matches(".rs").split('/');
    parts
        .filter(|part| !["lib", "mod"].contains(part))
        .collect()
}

/// What is wrong with the modules of a crate, given as places below `src` with their texts.
fn judged(files: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, text) in files {
        let top = place.split(['/', '.']).next().unwrap();
        let is_known = |name: &str| LAYERS.iter().any(|(layer, _)| *layer == name);
        let is_root = ROOTS.contains(&top);
        if !is_root && !is_known(top) && !PROGRAMS.contains(&top) {
            wrong.push(format!("{place}: {top} is neither a layer nor a root"));
        }
        let layer = LAYERS.iter().find(|(name, _)| *name == top);
        let allowed = layer.map_or(&[][..], |(_, allowed)| allowed);
        let reader = Reader::of(text, module(place).len());
        for name in &reader.named {
            let name = name.as_str();
            let may = name == top
                || ANYWHERE.contains(&name)
                || allowed.contains(&name)
                || is_root && (is_known(name) || ROOTS.contains(&name));
            if !may {
                wrong.push(format!("{place} imports {name}"));
            }
        }
        wrong.extend(reader.tricks.iter().map(|trick| format!("{place} {trick}")));
        if top == "lib"
            && text
                .lines()
                .any(|line| line.contains("mod ") && line.contains('{'))
        {
            wrong.push(format!("{place}: a module without a file of its own"));
        }
    }
    wrong
}

#[test]
fn every_module_is_listed_and_imports_point_downwards_only() {
    let files = sources("src").into_iter();
    let files: Vec<_> = files.map(|(path, text)| (below_src(&path), text)).collect();
    let wrong = judged(&files);
    assert!(
        wrong.is_empty(),
        "against the direction:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_list_itself_points_downwards_only() {
    for (place, (layer, allowed)) in LAYERS.iter().enumerate() {
        for import in *allowed {
            let below = LAYERS[place + 1..].iter().any(|(name, _)| name == import);
            assert!(below, "{layer} may import {import}, which is not below it");
        }
    }
}

/// What is wrong with one made-up file.
fn judge(place: &str, text: &str) -> Vec<String> {
    judged(&[(place.to_owned(), text.to_owned())])
}

#[test]
fn a_module_that_nobody_has_listed_is_found_as_a_file_and_as_a_folder() {
    for place in ["shadow.rs", "shadow/mod.rs", "shadow/deep/er.rs"] {
        let wrong = judge(place, "use crate::bus::Hint;");
        let unlisted = format!("{place}: shadow is neither a layer nor a root");
        assert_eq!(wrong, [unlisted, format!("{place} imports bus")]);
    }
    let inline = judge(
        "lib.rs",
        "mod app;\nmod shadow {\n    use crate::bus::Hint;\n}",
    );
    assert_eq!(inline, ["lib.rs: a module without a file of its own"]);
    let program = "fn main() { roomwire_gateway::run(); }";
    assert_eq!(judge("main.rs", program), [""; 0]);
    let wrong = judge(
        "bin/more.rs",
        "#[path = \"../bus/mod.rs\"] mod bus; use crate::bus::Hint;",
    );
    let trick = "bin/more.rs says where a module is";
    assert_eq!(wrong, ["bin/more.rs imports bus", trick]);
}

#[test]
fn an_import_upwards_is_found_however_it_is_written() {
    for text in [
        "use crate::faces::Face;",
        "use {std::fmt, crate::faces::Face};",
        "use crate::{domain::{Kind, Page}, faces::{self, Face as F}};",
        "use crate::{domain, faces as above};",
        "use crate :: /* here */ faces;",
        "pub(crate) use crate::faces;",
        "fn f() -> bool { crate::faces::known() }",
        "fn f() { log!(\"{}\", [crate::faces::known()]); }",
        "macro_rules! m { () => { $crate::faces::known() }; }",
        "pub(in crate::faces) fn f() {}",
        "use super::super::faces::Face;",
        "use super::super::{faces, domain};",
        "use super::{super::faces::Face, users};",
        "use super::{super::{faces, domain}, users};",
        "use self::super::super::faces;",
        "mod tests { use super::super::super::faces; }",
        "mod tests { mod more { fn f() { super::super::super::super::faces::f() } } }",
    ] {
        let wrong = judge("store/users.rs", text);
        assert_eq!(wrong, ["store/users.rs imports faces"], "{text}");
    }
    for (place, text) in [
        ("store/mod.rs", "use super::faces;"),
        ("limits.rs", "use super::{faces, domain};"),
    ] {
        assert_eq!(judge(place, text), [format!("{place} imports faces")]);
    }
}

#[test]
fn what_would_hide_an_import_is_found() {
    for (text, trick) in [
        ("use crate as root;", "gives the root another name"),
        ("use crate::{self as root};", "gives the root another name"),
        ("use crate::*;", "gives the root another name"),
        ("use super::super as root;", "gives the root another name"),
        ("use super::super::*;", "gives the root another name"),
        ("extern crate self as root;", "gives the root another name"),
        ("use super::super::super::faces;", "leads out of the crate"),
        (
            "#[path = \"../faces/mod.rs\"] mod faces;",
            "says where a module is",
        ),
        (
            "#[cfg_attr(test, path = \"x.rs\")] mod x;",
            "says where a module is",
        ),
        ("include!(\"../faces/mod.rs\");", "includes a source"),
    ] {
        let wrong = judge("store/users.rs", text);
        assert_eq!(wrong, [format!("store/users.rs {trick}")], "{text}");
    }
}

#[test]
fn what_is_allowed_or_no_import_at_all_is_left_alone() {
    for text in [
        "use crate::{config, domain::{self, Kind}, telemetry::catalogue, workers::Workers};",
        "use super::{Error, Store, error::id}; use super as parent;",
        "use crate::store::users::Profile;",
        "// use crate::faces;\n/// crate::faces\nconst TEXT: &str = \"crate::faces\";",
        "pub(crate) fn f(path: &str) { let path = \"crate::faces\"; }",
        "mod tests { use super::*; use super::super::Store; }",
        "use roomwire_shared::faces; use other_crate::faces;",
    ] {
        assert_eq!(judge("store/users.rs", text), [""; 0], "{text}");
    }
    assert_eq!(
        judge("cli.rs", "use crate::{app::App, auth, check};"),
        [""; 0]
    );
    let wrong = judge("store/users.rs", "use crate::{app::App, nothing};");
    assert_eq!(
        wrong,
        [
            "store/users.rs imports app",
            "store/users.rs imports nothing"
        ]
    );
}

#[test]
fn every_dependency_of_the_workspace_is_used_by_a_member() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = |folder: &str| fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap();
    let workspace = manifest("");
    let section = workspace.split("[workspace.dependencies]").nth(1).unwrap();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let listed = lines.filter_map(|line| Some(line.split_once('=')?.0.trim()));
    let members = [
        "gateway",
        "gateway/fuzz",
        "shared",
        "loadtest",
        "deploy/dev",
        "helm/tests",
    ];
    assert!(
        members
            .iter()
            .all(|member| workspace.contains(&format!("\"{member}\"")))
    );
    let members = members.map(manifest).join("\n");
    let is_used = |name: &str| {
        let forms = [
            format!("{name}.workspace"),
            format!("{name} = {{ workspace"),
        ];
        members
            .lines()
            .any(|line| forms.iter().any(|form| line.starts_with(form)))
    };
    let unused: Vec<&str> = listed.filter(|name| !is_used(name)).collect();
    assert_eq!(unused, [""; 0]);
}

#[test]
fn each_library_is_known_to_its_own_layer_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let place = below_src(&path);
        let code = code_of(&text);
        for (library, homes) in LIBRARIES {
            if code.contains(library) && !homes.iter().any(|home| place.starts_with(home)) {
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
fn no_file_is_longer_than_500_lines_and_every_file_says_what_it_owns() {
    let mut wrong = Vec::new();
    for root in [
        "src",
        "tests",
        "fuzz/targets",
        "../shared/src",
        "../loadtest/src",
        "../deploy/dev/src",
        "../helm/tests/src",
        "../helm/tests/tests",
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
        "../helm/tests/src",
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
