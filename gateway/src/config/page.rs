//! The page of `docs` that lists every setting, written from the settings themselves.

use std::fmt::Write as _;

use clap::{Arg, Args as _, Command};

use super::ServeArgs;
use crate::telemetry::LogsArgs;

const INTRODUCTION: &str = "\
# Settings

Every setting of `roomwire-gateway serve`, as an environment variable and as a flag, which wins. Written
from the code in `gateway/src/config`: change it there, then run the tests with `UPDATE_DOCS=1`. Durations
and sizes are whole numbers in the unit that the name ends with. `roomwire-gateway config` prints what is in
force, without secrets.
";

/// Stands above settings without a heading of their own.
const NO_HEADING: &str = "Start";

/// Every setting, as the command line knows it.
pub(super) fn settings() -> Vec<Arg> {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let command = LogsArgs::augment_args(command);
    command.get_arguments().cloned().collect()
}

/// What a setting is for, in one line.
pub(super) fn help_of(setting: &Arg) -> String {
    let help = setting.get_long_help().or(setting.get_help());
    let help = help.map_or_else(String::new, ToString::to_string);
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut last = "";
    for argument in &settings() {
        let heading = argument.get_help_heading().unwrap_or(NO_HEADING);
        if heading != last {
            write!(
                page,
                "\n## {heading}\n\n| variable | flag | default | |\n|---|---|---|---|\n"
            )
            .unwrap();
            last = heading;
        }
        page.push_str(&row(argument));
    }
    page
}

fn row(argument: &Arg) -> String {
    let variable = argument.get_env().map(|name| name.to_string_lossy());
    let variable = variable.map_or_else(String::new, |name| format!("`{name}`"));
    let flag = argument.get_long().unwrap();
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let help = help_of(argument).replace('|', "\\|");
    format!(
        "| {variable} | `--{flag}` | {} | {help} |\n",
        defaults.join(" ")
    )
}

#[test]
fn the_page_of_settings_says_what_the_settings_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == page(), "run the tests with UPDATE_DOCS=1");
}

#[test]
fn every_setting_has_a_variable_and_says_what_it_is() {
    for argument in &settings() {
        let name = argument.get_id().as_str();
        assert!(argument.get_help().is_some(), "{name} has no help");
        // Migrating at the start is for development, and nothing that an environment should say.
        assert!(argument.get_env().is_some() || name == "migrate", "{name}");
    }
}
