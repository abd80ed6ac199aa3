//! The gateway's binary: building it, and its short-lived subcommands.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::cargo;

/// A built gateway, and the environment that all its runs share.
#[derive(Debug)]
pub(super) struct GatewayProgram {
    pub(super) path: PathBuf,
    pub(super) env: Vec<(&'static str, String)>,
}

impl GatewayProgram {
    /// Builds it with cargo; the progress is visible.
    pub(super) async fn build(
        release: bool,
        env: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        let mut arguments = vec!["build", "--bins"];
        if release {
            arguments.push("--release");
        }
        let built = cargo::run(&arguments, &[]).await?;
        let path = built
            .executable
            .context("cargo reported no binary of the gateway")?;
        Ok(Self { path, env })
    }

    /// Brings the database's schema up to date.
    pub(super) async fn migrate(&self) -> anyhow::Result<()> {
        self.output(&["migrate"]).await.map(drop)
    }

    /// A development token, signed with the secret of the environment.
    pub(super) async fn token(&self, user: &str, name: &str) -> anyhow::Result<String> {
        self.output(&["token", "--sub", user, "--name", name]).await
    }

    async fn output(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let name = format!("{} {}", self.path.display(), arguments.join(" "));
        let done = Command::new(&self.path)
            .args(arguments)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {name}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !done.status.success() {
            let said = [text(&done.stdout), text(&done.stderr)].join("\n");
            bail!("{name} failed ({})\n{}", done.status, said.trim());
        }
        Ok(text(&done.stdout))
    }
}
