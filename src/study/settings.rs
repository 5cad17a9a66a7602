//! The settings of a study.

use std::ffi::OsString;
use std::path::PathBuf;

use super::matrix::Matrix;
use crate::eval::limits::Limits;
use crate::generate::{Compute, DeviceChoice};
use crate::quantize::calibration::Calibration;

/// Settings of a study: models, measurements, devices, data.
#[derive(Clone, Debug, Default)]
pub struct StudySettings {
    /// Hugging Face folders and .gguf files.
    pub models: Vec<String>,
    /// Measurements of each model.
    pub matrix: Matrix,
    /// Tokens of a window of perplexity; None is 2048, or less if a model was trained for less.
    pub window: Option<usize>,
    /// Windows of each text; None is all.
    pub windows: Option<usize>,
    /// First tokens of each text over which the divergence from the 16-bit model is measured; 0 leaves it out.
    pub kl_tokens: usize,
    /// The folder with tasks' data and texts.
    pub data: PathBuf,
    /// Few-shot examples; None is each profile's number.
    pub shots: Option<usize>,
    /// Documents of each set; None is the profiles' limit, else all.
    pub limit: Option<Limits>,
    /// The most tokens of a reply, where a task allows more.
    pub reply_tokens: Option<usize>,
    /// Longest sequence in tokens; None is 4096, or less if a model was trained for less.
    pub context: Option<usize>,
    /// Prompt and generated tokens of the measurement of speed; 0 leaves it out.
    pub speed: (usize, usize),
    /// Path for measuring speed and memory; None is the device's path.
    pub speed_path: Option<Compute>,
    /// Calibration of the quantization.
    pub calibration: Calibration,
    /// The device of perplexities and scores.
    pub device: DeviceChoice,
    /// The folder of everything that the study writes.
    pub out: PathBuf,
    /// Words above everything else in the report.
    pub note: Option<String>,
    /// Program and arguments that measure speed and memory of one form in a process of its own, the form behind them
    /// as [`ModelFiles`](super::memory_speed::ModelFiles) in JSON; None measures in this process.
    pub child: Option<Vec<OsString>>,
    /// The command that the report shows.
    pub command: String,
}

impl StudySettings {
    /// Returns the settings of a study of `models`, with data from `data`, into the folder `out`.
    pub fn new(models: Vec<String>, data: impl Into<PathBuf>, out: impl Into<PathBuf>) -> StudySettings {
        let (data, out, kl_tokens, speed) = (data.into(), out.into(), 2048, (512, 128));
        StudySettings { models, data, out, kl_tokens, speed, ..StudySettings::default() }
    }

    /// Returns what computes when speed and memory are measured.
    pub fn speed_path(&self) -> Compute {
        self.speed_path.unwrap_or(self.device.path)
    }

    /// Returns the device for one of the two paths: where only the other has an adapter, its name is left out.
    pub fn device_on(&self, path: Compute) -> DeviceChoice {
        let device = DeviceChoice { path, ..self.device.clone() };
        if path == Compute::Cpu && (self.device.path != path || self.speed_path() != path) {
            return DeviceChoice { device: None, require_gpu: false, ..device };
        }
        device
    }
}
