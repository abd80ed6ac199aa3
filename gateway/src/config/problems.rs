//! Collects what is wrong with a configuration, and the small parsers that all sections share.

use std::{fmt, fs, str::FromStr};

use secrecy::{ExposeSecret, SecretString};

/// Everything that is wrong, by variable name. Never holds a value, which might be a secret.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes one problem of one variable.
    pub(crate) fn add(&mut self, variable: &str, what: impl fmt::Display) {
        self.0.push(format!("{variable}: {what}"));
    }

    /// Parses a value, or notes what was expected.
    pub(crate) fn parse<T: FromStr>(
        &mut self,
        variable: &str,
        value: &str,
        expected: &str,
    ) -> Option<T> {
        let parsed = value.trim().parse().ok();
        if parsed.is_none() {
            self.add(variable, format_args!("expected {expected}"));
        }
        parsed
    }

    /// Parses a whole number and checks that it lies between the bounds, which belong to it.
    pub(crate) fn number<T>(
        &mut self,
        variable: &str,
        value: &str,
        bounds: std::ops::RangeInclusive<T>,
    ) -> Option<T>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let number = self.parse(variable, value, &expected)?;
        if !bounds.contains(&number) {
            self.add(variable, format_args!("expected {expected}"));
            return None;
        }
        Some(number)
    }

    /// Reads a secret that may be given directly or as the path of a file, but not both.
    pub(crate) fn secret(
        &mut self,
        variable: &str,
        value: Option<String>,
        file: Option<String>,
    ) -> Option<SecretString> {
        match (present(value), present(file)) {
            (Some(_), Some(_)) => {
                self.add(
                    variable,
                    format_args!("set, and {variable}_FILE too: choose one"),
                );
                None
            }
            (Some(value), None) => Some(value.into()),
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).into()),
                Err(error) => {
                    self.add(
                        &format!("{variable}_FILE"),
                        format_args!("cannot be read: {error}"),
                    );
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// Checks that a URL, which may be a secret, has one of the schemes and a host.
    pub(crate) fn check_url(
        &mut self,
        variable: &str,
        url: Option<&SecretString>,
        schemes: &[&str],
    ) {
        let Some(url) = url else { return };
        let rest = url
            .expose_secret()
            .split_once("://")
            .filter(|(s, _)| schemes.contains(s));
        if rest.is_none_or(|(_, rest)| rest.trim_matches('/').is_empty()) {
            let scheme = schemes.first().copied().unwrap_or_default();
            self.add(
                variable,
                format_args!("expected a URL such as {scheme}://host:port"),
            );
        }
    }

    /// As [`Problems::secret`], and its absence is a problem.
    pub(crate) fn required_secret(
        &mut self,
        variable: &str,
        value: Option<String>,
        file: Option<String>,
    ) -> Option<SecretString> {
        let before = self.0.len();
        let secret = self.secret(variable, value, file);
        if secret.is_none() && self.0.len() == before {
            self.add(variable, format_args!("missing (or {variable}_FILE)"));
        }
        secret
    }
}

/// An empty variable counts as unset: deployments often pass `NAME=""`.
pub(crate) fn present(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.trim().is_empty())
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} problem(s):", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|problem| writeln!(f, "  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// `true` or `false`, in the spellings that deployments use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switch(pub(crate) bool);

impl Switch {
    pub(crate) const EXPECTED: &'static str = "true or false";
}

impl FromStr for Switch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(Self(true)),
            "false" | "off" | "no" | "0" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}
