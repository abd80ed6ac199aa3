//! One line for each check with its time, in the file that `ROOMWIRE_CLUSTER_REPORT` names.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Instant;

/// A check that is running. Its line is written when it ends, however it ends.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    began: Instant,
}

impl Row {
    pub(crate) fn begin(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            began: Instant::now(),
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os("ROOMWIRE_CLUSTER_REPORT") else {
            return;
        };
        let verdict = if std::thread::panicking() {
            "FAILED"
        } else {
            "passed"
        };
        let seconds = self.began.elapsed().as_secs_f64();
        let row = format!("{}\t{verdict}\t{seconds:.1} s\n", self.what);
        let file = OpenOptions::new().create(true).append(true).open(path);
        // A report that cannot be written is no reason to fail a check.
        file.and_then(|mut file| file.write_all(row.as_bytes()))
            .ok();
    }
}
