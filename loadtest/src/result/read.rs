//! Results that were kept as files, read again.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use thiserror::Error;

use super::files::RESULT;
use super::json::SCHEMA;

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 64 * 1024 * 1024;

/// Why a file is no result.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not of the form of a result, or too large.
    #[error("{path} is no result: {problem}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// A result, as far as it can be compared.
#[derive(Debug, Clone, Deserialize)]
pub struct Kept {
    schema: u32,
    /// The command, as it was typed.
    pub command: String,
    /// The version of the program.
    pub version: String,
    /// Whether everything held.
    pub passed: bool,
    /// What was measured.
    pub parts: Vec<KeptPart>,
}

/// A part of a result.
#[derive(Debug, Clone, Deserialize)]
pub struct KeptPart {
    /// Its name.
    pub name: String,
    rows: Vec<KeptRow>,
    latencies: Vec<KeptLatency>,
}

#[derive(Debug, Clone, Deserialize)]
struct KeptRow {
    key: String,
    unit: String,
    value: Option<f64>,
    better: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct KeptLatency {
    key: String,
    count: u64,
    p50_ms: f64,
    p99_ms: f64,
}

/// One figure that has a direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is.
    pub key: String,
    /// In what it is counted.
    pub unit: String,
    /// Whether less of it is better.
    pub lower: bool,
    /// The figure.
    pub value: f64,
}

impl Kept {
    /// Reads a file, or the result in a folder.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let path = if path.is_dir() {
            path.join(RESULT)
        } else {
            path.to_owned()
        };
        let io = |source| ReadError::Io {
            path: path.clone(),
            source,
        };
        let form = |problem: String| ReadError::Form {
            path: path.clone(),
            problem,
        };
        let size = fs::metadata(&path).map_err(io)?.len();
        if size > FILE_MAX {
            return Err(form(format!("larger than {FILE_MAX} bytes")));
        }
        let text = fs::read(&path).map_err(io)?;
        let kept: Self = serde_json::from_slice(&text).map_err(|error| form(error.to_string()))?;
        if kept.schema != SCHEMA {
            let problem = format!("schema {}, this program reads {SCHEMA}", kept.schema);
            return Err(form(problem));
        }
        Ok(kept)
    }
}

impl KeptPart {
    /// Its figures of which it is known which way is better.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let rows = self.rows.iter().filter_map(|row| {
            let lower = match row.better.as_deref()? {
                "lower" => true,
                "higher" => false,
                _ => return None,
            };
            Some(Figure {
                key: row.key.clone(),
                unit: row.unit.clone(),
                lower,
                value: row.value?,
            })
        });
        let latencies = self.latencies.iter().filter(|of| of.count > 0);
        let latencies = latencies.flat_map(|of| {
            [("p50", of.p50_ms), ("p99", of.p99_ms)].map(|(name, value)| Figure {
                key: format!("{} {name}", of.key),
                unit: "ms".to_owned(),
                lower: true,
                value,
            })
        });
        rows.chain(latencies).collect()
    }
}
