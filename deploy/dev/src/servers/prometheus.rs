//! One throwaway Prometheus, which watches nodes and applies rules to what they tell.

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::binaries;
use super::process::{Plan, ServerProcess};
use crate::Error;
use crate::account::Account;
use crate::folder::Folder;

/// How long one readiness question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// More than an answer that the readiness question reads.
const PROBE_MAX_BYTES: u64 = 64 * 1024;

/// The job that nodes have where nobody says otherwise.
const JOB: &str = "roomwire";

/// What a Prometheus does besides scraping.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Between two scrapes of a node, and two evaluations of a rule. Whole milliseconds.
    pub interval: Duration,
    /// Rule files by name, each with its text.
    pub rules: Vec<(String, String)>,
}

/// A Prometheus on a free port of 127.0.0.1, which ends with this value and forgets everything.
#[derive(Debug)]
pub struct Prometheus {
    process: ServerProcess,
    url: String,
    nodes: PathBuf,
}

impl Prometheus {
    /// Returns once it answers; blocks. [`Error::Missing`] where the machine has none.
    pub fn start(watch: &Watch) -> Result<Self, Error> {
        let program = binaries::prometheus()?;
        let account = Account::unprivileged()?;
        let folder = Folder::create("prometheus", account)?;
        // As the server itself will name it.
        let named = fs::canonicalize(folder.path());
        let path = named.map_err(Error::io("find the folder of Prometheus"))?;
        configure(&path, watch)?;
        let nodes = path.join("nodes.json");
        write(&nodes, "[]")?;
        let plan = Plan {
            name: "Prometheus",
            program: &program,
            account,
            // It has nothing to save.
            stop: Signal::SIGKILL,
            arguments: &arguments,
            ready: &|_, port| is_ready(&path, port),
        };
        let process = ServerProcess::start(&plan, folder)?;
        let url = format!("http://127.0.0.1:{}", process.port());
        Ok(Self {
            process,
            url,
            nodes,
        })
    }

    /// Where its pages and its API are.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Scrapes these nodes from now on, given as `host:port`, and no others.
    pub fn scrape(&self, nodes: &[String]) -> Result<(), Error> {
        let text = json!([{ "targets": nodes, "labels": { "job": JOB } }]).to_string();
        // Renamed into place, because it is read as soon as it changes.
        let draft = self.nodes.with_extension("draft");
        write(&draft, &text)?;
        fs::rename(&draft, &self.nodes).map_err(Error::io("change the list of nodes"))
    }
}

/// Writes its configuration and rules into its folder, which it may not leave.
fn configure(folder: &Path, watch: &Watch) -> Result<(), Error> {
    let rules = folder.join("rules");
    fs::create_dir(&rules).map_err(Error::io("create a folder for rules"))?;
    for (name, text) in &watch.rules {
        write(&rules.join(name), text)?;
    }
    // JSON is YAML. A scrape may take as long as the interval; the name of the job comes with the
    // list of nodes.
    let every = format!("{}ms", watch.interval.as_millis());
    let configuration = json!({
        "global": { "scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every },
        "rule_files": ["rules/*.yaml"],
        "scrape_configs": [{
            "job_name": JOB,
            "file_sd_configs": [{ "files": ["nodes.json"], "refresh_interval": "1s" }],
        }],
    });
    write(&folder.join("prometheus.yaml"), &configuration.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}

fn arguments(port: u16) -> Vec<OsString> {
    [
        "--config.file=prometheus.yaml",
        "--storage.tsdb.path=data",
        "--log.level=warn",
        &format!("--web.listen-address=127.0.0.1:{port}"),
    ]
    .map(OsString::from)
    .to_vec()
}

/// Asks for its working folder, because another program may have taken the port and answer too.
fn is_ready(folder: &Path, port: u16) -> bool {
    let Some(folder) = folder.to_str() else {
        return false;
    };
    let is_ready = ask(port, "/-/ready").is_some_and(|answer| answer.starts_with("HTTP/1.0 200"));
    let who = || ask(port, "/api/v1/status/runtimeinfo");
    is_ready && who().is_some_and(|answer| answer.contains(folder))
}

fn ask(port: u16, path: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT)).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(PROBE_MAX_BYTES).read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
