//! A gateway's wall clock that can be set while it runs: by libfaketime, where that is installed. Its
//! monotonic clock goes on as it was, as with a clock that an operator or NTP sets.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where Debian's package puts the library, below the folder of the architecture.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// Seconds for which the library goes by what it has read of the file.
const CACHED_SECONDS: &str = "1";

/// The clock of one gateway. What it is set by goes with this value.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, or `None` where there is no library.
    pub fn new() -> io::Result<Option<Self>> {
        let Some(library) = library(Path::new(LIBRARIES)) else {
            return Ok(None);
        };
        let name = format!("roomwire-clock-{:032x}", rand::random::<u128>());
        let file = std::env::temp_dir().join(name);
        let clock = Self { library, file };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// What the gateway must be started with.
    #[must_use]
    pub fn env(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", CACHED_SECONDS.to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Sets it so many seconds before or behind the right time; takes effect within a second.
    pub fn set(&self, seconds: i32) -> io::Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        fs::rename(new, &self.file)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // A file that is gone already needs no removing.
        drop(fs::remove_file(&self.file));
    }
}

/// Whether clocks can be set here.
#[must_use]
pub(crate) fn can_be_set() -> bool {
    library(Path::new(LIBRARIES)).is_some()
}

fn library(below: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(below).ok()?.flatten();
    let mut libraries = folders.map(|folder| folder.path().join(LIBRARY));
    libraries.find(|library| library.is_file())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_process_reads_the_clock_as_it_is_set() {
        let Some(clock) = Clock::new().unwrap() else {
            eprintln!("skipped: libfaketime is not installed");
            return;
        };
        let seen = || {
            let mut date = Command::new("date");
            let output = date.arg("+%s").envs(clock.env()).output().unwrap();
            let seconds: i64 = String::from_utf8(output.stdout)
                .unwrap()
                .trim()
                .parse()
                .unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            seconds - i64::try_from(now.as_secs()).unwrap()
        };
        assert!(seen().abs() < 30);
        clock.set(1_000).unwrap();
        assert!((970..1_030).contains(&seen()));
        clock.set(-1_000).unwrap();
        assert!((-1_030..-970).contains(&seen()));
    }

    #[test]
    fn where_there_is_no_library_there_is_no_clock() {
        assert!(library(Path::new("/nonexistent")).is_none());
    }
}
