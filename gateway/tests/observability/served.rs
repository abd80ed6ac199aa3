//! Small servers that say one thing, and tests that have to be left out.

use std::io::Write as _;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// Answers every request with this text, until the test ends.
pub(crate) async fn serve(text: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{text}"
            );
            let (reader, mut writer) = stream.split();
            let mut lines = BufReader::new(reader).lines();
            // To the end of the head. Whoever asks and goes is nobody's trouble.
            while let Ok(Some(line)) = lines.next_line().await {
                if line.is_empty() {
                    break;
                }
            }
            writer.write_all(answer.as_bytes()).await.ok();
        }
    });
    address
}

/// Says aloud what is left out for want of a program. With `CI` in the environment that is a failure.
pub(crate) fn leave_out(missing: &str) {
    let is_ci = std::env::var_os("CI").is_some();
    assert!(!is_ci, "{missing}; in CI that is a failure");
    let said = format!("SKIPPED: {missing}\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}
