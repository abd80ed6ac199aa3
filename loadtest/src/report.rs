//! How results are shown: aligned tables for people, one JSON object for programs.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// The result of one command.
#[derive(Debug)]
pub struct Report {
    /// The command's name, as typed.
    pub command: &'static str,
    /// The figures, one row for each thing measured.
    pub table: Table,
    /// What helps to read the figures.
    pub notes: Vec<String>,
    /// What makes the run a failure; the figures of such a run are not to be trusted.
    pub problems: Vec<String>,
    /// The figures with names, the command's own shape.
    pub result: Value,
}

impl Report {
    /// Whether everything that was checked held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// The whole report as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "command": self.command,
            "version": env!("CARGO_PKG_VERSION"),
            "passed": self.passed(),
            "problems": self.problems,
            "notes": self.notes,
            "result": self.result,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}", self.command, self.table)?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for problem in &self.problems {
            writeln!(f, "FAILED: {problem}")?;
        }
        Ok(())
    }
}

/// Serialises a result; `null` if it cannot be, which plain figures always can.
#[must_use]
pub fn result(figures: &impl Serialize) -> Value {
    serde_json::to_value(figures).unwrap_or_default()
}

/// A table whose first column is text and whose others are numbers.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    #[must_use]
    pub fn new(heads: &[&str]) -> Self {
        Self {
            rows: vec![heads.iter().map(|&head| head.to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let width = cell.chars().count();
                match widths.get_mut(column) {
                    Some(known) => *known = width.max(*known),
                    None => widths.push(width),
                }
            }
        }
        for row in &self.rows {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(f, "{cell:<width$}")?;
                } else {
                    write!(f, "  {cell:>width$}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A figure with two digits after the point, or `-` where there is none.
#[must_use]
pub fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// A figure without digits after the point, or `-` where there is none.
#[must_use]
pub fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

/// A ratio, or `-` where there is none.
#[must_use]
pub fn times(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["shape", "us"]);
        table.row(vec!["4 x 100".to_owned(), figure(Some(7.126))]);
        table.row(vec!["é".to_owned(), figure(None)]);
        assert_eq!(
            table.to_string(),
            "shape      us\n4 x 100  7.13\né           -\n"
        );
    }

    #[test]
    fn a_problem_fails_the_report() {
        let mut report = Report {
            command: "bench x",
            table: Table::default(),
            notes: vec![],
            problems: vec![],
            result: json!({"a": 1}),
        };
        assert!(report.passed());
        report.problems.push("1 lost".to_owned());
        assert!(!report.passed());
        assert_eq!(report.json()["passed"], false);
        assert_eq!(report.json()["result"]["a"], 1);
        assert!(report.to_string().contains("FAILED: 1 lost"));
    }
}
