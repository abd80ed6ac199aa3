//! What builds and starts the images fits the workspace: read as text, so that no engine is needed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "whatever fails here should fail its test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DOCKERFILE: &str = "deploy/Dockerfile";
const COMPOSE: &str = "deploy/compose.yaml";
const TARGETS: [&str; 2] = ["loadtest", "gateway"];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

/// A value of the form `key = "value"` in a TOML file.
fn toml_value(path: &str, key: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

/// One instruction of the Dockerfile, and the stage that it belongs to.
struct Instruction {
    stage: Option<String>,
    name: String,
    rest: String,
}

impl Instruction {
    fn words(&self) -> Vec<&str> {
        self.rest.split_whitespace().collect()
    }
}

fn instructions() -> Vec<Instruction> {
    let text = read(DOCKERFILE);
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let mut stage = None;
    let mut found = Vec::new();
    for line in joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (name, rest) = line.split_once(' ').unwrap();
        if name == "FROM" {
            stage = rest.split(" AS ").nth(1).map(str::to_owned);
            assert!(stage.is_some(), "a stage without a name: {line}");
        }
        found.push(Instruction {
            stage: stage.clone(),
            name: name.to_owned(),
            rest: rest.to_owned(),
        });
    }
    found
}

/// The images that are pulled, by the argument that names them.
fn pulled() -> BTreeMap<String, String> {
    let arguments = instructions()
        .into_iter()
        .filter(|one| one.name == "ARG" && one.stage.is_none());
    let pairs = arguments.map(|one| {
        let (name, image) = one.rest.split_once('=').unwrap();
        (name.to_owned(), image.to_owned())
    });
    pairs.collect()
}

fn of_stage(stage: &str, name: &str) -> Vec<Instruction> {
    let all = instructions().into_iter();
    let wanted = |one: &Instruction| one.stage.as_deref() == Some(stage) && one.name == name;
    all.filter(wanted).collect()
}

/// Whether a path is left out of what is sent to the builder. The last pattern that matches it, or a
/// folder above it, decides.
fn is_ignored(path: &str) -> bool {
    let mut ignored = false;
    for line in read(".dockerignore").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (pattern, takes_back) = match line.strip_prefix('!') {
            Some(pattern) => (pattern, true),
            None => (line, false),
        };
        let parts: Vec<&str> = path.split('/').collect();
        let hit = match pattern.strip_prefix("**/") {
            Some(name) => parts.contains(&name),
            None if pattern == "*" => true,
            None => path == pattern || path.starts_with(&format!("{pattern}/")),
        };
        if hit {
            ignored = !takes_back;
        }
    }
    ignored
}

