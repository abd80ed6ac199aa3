//! The program, run to its end.

use std::process::{Command, Output};

use super::GATEWAY;

/// Runs the program with nothing but these variables, to its end.
pub(crate) fn run(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(GATEWAY);
    command
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied());
    command.output().unwrap()
}

/// Everything that it wrote.
pub(crate) fn text(output: &Output) -> String {
    let parts = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(parts).unwrap()
}
