//! Probes as a kubelet makes them.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use roomwire_chart_tests::Container;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::container;

/// What a request comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An answer of this status.
    Status(u16),
    /// No answer in time.
    Silence,
    /// No connection, or one that was closed without an answer.
    Nobody,
}

impl Answer {
    /// Whether a probe takes it for a success.
    fn is_success(self) -> bool {
        matches!(self, Self::Status(200..400))
    }
}

/// Asks once, on a connection of its own, as a kubelet does.
pub(crate) async fn ask(address: SocketAddr, path: &str, patience: Duration) -> Answer {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kube-probe/1.37\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.ok()?;
        std::str::from_utf8(&start[9..]).ok()?.parse().ok()
    };
    match timeout(patience, asking).await {
        Ok(status) => status.map_or(Answer::Nobody, Answer::Status),
        Err(_) => Answer::Silence,
    }
}

/// One probe of a container, with what Kubernetes takes where the manifest says nothing.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    address: SocketAddr,
    path: String,
    delay: Duration,
    period: Duration,
    patience: Duration,
    successes: u64,
    failures: u64,
}

impl Probe {
    /// The probe of a kind. It must be one over HTTP on a named port.
    pub(crate) fn of(container: Container<'_>, kind: &str, ip: IpAddr) -> Self {
        let probe = container.probe(kind).unwrap();
        let known = [
            "httpGet",
            "initialDelaySeconds",
            "periodSeconds",
            "timeoutSeconds",
            "successThreshold",
            "failureThreshold",
        ];
        container::only(probe, &known, "of a probe");
        container::only(&probe["httpGet"], &["path", "port"], "of httpGet");
        let number = |key: &str, default: u64| {
            let given = probe.get(key).map(|value| value.as_u64().unwrap());
            given.unwrap_or(default)
        };
        let port = container::port(container, probe["httpGet"]["port"].as_str().unwrap());
        Self {
            address: SocketAddr::new(ip, port),
            path: probe["httpGet"]["path"].as_str().unwrap().to_owned(),
            delay: Duration::from_secs(number("initialDelaySeconds", 0)),
            period: Duration::from_secs(number("periodSeconds", 10)),
            patience: Duration::from_secs(number("timeoutSeconds", 1)),
            successes: number("successThreshold", 1),
            failures: number("failureThreshold", 3),
        }
    }

    /// Asks once.
    async fn is_passed(&self) -> bool {
        let answer = ask(self.address, &self.path, self.patience).await;
        answer.is_success()
    }
}

/// The latest answers of a probe: a result is reached only by as many of a kind in a row as the
/// thresholds say.
#[derive(Debug, Default)]
struct Streak {
    last: Option<bool>,
    length: u64,
}

impl Streak {
    /// Notes an answer, and returns the result that it reaches.
    fn note(&mut self, probe: &Probe, passed: bool) -> Option<bool> {
        self.length = if self.last == Some(passed) {
            self.length + 1
        } else {
            1
        };
        self.last = Some(passed);
        let needed = if passed {
            probe.successes
        } else {
            probe.failures
        };
        (self.length >= needed).then_some(passed)
    }
}

/// Asks period after period and hands on each result that is reached, until that ends it.
pub(crate) async fn follow(probe: &Probe, mut take: impl FnMut(bool) -> ControlFlow<()>) {
    let mut streak = Streak::default();
    let mut next = Instant::now() + probe.delay;
    loop {
        sleep_until(next).await;
        let passed = probe.is_passed().await;
        if let Some(result) = streak.note(probe, passed)
            && take(result).is_break()
        {
            return;
        }
        next = Instant::now().max(next + probe.period);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn probe(successes: u64, failures: u64) -> Probe {
        Probe {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            path: "/".to_owned(),
            delay: Duration::ZERO,
            period: Duration::from_secs(1),
            patience: Duration::from_secs(1),
            successes,
            failures,
        }
    }

    fn reached(probe: &Probe, answers: &[bool]) -> Vec<Option<bool>> {
        let mut streak = Streak::default();
        let note = |passed: &bool| streak.note(probe, *passed);
        answers.iter().map(note).collect()
    }

    #[test]
    fn a_probe_fails_only_after_so_many_failures_in_a_row() {
        let reached = reached(&probe(1, 3), &[false, false, true, false, false, false]);
        let expected = [None, None, Some(true), None, None, Some(false)];
        assert_eq!(reached, expected);
    }

    #[test]
    fn a_probe_passes_only_after_so_many_successes_in_a_row() {
        let reached = reached(&probe(2, 1), &[true, false, true, true]);
        assert_eq!(reached, [None, Some(false), None, Some(true)]);
    }

    #[test]
    fn redirects_pass_and_errors_do_not() {
        for (status, passes) in [(200, true), (302, true), (404, false), (503, false)] {
            assert_eq!(Answer::Status(status).is_success(), passes, "{status}");
        }
        assert!(!Answer::Silence.is_success());
    }

    #[tokio::test]
    async fn nobody_answers_where_nobody_listens() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let answer = ask(address, "/livez", Duration::from_secs(5)).await;
        assert_eq!(answer, Answer::Nobody);
    }
}
