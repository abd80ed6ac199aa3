//! The one question a run has for Redis: how many bytes went in so far.

use std::io;
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Far more than one section of the answer has.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const FIELD: &str = "total_net_input_bytes:";

/// One server, asked over a new connection each time.
#[derive(Debug)]
pub(super) struct RedisInfo {
    authority: String,
}

impl RedisInfo {
    /// A server at `redis://host[:port]`. With a password or TLS it is refused as invalid input.
    pub(super) fn new(url: &str) -> io::Result<Self> {
        let refused = || {
            let message = "only redis://host[:port] without a password can be asked";
            io::Error::new(io::ErrorKind::InvalidInput, message)
        };
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let authority = uri.authority().ok_or_else(refused)?;
        if uri.scheme_str() != Some("redis") || authority.as_str().contains('@') {
            return Err(refused());
        }
        let port = authority.port_u16().unwrap_or(6379);
        Ok(Self {
            authority: format!("{}:{port}", authority.host()),
        })
    }

    /// Bytes received since the server's start, this question's own few included.
    pub(super) async fn bytes_in(&self) -> io::Result<u64> {
        timeout(DEADLINE, self.ask())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn ask(&self) -> io::Result<u64> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        stream.write_all(b"INFO stats\r\n").await?;
        let mut answer = Vec::new();
        while answer.len() < ANSWER_BYTES_MAX {
            if stream.read_buf(&mut answer).await? == 0 {
                break;
            }
            if let Some(bytes) = field(&String::from_utf8_lossy(&answer)) {
                return Ok(bytes);
            }
        }
        let message = "the answer has no count of bytes";
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

/// The count, once its line is complete.
fn field(answer: &str) -> Option<u64> {
    let (_, rest) = answer.split_once(FIELD)?;
    let (count, _) = rest.split_once('\r')?;
    count.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_when_its_line_is_whole() {
        let answer = "$999\r\n# Stats\r\ntotal_net_input_bytes:1234\r\n";
        assert_eq!(field(answer), Some(1234));
        assert_eq!(field("total_net_input_bytes:12"), None);
    }

    #[test]
    fn only_a_plain_address_is_taken() {
        let authority = |url| RedisInfo::new(url).map(|redis| redis.authority);
        assert_eq!(authority("redis://h").unwrap(), "h:6379");
        assert_eq!(authority("redis://127.0.0.1:7/0").unwrap(), "127.0.0.1:7");
        for url in ["rediss://h", "redis://u:p@h", "h:1"] {
            assert!(authority(url).is_err(), "{url}");
        }
    }
}
