//! The results file of one adapter, as `qwgpu bench all` writes it and benches/results/ keeps it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::kernels::KernelTiming;
use super::models::ModelResult;
use super::{Clock, Probes};
use crate::atomic_write;
use crate::doctor::kernels::KernelCheck;
use crate::error::{Error, Result};

/// Version of the file's fields.
pub const SCHEMA: u32 = 2;

/// Results of one adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub schema: u32,
    pub qwgpu: String,
    /// [`COMMIT`](super::COMMIT) of the program that measured.
    pub commit: String,
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
    pub checks: Vec<KernelCheck>,
    pub kernels: Vec<KernelTiming>,
    pub models: Vec<ModelResult>,
    /// Models that could not be measured, and why.
    pub skipped: Vec<SkippedModel>,
}

/// A model that could not be measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SkippedModel {
    pub model: String,
    pub reason: String,
}

impl Results {
    /// Reads a results file.
    ///
    /// # Errors
    /// The file cannot be read or was written by another version.
    pub fn read(path: &Path) -> Result<Results> {
        let text = std::fs::read(path).map_err(Error::io(path))?;
        let results: Results = serde_json::from_slice(&text).map_err(|e| {
            let fix = "make it again with `qwgpu bench all`";
            Error::malformed(path, format!("line {}", e.line()), "a results file", e, fix)
        })?;
        if results.schema != SCHEMA {
            let fix = "make it again with this version's `qwgpu bench all`";
            return Err(Error::malformed(path, "schema", SCHEMA, results.schema, fix));
        }
        Ok(results)
    }

    /// Reads all results files of a folder, in order of their names.
    ///
    /// # Errors
    /// Those of [`Results::read`].
    pub fn read_all(folder: &Path) -> Result<Vec<Results>> {
        let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>();
        let mut files = paths.map_err(Error::io(folder))?;
        files.retain(|path| path.extension().is_some_and(|e| e == "json"));
        files.sort();
        files.iter().map(|file| Results::read(file)).collect()
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_value(self).expect("results are plain data");
        atomic_write::write(path, format!("{json:#}\n"))
    }

    /// Returns the number of cases compared with the reference, and of those at fault.
    pub fn checked(&self) -> (usize, usize) {
        (self.checks.iter().map(|c| c.cases).sum(), self.checks.iter().map(|c| c.faults.len()).sum())
    }
}
