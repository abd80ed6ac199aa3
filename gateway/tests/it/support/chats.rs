//! The envelope of answers under `/v2/chat` and of the routes that go with it.

use serde_json::Value;

use super::keys;
use super::rest::Answer;

/// The data of a good answer, or nothing if it is none.
pub(crate) fn data(answer: &Value) -> Option<Value> {
    let good = answer["error"] == false && answer.get("data").is_some();
    good.then(|| answer["data"].clone())
}

/// The code of a refusal with exactly the right fields, or nothing if it is none.
pub(crate) fn refusal(answer: &Value) -> Option<String> {
    let refused = answer["error"] == true
        && keys(answer) == ["code", "error", "message"]
        && answer["message"].as_str().is_some_and(|m| !m.is_empty());
    refused
        .then(|| answer["code"].as_str().map(str::to_owned))
        .flatten()
}

/// The text with which a client was not let in: bare, as clients of that time read it, or with what
/// later ones get beside it.
#[track_caller]
pub(crate) fn said(payload: &Value) -> &str {
    if let Some(text) = payload.as_str() {
        return text;
    }
    assert_eq!(keys(payload), ["data", "message"], "{payload}");
    let data = &payload["data"];
    assert_eq!(keys(data), ["message", "name", "status"], "{payload}");
    let text = payload["message"].as_str().unwrap();
    let (name, message) = (&data["name"], data["message"].as_str().unwrap());
    let named = format!("{}: {message}", name.as_str().unwrap());
    assert!([named.as_str(), message].contains(&text), "{payload}");
    let status = match name.as_str().unwrap() {
        "UNAUTHORIZED" => 401,
        "FORBIDDEN" => 403,
        "TOO_MANY_REQUESTS" => 429,
        "UNAVAILABLE" => 503,
        other => panic!("{other}"),
    };
    assert_eq!(data["status"], status, "{payload}");
    text
}

impl Answer {
    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        data(&self.json()).unwrap_or_else(|| panic!("not a success: {}", self.text))
    }

    /// Checks that this is a refusal with this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let refused = refusal(&self.json());
        assert_eq!(refused.as_deref(), Some(code), "{}", self.text);
    }
}
