//! HTTP/1.1 answers out of bytes that come in portions (RFC 9112). No I/O.
//!
//! Whatever a server sends, no more than one head and one body of bounded sizes are kept.

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;

use super::MESSAGE_BYTES_MAX;
use super::head::{AnswerError, HEAD_BYTES_MAX, Head, Rest};

/// The longest line before a chunk.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Digits of a chunk's length that are read; they reach beyond the largest body.
const CHUNK_DIGITS_MAX: usize = 8;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// Whether the server ends the connection with it.
    pub(super) last: bool,
}

/// An answer of which some has been read.
#[derive(Debug)]
pub(super) struct Reading {
    /// Status and what is to come; `None` before the end of the head.
    head: Option<(StatusCode, Rest)>,
    last: bool,
    body: BytesMut,
}

impl Reading {
    /// Of which nothing has been read.
    pub(super) fn new() -> Self {
        Self {
            head: None,
            last: false,
            body: BytesMut::new(),
        }
    }

    /// Takes what it can use of `unread`; the answer, once it is whole.
    pub(super) fn take(&mut self, unread: &mut BytesMut) -> Result<Option<Answer>, AnswerError> {
        loop {
            let Some((status, rest)) = self.head else {
                let Some(head) = Head::take(unread)? else {
                    return Ok(None);
                };
                self.last = head.last;
                self.head = Some((head.status, head.rest));
                continue;
            };
            match self.part(rest, unread)? {
                Part::Missing => return Ok(None),
                Part::Next(rest) => self.head = Some((status, rest)),
                Part::End => return Ok(Some(self.whole(status))),
            }
        }
    }

    /// The answer, if the end of the connection is its end.
    pub(super) fn closed(&mut self) -> Option<Answer> {
        match self.head {
            Some((status, Rest::UntilClose)) => Some(self.whole(status)),
            _ => None,
        }
    }

    fn whole(&mut self, status: StatusCode) -> Answer {
        self.head = None;
        Answer {
            status,
            body: std::mem::take(&mut self.body).freeze(),
            last: self.last,
        }
    }

    fn part(&mut self, rest: Rest, unread: &mut BytesMut) -> Result<Part, AnswerError> {
        match rest {
            Rest::Length(length) => {
                if unread.len() < length {
                    return Ok(Part::Missing);
                }
                self.body = unread.split_to(length);
                Ok(Part::End)
            }
            Rest::UntilClose => {
                self.keep(unread.len(), unread)?;
                Ok(Part::Missing)
            }
            Rest::ChunkLine => match line(unread, CHUNK_LINE_BYTES_MAX)? {
                Some(line) => match chunk_length(&line)? {
                    0 => Ok(Part::Next(Rest::Trailers)),
                    length => Ok(Part::Next(Rest::Chunk(length))),
                },
                None => Ok(Part::Missing),
            },
            Rest::Chunk(length) => {
                let here = length.min(unread.len());
                self.keep(here, unread)?;
                match length - here {
                    0 => Ok(Part::Next(Rest::ChunkEnd)),
                    _ if here == 0 => Ok(Part::Missing),
                    left => Ok(Part::Next(Rest::Chunk(left))),
                }
            }
            Rest::ChunkEnd => match line(unread, 0)? {
                Some(_) => Ok(Part::Next(Rest::ChunkLine)),
                None => Ok(Part::Missing),
            },
            Rest::Trailers => match line(unread, HEAD_BYTES_MAX)? {
                Some(line) if line.is_empty() => Ok(Part::End),
                Some(_) => Ok(Part::Next(Rest::Trailers)),
                None => Ok(Part::Missing),
            },
        }
    }

    fn keep(&mut self, count: usize, unread: &mut BytesMut) -> Result<(), AnswerError> {
        if self.body.len() + count > MESSAGE_BYTES_MAX {
            return Err(AnswerError::TooLarge("body"));
        }
        self.body.unsplit(unread.split_to(count));
        Ok(())
    }
}

enum Part {
    Missing,
    Next(Rest),
    End,
}

/// A line without its end, once that is there.
fn line(unread: &mut BytesMut, length_max: usize) -> Result<Option<BytesMut>, AnswerError> {
    let Some(end) = unread.windows(2).position(|pair| pair == b"\r\n") else {
        // The last byte may be half of the end.
        if unread.len() > length_max + 1 {
            return Err(AnswerError::TooLarge("line"));
        }
        return Ok(None);
    };
    if end > length_max {
        return Err(AnswerError::TooLarge("line"));
    }
    let line = unread.split_to(end);
    unread.advance(2);
    Ok(Some(line))
}

