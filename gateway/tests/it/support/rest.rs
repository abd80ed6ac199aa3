//! A caller of REST routes, and what it gets back.

use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method};
use serde_json::{Value, json};

use super::{DEADLINE, is_id, keys};

/// Calls one server, with or without a token.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    http: reqwest::Client,
    base: String,
    authorization: Option<String>,
    others: HeaderMap,
}

impl Rest {
    pub(crate) fn new(http: reqwest::Client, base: &str) -> Self {
        Self {
            http,
            base: base.to_owned(),
            authorization: None,
            others: HeaderMap::new(),
        }
    }

    /// The same caller at another server.
    pub(crate) fn on(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    /// The same caller with this token.
    pub(crate) fn bearer(self, token: impl AsRef<str>) -> Self {
        self.authorization(format!("Bearer {}", token.as_ref()))
    }

    /// The same caller with this text as its authorization.
    pub(crate) fn authorization(mut self, text: String) -> Self {
        self.authorization = Some(text);
        self
    }

    /// The same caller with one more header, before its authorization.
    pub(crate) fn header(mut self, name: &'static str, value: &[u8]) -> Self {
        let value = HeaderValue::from_bytes(value).unwrap();
        self.others.append(HeaderName::from_static(name), value);
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::default()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string().into()).await
    }

    /// Puts a plain text.
    pub(crate) async fn put_text(&self, path: &str, text: &str) -> Answer {
        self.send(Method::PUT, path, text.to_owned().into()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, body.to_string().into()).await
    }

    /// A PUT without a body, as a client sends one that has nothing to say.
    pub(crate) async fn put_nothing(&self, path: &str) -> Answer {
        self.send(Method::PUT, path, Body::default()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, Body::default()).await
    }

    /// Any request with any body, which is said to be JSON.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Body) -> Answer {
        let request = format!("{method} {path}");
        let mut sending = self.http.request(method, format!("{}{path}", self.base));
        sending = sending
            .timeout(DEADLINE)
            .header(CONTENT_TYPE, "application/json")
            .headers(self.others.clone())
            .body(body);
        if let Some(authorization) = &self.authorization {
            sending = sending.header("authorization", authorization);
        }
        let answer = sending
            .send()
            .await
            .unwrap_or_else(|error| panic!("{request}: {error:?}"));
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer
            .text()
            .await
            .unwrap_or_else(|error| panic!("{request}: {error:?}"));
        Answer {
            request,
            status,
            headers,
            text,
        }
    }

    /// Makes a room and returns its id.
    pub(crate) async fn new_room(&self, name: &str, users: &[&str]) -> String {
        let body = json!({ "roomName": name, "users": users });
        let answer = self.post("/chat/new", &body).await.ok();
        answer["roomId"].as_str().unwrap().to_owned()
    }

    /// Adds users to a room.
    pub(crate) async fn add(&self, room: &str, users: &[&str]) {
        let answer = self
            .put(&format!("/chat/add/{room}"), &json!({ "users": users }))
            .await;
        assert_eq!(answer.ok(), json!({ "result": "Users added" }));
    }

    /// Leaves a room.
    pub(crate) async fn leave(&self, room: &str) {
        let answer = self.put_nothing(&format!("/chat/leave/{room}")).await;
        assert_eq!(answer.ok(), json!({ "result": "Ok" }));
    }

    /// One page of a room's messages, newest first.
    pub(crate) async fn messages(&self, room: &str) -> Vec<Value> {
        let page = self
            .get(&format!("/chat/messages?roomId={room}&limit=200"))
            .await
            .ok();
        page["messages"].as_array().unwrap().clone()
    }

    /// All of a room's messages, oldest first, read page by page.
    pub(crate) async fn history(&self, room: &str) -> Vec<Value> {
        let mut history = Vec::new();
        loop {
            let skip = history.len();
            let path = format!("/chat/messages?roomId={room}&limit=200&skip={skip}");
            let page = self.get(&path).await.ok();
            history.extend(page["messages"].as_array().unwrap().iter().cloned());
            assert!(history.len() > skip || page["count"] == skip, "{page}");
            if page["count"] == history.len() {
                history.reverse();
                return history;
            }
        }
    }

    /// The room as its members see it.
    pub(crate) async fn room(&self, room: &str) -> Value {
        self.get(&format!("/chat/rooms/{room}")).await.ok()
    }

    /// What happened in the room after a position, in one piece.
    pub(crate) async fn changes(&self, room: &str, since: i64) -> Value {
        self.get(&format!("/chat/rooms/{room}/changes?since={since}"))
            .await
            .ok()
    }
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// A header's text, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success, which nobody may store.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{} {}", self.request, self.text);
        assert_eq!(
            self.header(CACHE_CONTROL.as_str()),
            "no-store",
            "{}",
            self.request
        );
        self.json()
    }

    /// Checks that this is exactly the named error, and returns its message.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, name: &str) -> String {
        let message = self.any_error(status);
        assert_eq!(self.json()["name"], name, "{}: {}", self.request, self.text);
        message
    }

    /// Checks that this is a 400 of either kind, where the contract leaves open which.
    #[track_caller]
    pub(crate) fn bad_request(&self) {
        self.any_error(400);
        let name = &self.json()["name"];
        assert!(
            name == "USER_INPUT_ERROR" || name == "INVALID_ARGUMENTS",
            "{}: {}",
            self.request,
            self.text
        );
    }

    #[track_caller]
    fn any_error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        let body = self.json();
        assert_eq!(
            keys(&body),
            ["message", "name", "status"],
            "{}: {body}",
            self.request
        );
        assert_eq!(body["status"], status, "{}: {body}", self.request);
        let message = body["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{}: {body}", self.request);
        message.to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let kind = self.header(CONTENT_TYPE.as_str());
        assert!(
            kind.starts_with("application/json"),
            "{}: {kind:?}",
            self.request
        );
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text))
    }
}

/// An id that no room and no message has.
pub(crate) const UNKNOWN_ID: &str = "0123456789abcdef01234567";

/// Ids that are none.
pub(crate) const MALFORMED_IDS: [&str; 3] =
    ["1", "0123456789ABCDEF01234567", "not-an-id-of-24-symbols!"];

#[test]
fn the_unknown_id_has_the_form_of_one() {
    assert!(is_id(UNKNOWN_ID));
    assert!(!MALFORMED_IDS.iter().any(|id| is_id(id)));
}
