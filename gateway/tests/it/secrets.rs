//! Secrets in settings: what is taken for one, and that none is ever shown.

use std::path::PathBuf;

use crate::support::{Database, Deployment, SECRET, run, servers, text};

/// All commands that read the settings of tokens.
const COMMANDS: [&[&str]; 4] = [
    &["serve"],
    &["check"],
    &["config"],
    &["token", "--sub", "alice"],
];

/// Removed when it is dropped.
struct SecretFile(PathBuf);

impl SecretFile {
    fn with(name: &str, content: &[u8]) -> Self {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{name}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test]
async fn a_secret_may_come_from_a_file() {
    let file = SecretFile::with("secret", format!("{SECRET}\n").as_bytes());
    let settings = [
        ("JWT_HS256_SECRET", ""),
        ("JWT_HS256_SECRET_FILE", file.path()),
    ];
    let deployment = Deployment::with_settings(1, &settings).await;
    deployment.rest("alice").get("/chat/rooms").await.ok();
}

#[test]
fn no_command_takes_a_file_for_a_secret_that_holds_none() {
    let large = "swordfish ".repeat(10_000);
    for (content, words) in [
        (b"".as_slice(), "is empty"),
        (b"\n", "is empty"),
        (b" \t\r\n\n", "is empty"),
        (b"swordfish, and \xff after it, long enough", "is not UTF-8"),
        (large.as_bytes(), "is larger than"),
    ] {
        let file = SecretFile::with("none", content);
        for command in COMMANDS {
            let ended = run(command, &with(("JWT_HS256_SECRET_FILE", file.path())));
            let said = text(&ended);
            assert_eq!(ended.status.code(), Some(2), "{command:?}: {said}");
            let problem = format!("JWT_HS256_SECRET_FILE: {words}");
            assert!(said.contains(&problem), "{command:?}: {said}");
            assert!(!said.contains("swordfish"), "{command:?}: {said}");
        }
    }
}

#[test]
fn no_command_takes_a_short_secret_and_all_say_how_to_make_a_long_one() {
    let short = "swordfish and twenty-two bytes!";
    assert_eq!(short.len(), 31);
    let file = SecretFile::with("short", format!("{short}\n").as_bytes());
    for setting in [
        ("JWT_HS256_SECRET", short),
        ("JWT_HS256_SECRET", "swordfish and twenty-two bytes!\n"),
        ("JWT_HS256_SECRET_FILE", file.path()),
    ] {
        for command in COMMANDS {
            let ended = run(command, &with(setting));
            let said = text(&ended);
            assert_eq!(ended.status.code(), Some(2), "{command:?}: {said}");
            assert!(said.contains("JWT_HS256_SECRET: is shorter"), "{said}");
            assert!(said.contains("openssl rand -base64 32"), "{said}");
            assert!(!said.contains("swordfish"), "{command:?}: {said}");
        }
    }
    let enough = format!("{short}!");
    let ended = run(COMMANDS[3], &[("JWT_HS256_SECRET", &enough)]);
    assert!(ended.status.success(), "{}", text(&ended));
}

#[test]
fn neither_config_nor_help_shows_credentials_of_any_url() {
    let urls = "https://a.example,https://swordfish:swordfish@b.example";
    let settings = [
        (
            "JWT_JWKS",
            "https://u:swordfish@id.example/keys?key=swordfish",
        ),
        ("JWT_ISSUER", "swordfish@id.example"),
        ("CORS_ORIGINS", urls),
        ("DATABASE_URL", "postgres://u:swordfish@db.example/chat"),
        ("REDIS_URL", "redis://:swordfish@redis.example"),
    ];
    let shown = text(&run(&["config"], &settings));
    assert!(!shown.contains("swordfish"), "{shown}");
    let keys = "JWT_JWKS=https://(hidden)@id.example/keys?(hidden)\n";
    assert!(shown.contains(keys), "{shown}");
    for command in ["serve", "check", "token", "config", "migrate"] {
        let help = text(&run(&[command, "--help"], &settings));
        assert!(
            help.contains("DATABASE_URL") || command == "token",
            "{help}"
        );
        assert!(!help.contains("swordfish"), "{help}");
    }
}

#[tokio::test]
async fn what_cannot_be_fetched_is_told_without_its_url() {
    let database = Database::migrated().await;
    let nowhere = roomwire_dev::free_port().unwrap();
    let keys = format!("http://swordfish:swordfish@127.0.0.1:{nowhere}/k?key=swordfish");
    let separator = if database.url().contains('?') {
        '&'
    } else {
        '?'
    };
    let url = format!("{}{separator}swordfish=swordfish", database.url());
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", servers().redis_url()),
        ("JWT_JWKS", &keys),
        ("RUST_LOG", "trace"),
    ];
    let ended = run(&["check"], &settings);
    let said = text(&ended);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("keys: the key set cannot be fetched: "),
        "{said}"
    );
    assert!(said.contains("refused"), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
}

/// A secret's setting among what every command needs.
fn with<'a>(secret: (&'a str, &'a str)) -> [(&'a str, &'a str); 3] {
    [
        ("DATABASE_URL", "postgres://127.0.0.1:9/chat"),
        ("REDIS_URL", "redis://127.0.0.1:9"),
        secret,
    ]
}