fn chunk_length(line: &[u8]) -> Result<usize, AnswerError> {
    let wrong = || AnswerError::Malformed("length of a chunk");
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii_end();
    let good = digits.iter().all(u8::is_ascii_hexdigit) && digits.len() <= CHUNK_DIGITS_MAX;
    let digits = std::str::from_utf8(digits).ok().filter(|_| good);
    usize::from_str_radix(digits.ok_or_else(wrong)?, 16).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads one answer in portions of these sizes, in turn, and what is left behind it.
    fn read(bytes: &[u8], portions: &[usize]) -> Result<(Option<Answer>, Vec<u8>), AnswerError> {
        let (mut reading, mut unread) = (Reading::new(), BytesMut::new());
        let (mut rest, mut sizes) = (bytes, portions.iter().cycle());
        while !rest.is_empty() {
            let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
            let (portion, later) = rest.split_at(size);
            unread.extend_from_slice(portion);
            rest = later;
            if let Some(answer) = reading.take(&mut unread)? {
                return Ok((Some(answer), [&unread, rest].concat()));
            }
        }
        Ok((reading.closed(), unread.to_vec()))
    }

    fn answer(body: &[u8], last: bool) -> Answer {
        Answer {
            status: StatusCode::OK,
            body: Bytes::copy_from_slice(body),
            last,
        }
    }

    proptest! {
        #[test]
        fn an_answer_arrives_whole_in_any_portions_and_framing(
            body in prop::collection::vec(any::<u8>(), 0..300),
            chunks in prop::collection::vec(1..40_usize, 1..5),
            portions in prop::collection::vec(1..50_usize, 1..5),
            last: bool,
        ) {
            let head = format!("HTTP/1.1 200 OK\r\nx: y\r\nconnection: {}\r\n",
                if last { "Close" } else { "keep-alive" });
            let counted = [
                format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(),
                &body,
            ].concat();
            let mut chunked = format!("{head}Transfer-Encoding: Chunked\r\n\r\n").into_bytes();
            let (mut rest, mut sizes) = (&*body, chunks.iter().cycle());
            while !rest.is_empty() {
                let (chunk, later) = rest.split_at(*sizes.next().unwrap().min(&rest.len()));
                chunked.extend(format!("{:x};a=b\r\n", chunk.len()).into_bytes());
                chunked.extend(chunk);
                chunked.extend(b"\r\n");
                rest = later;
            }
            chunked.extend(b"0\r\nmore: so\r\n\r\n");
            for bytes in [counted, chunked] {
                let followed = [&*bytes, b"HTTP/1.1 "].concat();
                let read = read(&followed, &portions).unwrap();
                prop_assert_eq!(read, (Some(answer(&body, last)), b"HTTP/1.1 ".to_vec()));
            }
            let open = [format!("{head}\r\n").as_bytes(), &body].concat();
            let read = read(&open, &portions).unwrap();
            prop_assert_eq!(read, (Some(answer(&body, last)), Vec::new()));
        }

        #[test]
        fn no_bytes_make_it_panic(
            head in "HTTP/1.1 [2-5]0[04] \\PC{0,3}\r\n((content-length|connection|transfer-encoding): ([0-9]{0,9}|chunked|,)\r\n){0,3}\r\n",
            rest in prop::collection::vec(any::<u8>(), 0..100),
            chunks in "([0-9a-g+]{0,3};?\r?\n?){0,5}",
            portions in prop::collection::vec(1..20_usize, 1..4),
        ) {
            drop(read(&rest, &portions));
            drop(read(&[head.as_bytes(), &rest].concat(), &portions));
            drop(read(&[head.as_bytes(), chunks.as_bytes()].concat(), &portions));
        }
    }

    fn refusal(bytes: &str) -> AnswerError {
        let read = read(bytes.as_bytes(), &[7]);
        read.expect_err(bytes)
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (head, what) in [
            ("SMTP\r\n\r\n", "head"),
            ("HTTP/1.0 200 OK\r\n\r\n", "head"),
            ("HTTP/1.1 101 Go\r\n\r\n", "a change of protocol"),
            ("HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n", "length"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n", "length"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
                "transfer coding",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\n",
                "length of a chunk",
            ),
        ] {
            assert_eq!(refusal(head), AnswerError::Malformed(what), "{head}");
        }
    }

    #[test]
    fn nothing_grows_beyond_its_bound() {
        let long = "a".repeat(HEAD_BYTES_MAX);
        let head = format!("HTTP/1.1 200 OK\r\na: {long}");
        assert_eq!(refusal(&head), AnswerError::TooLarge("head"));
        let body = "HTTP/1.1 200 OK\r\ncontent-length: 4194305\r\n\r\n";
        assert_eq!(refusal(body), AnswerError::TooLarge("body"));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let line = format!("{chunked}1;{long}");
        assert_eq!(refusal(&line), AnswerError::TooLarge("line"));
        let over = format!("{chunked}1\r\nab\r\n");
        assert_eq!(refusal(&over), AnswerError::TooLarge("line"));
        let chunk = format!("{chunked}100000\r\n{}\r\n", "a".repeat(0x0010_0000));
        let bodies = [&*chunk, &chunk[chunked.len()..].repeat(3), "1\r\na\r\n"].concat();
        let read = read(bodies.as_bytes(), &[64 * 1024]);
        assert_eq!(read, Err(AnswerError::TooLarge("body")));
    }

    #[test]
    fn what_is_said_in_between_and_answers_without_a_body_are_passed_over() {
        let bytes = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nrest";
        let (found, rest) = read(bytes, &[5]).unwrap();
        let found = found.unwrap();
        assert_eq!(
            (found.status, found.body.len()),
            (StatusCode::NO_CONTENT, 0)
        );
        assert_eq!(rest, b"rest");
    }
}
