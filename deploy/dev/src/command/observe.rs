//! `cargo dev --observe`: a Prometheus over all nodes, with the rules that operators install.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use roomwire_dev::Error;
use roomwire_dev::servers::{Prometheus, Watch};
use tokio::task::spawn_blocking;

use super::nodes::NodeUrls;
use super::{console, workspace};

/// Often enough to look at, and seldom enough for the rules' windows.
const INTERVAL: Duration = Duration::from_secs(5);

/// What operators install.
pub(super) fn folder() -> PathBuf {
    workspace().join("deploy/observability")
}

/// Starts it. None where the machine has no Prometheus, which has then been said.
pub(super) async fn start(nodes: &[NodeUrls]) -> anyhow::Result<Option<Prometheus>> {
    console::progress("starting Prometheus");
    let watch = Watch {
        interval: INTERVAL,
        rules: rules()?,
    };
    let addresses: Vec<String> = nodes
        .iter()
        .map(|urls| urls.admin.trim_start_matches("http://").to_owned())
        .collect();
    let started = spawn_blocking(move || {
        let prometheus = Prometheus::start(&watch)?;
        prometheus.scrape(&addresses)?;
        Ok(prometheus)
    });
    match started.await.context("starting Prometheus was cut short")? {
        Ok(prometheus) => Ok(Some(prometheus)),
        Err(Error::Missing(what)) => {
            console::complain(&format!("{what}; going on without"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn rules() -> anyhow::Result<Vec<(String, String)>> {
    let folder = folder().join("rules");
    let mut rules = Vec::new();
    let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    for entry in entries {
        let entry = entry.context("cannot list the rules")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let text =
            fs::read_to_string(entry.path()).with_context(|| format!("cannot read {name}"))?;
        rules.push((name, text));
    }
    Ok(rules)
}
