//! A stand-in for the gateway is spawned, signalled and killed.
//!
//! The stand-in is this very test program: `serve`, the argument a gateway gets, is a filter that
//! selects the one test of that name. So no other test here may have `serve` in its name.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::Duration;

use roomwire_dev::Error;
use roomwire_dev::gateway::Gateway;
use tokio::time::timeout;

/// Chooses what the stand-in does.
const ROLE: &str = "ROOMWIRE_DEV_TEST_ROLE";

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_ready_gateway_is_reachable_and_its_output_is_kept() {
    let mut gateway = Gateway::spawn(&program(), &role("ready")).await.unwrap();
    assert!(gateway.url().starts_with("http://127.0.0.1:"));
    assert_ne!(gateway.url(), gateway.admin_url());
    assert!(
        gateway.output().contains("to stderr, then ready"),
        "{}",
        gateway.output()
    );

    gateway.signal("TERM").unwrap();
    let status = timeout(DEADLINE, gateway.wait()).await.unwrap().unwrap();
    assert_eq!(status.signal(), Some(15));
    assert!(matches!(gateway.signal("TERM"), Err(Error::Ended(_))));
}

#[tokio::test]
async fn a_gateway_that_fails_to_start_is_an_error_with_its_output() {
    let error = Gateway::spawn(&program(), &role("fail")).await.unwrap_err();
    assert!(matches!(error, Error::EndedEarly { .. }), "{error}");
    assert!(error.to_string().contains("no such database"), "{error}");
}

#[tokio::test]
async fn a_gateway_is_gone_after_drop_even_when_stopped() {
    let gateway = Gateway::spawn(&program(), &role("ready")).await.unwrap();
    let pid = gateway.pid();
    gateway.signal("STOP").unwrap();
    drop(gateway);
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn an_unknown_signal_name_is_an_error() {
    let gateway = Gateway::spawn(&program(), &role("ready")).await.unwrap();
    assert!(matches!(
        gateway.signal("NONSENSE"),
        Err(Error::UnknownSignal(_))
    ));
}

/// Not a test by itself: the stand-in.
#[test]
fn serve() {
    // Not by the print macros, which the test harness would capture.
    let say = |text: &str| std::io::stderr().write_all(text.as_bytes()).unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("ready") => {
            say("to stderr, then ready\n");
            let _public = TcpListener::bind(std::env::var("LISTEN_ADDR").unwrap()).unwrap();
            let admin = TcpListener::bind(std::env::var("ADMIN_ADDR").unwrap()).unwrap();
            for stream in admin.incoming() {
                let mut stream = stream.unwrap();
                let mut request = String::new();
                BufReader::new(&stream).read_line(&mut request).unwrap();
                assert_eq!(request, "GET /readyz HTTP/1.1\r\n");
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .unwrap();
            }
        }
        Ok("fail") => {
            say("no such database\n");
            std::process::exit(3);
        }
        _ => {}
    }
}

fn program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn role(role: &str) -> [(&'static str, String); 1] {
    [(ROLE, role.to_owned())]
}
