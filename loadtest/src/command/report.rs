//! `report`: shows results that were kept, and writes one page of several.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::CommandError;
use crate::result::Report;
use crate::result::markdown::page;

/// Flags of `report`.
#[derive(Args, Clone)]
pub struct ShowReport {
    /// Folders that --out has written, or files
    #[arg(value_name = "RESULT", required = true)]
    pub results: Vec<PathBuf>,

    /// Write summary.md and report.html of the only result into this folder
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,

    /// Write one Markdown page of all results, in their order
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,
}

impl ShowReport {
    /// Prints the results, and writes what is asked for.
    pub fn show(&self, to: &mut impl Write) -> Result<(), CommandError> {
        let reports: Result<Vec<Report>, CommandError> = self
            .results
            .iter()
            .map(|path| Ok(Report::read(path)?))
            .collect();
        let reports = reports?;
        if let Some(folder) = &self.out {
            let [report] = reports.as_slice() else {
                return Err(CommandError::Usage("--out shows one result; see --page"));
            };
            report.write_to(folder).map_err(CommandError::Write)?;
        }
        if let Some(file) = &self.page {
            fs::write(file, page(&reports)).map_err(CommandError::Write)?;
        }
        for report in &reports {
            write!(to, "{report}").map_err(CommandError::Write)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::machine::Made;
    use crate::result::{Part, Row, Unit};

    /// A folder of this test alone, gone with it.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap_or_default();
        }
    }

    fn kept(folder: &Folder, name: &str) -> PathBuf {
        let mut report = Report::new(format!("run {name}"));
        report.made = Some(Made::now());
        let mut part = Part::new("hold");
        let row = Row::new("us/delivery", Unit::Micros, 20.5).lower();
        part.push(row.between((20.0, 21.0)));
        report.parts.push(part);
        let path = folder.0.join(name);
        report.write_to(&path).unwrap();
        path
    }

    #[test]
    fn several_results_make_one_page_and_one_can_be_written_again() {
        let folder = format!("roomwire-report-{:08x}", rand::random::<u32>());
        let folder = Folder(std::env::temp_dir().join(folder));
        let results = vec![kept(&folder, "tea"), kept(&folder, "lunch")];
        let mut flags = ShowReport {
            results,
            out: None,
            page: Some(folder.0.join("page.md")),
        };
        let mut shown = Vec::new();
        flags.show(&mut shown).unwrap();
        let page = fs::read_to_string(folder.0.join("page.md")).unwrap();
        let heads = page.lines().filter(|line| line.starts_with('#'));
        let wanted = ["# Benchmarks", "## run tea: passed", "## run lunch: passed"];
        assert_eq!(heads.collect::<Vec<_>>(), wanted);
        assert!(page.contains("| 20.50 [20.00 to 21.00] |"), "{page}");
        assert!(String::from_utf8(shown).unwrap().contains("run lunch"));
        flags.out = Some(folder.0.join("again"));
        assert!(flags.show(&mut Vec::new()).unwrap_err().is_usage());
        flags.results.truncate(1);
        flags.show(&mut Vec::new()).unwrap();
        let again = fs::read(folder.0.join("again/result.json")).unwrap();
        assert_eq!(again, fs::read(folder.0.join("tea/result.json")).unwrap());
    }

    #[test]
    fn the_page_of_benchmarks_is_that_of_the_kept_results() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
        let kept = fs::read_dir(format!("{docs}/benchmarks")).unwrap();
        let mut results: Vec<PathBuf> = kept.map(|entry| entry.unwrap().path()).collect();
        results.sort();
        let reports: Vec<Report> = results
            .iter()
            .map(|path| Report::read(path).unwrap())
            .collect();
        let (path, wanted) = (format!("{docs}/benchmarks.md"), page(&reports));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert!(written == wanted, "run it again with UPDATE_DOCS=1");
    }
}
