//! Collects what is wrong with a configuration, and the small parsers that all sections share.

use std::{fmt, fs::File, io, io::Read as _, str::FromStr};

use secrecy::{ExposeSecret, SecretString};

/// Largest file that a setting is read from, in bytes: a secret or a URL is far smaller.
const FILE_BYTES_MAX: usize = 64 * 1024;

/// Everything that is wrong, by variable name. Never holds a value, which might be a secret.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
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

    /// Reads a secret that may be given directly or as the path of a file, but not both. From either
    /// the end of line goes. An empty variable counts as unset; an empty file is a mistake.
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
            (Some(value), None) => Some(without_line_end(&value).into()),
            (None, Some(path)) => match read(&path) {
                Ok(text) => Some(without_line_end(&text).into()),
                Err(problem) => {
                    self.add(&format!("{variable}_FILE"), problem);
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// Reads the text of a file that a variable names, where it is set.
    pub(crate) fn file(&mut self, variable: &str, path: Option<String>) -> Option<String> {
        match read(&present(path)?) {
            Ok(text) => Some(text),
            Err(problem) => {
                self.add(variable, problem);
                None
            }
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
        let before = self.count();
        let secret = self.secret(variable, value, file);
        if secret.is_none() && self.count() == before {
            self.add(variable, format_args!("missing (or {variable}_FILE)"));
        }
        secret
    }
}

/// What is wrong with a file that a setting should be read from. Never holds what it contains.
#[derive(Debug, thiserror::Error)]
enum FileProblem {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("is empty")]
    Empty,
}

/// The text of a file. Reads no more than the bound, whatever the path leads to.
fn read(path: &str) -> Result<String, FileProblem> {
    let bound = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bound.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(FileProblem::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| FileProblem::NotText)?;
    present(Some(text)).ok_or(FileProblem::Empty)
}

fn without_line_end(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
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

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    /// What becomes of a file with this content: the secret, or what is said about it.
    fn from_file(name: &str, content: &[u8]) -> Result<String, String> {
        let path = env::temp_dir().join(format!("roomwire-{}-{name}", process::id()));
        fs::write(&path, content).unwrap();
        let mut problems = Problems::default();
        let place = path.to_str().unwrap().to_owned();
        let secret = problems.secret("THE_SECRET", None, Some(place));
        fs::remove_file(&path).unwrap();
        match secret {
            Some(secret) if problems.is_empty() => Ok(secret.expose_secret().to_owned()),
            _ => Err(problems.to_string()),
        }
    }

    fn from_variable(value: &str) -> Option<String> {
        let mut problems = Problems::default();
        let secret = problems.secret("THE_SECRET", Some(value.to_owned()), None);
        assert!(problems.is_empty());
        secret.map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn the_end_of_line_goes_from_a_file_and_from_a_variable() {
        for text in ["swordfish", "swordfish\n", "swordfish\r\n"] {
            assert_eq!(from_file("line", text.as_bytes()).unwrap(), "swordfish");
            assert_eq!(from_variable(text).as_deref(), Some("swordfish"));
        }
        // Anything else belongs to it.
        assert_eq!(from_file("blanks", b" a b \n").unwrap(), " a b ");
        assert_eq!(from_variable(" a b \n").as_deref(), Some(" a b "));
    }

    #[test]
    fn a_file_without_anything_in_it_is_a_mistake_and_an_empty_variable_is_none() {
        for text in ["", "\n", "\r\n", " \t\n\n"] {
            let problem = from_file("empty", text.as_bytes()).unwrap_err();
            assert!(problem.contains("THE_SECRET_FILE: is empty"), "{problem}");
            assert_eq!(from_variable(text), None);
        }
    }

    #[test]
    fn a_file_that_cannot_hold_a_secret_is_told_by_name_and_without_its_content() {
        let large = b"swordfish".repeat(FILE_BYTES_MAX);
        for (content, words) in [
            (b"swordfish\xff".as_slice(), "is not UTF-8 text"),
            (&large, "is larger than 65536 bytes"),
        ] {
            let problem = from_file("odd", content).unwrap_err();
            assert!(
                problem.contains(&format!("THE_SECRET_FILE: {words}")),
                "{problem}"
            );
            assert!(!problem.contains("swordfish"), "{problem}");
        }
        let mut problems = Problems::default();
        let nowhere = Some("/nowhere/secret".to_owned());
        assert!(problems.secret("THE_SECRET", None, nowhere).is_none());
        assert!(
            problems
                .to_string()
                .contains("THE_SECRET_FILE: cannot be read")
        );
    }

    #[test]
    fn a_file_of_the_largest_size_is_read() {
        let largest = "x".repeat(FILE_BYTES_MAX);
        assert_eq!(from_file("largest", largest.as_bytes()).unwrap(), largest);
    }
}
