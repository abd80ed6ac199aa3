//! A gateway that could not read its issuer's keys yet, and one that cannot read them any more.

use serde_json::{Value, json};

use crate::support::{
    Database, Deployment, Figures, Generation, Issuer, ONES, Rest, TWOS, eventually, run, said,
    servers, text, unix_seconds,
};

#[tokio::test]
async fn until_a_key_set_was_read_nobody_is_told_that_their_token_is_wrong() {
    let issuer = Issuer::saying("<html>".to_owned()).await;
    let Some(deployment) = with_keys_of(&issuer).await else {
        return;
    };
    let admin = deployment.admin();
    let reason = "keys: the key set is no JWKS";
    is_not_ready(&admin, reason).await;
    admin.get("/livez").await;
    let caller = deployment.anonymous();
    let alice = caller.clone().bearer(ONES.sign(&alice()));
    let answer = alice.get("/chat/rooms").await;
    answer.error(503, "UNAVAILABLE");
    assert_ne!(answer.header("retry-after"), "");
    let answer = alice.get("/chat/list").await;
    answer.refused(503, "UNAVAILABLE");
    assert_ne!(answer.header("retry-after"), "");
    // No key would help these.
    caller.get("/chat/rooms").await.error(401, "UNAUTHORIZED");
    let nonsense = caller.bearer("nonsense").get("/chat/rooms").await;
    nonsense.error(401, "UNAUTHORIZED");

    for generation in Generation::ALL {
        for socket in [deployment.socket("alice"), deployment.chats("alice")] {
            let socket = socket.generation(generation);
            let payload = socket.token(ONES.sign(&self::alice())).refused().await;
            assert!(said(&payload).starts_with("UNAVAILABLE: "), "{payload}");
        }
    }
    let figures = Figures::read(&admin).await;
    let unusable = [("result", "unusable")];
    assert!(figures.sum("roomwire_key_set_reads_total", &unusable) > 0.0);
    assert!(
        !figures.has("roomwire_key_set_age_seconds"),
        "none was read"
    );
}

#[tokio::test]
async fn a_key_set_that_comes_late_is_read_by_itself_and_then_stays() {
    let issuer = Issuer::saying(json!({ "keys": [{ "kty": "oct", "k": "" }] }).to_string()).await;
    let Some(deployment) = with_keys_of(&issuer).await else {
        return;
    };
    let admin = deployment.admin();
    is_not_ready(&admin, "keys: the key set has no key that could be used").await;
    issuer.rotate(&[ONES]);
    eventually("ready", async || admin.get("/readyz").await.status == 200).await;
    let caller = deployment.anonymous();
    let alice = caller.clone().bearer(ONES.sign(&alice()));
    alice.get("/chat/rooms").await.ok();

    let failed = "result=\"unusable\"} ";
    let before = count(&admin, failed).await;
    issuer.says("<html>".to_owned());
    // An unknown key makes the gateway ask, as soon as it may.
    eventually("read again", async || {
        let stranger = caller.clone().bearer(TWOS.sign(&self::alice()));
        stranger.get("/chat/rooms").await.error(401, "UNAUTHORIZED");
        count(&admin, failed).await > before
    })
    .await;
    alice.get("/chat/rooms").await.ok();
    assert_eq!(admin.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn where_keys_cannot_be_fetched_the_reason_is_told_without_the_url() {
    let nowhere = roomwire_dev::free_port().unwrap();
    let url = format!("http://swordfish:swordfish@127.0.0.1:{nowhere}/k?key=swordfish");
    let settings = [("JWT_JWKS", url.as_str()), ("JWT_HS256_SECRET", "")];
    let Some(deployment) = Deployment::alive_with_clients(&settings).await else {
        return;
    };
    is_not_ready(&deployment.admin(), "keys: the key set cannot be fetched: ").await;
    let logged = || deployment.node(0).output();
    eventually("logged", async || logged().contains("key set cannot be")).await;
    let shown = deployment.admin().get("/readyz?verbose").await.text + &logged();
    assert!(!shown.contains("swordfish"), "{shown}");
}

#[tokio::test]
async fn check_gives_the_same_reason() {
    let issuer = Issuer::saying(json!({ "keys": [] }).to_string()).await;
    let database = Database::migrated().await;
    let settings = [
        ("DATABASE_URL", database.url().to_owned()),
        ("REDIS_URL", servers().redis_url().to_owned()),
        ("JWT_JWKS", issuer.url().to_owned()),
    ];
    let checked = tokio::task::spawn_blocking(move || {
        let settings = settings
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        run(&["check"], &settings)
    });
    let said = text(&checked.await.unwrap());
    let reason = "keys: the key set has no key that could be used";
    assert!(said.contains(reason), "{said}");
}

/// A node whose keys these are, which may not have read them yet.
async fn with_keys_of(issuer: &Issuer) -> Option<Deployment> {
    let settings = [("JWT_JWKS", issuer.url()), ("JWT_HS256_SECRET", "")];
    Deployment::alive_with_clients(&settings).await
}

async fn is_not_ready(admin: &Rest, reason: &str) {
    eventually(reason, async || {
        let answer = admin.get("/readyz").await;
        answer.status == 503 && answer.text.contains(reason)
    })
    .await;
}

/// A counter's value, 0 while it is not shown.
async fn count(admin: &Rest, label: &str) -> u64 {
    let metrics = admin.get("/metrics").await.text;
    let line = metrics.lines().find_map(|line| {
        let line = line.strip_prefix("roomwire_key_set_reads_total{")?;
        line.strip_prefix(label)
    });
    line.map_or(0, |value| value.parse().unwrap())
}

fn alice() -> Value {
    json!({ "sub": "alice", "exp": unix_seconds() + 3_600 })
}
