//! How a report is shown: a table for people.

use std::fmt;

use super::model::{Base, Check, Latency, Part, Report, Row, Threshold};
use super::stats::ratio;

/// A table of parts that is wider than this is shown part by part.
const WIDTH_MAX: usize = 118;
/// Between two columns.
const GAP: &str = "  ";
/// Where there is no figure.
const NONE: &str = "-";

/// A figure of a part, in words.
struct Cell {
    /// What it is, with its unit.
    head: String,
    /// What it is compared with.
    of: Option<String>,
    figure: String,
}

/// A part's name and lines.
type Shown<'a> = (&'a str, Vec<Cell>);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.command)?;
        let parts: Vec<Shown<'_>> = self
            .parts
            .iter()
            .map(|part| (part.name.as_str(), cells(part)))
            .collect();
        for group in parts.chunk_by(alike) {
            let table = table(group);
            if group.len() > 1 && width(&table) <= WIDTH_MAX {
                write_table(f, &table)?;
                writeln!(f)?;
                continue;
            }
            for shown in group {
                write_part(f, shown)?;
            }
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for threshold in &self.thresholds {
            writeln!(f, "{threshold}")?;
        }
        for check in self.checks.iter().filter(|check| check.failed > 0) {
            writeln!(f, "FAILED: {check}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.held { "held" } else { "CROSSED" };
        write!(f, "{said}: {} ({})", self.text, number(self.value, 2))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(part) = &self.part {
            write!(f, "{part}: ")?;
        }
        write!(f, "{} {}", self.failed, self.name)?;
        for line in &self.told {
            write!(f, "\n    {}", line.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

/// Everything of a part that is worth a reader's time.
fn cells(part: &Part) -> Vec<Cell> {
    let rows = part.rows.iter().filter(|row| !row.minor).map(cell);
    let alone = part.latencies.len() == 1;
    let latencies = part.latencies.iter();
    rows.chain(latencies.flat_map(|of| latency_cells(of, alone)))
        .collect()
}

fn cell(row: &Row) -> Cell {
    let digits = row.unit.digits();
    let mut figure = number(row.value, digits);
    if let Some((low, high)) = row.spread {
        let (low, high) = (number(Some(low), digits), number(Some(high), digits));
        figure = format!("{figure} [{low} to {high}]");
    }
    let cell = Cell {
        head: head(&row.key, row.unit.symbol()),
        of: None,
        figure,
    };
    let base = row.base.clone().map(|base| (base, row.ratio()));
    cell.compared(base.as_ref())
}

/// A name with its unit, unless the name says it.
fn head(key: &str, unit: &str) -> String {
    let said = key.contains('/') || key.split(' ').any(|word| word == unit);
    if unit.is_empty() || said {
        return key.to_owned();
    }
    format!("{key} {unit}")
}

impl Cell {
    fn compared(mut self, base: Option<&(Base, Option<f64>)>) -> Self {
        if let Some((base, ratio)) = base {
            let ratio = ratio.map_or_else(|| NONE.to_owned(), |ratio| format!("{ratio:.2}x"));
            self.figure = format!("{} ({ratio})", self.figure);
            self.of = Some(base.of.clone());
        }
        self
    }
}

/// Median, 99th percentile and the longest; the only latencies of a part need no name.
fn latency_cells(latency: &Latency, alone: bool) -> Vec<Cell> {
    let summary = latency.latencies.summary();
    let cell = |of: &str, ms: f64| Cell {
        head: if alone {
            format!("{of} ms")
        } else {
            format!("{} {of} ms", latency.key)
        },
        of: None,
        figure: number((summary.count > 0).then_some(ms), 2),
    };
    let base = latency.base.as_ref();
    let compared = |base: &Base| {
        let known = (summary.count > 0).then_some(summary.p99_ms);
        (base.clone(), known.and_then(|ms| ratio(ms, base.value)))
    };
    let base = base.map(compared);
    vec![
        cell("p50", summary.p50_ms),
        cell("p99", summary.p99_ms).compared(base.as_ref()),
        cell("max", summary.max_ms),
    ]
}

/// Parts beside each other: a line for each figure, with its name and what each part has of it.
pub(super) fn beside(parts: &[Part]) -> Vec<(String, Vec<String>)> {
    let columns: Vec<Vec<Cell>> = parts.iter().map(cells).collect();
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for head in columns.iter().flatten().map(|cell| &cell.head) {
        if lines.iter().any(|(known, _)| known == head) {
            continue;
        }
        let figures = columns.iter().map(|column| {
            let cell = column.iter().find(|cell| cell.head == *head);
            cell.map_or_else(|| NONE.to_owned(), |cell| cell.figure.clone())
        });
        lines.push((head.clone(), figures.collect()));
    }
    lines
}

/// A figure for people, or what stands for none. Digits after the point are left out where there are
/// enough before it.
#[must_use]
pub fn number(value: Option<f64>, digits: usize) -> String {
    let shown = |value: f64| {
        let digits = if value.abs() < 1_000.0 { digits } else { 0 };
        format!("{value:.digits$}")
    };
    value.map_or_else(|| NONE.to_owned(), shown)
}

/// Whether two parts are of the same kind: they share a figure.
fn alike((_, one): &Shown<'_>, (_, other): &Shown<'_>) -> bool {
    one.iter()
        .any(|of| other.iter().any(|cell| cell.head == of.head))
}

/// The parts below each other, with a column for every figure that one of them has.
fn table(parts: &[Shown<'_>]) -> Vec<Vec<String>> {
    let mut heads: Vec<(&str, Option<&str>)> = Vec::new();
    for cell in parts.iter().flat_map(|(_, cells)| cells) {
        match heads.iter_mut().find(|(head, _)| *head == cell.head) {
            Some((_, of)) => *of = of.or(cell.of.as_deref()),
            None => heads.push((&cell.head, cell.of.as_deref())),
        }
    }
    let mut first = vec![String::new()];
    first.extend(heads.iter().map(|(head, of)| title(head, *of)));
    let mut lines = vec![first];
    for (name, cells) in parts {
        let mut line = vec![(*name).to_owned()];
        for (head, _) in &heads {
            let cell = cells.iter().find(|cell| cell.head == *head);
            line.push(cell.map_or_else(|| NONE.to_owned(), |cell| cell.figure.clone()));
        }
        lines.push(line);
    }
    lines
}

/// A part alone, with a line for each figure.
fn write_part(f: &mut fmt::Formatter<'_>, (name, cells): &Shown<'_>) -> fmt::Result {
    let mut compared: Vec<&str> = cells.iter().filter_map(|cell| cell.of.as_deref()).collect();
    compared.dedup();
    // Said once, if it is the same for all.
    let once = match compared[..] {
        [of] => Some(of),
        _ => None,
    };
    if !name.is_empty() {
        writeln!(f, "{}", title(name, once))?;
    }
    let lines: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| {
            let of = cell
                .of
                .as_deref()
                .filter(|_| once.is_none() || name.is_empty());
            vec![format!("  {}", title(&cell.head, of)), cell.figure.clone()]
        })
        .collect();
    write_table(f, &lines)?;
    writeln!(f)
}

fn title(name: &str, of: Option<&str>) -> String {
    of.map_or_else(|| name.to_owned(), |of| format!("{name} (x {of})"))
}

fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for (column, cell) in lines.iter().flat_map(|line| line.iter().enumerate()) {
        let width = cell.chars().count();
        match widths.get_mut(column) {
            Some(known) => *known = width.max(*known),
            None => widths.push(width),
        }
    }
    widths
}

fn width(lines: &[Vec<String>]) -> usize {
    widths(lines).iter().map(|width| width + GAP.len()).sum()
}

/// Lines whose columns stand below each other, the first to the left and the others to the right.
fn write_table(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let widths = widths(lines);
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            if column == 0 {
                write!(f, "{cell:<width$}")?;
            } else {
                write!(f, "{GAP}{cell:>width$}")?;
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::model::Unit;
    use super::super::stats::Latencies;
    use super::*;

    fn part(name: &str, value: Option<f64>) -> Part {
        let mut part = Part::new(name);
        part.push(Row::new("us/delivery", Unit::Micros, value).to("floor", Some(2.0)));
        part.push(Row::new("sent", Unit::Count, 4.0).minor());
        part
    }

    #[test]
    fn parts_that_fit_stand_below_each_other() {
        let mut report = Report::new("bench x");
        report.parts = vec![part("4 x 100", Some(7.126)), part("é", None)];
        assert_eq!(
            report.to_string(),
            "bench x\n\n         us/delivery (x floor)\n4 x 100           7.13 (3.56x)\n\
             é                        - (-)\n\n"
        );
    }

    #[test]
    fn one_part_has_a_line_for_each_figure() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(4));
        let mut one = part("4 x 100", Some(1.0));
        one.latency("ack", &latencies);
        let mut report = Report::new("bench x");
        report.parts = vec![one];
        let text = report.to_string();
        assert!(
            text.contains("4 x 100 (x floor)\n  us/delivery  1.00 (0.50x)"),
            "{text}"
        );
        assert!(text.contains("p99 ms") && text.contains("4.00"), "{text}");
        assert!(!text.contains("sent"), "{text}");
    }

    #[test]
    fn a_failed_check_fails_the_report_and_is_told() {
        let mut report = Report::new("bench x");
        report.checks.push(Check::new("lost", 0));
        assert!(report.passed());
        let told = ["the first\nof room 3".to_owned()];
        report.checks.push(Check::new("doubled", 2).told(told));
        assert!(!report.passed());
        let text = report.to_string();
        assert!(
            text.ends_with("FAILED: 2 doubled\n    the first\n    of room 3\n"),
            "{text}"
        );
    }
}
