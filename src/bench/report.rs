//! The results file of one adapter, as `qwgpu bench all` writes it and benches/results/ keeps it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::kernels::{Check, Row};
use super::models::Measured;
use super::{Clock, Probes};
use crate::atomic_write;
use crate::error::{Error, Result};

/// Version of this file's form.
pub const SCHEMA: u32 = 1;

/// Everything measured on one adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    pub qwgpu: String,
    pub commit: Option<String>,
    /// Day of the measurement, UTC.
    pub date: String,
    /// As `qwgpu devices --json` describes it.
    pub adapter: serde_json::Value,
    /// `portable` or `fast`.
    pub path: String,
    /// `adapter` or `webgpu`.
    pub limits: String,
    /// Features left out though the adapter has them.
    pub without: Vec<String>,
    /// Shaders of a folder replaced built-in ones.
    pub edited_shaders: bool,
    pub clock: Clock,
    pub probes: Probes,
    pub checks: Vec<Check>,
    pub kernels: Vec<Row>,
    pub models: Vec<Measured>,
    /// Models that could not be measured, and why.
    pub skipped: Vec<Skipped>,
}

/// A model that could not be measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Skipped {
    pub model: String,
    pub reason: String,
}

impl Report {
    /// # Errors
    /// A file of another form, or none.
    pub fn read(path: &Path) -> Result<Report> {
        let text = std::fs::read(path).map_err(Error::io(path))?;
        let report: Report = serde_json::from_slice(&text).map_err(|e| {
            let fix = "make it again with `qwgpu bench all`";
            Error::malformed(path, format!("line {}", e.line()), "a results file", e, fix)
        })?;
        if report.schema != SCHEMA {
            let fix = "make it again with this version's `qwgpu bench all`";
            return Err(Error::malformed(path, "schema", SCHEMA, report.schema, fix));
        }
        Ok(report)
    }

    /// All results files of a folder, by name.
    pub fn read_all(folder: &Path) -> Result<Vec<Report>> {
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            let path = entry.map_err(Error::io(folder))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                files.push(path);
            }
        }
        files.sort();
        files.iter().map(|file| Report::read(file)).collect()
    }

    /// Writes the file whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_value(self).expect("a report is plain data");
        atomic_write::write(path, format!("{json:#}\n"))
    }

    /// Cases compared with the reference, and those at fault.
    pub fn checked(&self) -> (usize, usize) {
        (self.checks.iter().map(|c| c.cases).sum(), self.checks.iter().map(|c| c.faults.len()).sum())
    }
}

/// The commit this was run in, if it was run in the sources.
pub fn commit() -> Option<String> {
    let manifest = std::fs::read_to_string("Cargo.toml").ok()?;
    if !manifest.contains("name = \"qwgpu\"") {
        return None;
    }
    let git = std::process::Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(git.stdout).ok()?.trim().to_owned();
    (git.status.success() && !commit.is_empty()).then_some(commit)
}
