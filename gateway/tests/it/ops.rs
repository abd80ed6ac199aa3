//! What operators meet: commands, start-up, probes, metrics, logs, the end.

use std::time::Duration;

use roomwire_dev::gateway::Gateway;
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::timeout;

use crate::support::{
    DEADLINE, Database, Deployment, GATEWAY, Rest, SECRET, Transports, environment, eventually,
    run, servers, text, token,
};

#[test]
fn all_that_is_missing_is_told_at_once() {
    let ended = run(&["serve"], &[]);
    assert_eq!(ended.status.code(), Some(2), "{}", text(&ended));
    for variable in ["DATABASE_URL", "REDIS_URL", "JWT_HS256_SECRET"] {
        assert!(
            text(&ended).contains(variable),
            "{variable}: {}",
            text(&ended)
        );
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_by_name_and_without_values() {
    let wrong = [
        ("DATABASE_URL", "gopher://user:swordfish1@nowhere"),
        ("REDIS_URL", "gopher://user:swordfish2@nowhere"),
        ("JWT_HS256_SECRET", "swordfish3"),
        ("JWT_JWKS", "as well"),
        ("JWT_LEEWAY_SECONDS", "301"),
        ("LISTEN_ADDR", "swordfish4"),
        ("ADMIN_ADDR", "nowhere"),
        ("ALLOW_MESSAGE_EDIT", "perhaps"),
        ("ALLOW_MESSAGE_DELETE", "perhaps"),
        ("MAX_MESSAGE_BYTES", "many"),
        ("UNKNOWN_USERS", "greet"),
        ("FEED_MEMORY_HOURS", "for ever"),
        ("DRAIN_SECONDS", "-1"),
        ("WORKER_THREADS", "0"),
    ];
    let ended = run(&["serve"], &wrong);
    assert_eq!(ended.status.code(), Some(2), "{}", text(&ended));
    for (variable, _) in wrong {
        assert!(
            text(&ended).contains(variable),
            "{variable}: {}",
            text(&ended)
        );
    }
    assert!(!text(&ended).contains("swordfish"), "{}", text(&ended));
}

#[test]
fn an_unknown_command_is_a_mistake_of_usage() {
    for arguments in [&["dance"][..], &["serve", "--dance"]] {
        assert_eq!(run(arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn help_names_every_variable_that_must_be_set() {
    let help = run(&["serve", "--help"], &[]);
    assert!(help.status.success());
    for variable in [
        "DATABASE_URL",
        "REDIS_URL",
        "JWT_HS256_SECRET",
        "LISTEN_ADDR",
        "ADMIN_ADDR",
    ] {
        assert!(text(&help).contains(variable), "{variable}");
    }
}

#[test]
fn config_shows_what_is_in_force_without_secrets() {
    let shown = run(
        &["config"],
        &[
            ("DATABASE_URL", "postgres://user:swordfish@db.example/chat"),
            ("REDIS_URL", "redis://:swordfish@redis.example"),
            (
                "JWT_HS256_SECRET",
                "swordfish and some more, to be long enough",
            ),
            ("MAX_MESSAGE_BYTES", "1234"),
        ],
    );
    assert!(shown.status.success(), "{}", text(&shown));
    assert!(text(&shown).contains("1234"), "{}", text(&shown));
    assert!(!text(&shown).contains("swordfish"), "{}", text(&shown));
}

#[tokio::test]
async fn a_development_token_opens_the_door() {
    let deployment = Deployment::start(1).await;
    let secret = [("JWT_HS256_SECRET", SECRET)];
    let printed = run(&["token", "--sub", "alice", "--name", "Alice"], &secret);
    assert!(printed.status.success(), "{}", text(&printed));
    let printed = String::from_utf8(printed.stdout).unwrap();
    let alice = deployment.anonymous().bearer(printed.trim());
    let room = alice.new_room("tea", &["alice"]).await;
    assert_eq!(alice.room(&room).await["participants"], json!(["alice"]));
}

#[tokio::test]
async fn migrations_may_be_applied_by_many_at_once_and_again() {
    let database = Database::empty().await;
    let url = database.url().to_owned();
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || run(&["migrate"], &[("DATABASE_URL", &url)]))
        })
        .collect();
    for ended in runs.into_iter().map(|run| run.join().unwrap()) {
        assert!(ended.status.success(), "{}", text(&ended));
    }
    let again = run(&["migrate"], &[("DATABASE_URL", &url)]);
    assert!(again.status.success(), "{}", text(&again));
}

#[tokio::test]
async fn an_older_release_takes_a_database_that_is_ahead_of_it_as_it_is() {
    let database = Database::migrated().await;
    let url = database.url().to_owned();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection
        .execute(
            "alter table messages add column of_the_next_release text;
             insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (99991231235959, 'of the next release', true, '', 0)",
        )
        .await
        .unwrap();
    let env = [("DATABASE_URL", url.as_str())];
    let again = run(&["migrate"], &env);
    assert!(again.status.success(), "{}", text(&again));
    let gateway = Gateway::spawn(GATEWAY.as_ref(), &environment(&database)).await;
    assert!(gateway.is_ok(), "it serves on that schema");
}

#[tokio::test]
async fn a_release_that_does_not_know_the_schema_any_more_is_refused_with_both_versions() {
    let database = Database::migrated().await;
    let note = "insert into schema_compatibility (oldest) values (99991231235959)";
    database.execute(note).await;
    let again = run(&["migrate"], &[("DATABASE_URL", database.url())]);
    let told = text(&again);
    assert!(!again.status.success(), "{told}");
    assert!(
        told.contains("99991231235959") && told.contains("run a newer version"),
        "{told}"
    );
    let gateway = Gateway::spawn_alive(GATEWAY.as_ref(), &environment(&database))
        .await
        .unwrap();
    let admin = Rest::new(reqwest::Client::new(), gateway.admin_url());
    eventually("is it told", async || {
        let told = admin.get("/readyz").await.text;
        told.contains("99991231235959") && told.contains("run a newer version")
    })
    .await;
}

#[tokio::test]
async fn a_migration_waits_for_whoever_holds_a_table_and_has_no_timeout_of_statements() {
    let database = Database::migrated().await;
    let url = database.url().to_owned();
    let undo = "drop index messages_shown;
        delete from _sqlx_migrations where description = 'index shown messages'";
    database.execute(undo).await;
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let hold = "begin; lock table messages in exclusive mode";
    holder.execute(hold).await.unwrap();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "100"),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned()));
    let migrating = std::thread::spawn(move || {
        let settings = settings
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        run(&["migrate"], &settings)
    });
    // What a transaction sees of the others' activity stays as it was.
    let mut watcher = PgConnection::connect(&url).await.unwrap();
    let waits = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    eventually("does it wait", async || {
        sqlx::query_scalar::<_, i64>(waits)
            .fetch_one(&mut watcher)
            .await
            .unwrap()
            > 0
    })
    .await;
    holder.execute("commit").await.unwrap();
    let ended = migrating.join().unwrap();
    assert!(ended.status.success(), "{}", text(&ended));
    let valid = "select indisvalid from pg_index where indexrelid = 'messages_shown'::regclass";
    assert!(
        sqlx::query_scalar::<_, bool>(valid)
            .fetch_one(&mut watcher)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn an_index_that_a_migration_did_not_complete_is_made_anew() {
    let database = Database::migrated().await;
    let break_one = "update pg_index set indisvalid = false
        where indexrelid = 'messages_by_change'::regclass";
    database.execute(break_one).await;
    let again = run(&["migrate"], &[("DATABASE_URL", database.url())]);
    assert!(again.status.success(), "{}", text(&again));
    assert!(
        text(&again).contains("messages_by_change"),
        "{}",
        text(&again)
    );
}

#[tokio::test]
async fn a_node_whose_writes_fail_is_not_ready() {
    let deployment = Deployment::start(1).await;
    let admin = deployment.admin();
    let database = deployment.database();
    database
        .execute("alter table probes add constraint never check (false) not valid")
        .await;
    eventually("is it not ready", async || {
        admin.get("/readyz").await.status == 503
    })
    .await;
    database
        .execute("alter table probes drop constraint never")
        .await;
    eventually("is it ready", async || {
        admin.get("/readyz").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn probes_and_metrics_are_on_the_admin_port_only() {
    let deployment = Deployment::start(1).await;
    let (admin, public) = (deployment.admin(), deployment.rest("alice"));
    for path in ["/livez", "/healthz", "/readyz", "/startupz", "/metrics"] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        public.get(path).await.error(404, "NOT_FOUND");
    }
    let rooms = admin.bearer(token("alice")).get("/chat/rooms").await;
    assert_eq!(rooms.status, 404, "the API is not on the admin port");
}

#[tokio::test]
async fn metrics_bear_the_products_name_and_describe_themselves() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    deployment
        .socket("alice")
        .open()
        .await
        .say(&room, "hello")
        .await;
    let metrics = deployment.admin().get("/metrics").await;
    assert!(
        metrics.header("content-type").starts_with("text/plain"),
        "{metrics:?}"
    );
    let mut described = Vec::new();
    for line in metrics.text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            described.push(help.split(' ').next().unwrap());
        } else if !line.starts_with('#') {
            let name = line.split([' ', '{']).next().unwrap();
            let starts = ["roomwire_", "process_", "http_server_"];
            assert!(starts.iter().any(|start| name.starts_with(start)), "{line}");
            assert!(
                described.iter().any(|known| name.starts_with(known)),
                "no help: {line}"
            );
        }
    }
    assert!(described.len() > 5, "{}", metrics.text);
    assert!(!metrics.text.contains(&room), "a room in a label");
}

#[tokio::test]
async fn metrics_have_the_labels_that_their_page_says() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    alice.say(&room, "hello").await;
    deployment.socket("bob").token("nonsense").refused().await;
    let page = include_str!("../../../docs/metrics.md");
    let metrics = deployment.admin().get("/metrics").await.text;
    let samples = metrics
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut seen = 0;
    for sample in samples {
        let (whole, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let whole = whole.split(' ').next().unwrap();
        let ends = ["_bucket", "_sum", "_count", ""];
        let row = ends.iter().find_map(|end| {
            let name = whole.strip_suffix(end)?;
            page.lines()
                .find(|row| row.starts_with(&format!("| `{name}` |")))
        });
        let row = row.unwrap_or_else(|| panic!("{whole} is not on the page"));
        let documented = row.split(" | ").nth(3).unwrap();
        let labels = labels
            .split("\",")
            .filter_map(|label| label.split_once('='));
        for (label, _) in labels.filter(|(label, _)| *label != "le") {
            let known = documented.contains(&format!("`{label}`"));
            assert!(known, "{label} of {whole} is not on the page");
            seen += 1;
        }
    }
    assert!(seen > 10, "{metrics}");
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_lets_its_clients_go_and_ends_well() {
    let settings = [("DRAIN_SECONDS", "1")];
    let Some(mut deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut sockets = Vec::new();
    for transports in [
        Transports::Websocket,
        Transports::Polling,
        Transports::Upgrade,
    ] {
        sockets.push(deployment.socket("bob").transports(transports).open().await);
    }
    sockets[0].say(&room, "hello").await;
    for socket in &mut sockets[1..] {
        socket.hears_text("hello").await;
    }
    deployment.node(0).signal("TERM").unwrap();
    for socket in &mut sockets {
        let reason = socket.is_disconnected().await;
        assert_ne!(
            reason, "io server disconnect",
            "after that, clients do not come back"
        );
    }
    let ended = timeout(DEADLINE, deployment.node_mut(0).wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.code(), Some(0), "{}", deployment.node(0).output());
}

#[tokio::test]
async fn a_gateway_says_when_it_cannot_reach_its_database() {
    let nowhere = roomwire_dev::free_port().unwrap();
    let url = format!("postgres://user:swordfish@127.0.0.1:{nowhere}/chat");
    let ended = tokio::task::spawn_blocking(move || run(&["migrate"], &[("DATABASE_URL", &url)]));
    let ended = timeout(Duration::from_secs(30), ended)
        .await
        .unwrap()
        .unwrap();
    assert!(!ended.status.success());
    assert!(!text(&ended).is_empty());
    assert!(!text(&ended).contains("swordfish"), "{}", text(&ended));
}

#[tokio::test]
async fn check_tells_what_serve_would_lack() {
    let (empty, database) = (Database::empty().await, Database::migrated().await);
    let nowhere = roomwire_dev::free_port().unwrap();
    let gone = format!("redis://:swordfish@127.0.0.1:{nowhere}");
    let check = |database: &Database, redis: &str, (name, value): (&str, &str)| {
        let settings = [
            ("DATABASE_URL", database.url()),
            ("REDIS_URL", redis),
            (name, value),
        ];
        let ended = run(&["check"], &settings);
        (ended.status.code(), text(&ended))
    };
    let (redis, secret) = (servers().redis_url(), ("JWT_HS256_SECRET", SECRET));
    let well = (Some(0), "postgres: ok\nredis: ok\nkeys: ok\n".to_owned());
    assert_eq!(check(&database, redis, secret), well);

    let (code, words) = check(&empty, &gone, ("JWT_JWKS", "/nowhere/keys.json"));
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("postgres: the schema is at 0"), "{words}");
    assert!(
        words.contains("keys: the key set cannot be read"),
        "{words}"
    );
    assert!(!words.contains("redis: ok"), "{words}");
    assert!(!words.contains("swordfish"), "{words}");

    let (code, _) = check(&database, redis, ("JWT_HS256_SECRET", ""));
    assert_eq!(code, Some(2));
}
