//! Runs a program to its end and keeps what it said.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Said {
    line: String,
    is_success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Runs the command with this as its standard input.
    pub(crate) fn of(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // Who refuses its arguments does not read on.
        pipe.write_all(input.as_bytes()).ok();
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        Self {
            line: format!("{command:?}"),
            is_success: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.is_success
    }

    /// Both streams, for searching.
    pub(crate) fn all(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    /// It must have succeeded.
    pub(crate) fn ok(self) -> Self {
        assert!(self.is_success, "failed: {}\n{}", self.line, self.all());
        self
    }

    /// It must have failed, and have said this.
    pub(crate) fn refused(self, because: &str) -> Self {
        assert!(!self.is_success, "succeeded: {}\n{}", self.line, self.all());
        let all = self.all();
        assert!(
            all.contains(because),
            "not {because:?}: {}\n{all}",
            self.line
        );
        self
    }

    /// The API server must have had nothing to remark.
    pub(crate) fn without_warning(self) -> Self {
        for remark in [
            "would violate",
            "unknown field",
            "deprecated",
            "Warning:",
            "duplicate",
        ] {
            let all = self.all();
            assert!(!all.contains(remark), "{remark:?}: {}\n{all}", self.line);
        }
        self
    }

    /// What it wrote, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}
