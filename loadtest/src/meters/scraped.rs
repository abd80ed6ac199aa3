//! Processor time and memory of gateways that tell them by their metrics.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::group::{Group, Look, Server, State};
use crate::client::rest::Rest;
use crate::client::{Target, TargetError};

const METRICS: &str = "/metrics";
const CPU_SECONDS: &str = "process_cpu_seconds_total";
const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
/// How long one gateway is waited for.
const SCRAPE_MAX: Duration = Duration::from_secs(2);
/// Gateways that are asked, at the most.
const GATEWAYS_MAX: usize = 1_000;

/// Gateways that tell by their metrics what they use.
#[derive(Debug, Default)]
pub(crate) struct Scraped {
    urls: Vec<String>,
}

impl Scraped {
    /// Those whose admin listeners are here. A name of several addresses, as of pods that come and go,
    /// stands for as many gateways as it has when they are looked at.
    pub(crate) async fn at(urls: &[String]) -> Result<Self, TargetError> {
        for url in urls {
            Target::resolve_all(url).await?;
        }
        Ok(Self {
            urls: urls.to_vec(),
        })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.urls.is_empty()
    }

    /// Looks at them. One that does not answer has nothing to say.
    pub(crate) async fn look(&self, group: &mut Group) -> Look {
        let resolved = join_all(self.urls.iter().map(|url| Target::resolve_all(url))).await;
        let mut gateways: Vec<Target> = resolved.into_iter().flatten().flatten().collect();
        gateways.truncate(GATEWAYS_MAX);
        let states = join_all(gateways.into_iter().map(scrape)).await;
        group.note(states.into_iter().flatten())
    }
}

async fn scrape(gateway: Target) -> Option<(Server, State)> {
    let server = Server::At(gateway.address());
    let rest = Rest::new(gateway);
    let metrics = timeout(SCRAPE_MAX, rest.text(METRICS)).await.ok()?;
    Some((server, state(&metrics.ok()?)?))
}

fn state(metrics: &str) -> Option<State> {
    let value = |name: &str| -> Option<f64> {
        let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
        lines.find_map(|rest| rest.strip_prefix(' ')?.trim().parse().ok())
    };
    let kib = (value(RESIDENT_BYTES)? / 1024.0).round();
    Some(State {
        cpu: Duration::try_from_secs_f64(value(CPU_SECONDS)?).ok()?,
        // Whatever is no number of bytes counts as none.
        rss_kib: format!("{kib:.0}").parse().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A gateway that has used one second more whenever it is asked.
    async fn gateway() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for seconds in 1.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
                let body = format!("{CPU_SECONDS} {seconds}\n{RESIDENT_BYTES} 1048576\n");
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn all_gateways_are_asked_and_one_that_is_away_counts_for_nothing() {
        let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let urls = [
            gateway().await,
            format!("http://{}", away.local_addr().unwrap()),
            gateway().await,
        ];
        drop(away);
        let (scraped, mut group) = (Scraped::at(&urls).await.unwrap(), Group::default());
        for used in [0, 2, 2] {
            let look = scraped.look(&mut group).await;
            assert_eq!((look.cpu.as_secs(), look.rss_kib), (used, 2_048));
        }
        assert!(Scraped::at(&["https://a".to_owned()]).await.is_err());
    }

    #[test]
    fn metrics_tell_processor_time_and_memory() {
        let metrics = "# TYPE process_cpu_seconds_total counter\n\
                       process_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 2097152\n";
        let state = state(metrics).unwrap();
        assert_eq!(
            (state.cpu, state.rss_kib),
            (Duration::from_millis(1_500), 2_048)
        );
        for wrong in [
            "",
            "process_cpu_seconds_total 1\n",
            "process_cpu_seconds_total NaN\n",
        ] {
            assert!(super::state(wrong).is_none(), "{wrong}");
        }
    }
}
