//! Prometheus sees the nodes that it is told of, and no others.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use roomwire_dev::Error;
use roomwire_dev::servers::{Prometheus, Watch};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn prometheus_sees_the_nodes_of_the_moment_and_applies_the_rules_and_is_gone_after_drop() {
    let rules = "groups: [{name: one, rules: [{record: twice, expr: 2 * answer}]}]";
    let watch = Watch {
        interval: Duration::from_millis(200),
        rules: vec![("one.yaml".to_owned(), rules.to_owned())],
    };
    let prometheus = match Prometheus::start(&watch) {
        Err(Error::Missing(what)) => {
            assert!(std::env::var_os("CI").is_none(), "{what}");
            return;
        }
        started => started.unwrap(),
    };
    let (one, other) = (node("answer 21\n"), node("answer 4\n"));
    prometheus.scrape(std::slice::from_ref(&one)).unwrap();
    until(&prometheus, "twice", &one, "42");
    prometheus.scrape(std::slice::from_ref(&other)).unwrap();
    until(&prometheus, "twice", &other, "8");

    let pid = prometheus.pid();
    let folder = std::fs::read_link(format!("/proc/{pid}/cwd"));
    drop(prometheus);
    if let Ok(folder) = folder {
        assert!(!folder.exists() && !Path::new(&format!("/proc/{pid}")).exists());
    }
}

/// Something that answers every request with these metrics.
fn node(metrics: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            // To the end of the head. Whoever asks and goes is nobody's trouble.
            head.take_while(|line| !line.is_empty()).for_each(drop);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
            stream.write_all([head, metrics].concat().as_bytes()).ok();
        }
    });
    address
}

/// Waits until this series of this node alone has this value.
fn until(prometheus: &Prometheus, series: &str, instance: &str, value: &str) {
    let end = Instant::now() + DEADLINE;
    loop {
        let result = query(prometheus, series);
        let found = result.pointer("/data/result").and_then(Value::as_array);
        if let Some([only]) = found.map(Vec::as_slice)
            && only.pointer("/metric/instance") == Some(&Value::from(instance))
            && only.pointer("/metric/job") == Some(&Value::from("roomwire"))
            && only.pointer("/value/1") == Some(&Value::from(value))
        {
            return;
        }
        assert!(Instant::now() < end, "{result}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn query(prometheus: &Prometheus, series: &str) -> Value {
    let address = prometheus.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let path = format!("/api/v1/query?query={series}");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}
