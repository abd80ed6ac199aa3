//! The house rules that a compiler does not know: who may use whom, and who may write rows.

#[path = "../../../gateway/tests/layers/reader.rs"]
mod reader;

use std::fs;
use std::path::{Path, PathBuf};

use self::reader::{Reader, code_of};

/// The rooms of the house, from the bottom up: each may use those before it, and no others.
const ROOMS: [&str; 9] = [
    "result",
    "client",
    "deployment",
    "meters",
    "load",
    "truth",
    "crowd",
    "faults",
    "command",
];

/// Only these may name the library behind them.
const LIBRARIES: [(&str, &[&str]); 4] = [
    (
        "sqlx::",
        &[
            "meters",
            "deployment/rows.rs",
            "command/bench",
            "command/drill",
            "command/error.rs",
        ],
    ),
    ("tokio_tungstenite", &["client"]),
    (
        "hyper",
        &["client", "command/bench/telemetry", "deployment/front.rs"],
    ),
    ("hdrhistogram", &["result"]),
];

/// These write rows: the first into the gateway's tables, the second into one of its own.
const WRITES: [&str; 2] = ["deployment/rows.rs", "command/bench/baseline.rs"];

const LINES_MAX: usize = 500;

/// Place below `src`, and text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let place = path.strip_prefix(&root).unwrap();
                let place = place.to_string_lossy().into_owned();
                found.push((place, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// What is wrong with these sources.
fn judged(files: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, text) in files {
        let parts: Vec<&str> = place.trim_end_matches(".rs").split('/').collect();
        let (room, depth) = (
            parts[0],
            parts.iter().filter(|part| **part != "mod").count(),
        );
        if text.lines().count() > LINES_MAX {
            wrong.push(format!("{place}: more than {LINES_MAX} lines"));
        }
        if ["lib", "main"].contains(&room) {
            continue;
        }
        let Some(floor) = ROOMS.iter().position(|known| *known == room) else {
            wrong.push(format!("{place}: {room} is no room"));
            continue;
        };
        let reader = Reader::of(text, depth);
        wrong.extend(
            reader
                .tricks
                .iter()
                .map(|trick| format!("{place}: {trick}")),
        );
        for used in reader.named.iter().filter(|used| *used != room) {
            if !ROOMS[..floor].contains(&used.as_str()) {
                wrong.push(format!("{place}: uses {used}, which is not below {room}"));
            }
        }
        let code = code_of(text);
        for (library, allowed) in LIBRARIES {
            if code.contains(&format!(" {library}"))
                && !allowed.iter().any(|start| place.starts_with(start))
            {
                wrong.push(format!("{place}: names {library}"));
            }
        }
        if text.contains("insert into") && !WRITES.contains(&place.as_str()) {
            wrong.push(format!("{place}: writes rows"));
        }
    }
    wrong
}

#[test]
fn every_room_uses_only_those_below_it() {
    assert_eq!(judged(&sources()), Vec::<String>::new());
}

#[test]
fn what_breaks_the_rules_is_seen() {
    let judged = |place: &str, text: &str| judged(&[(place.to_owned(), text.to_owned())]);
    for (place, text) in [
        ("truth/judge/mod.rs", "use crate::crowd::world::World;"),
        ("result/mod.rs", "fn f() { crate::client::rest::get(); }"),
        ("deployment/node.rs", "use super::super::faults::Fault;"),
        ("other/mod.rs", "fn f() {}"),
        ("crowd/actor/mod.rs", "use sqlx::PgPool;"),
        (
            "crowd/setup.rs",
            "const ROWS: &str = \"insert into rooms values (1)\";",
        ),
    ] {
        assert_eq!(judged(place, text).len(), 1, "{place}: {text}");
    }
    for (place, text) in [
        ("crowd/world.rs", "use crate::truth::stays::Stays;"),
        (
            "truth/judge/acks.rs",
            "use super::Index; use crate::truth::record::Write;",
        ),
        ("command/drill/mod.rs", "use sqlx::PgPool;"),
    ] {
        assert_eq!(judged(place, text), Vec::<String>::new(), "{place}: {text}");
    }
}
