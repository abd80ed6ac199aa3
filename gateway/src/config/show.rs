//! Prints the configuration in force, with secrets left out.

use std::fmt::Write as _;

use clap::{ArgMatches, Command};

/// Variables whose value is never shown. URLs are on the list because they may carry passwords.
const SECRET: [&str; 4] = [
    "DATABASE_URL",
    "DATABASE_READ_URL",
    "REDIS_URL",
    "JWT_HS256_SECRET",
];

/// One `VARIABLE=value` line per setting, as it would be after flags, environment and defaults.
pub(crate) fn show(command: &Command, matches: &ArgMatches) -> String {
    let mut text = String::new();
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env().and_then(|name| name.to_str()) else {
            continue;
        };
        let value = matches
            .try_get_raw(argument.get_id().as_str())
            .ok()
            .flatten()
            .and_then(|mut values| values.next())
            .map(|value| value.to_string_lossy().into_owned());
        let shown = match value {
            Some(_) if SECRET.contains(&variable) => "(set, not shown)".to_owned(),
            Some(value) => value,
            None => "(unset)".to_owned(),
        };
        // Writing to a String cannot fail.
        writeln!(text, "{variable}={shown}").unwrap_or_default();
    }
    text
}