/// What the stage `source` takes from the workspace.
fn sources() -> BTreeSet<String> {
    let copies = of_stage("source", "COPY");
    let taken = copies.iter().flat_map(|copy| {
        let words = copy.words();
        let (_, from) = words.split_last().unwrap();
        from.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()
    });
    taken.collect()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_last_stage_is_the_gateway_and_every_stage_that_is_named_exists() {
    let all = instructions();
    let stages: Vec<String> = all
        .iter()
        .filter(|one| one.name == "FROM")
        .filter_map(|one| one.stage.clone())
        .collect();
    assert_eq!(stages.last().unwrap(), "gateway");
    for target in TARGETS {
        assert!(stages.iter().any(|stage| stage == target), "{target}");
    }
    for one in all.iter().filter(|one| one.name == "FROM") {
        let from = one.words()[0];
        let argument = from
            .strip_prefix("${")
            .and_then(|name| name.strip_suffix('}'));
        let known = match argument {
            Some(argument) => pulled().contains_key(argument),
            None => stages.iter().any(|stage| stage == from),
        };
        assert!(known, "{from}");
    }
    for copy in all.iter().filter(|one| one.name == "COPY") {
        if let Some(from) = copy.words()[0].strip_prefix("--from=") {
            assert!(stages.iter().any(|stage| stage == from), "{from}");
        }
    }
}

#[test]
fn the_compiler_of_the_image_is_that_of_the_workspace() {
    let channel = toml_value("rust-toolchain.toml", "channel");
    let image = pulled()["RUST_IMAGE"].clone();
    let tag = image.rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(tag.split('-').next().unwrap(), channel, "{image}");
    // The same Debian in both, or the program may need a newer C library than there is.
    assert!(tag.ends_with("-bookworm"), "{image}");
    assert!(pulled()["RUNTIME_IMAGE"].contains("debian12"));
}

#[test]
fn no_image_is_taken_without_a_version() {
    let mut images: Vec<String> = pulled().into_values().collect();
    let compose = read(COMPOSE);
    let named = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: "));
    images.extend(named.map(str::to_owned));
    assert!(images.len() >= 8, "{images:?}");
    for image in images {
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
        assert!(!tag.is_empty() && !tag.contains('/'), "no tag: {image}");
        assert_ne!(tag, "latest", "{image}");
    }
}

#[test]
fn what_the_build_copies_is_there_and_reaches_the_builder() {
    for source in sources() {
        let path = top().join(&source);
        assert!(path.exists(), "{source} is not there");
        assert!(!is_ignored(&source), "{source} is ignored");
    }
    // And what the compiler reads below that: everything but tests and what grows beside it.
    let mut files = Vec::new();
    for folder in [
        ".sqlx",
        "migrations",
        "shared/src",
        "gateway/src",
        "loadtest/src",
        "deploy/dev/src",
    ] {
        files_below(&top().join(folder), &mut files);
    }
    assert!(files.len() > 200, "{}", files.len());
    for file in files {
        let path = file
            .strip_prefix(top())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(!is_ignored(&path), "{path} is ignored");
    }
}

#[test]
fn every_member_of_the_workspace_is_part_of_the_build() {
    let manifest = read("Cargo.toml");
    let line = manifest
        .lines()
        .find(|line| line.starts_with("members"))
        .unwrap();
    let members: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
    assert!(members.contains(&"gateway"), "{members:?}");
    let sources = sources();
    for member in members {
        let copied = sources
            .iter()
            .any(|source| member == source || member.starts_with(&format!("{source}/")));
        assert!(copied, "{member} is not copied");
        assert!(!is_ignored(&format!("{member}/Cargo.toml")), "{member}");
    }
}

#[test]
fn secrets_and_what_was_built_here_stay_out_of_the_build() {
    for path in [
        ".git/config",
        ".roomwire/compose/jwt_secret",
        "target/dist/roomwire-gateway",
        "gateway/target/x",
        "gateway/tests/clients/node_modules/x",
        "deploy/compose.yaml",
        "helm/roomwire/values.yaml",
    ] {
        assert!(is_ignored(path), "{path}");
    }
}

#[test]
fn both_images_run_one_program_as_a_user_by_number() {
    for target in TARGETS {
        let user = of_stage(target, "USER");
        assert_eq!(user.len(), 1, "{target}");
        for id in user[0].rest.split(':') {
            assert!(id.parse::<u32>().unwrap() > 0, "{target}: {id}");
        }
        let copies = of_stage(target, "COPY");
        assert_eq!(copies.len(), 1, "{target}");
        let program = (*copies[0].words().last().unwrap()).to_owned();
        let entry = of_stage(target, "ENTRYPOINT");
        assert_eq!(entry[0].rest, format!("[\"{program}\"]"));
        for check in of_stage(target, "HEALTHCHECK") {
            assert!(
                check.rest.contains(&format!("CMD [\"{program}\"")),
                "{}",
                check.rest
            );
        }
    }
}

#[test]
fn images_carry_the_version_and_licences_of_the_workspace() {
    let version = toml_value("Cargo.toml", "version");
    let license = toml_value("Cargo.toml", "license");
    for target in TARGETS {
        let labels: String = of_stage(target, "LABEL")
            .iter()
            .map(|one| one.rest.clone())
            .collect();
        for (label, value) in [("version", &version), ("licenses", &license)] {
            let wanted = format!("org.opencontainers.image.{label}=\"{value}\"");
            assert!(labels.contains(&wanted), "{target}: {wanted}");
        }
    }
}

#[test]
fn compose_mounts_files_that_exist_and_secrets_that_are_made() {
    let compose = read(COMPOSE);
    let made = read("deploy/compose/up");
    let mut mounts = 0;
    let mut secrets = 0;
    for line in compose.lines().map(str::trim) {
        if let Some((_, name)) = line.split_once("file: ../.roomwire/compose/") {
            let name = name.trim_end_matches(" }");
            assert!(
                made.contains(&format!("\nkeep {name} ")),
                "nobody makes {name}"
            );
            secrets += 1;
        }
        let source = line.split(['"', ' ']).find(|word| word.starts_with("./"));
        if let Some(source) = source {
            let source = source.split(':').next().unwrap();
            assert!(top().join("deploy").join(source).exists(), "{source}");
            mounts += 1;
        }
    }
    assert!(mounts >= 7, "{mounts}");
    assert!(secrets >= 9, "{secrets}");
}
