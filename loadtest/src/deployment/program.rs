//! The gateway's program: found or built, and run to its end for what it does besides serving.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::StackError;

/// The gateway's crate and binary.
const GATEWAY: &str = "roomwire-gateway";

/// The gateway to run: this one, or the workspace's release build, which is brought up to date. That
/// needs cargo and takes minutes the first time.
pub(super) async fn binary(given: Option<PathBuf>) -> Result<PathBuf, StackError> {
    match given {
        Some(binary) => Ok(binary),
        None => blocking(build).await?,
    }
}

/// Builds the release gateway of the workspace this is run in, and says where it is.
fn build() -> Result<PathBuf, StackError> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", GATEWAY]);
    finish(cargo, "cargo build")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(PathBuf::from(target).join("release").join(GATEWAY))
}

/// Brings the database that `env` names up to date.
pub(super) fn migrate(binary: &Path, env: &[(&str, String)]) -> Result<(), StackError> {
    let mut command = Command::new(binary);
    command
        .arg("migrate")
        .envs(env.iter().map(|(name, value)| (*name, value)));
    finish(command, &format!("{} migrate", binary.display()))
}

fn finish(mut command: Command, program: &str) -> Result<(), StackError> {
    let program = program.to_owned();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(StackError::Failed {
                program,
                status: output.status,
                output: text,
            })
        }
        Err(source) => Err(StackError::Run { program, source }),
    }
}

/// Runs work that blocks, beside the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StackError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StackError::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_reported_with_its_words() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no database >&2; exit 3"]);
        let error = finish(command, "the program").unwrap_err();
        assert!(error.to_string().contains("no database"), "{error}");
        let missing = finish(Command::new("/nonexistent/program"), "the program").unwrap_err();
        assert!(matches!(missing, StackError::Run { .. }), "{missing}");
    }
}
