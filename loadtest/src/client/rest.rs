//! The little REST a load generator needs, one connection per request: rooms are made before the
//! measured time, so there is nothing to gain from a pool.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use roomwire_shared::rest::RoomCreated;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::timeout;

use crate::client::Target;

/// How long one request may take.
const DEADLINE: Duration = Duration::from_mins(1);
/// The largest answer read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is kept of an error that is no JSON.
const MESSAGE_CHARS_MAX: usize = 200;

/// Why a request has no result.
#[derive(Debug, Error)]
pub enum RestError {
    /// TCP did not connect.
    #[error("cannot connect to {target}: {source}")]
    Dial {
        /// Host and port.
        target: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP exchange broke off.
    #[error("request failed: {0}")]
    Http(#[from] hyper::Error),
    /// The request could not be written down.
    #[error("bad request: {0}")]
    Request(#[from] http::Error),
    /// The answer broke off or was too large.
    #[error("unreadable answer: {0}")]
    Body(String),
    /// The server answered with an error status.
    #[error("{method} {path} answered {status}: {message}")]
    Status {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The status.
        status: StatusCode,
        /// The server's message, where there is one.
        message: String,
    },
    /// No answer in time.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Late,
}

/// A REST client of one gateway.
#[derive(Debug, Clone)]
pub struct Rest {
    target: Target,
}

impl Rest {
    /// A client of this gateway.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target }
    }

    /// Makes a room of the token's user and `users`; returns its id.
    pub async fn create_room(
        &self,
        token: &str,
        name: &str,
        users: &[String],
    ) -> Result<String, RestError> {
        let body = json!({ "roomName": name, "users": users });
        let answer = self
            .call(Method::POST, "/chat/new", token, Some(&body))
            .await?;
        let created: RoomCreated =
            serde_json::from_value(answer).map_err(|error| RestError::Body(error.to_string()))?;
        Ok(created.room_id.to_string())
    }

    /// One request with a bearer token; the JSON answer of a success. At most 60 s and 4 MiB.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Value, RestError> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(HOST, self.target.authority())
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let exchange = Box::pin(self.exchange(request));
        let (status, answer) = timeout(DEADLINE, exchange)
            .await
            .map_err(|_| RestError::Late)??;
        let answer: Result<Value, _> = serde_json::from_slice(&answer);
        if status.is_success() {
            return answer.map_err(|error| RestError::Body(error.to_string()));
        }
        let answer = answer.unwrap_or_default();
        let message = answer
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Err(RestError::Status {
            method,
            path: path.to_owned(),
            status,
            message: message.to_owned(),
        })
    }

    /// One request for a text, without a token, as probes ask; the text of a success. At most 60 s
    /// and 4 MiB.
    pub async fn text(&self, path: &str) -> Result<String, RestError> {
        let request = Request::builder()
            .uri(path)
            .header(HOST, self.target.authority())
            .body(Full::new(Bytes::new()))?;
        let exchange = Box::pin(self.exchange(request));
        let (status, answer) = timeout(DEADLINE, exchange)
            .await
            .map_err(|_| RestError::Late)??;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if status.is_success() {
            return Ok(answer);
        }
        Err(RestError::Status {
            method: Method::GET,
            path: path.to_owned(),
            status,
            message: answer.chars().take(MESSAGE_CHARS_MAX).collect(),
        })
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), RestError> {
        let stream = self
            .target
            .dial(None)
            .await
            .map_err(|source| RestError::Dial {
                target: self.target.authority().to_owned(),
                source,
            })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let body = body.map_err(|error| RestError::Body(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(connection, exchange);
        tokio::select! {
            // The connection may end first, with the whole answer handed over already.
            done = &mut exchange => done,
            ended = &mut connection => {
                ended?;
                exchange.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes and returns what was asked.
    async fn answer_once(listener: TcpListener, answer: &'static str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"]}") {
            assert!(stream.read_buf(&mut asked).await.unwrap() > 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    }

    async fn create(answer: &'static str) -> (Result<String, RestError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let rest = Rest::new(Target::resolve(&url).await.unwrap());
        let users = ["b".to_owned()];
        tokio::join!(
            rest.create_room("t0ken", "r", &users),
            answer_once(listener, answer)
        )
    }

    #[tokio::test]
    async fn a_made_room_gives_its_id() {
        let body = "HTTP/1.1 200 OK\r\ncontent-length: 37\r\n\r\n{\"roomId\":\"0123456789abcdef01234567\"}";
        let (room, asked) = create(body).await;
        assert_eq!(room.unwrap(), "0123456789abcdef01234567");
        assert!(asked.starts_with("POST /chat/new HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("Bearer t0ken"), "{asked}");
        assert!(
            asked.ends_with("{\"roomName\":\"r\",\"users\":[\"b\"]}"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn an_error_carries_status_and_message() {
        let body = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 16\r\n\r\n{\"message\":\"no\"}";
        let (room, _) = create(body).await;
        let error = room.unwrap_err();
        assert!(
            matches!(&error, RestError::Status { status, message, .. }
                if *status == StatusCode::UNAUTHORIZED && message == "no"),
            "{error}"
        );
    }
}
