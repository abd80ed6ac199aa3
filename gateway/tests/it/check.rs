//! The command `check`: of a deployment from outside, and of the node beside it.

use std::process::Output;

use tokio::task::spawn_blocking;

use crate::support::{Deployment, SECRET, run, text, token};

/// Runs `check` with these arguments and variables, while the servers of the test go on.
async fn check(arguments: Vec<String>, env: Vec<(&'static str, String)>) -> Output {
    let checked = spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let env: Vec<(&str, &str)> = env
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        run(&[&["check"], arguments.as_slice()].concat(), &env)
    });
    checked.await.unwrap()
}

fn secret() -> Vec<(&'static str, String)> {
    vec![("JWT_HS256_SECRET", SECRET.to_owned())]
}

fn url_of(base: impl std::fmt::Display) -> Vec<String> {
    vec!["--url".to_owned(), base.to_string()]
}

#[tokio::test]
async fn what_one_connection_sends_is_heard_on_others_and_nothing_is_left_behind() {
    let deployment = Deployment::start(2).await;
    let front = deployment.front().await;
    let url = format!("http://{}", front.addr());
    let checked = check(url_of(url), secret()).await;
    let said = text(&checked);
    assert!(checked.status.success(), "{said}");
    for step in [
        "room",
        "websocket",
        "polling",
        "heard by 5 sockets",
        "history",
        "leave",
    ] {
        assert!(said.contains(&format!("{step}: ok (")), "{step}: {said}");
    }
    assert!(front.connections().iter().all(|count| *count > 0));
    let rooms = deployment.rest("roomwire-check").get("/chat/rooms").await;
    assert_eq!(rooms.json()["count"], 0, "{}", rooms.text);
}

#[tokio::test]
async fn a_check_may_use_the_token_of_a_file() {
    let deployment = Deployment::start(1).await;
    let file = std::env::temp_dir().join(format!("roomwire-token-{}", std::process::id()));
    std::fs::write(&file, format!("{}\n", token("alice"))).unwrap();
    let env = vec![("CHECK_TOKEN_FILE", file.to_string_lossy().into_owned())];
    let checked = check(url_of(deployment.node(0).url()), env).await;
    std::fs::remove_file(&file).unwrap();
    assert!(checked.status.success(), "{}", text(&checked));
    assert!(!text(&checked).contains(&token("alice")));
}

#[tokio::test]
async fn without_a_token_a_check_reaches_the_deployment_and_says_what_it_did_not_try() {
    let deployment = Deployment::start(1).await;
    let checked = check(url_of(deployment.node(0).url()), Vec::new()).await;
    let said = text(&checked);
    assert!(checked.status.success(), "{said}");
    assert!(
        said.contains("rest: ok\nwebsocket: ok\npolling: ok\nsending: not tried"),
        "{said}"
    );
}

#[tokio::test]
async fn a_deployment_that_lacks_a_transport_fails_the_check_that_expects_it() {
    let deployment = Deployment::with_settings(1, &[("TRANSPORTS", "polling")]).await;
    let url = url_of(deployment.node(0).url());
    let checked = check(url.clone(), secret()).await;
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    assert!(
        !text(&checked).contains("websocket: ok"),
        "{}",
        text(&checked)
    );
    let rooms = deployment.rest("roomwire-check").get("/chat/rooms").await;
    assert_eq!(rooms.json()["count"], 0, "a failed check leaves no room");
    let mut env = secret();
    env.push(("TRANSPORTS", "polling".to_owned()));
    let checked = check(url, env).await;
    assert!(checked.status.success(), "{}", text(&checked));
}

#[tokio::test]
async fn a_token_of_another_issuer_fails_the_check_and_is_not_told() {
    let deployment = Deployment::start(1).await;
    let env = vec![("JWT_HS256_SECRET", "x".repeat(40))];
    let checked = check(url_of(deployment.node(0).url()), env).await;
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    assert!(
        text(&checked).contains("room: answers with status 401"),
        "{}",
        text(&checked)
    );
}

#[tokio::test]
async fn a_node_is_asked_whether_it_is_ready_by_the_address_it_listens_on() {
    let deployment = Deployment::start(1).await;
    let admin = deployment.node(0).admin_url().replace("http://", "");
    let ready = vec!["--ready".to_owned()];
    let checked = check(ready.clone(), vec![("ADMIN_ADDR", admin.clone())]).await;
    assert!(checked.status.success(), "{}", text(&checked));
    drop(deployment);
    let checked = check(ready, vec![("ADMIN_ADDR", admin)]).await;
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    assert!(
        text(&checked).contains("node: does not answer"),
        "{}",
        text(&checked)
    );
}
