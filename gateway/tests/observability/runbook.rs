//! Follows a runbook while its fault is there: what it says to type must work, then above all.

use std::process::{Command, Output};

use tokio::task::spawn_blocking;

use super::files;
use super::stand::Stand;

impl Stand {
    /// Asks and types what the page of this alert says under "See", at one of the nodes.
    pub(crate) async fn consult(&self, alert: &str, node: usize) {
        let section = section(alert, "## See\n");
        for query in blocks(&section, "promql")
            .iter()
            .flat_map(|block| block.lines())
        {
            self.watcher.shows(query).await;
        }
        let admin = self.nodes[node].admin_url();
        for script in blocks(&section, "sh") {
            self.type_in(alert, script, admin).await;
        }
    }

    /// Does what the page of this alert says under "Do" in commands.
    pub(crate) async fn mend(&self, alert: &str) {
        let section = section(alert, "## Do\n");
        let scripts = blocks(&section, "sh");
        assert!(!scripts.is_empty(), "{alert} has no commands");
        for script in scripts {
            self.type_in(alert, script, "").await;
        }
    }

    async fn type_in(&self, alert: &str, script: String, admin: &str) {
        let env = [
            ("NODE", admin.to_owned()),
            ("DATABASE_URL", self.postgres.url().to_owned()),
            ("REDIS_URL", self.redis.url().to_owned()),
        ];
        let typed = script.clone();
        let typing = spawn_blocking(move || {
            let mut shell = Command::new("timeout");
            shell
                .args(["20", "bash", "-euo", "pipefail", "-c", &typed])
                .envs(env);
            shell.output().unwrap()
        });
        let Output {
            status,
            stdout,
            stderr,
        } = typing.await.unwrap();
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert!(
            status.success() && !said.is_empty(),
            "{alert}: {script}: {status}\n{said}"
        );
    }
}

/// What a page says under a heading.
fn section(alert: &str, heading: &str) -> String {
    let mut pages = files::texts("runbooks", "md");
    let page = pages.remove(&format!("{alert}.md")).unwrap();
    let (_, rest) = page.split_once(heading).unwrap();
    let end = rest.find("\n## ").unwrap_or(rest.len());
    rest[..end].to_owned()
}

/// The blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    let parts = text.split(&start).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}
