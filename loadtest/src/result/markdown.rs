//! A report as a Markdown page, to paste into an issue or a release.

use std::fmt::Write as _;

use super::model::{Part, Report};
use super::print::beside;

/// What stands above a page of several results.
const PAGE_HEAD: &str = "\
# Benchmarks

Written by `roomwire-loadtest report`; not to be edited. Each section is one result. Figures of different
machines say nothing of each other: compare ratios. A figure in brackets is its ratio to what is named
after it, and one in square brackets the lowest and highest of several runs of which the median is shown.
";

/// One page of several results.
#[must_use]
pub fn page(reports: &[Report]) -> String {
    let mut page = PAGE_HEAD.to_owned();
    for report in reports {
        page.push('\n');
        // One level below the title of the page.
        for line in report.markdown().lines() {
            let mark = if line.starts_with('#') { "#" } else { "" };
            writeln!(page, "{mark}{line}").unwrap_or_default();
        }
    }
    page
}

impl Report {
    /// The page. Parts that share a figure stand beside each other.
    #[must_use]
    pub fn markdown(&self) -> String {
        let verdict = match (self.passed(), self.crossed()) {
            (false, _) => "failed",
            (true, true) => "crossed a threshold",
            (true, false) => "passed",
        };
        let mut page = format!("# {}: {verdict}\n", self.command);
        if let Some(made) = &self.made {
            let (version, words) = (&self.version, made.words());
            writeln!(page, "\nVersion {version}, {words}.").unwrap_or_default();
        }
        for group in self.parts.chunk_by(Part::is_like) {
            page.push('\n');
            table(&mut page, group);
        }
        let lists = [
            ("Failed", self.problems()),
            (
                "Thresholds",
                self.thresholds.iter().map(ToString::to_string).collect(),
            ),
            ("Notes", self.notes.clone()),
        ];
        for (head, lines) in lists {
            if !lines.is_empty() {
                // Writing into memory does not fail.
                writeln!(page, "\n## {head}\n").unwrap_or_default();
            }
            for line in lines {
                // What servers say may hold marks of this format.
                let line = line.replace('\n', " ").replace(['`', '|'], " ");
                let line = line.replace('<', "&lt;");
                writeln!(page, "- {line}").unwrap_or_default();
            }
        }
        page
    }
}

/// A line for each figure, a column for each part.
fn table(page: &mut String, parts: &[Part]) {
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let line = |first: &str, others: &[&str]| format!("| {first} | {} |\n", others.join(" | "));
    page.push_str(&line("", &names));
    page.push_str(&line("---", &vec!["--:"; names.len()]));
    for (head, figures) in beside(parts) {
        let figures: Vec<&str> = figures.iter().map(String::as_str).collect();
        page.push_str(&line(&head, &figures));
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Check, Row, Threshold, Unit};
    use super::*;

    #[test]
    fn parts_of_a_kind_stand_beside_each_other() {
        let mut report = Report::new("run lunch");
        for (name, value) in [("ramp", 3.0), ("hold", 4.5)] {
            let mut part = Part::new(name);
            part.push(Row::new("us/delivery", Unit::Micros, value).to("floor", Some(1.5)));
            report.parts.push(part);
        }
        let mut end = Part::new("in all");
        end.count("acknowledged", 7);
        report.parts.push(end);
        report.notes.push("seed 7".to_owned());
        report.thresholds.push(Threshold {
            text: "hold: us/delivery < 4".to_owned(),
            value: Some(4.5),
            held: false,
        });
        assert_eq!(
            report.markdown(),
            "# run lunch: crossed a threshold\n\n\
             |  | ramp | hold |\n| --- | --: | --: |\n| us/delivery | 3.00 (2.00x) | 4.50 (3.00x) |\n\n\
             |  | in all |\n| --- | --: |\n| acknowledged | 7 |\n\n\
             ## Thresholds\n\n- CROSSED: hold: us/delivery &lt; 4 (4.50)\n\n## Notes\n\n- seed 7\n"
        );
    }

    #[test]
    fn what_servers_say_makes_no_markup() {
        let mut report = Report::new("run x");
        let told = ["<b>|`\nmore".to_owned()];
        report.checks.push(Check::new("refused", 1).told(told));
        let page = report.markdown();
        assert!(page.starts_with("# run x: failed\n"), "{page}");
        assert!(!page.contains('<') && !page.contains('`'), "{page}");
    }
}
