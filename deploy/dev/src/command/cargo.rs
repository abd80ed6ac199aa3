//! Nested runs of cargo, whose progress the user sees.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::workspace;

/// The package and the binary that everything here is about.
const GATEWAY: &str = "roomwire-gateway";

/// What cargo made of the gateway.
#[derive(Debug, Default)]
pub(super) struct Artifacts {
    /// The binary, if one was built.
    pub(super) executable: Option<PathBuf>,
    /// Whether its library was compiled now, rather than found up to date.
    pub(super) compiled_library: bool,
}

/// Runs a cargo command on the gateway's package, with additions to the environment.
pub(super) async fn run(arguments: &[&str], env: &[(&str, OsString)]) -> anyhow::Result<Artifacts> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(program)
        .args(arguments)
        .args(["-p", GATEWAY, "--message-format=json-render-diagnostics"])
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start cargo")?;
    let mut artifacts = Artifacts::default();
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines
            .next_line()
            .await
            .context("cannot read cargo's messages")?
        {
            artifacts.note(&line);
        }
    }
    let status = child.wait().await.context("cannot wait for cargo")?;
    if !status.success() {
        bail!(
            "cargo {} failed ({status}); its messages are above",
            arguments.join(" ")
        );
    }
    Ok(artifacts)
}

impl Artifacts {
    /// Takes what matters from one line of cargo's report.
    fn note(&mut self, line: &str) {
        // A build script may print anything in between.
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let is = |path: &str, wanted: &str| message.pointer(path) == Some(&Value::from(wanted));
        if !is("/reason", "compiler-artifact") {
            return;
        }
        if is("/target/name", GATEWAY) && is("/target/kind/0", "bin") {
            let path = message.get("executable").and_then(Value::as_str);
            self.executable = path.map(PathBuf::from);
        }
        if is("/target/name", &GATEWAY.replace('-', "_")) && is("/target/kind/0", "lib") {
            self.compiled_library |= message.get("fresh") == Some(&Value::from(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_and_the_freshness_of_the_library_are_found_in_the_report() {
        let mut artifacts = Artifacts::default();
        artifacts.note("not json");
        artifacts.note(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"other"},"fresh":false}"#,
        );
        assert!(!artifacts.compiled_library);
        artifacts.note(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"roomwire_gateway"},
                "fresh":false,"executable":null}"#,
        );
        artifacts.note(
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"roomwire-gateway"},
                "fresh":true,"executable":"target/debug/roomwire-gateway"}"#,
        );
        assert!(artifacts.compiled_library);
        assert_eq!(
            artifacts.executable,
            Some("target/debug/roomwire-gateway".into())
        );
    }
}
