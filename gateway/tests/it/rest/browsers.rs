//! What browsers ask before they let a page of another origin call (Fetch standard, "CORS protocol").

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response};

use crate::support::{Deployment, token};

const PAGE: &str = "https://chat.example";

async fn preflight(url: &str, asked: &str) -> HeaderMap {
    let asking = Client::new().request(Method::OPTIONS, url);
    let asking = asking
        .header("origin", PAGE)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", asked);
    allowed(&asking.send().await.unwrap())
}

fn allowed(answer: &Response) -> HeaderMap {
    let headers = answer.headers().clone();
    // A wildcard allows neither credentials nor the authorization header.
    assert_eq!(headers["access-control-allow-origin"], PAGE);
    assert_eq!(headers["access-control-allow-credentials"], "true");
    headers
}

#[tokio::test]
async fn a_page_of_any_origin_may_call_with_its_token_and_poll_like_the_oldest_clients() {
    let deployment = Deployment::start(1).await;
    let base = deployment.node(0).url().to_owned();
    let asked = "authorization,content-type";
    let allowed_headers = preflight(&format!("{base}/chat/new"), asked).await;
    assert_eq!(allowed_headers["access-control-allow-headers"], asked);
    assert_eq!(allowed_headers["access-control-allow-methods"], "PUT");

    let rooms = Client::new().get(format!("{base}/chat/rooms"));
    let rooms = rooms.bearer_auth(token("alice")).header("origin", PAGE);
    let headers = allowed(&rooms.send().await.unwrap());
    assert_eq!(headers["access-control-expose-headers"], "retry-after");

    for path in ["realtime", "v2/chat"] {
        let poll = format!("{base}/{path}/?EIO=3&transport=polling");
        let answer = Client::new().get(poll).header("origin", PAGE);
        let answer = answer.send().await.unwrap();
        allowed(&answer);
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn only_listed_origins_are_let_in_where_there_is_a_list() {
    let settings = [("CORS_ORIGINS", "https://other.example")];
    let deployment = Deployment::with_settings(1, &settings).await;
    let url = format!("{}/chat/rooms", deployment.node(0).url());
    let answer = Client::new().get(url).header("origin", PAGE);
    let answer = answer.send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}
