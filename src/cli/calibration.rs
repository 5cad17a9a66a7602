//! The options that choose calibration samples, the same for all commands.

use std::path::PathBuf;

use super::values::count;
use crate::quantize::calibration::Calibration;

#[derive(clap::Args, Clone, Debug)]
pub struct CalibrationArgs {
    /// Calibration text: plain text, documents (.jsonl) or instructions (.json, as Alpaca's); gptq and spqr need it
    #[arg(long = "calibration", value_name = "FILE", help_heading = "Calibration")]
    pub file: Option<PathBuf>,
    /// Calibration samples
    #[arg(long = "calibration-samples", default_value_t = 128, value_name = "N", value_parser = count, help_heading = "Calibration")]
    samples: usize,
    /// Tokens of a calibration sample
    #[arg(long = "calibration-length", default_value_t = 2048, value_name = "TOKENS", value_parser = count, help_heading = "Calibration")]
    length: usize,
    /// Draw the samples at random, with this seed [default: take them from the beginning]
    #[arg(id = "calibration_seed", long = "calibration-seed", value_name = "SEED", help_heading = "Calibration")]
    seed: Option<u64>,
    /// Field of the documents (.jsonl) that holds the text
    #[arg(long = "calibration-field", default_value = "text", value_name = "NAME", help_heading = "Calibration")]
    field: String,
}

impl CalibrationArgs {
    /// No samples.
    pub const NONE: CalibrationArgs =
        CalibrationArgs { file: None, samples: 1, length: 1, seed: None, field: String::new() };

    /// Returns the samples that the options choose.
    pub fn choice(&self) -> Calibration {
        Calibration {
            file: self.file.clone(),
            samples: self.samples,
            length: self.length,
            seed: self.seed,
            field: self.field.clone(),
        }
    }
}
