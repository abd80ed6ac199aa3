//! What the pages for operators say is what the files and the code say.

#![expect(
    clippy::unwrap_used,
    reason = "whatever fails here should fail its test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(top.join(path)).unwrap()
}

/// The rules of an access list in a text: whatever begins with `+` or `-@`.
fn rules(text: &str) -> BTreeSet<&str> {
    let words = text.split([' ', '\n', '"', '`', '\\']);
    words
        .filter(|word| word.starts_with('+') || word.starts_with("-@"))
        .collect()
}

/// The words in backquotes that begin like this.
fn quoted<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| word.starts_with(start)).collect()
}

#[test]
fn the_page_of_redis_grants_what_the_file_of_rights_does() {
    let page = read("docs/redis.md");
    let (_, after) = page.split_once("ACL SETUSER roomwire").unwrap();
    let (command, _) = after.split_once("```").unwrap();
    let file = read("deploy/redis/rights");
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    let file = lines.join("\n");
    assert_eq!(rules(command), rules(&file));
    assert!(rules(&file).len() > 20);
}

#[test]
fn the_page_of_postgres_names_every_setting_that_a_pooler_swallows() {
    let page = read("docs/postgres.md");
    let code = read("gateway/src/store/session.rs");
    let (_, after) = code.split_once("const SETTINGS: ").unwrap();
    let (options, _) = after.split_once("];").unwrap();
    let names: Vec<&str> = options
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next())
        .collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(page.contains(&format!(" set {name} = ")), "{name}");
    }
}

#[test]
fn the_page_of_failures_names_alerts_that_exist() {
    let page = read("docs/failures.md");
    let files =
        ["slo", "nodes", "stores"].map(|name| format!("deploy/observability/rules/{name}.yaml"));
    let rules: String = files.iter().map(|file| read(file)).collect();
    let alerts: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let named = quoted(&page, "Roomwire");
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(alerts.contains(name), "{name}");
    }
}

#[test]
fn the_pages_name_settings_that_exist() {
    let settings = read("docs/settings.md");
    let known: BTreeSet<&str> = settings
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for page in [
        "failures",
        "postgres",
        "proxies",
        "redis",
        "scaling",
        "sizing",
        "upgrading",
    ] {
        let text = read(&format!("docs/{page}.md"));
        for word in text.split('`').skip(1).step_by(2) {
            let name = word.split('=').next().unwrap();
            let is_setting = name.contains('_')
                && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                && !["ADMIN_URL", "SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&name);
            assert!(!is_setting || known.contains(name), "{page}: {name}");
        }
    }
}

#[test]
fn the_pages_for_developers_name_files_that_exist() {
    // Within a part of the product its own folder goes without saying.
    let starts = [
        "",
        "gateway",
        "gateway/src",
        "gateway/src/transport",
        "shared/src",
        "loadtest/src",
        "deploy/observability",
    ];
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let is_path = |word: &&str| {
        let marks = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
        word.contains('/') && !word.starts_with('/') && word.chars().all(marks)
    };
    let mut named = 0;
    for page in ["docs/developing.md", "ARCHITECTURE.md", "README.md"] {
        let text = read(page);
        for word in quoted(&text, "").into_iter().filter(is_path) {
            let exists = |start: &&str| {
                let path = top.join(start).join(word);
                path.exists() || path.with_extension("rs").exists()
            };
            assert!(starts.iter().any(exists), "{page}: {word}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}
