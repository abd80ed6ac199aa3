//! The head of an HTTP/1.1 answer, and what it says of the body. No I/O.
//!
//! It is parsed by the parser that the websocket handshake brings along.

use bytes::{Buf, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode};
use thiserror::Error;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;

use super::MESSAGE_BYTES_MAX;

/// The largest head of an answer, and of what may follow a body in chunks.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum AnswerError {
    /// It is not HTTP/1.1.
    #[error("an answer that is not HTTP: {0}")]
    Malformed(&'static str),
    /// It is larger than anything that is expected.
    #[error("an answer with too large a {0}")]
    TooLarge(&'static str),
}

/// What of a body is to come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rest {
    Length(usize),
    ChunkLine,
    /// So many bytes of a chunk.
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
}

/// What of a head matters.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) rest: Rest,
    /// Whether the server ends the connection with the answer.
    pub(super) last: bool,
}

impl Head {
    /// The head of the answer, once it is whole. What is said in between is passed over.
    pub(super) fn take(unread: &mut BytesMut) -> Result<Option<Self>, AnswerError> {
        loop {
            let Some(response) = whole(unread)? else {
                return Ok(None);
            };
            if !response.status().is_informational() {
                return Ok(Some(Self {
                    status: response.status(),
                    rest: rest_of(&response)?,
                    last: closes(response.headers()),
                }));
            }
        }
    }
}

fn whole(unread: &mut BytesMut) -> Result<Option<Response>, AnswerError> {
    let parsed = Response::try_parse(unread).map_err(|_| AnswerError::Malformed("head"))?;
    let Some((length, response)) = parsed else {
        if unread.len() > HEAD_BYTES_MAX {
            return Err(AnswerError::TooLarge("head"));
        }
        return Ok(None);
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(AnswerError::Malformed("a change of protocol"));
    }
    unread.advance(length);
    Ok(Some(response))
}

fn rest_of(response: &Response) -> Result<Rest, AnswerError> {
    let (status, headers) = (response.status(), response.headers());
    if [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status) {
        return Ok(Rest::Length(0));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let chunked = words(headers, &TRANSFER_ENCODING).last();
        return match chunked {
            Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Rest::ChunkLine),
            _ => Err(AnswerError::Malformed("transfer coding")),
        };
    }
    let mut lengths = words(headers, &CONTENT_LENGTH);
    let Some(first) = lengths.next() else {
        return Ok(Rest::UntilClose);
    };
    let wrong = || AnswerError::Malformed("length");
    if !lengths.all(|other| other == first) || !first.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let length = std::str::from_utf8(first).map_err(|_| wrong())?;
    match length.parse().map_err(|_| wrong())? {
        length if length > MESSAGE_BYTES_MAX => Err(AnswerError::TooLarge("body")),
        length => Ok(Rest::Length(length)),
    }
}

fn closes(headers: &HeaderMap) -> bool {
    words(headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case(b"close"))
}

/// The words of a header that is a list.
fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}
