//! Lines over TCP, each of them one JSON object, bounded in bytes and time on both sides.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// Says that its side is there, and nothing else.
const BEAT: &[u8] = b"{\"alive\":{}}";

/// Why a line was not heard or not told. Says nothing of what was in it.
#[derive(Debug, Error)]
pub enum LineError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The other side closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// A line is longer than is allowed.
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
    /// Nothing came, or nothing was taken, for too long.
    #[error("nothing came or went for {} s", .0.as_secs())]
    Late(Duration),
    /// A line is not of the protocol, from this byte on.
    #[error("a line is not understood at byte {0}")]
    Form(usize),
}

/// The side of a connection that lines come from.
#[derive(Debug)]
pub(super) struct LineReader {
    reader: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

/// The side of a connection that lines go to.
#[derive(Debug)]
pub(super) struct LineWriter {
    writer: OwnedWriteHalf,
}

/// Both sides of a connection.
pub(super) fn split(stream: TcpStream) -> io::Result<(LineReader, LineWriter)> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let reader = LineReader {
        reader: BufReader::new(reader),
        line: Vec::new(),
    };
    Ok((reader, LineWriter { writer }))
}

impl LineReader {
    /// The next line, of at most so many bytes, within this time; none of one that only says that the
    /// other side is there. After an error there is no next one.
    pub(super) async fn hear<T: DeserializeOwned>(
        &mut self,
        bytes_max: usize,
        within: Duration,
    ) -> Result<Option<T>, LineError> {
        // What a large line took is given back.
        self.line = Vec::new();
        let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let mut bounded = (&mut self.reader).take(bound.saturating_add(1));
        let read = bounded.read_until(b'\n', &mut self.line);
        timeout(within, read)
            .await
            .map_err(|_| LineError::Late(within))??;
        if self.line.pop() != Some(b'\n') {
            let cut = self.line.len() >= bytes_max;
            return Err(if cut {
                LineError::TooLong(bytes_max)
            } else {
                LineError::Closed
            });
        }
        if self.line == BEAT {
            return Ok(None);
        }
        // Its words may hold what was sent.
        let read = serde_json::from_slice(&self.line);
        read.map(Some)
            .map_err(|error| LineError::Form(error.column()))
    }
}

impl LineWriter {
    /// Tells something, in a line of at most so many bytes, within this time. After an error nothing
    /// more can be told.
    pub(super) async fn tell(
        &mut self,
        what: &impl Serialize,
        bytes_max: usize,
        within: Duration,
    ) -> Result<(), LineError> {
        let mut line = serde_json::to_vec(what).map_err(io::Error::from)?;
        if line.len() > bytes_max {
            return Err(LineError::TooLong(bytes_max));
        }
        line.push(b'\n');
        self.write(&line, within).await
    }

    /// Says that this side is there.
    pub(super) async fn beat(&mut self, within: Duration) -> Result<(), LineError> {
        self.write(&[BEAT, b"\n"].concat(), within).await
    }

    async fn write(&mut self, line: &[u8], within: Duration) -> Result<(), LineError> {
        let written = timeout(within, self.writer.write_all(line)).await;
        Ok(written.map_err(|_| LineError::Late(within))??)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    /// Both ends of a connection.
    pub(in super::super) async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    /// What is heard of these bytes, after which the connection is closed.
    async fn heard(bytes: &[u8], bytes_max: usize) -> Result<Option<u32>, LineError> {
        let (mut one, other) = pair().await;
        one.write_all(bytes).await.unwrap();
        drop(one);
        split(other).unwrap().0.hear(bytes_max, LONG).await
    }

    #[tokio::test]
    async fn a_line_comes_as_it_was_told_and_a_beat_is_nothing() {
        let (one, other) = pair().await;
        let ((mut reader, _there), (_ear, mut writer)) =
            (split(one).unwrap(), split(other).unwrap());
        writer.beat(LONG).await.unwrap();
        writer.tell(&["a\nb"], 20, LONG).await.unwrap();
        assert!(
            reader
                .hear::<Vec<String>>(20, LONG)
                .await
                .unwrap()
                .is_none()
        );
        let told: Option<Vec<String>> = reader.hear(20, LONG).await.unwrap();
        assert_eq!(told.unwrap(), ["a\nb"]);
        let long = writer.tell(&"0123456789", 11, LONG).await.unwrap_err();
        assert!(matches!(long, LineError::TooLong(11)), "{long}");
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_cut_off_or_no_json_is_refused() {
        assert_eq!(heard(b"12345\n", 5).await.unwrap(), Some(12_345));
        let wrong = heard(b"123456\n", 5).await.unwrap_err();
        assert!(matches!(wrong, LineError::TooLong(5)), "{wrong}");
        // Without an end there is no waiting for one either.
        let wrong = heard(&[b'1'; 5_000], 5).await.unwrap_err();
        assert!(matches!(wrong, LineError::TooLong(5)), "{wrong}");
        for cut in [&b""[..], b"123"] {
            let wrong = heard(cut, 5).await.unwrap_err();
            assert!(matches!(wrong, LineError::Closed), "{wrong}");
        }
        let wrong = heard(b"\"rumours\"\n", 20).await.unwrap_err();
        assert!(matches!(wrong, LineError::Form(_)), "{wrong}");
        assert!(!wrong.to_string().contains("rumours"), "{wrong}");
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for_longer_than_is_said() {
        let (_one, other) = pair().await;
        let (mut reader, _mouth) = split(other).unwrap();
        let soon = Duration::from_millis(1);
        let late = reader.hear::<u32>(5, soon).await.unwrap_err();
        assert!(matches!(late, LineError::Late(_)), "{late}");
    }
}
