//! The commands of the pages, run as they stand there.
//!
//! A fenced block that is marked `sh` is run, all those of a page in one shell. Those that need a cluster or
//! a container engine are only read by the shell; `helm/cluster` runs the former.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use roomwire_dev::servers::Redis;
use tokio::task::spawn_blocking;

use crate::support::{
    Authority, Database, Deployment, GATEWAY, SECRET, TlsRedis, servers, text, tls_postgres, token,
};

/// A command that begins with one of these needs what is not here.
const ELSEWHERE: [&str; 7] = [
    "helm ",
    "kubectl ",
    "docker ",
    "cargo ",
    "UPDATE_DOCS=1 cargo ",
    "deploy/",
    "helm/cluster/",
];

/// What the commands of the pages use beside the gateway.
const PROGRAMS: [&str; 6] = ["bash", "curl", "openssl", "pg_dump", "psql", "redis-cli"];

const PASSWORD: &str = "a-password-of-redis";

/// The pages, below the top folder.
fn pages() -> Vec<(String, String)> {
    let top = top();
    let mut paths = vec![PathBuf::from("README.md")];
    for folder in ["docs", "deploy", "helm/roomwire", "helm/cluster"] {
        let entries = fs::read_dir(top.join(folder)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name());
        paths.extend(names.map(|name| Path::new(folder).join(name)));
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(top.join(&path)).unwrap();
            (path.to_string_lossy().into_owned(), text)
        })
        .collect()
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of a page that are marked `sh`.
fn blocks(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in page.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => open = Some((language == "sh", String::new())),
            (Some((is_shell, text)), Some(_)) => {
                if *is_shell {
                    found.push(std::mem::take(text));
                }
                open = None;
            }
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

fn runs_here(block: &str) -> bool {
    !block
        .lines()
        .any(|line| ELSEWHERE.iter().any(|start| line.starts_with(start)))
}

/// A folder to run in, from which the paths of the pages lead to the repository's files.
struct Workplace(PathBuf);

impl Workplace {
    fn new(page: &str) -> Self {
        let name = page.replace(['/', '.'], "-");
        let folder = env::temp_dir().join(format!("roomwire-docs-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["deploy", "docs", "helm"] {
            symlink(top().canonicalize().unwrap().join(name), folder.join(name)).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs all blocks of a page that can run here, one after the other, until one fails.
async fn follow(page: &'static str, env: Vec<(&'static str, String)>) -> Output {
    let text = fs::read_to_string(top().join(page)).unwrap();
    let blocks: Vec<String> = blocks(&text).into_iter().filter(|b| runs_here(b)).collect();
    assert!(!blocks.is_empty(), "{page} has no commands");
    let mut script = blocks.join("\n");
    for (name, value) in &env {
        // Where a page has to name a place, it names the default one.
        if let Some(place) = name.strip_prefix("at ") {
            script = script.replace(place, value);
        }
    }
    let bin = Path::new(GATEWAY).parent().unwrap().to_owned();
    let workplace = Workplace::new(page);
    let ran = spawn_blocking(move || {
        let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command
            .args(["-xeuo", "pipefail", "-c", &script])
            .current_dir(&workplace.0)
            .env_clear()
            .envs(env.into_iter().filter(|(name, _)| !name.starts_with("at ")))
            .env("PATH", path);
        command.output().unwrap()
    });
    ran.await.unwrap()
}

/// Whether the programs are there. Where checks are complete, they must be.
#[expect(
    clippy::print_stderr,
    reason = "a skip is told to whoever runs the tests"
)]
fn programs() -> bool {
    let found = |program: &&str| {
        let paths = env::var_os("PATH").unwrap();
        env::split_paths(&paths).any(|folder| folder.join(program).is_file())
    };
    let missing: Vec<_> = PROGRAMS.iter().filter(|name| !found(name)).collect();
    let complete = env::var("CI").is_ok_and(|value| value == "true");
    assert!(missing.is_empty() || !complete, "missing: {missing:?}");
    if !missing.is_empty() {
        eprintln!("SKIPPED: the commands of the pages need {missing:?}");
    }
    missing.is_empty()
}

#[test]
fn the_shell_can_read_every_command_of_every_page() {
    let mut count = 0;
    for (page, text) in pages() {
        for block in blocks(&text) {
            let read = Command::new("bash").args(["-n", "-c", &block]).output();
            assert!(read.unwrap().status.success(), "{page}:\n{block}");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn every_link_of_a_page_leads_to_a_file() {
    for (page, text) in pages() {
        let folder = top().join(&page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1) {
            let link = link.split([')', ' ']).next().unwrap();
            let (path, _) = link.split_once('#').unwrap_or((link, ""));
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(folder.join(path).exists(), "{page} links to {link}");
        }
    }
}

#[tokio::test]
async fn the_commands_of_the_readme_do_what_it_says() {
    if !programs() {
        return;
    }
    let deployment = Deployment::start(2).await;
    let front = deployment.front().await;
    let admin = deployment.node(0).admin_url().replace("http://", "");
    let env = vec![
        ("TOKEN", token("alice")),
        ("PID", deployment.node(0).pid().to_string()),
        ("at 127.0.0.1:3001", front.addr().to_string()),
        ("at localhost:9090", admin),
    ];
    let ran = follow("README.md", env).await;
    assert!(ran.status.success(), "{}", text(&ran));
    assert!(text(&ran).contains("roomId"), "{}", text(&ran));
}

#[tokio::test]
async fn the_commands_of_the_page_of_postgres_do_what_it_says() {
    if !programs() {
        return;
    }
    let authority = Authority::new("docs-postgres");
    let postgres = tls_postgres(&authority);
    let (server, _) = postgres.url().rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    let admin = format!("{server}/postgres");
    // It comes with one of the name that the page gives to its own.
    let drop = ["-X", "-c", "drop database roomwire", &admin];
    let dropped = Command::new("psql").args(drop).output().unwrap();
    assert!(dropped.status.success(), "{}", text(&dropped));
    let env = vec![
        ("ADMIN_URL", admin),
        ("HOST", host.to_owned()),
        ("PASSWORD", "not-asked-for".to_owned()),
        ("CA_FILE", authority.path("ca.crt")),
        ("REDIS_URL", servers().redis_url().to_owned()),
        ("JWT_HS256_SECRET", SECRET.to_owned()),
    ];
    let ran = follow("docs/postgres.md", env).await;
    assert!(ran.status.success(), "{}", text(&ran));
    assert!(text(&ran).contains("postgres: ok"), "{}", text(&ran));
}

#[tokio::test]
async fn the_commands_of_the_page_of_upgrades_do_what_it_says() {
    if !programs() {
        return;
    }
    let database = Database::empty().await;
    let env = vec![
        ("DATABASE_URL", database.url().to_owned()),
        ("REDIS_URL", servers().redis_url().to_owned()),
        ("JWT_HS256_SECRET", SECRET.to_owned()),
    ];
    let ran = follow("docs/upgrading.md", env).await;
    assert!(ran.status.success(), "{}", text(&ran));
}

/// Where a page gets new commands, they get a test.
#[test]
fn every_page_with_commands_that_run_here_is_followed() {
    let followed = include_str!("docs.rs");
    for (page, text) in pages() {
        let here = blocks(&text).iter().any(|block| runs_here(block));
        let call = format!("follow(\"{page}\"");
        assert_eq!(here, followed.contains(&call), "{page}");
    }
}

#[tokio::test]
async fn the_commands_of_the_page_of_redis_do_what_it_says() {
    if !programs() {
        return;
    }
    let (authority, redis) = (Authority::new("docs-redis"), Redis::start().unwrap());
    let password = format!(">{PASSWORD}");
    let user = ["--user", "roomwire", "on", &password, "~*", "&*", "+@all"];
    let settings = [&["--tls-auth-clients", "no"], user.as_slice()].concat();
    let behind_tls = TlsRedis::start(&authority, &settings);
    let database = Database::migrated().await;
    let address = redis.url().trim_start_matches("redis://");
    let env = vec![
        ("REDIS_ADMIN_URL", redis.url().to_owned()),
        ("REDIS_PASSWORD", PASSWORD.to_owned()),
        (
            "REDIS_URL",
            format!("redis://roomwire:{PASSWORD}@{address}"),
        ),
        ("HOST", behind_tls.address()),
        ("CA_FILE", authority.path("ca.crt")),
        ("DATABASE_URL", database.url().to_owned()),
        ("JWT_HS256_SECRET", SECRET.to_owned()),
    ];
    let ran = follow("docs/redis.md", env).await;
    assert!(ran.status.success(), "{}", text(&ran));
    assert_eq!(text(&ran).matches("redis: ok").count(), 2, "{}", text(&ran));
}
