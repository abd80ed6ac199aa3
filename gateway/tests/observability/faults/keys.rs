//! The issuer's key set cannot be read: never, or not again.

use std::time::Duration;

use roomwire_loadtest::client::{Contract, Target};
use roomwire_loadtest::deployment::proxy::{Proxy, Trouble};
use tokio::time::interval;

use super::super::crowd::connect;
use super::super::served::serve;
use super::super::stand::Stand;

const FACTOR: u64 = 240;

/// A public key for tests.
const KEY_SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig",
    "kid":"ones","x":"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"}]}"#;

/// A token of a key that nobody has seen: a head, claims, and no signature that would do.
const UNKNOWN: [&str; 3] = [
    "eyJhbGciOiAiRWREU0EiLCAidHlwIjogIkpXVCIsICJraWQiOiAidW5rbm93biJ9",
    "eyJzdWIiOiAic29tZWJvZHkiLCAiZXhwIjogNDEwMjQ0NDgwMH0",
    "AAAA",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_set_that_cannot_be_read_is_told_until_it_can() {
    let Some(mut stand) = Stand::start(FACTOR, 0, &[]).await else {
        return;
    };
    let way = Proxy::start(serve(KEY_SET.to_owned()).await).unwrap();
    way.trouble(Some(Trouble::Cut));
    let url = format!("http://{}/keys.json", way.address());
    let settings = [("JWT_JWKS", url.as_str()), ("JWT_HS256_SECRET", "")];
    let node = stand.add_alive(&settings).await;
    let target = Target::resolve(node.url()).await.unwrap();
    let watcher = &stand.watcher;
    watcher.fires("RoomwireKeySetNotRead", "page").await;
    stand.consult("RoomwireKeySetNotRead", 0).await;
    way.trouble(None);
    watcher.ends(&["RoomwireKeySetNotRead"]).await;

    // Read once, it is read again when somebody shows a key that is not in it.
    way.trouble(Some(Trouble::Cut));
    tokio::select! {
        () = watcher.fires("RoomwireKeySetNotRead", "ticket") => {}
        () = show_unknown(&target) => {}
    }
    way.trouble(None);
    tokio::select! {
        () = watcher.ends(&["RoomwireKeySetNotRead"]) => {}
        () = show_unknown(&target) => {}
    }
}

async fn show_unknown(target: &Target) {
    let mut again = interval(Duration::from_millis(500));
    let token = UNKNOWN.join(".");
    loop {
        again.tick().await;
        assert!(connect(target, &token, Contract::Rooms).await.is_none());
    }
}
