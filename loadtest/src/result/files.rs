//! A report as files, to keep and to compare.

use std::path::Path;
use std::{fs, io};

use super::model::Report;

/// The whole report, for programs; see [`Report::json`].
pub const RESULT: &str = "result.json";
/// What people read; see [`Report::markdown`].
pub const SUMMARY: &str = "summary.md";
/// What people look at; see [`Report::html`].
pub const PAGE: &str = "report.html";

impl Report {
    /// Writes the report into a folder, which is made if there is none. Files that are there from
    /// another run are replaced.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(&self.json())?;
        fs::write(folder.join(RESULT), json + "\n")?;
        fs::write(folder.join(SUMMARY), self.markdown())?;
        fs::write(folder.join(PAGE), self.html())
    }
}
