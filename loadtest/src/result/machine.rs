//! When and where something was measured: figures of different machines say nothing of each other.

use std::fs;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::stats::float;

/// When and where a result was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The moment at which it was complete, in UTC by RFC 3339.
    pub at: String,
    /// The machine on which this program ran.
    pub machine: Machine,
}

/// A machine, as far as the system tells; what it does not tell is empty or 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Processors that this program may use.
    pub cores: usize,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// The kernel's name and version.
    pub kernel: String,
}

impl Made {
    /// Now and here.
    #[must_use]
    pub fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        let whole = now.replace_nanosecond(0).unwrap_or(now);
        Self {
            at: whole.format(&Rfc3339).unwrap_or_default(),
            machine: Machine::this(),
        }
    }

    /// In one line.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{}, {}", self.at, self.machine.words())
    }
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        let kernel = file("/proc/sys/kernel/osrelease");
        let memory = field(&file("/proc/meminfo"), "MemTotal");
        let memory = memory.and_then(|text| text.trim_end_matches("kB").trim().parse().ok());
        Self {
            processor: field(&file("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_kib: memory.unwrap_or_default(),
            kernel: format!("{} {}", std::env::consts::OS, kernel.trim()),
        }
    }

    /// In one line.
    #[must_use]
    pub fn words(&self) -> String {
        let gib = float(self.memory_kib) / 1024.0 / 1024.0;
        let Self {
            processor,
            cores,
            kernel,
            ..
        } = self;
        format!("{cores} cores of {processor}, {gib:.0} GiB, {kernel}")
    }
}

/// The value of a line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let named = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = named.filter(|(of, _)| of.trim() == name);
    values.next().map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_says_what_it_is() {
        let machine = Machine::this();
        assert!(machine.cores > 0 && machine.memory_kib > 0, "{machine:?}");
        assert!(machine.words().contains("cores of"));
    }

    #[test]
    fn a_line_is_found_by_its_whole_name() {
        let text = "model\t: 1\nmodel name\t: Quick: 3\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Quick: 3"));
        assert_eq!(field(text, "mod"), None);
    }

    #[test]
    fn a_moment_is_written_in_utc_by_the_second() {
        let made = Made::now();
        assert_eq!((made.at.len(), made.at.ends_with('Z')), (20, true));
        assert!(made.words().starts_with(&made.at), "{}", made.words());
    }
}
