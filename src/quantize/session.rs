//! Quantization from files to files: reads the calibration, opens the device, runs, and keeps results in a cache.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Settings;
use super::calibration::{self, Calibration};
use super::checksums;
use super::folder::REPORT;
use super::job::{Job, identity_digest};
use super::run::run;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::generate::{Compute, DeviceChoice, load};
use crate::model::Config;
use crate::progress::Progress;
use crate::text::read_text;
use crate::units::binary_bytes;

/// Quantizes the model at `model` into the folder `out` and returns the report. A run that was stopped goes on where it
/// was; a folder that is finished is left as it is.
///
/// # Errors
/// Settings or calibration that do not fit method or model, files that cannot be read or written, those of the device.
pub fn quantize(
    model: &Path,
    settings: Settings,
    calibration: &Calibration,
    device: &DeviceChoice,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Value> {
    let checkpoint = Checkpoint::open(model)?;
    let job = job(&checkpoint, model, settings, calibration, progress)?;
    run_job(&job, device, out, progress)
}

/// Returns the folder of the model at `model` quantized with `settings`. It is made once and kept in the user's cache,
/// under a digest of the model, the settings and the samples.
///
/// # Errors
/// As [`quantize`]; there is no cache folder.
pub fn cached(
    model: &Path,
    settings: Settings,
    calibration: &Calibration,
    device: &DeviceChoice,
    progress: &mut dyn Progress,
) -> Result<PathBuf> {
    let checkpoint = Checkpoint::open(model)?;
    // A method that is not calibrated has one cached result, whatever the calibration.
    let file = calibration.file.clone().filter(|_| settings.quant.method.calibrated);
    let job = job(&checkpoint, model, settings, &Calibration { file, ..calibration.clone() }, progress)?;
    let name = identity_digest(&job.identity()?);
    let folder = crate::gpu::cache_folder().map(|f| f.join("quantized")).ok_or_else(|| {
        let fix = "set HOME or XDG_CACHE_HOME, or quantize into a folder";
        Error::request("`quant`", "a folder to keep the result in", "none", fix)
    })?;
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let out = folder.join(name);
    if out.join("config.json").exists() {
        match checksums::damaged(&out)? {
            None => {
                progress.note(&format!("quantized before: {}", out.display()));
                return Ok(out);
            }
            Some(file) => {
                progress.note(&format!("{} is damaged: the model is quantized anew", file.display()));
                // In this order: what a kill leaves of the folder must not look as if it had no checksums yet.
                std::fs::remove_dir_all(&out).map_err(Error::io(&out))?;
                checksums::remove(&out)?;
            }
        }
    }
    let report = run_job(&job, device, &out, progress)?;
    checksums::write(&out)?;
    progress.note(&summary(&report, &out));
    Ok(out)
}

/// Returns one line on a finished folder.
pub fn summary(report: &Value, out: &Path) -> String {
    let number = |key: &str| report[key].as_f64().unwrap_or(f64::NAN);
    format!(
        "{}: {} at {} bits nominal, {:.3} true bits a weight, {:.3} % outliers, {} of quantized weights, {:.1} s",
        out.display(),
        report["method"].as_str().unwrap_or_default(),
        report["bits"],
        number("bits_per_weight"),
        number("outlier_share") * 100.0,
        binary_bytes(number("weight_bytes") as u64),
        number("seconds"),
    )
}

fn job<'a>(
    checkpoint: &'a Checkpoint,
    model: &Path,
    settings: Settings,
    calibration: &Calibration,
    progress: &mut dyn Progress,
) -> Result<Job<'a>> {
    let config = Config::from_json(&checkpoint.config, &load::config_file(model))?;
    settings.check()?;
    let (samples, source) = match &calibration.file {
        Some(file) => {
            let text = read_text(file)?;
            let tokenizer = load::tokenizer(checkpoint, model)?;
            let chat = load::chat_template(checkpoint)?;
            let samples = calibration::samples(file, &text, calibration, &tokenizer, Some(&chat))?;
            let tokens: usize = samples.iter().map(Vec::len).sum();
            progress.note(&format!("calibration: {} samples, {tokens} tokens", samples.len()));
            (samples, json!({ "file": file, "wanted": calibration, "tokens": tokens }))
        }
        None => (Vec::new(), Value::Null),
    };
    Ok(Job { checkpoint, config, settings, samples, calibration: source })
}

fn run_job(job: &Job, device: &DeviceChoice, out: &Path, progress: &mut dyn Progress) -> Result<Value> {
    let mut opened = device.open()?;
    progress.note(&opened.run.to_string());
    if opened.run.software && device.path != Compute::Cpu && !job.samples.is_empty() {
        progress.note("this adapter computes on the CPU: `Compute::Cpu` does the same faster");
    }
    match run(job, out, (&mut *opened.backend, opened.chunk), progress)? {
        Some(report) => Ok(report),
        None => {
            progress.note("this folder had been finished by a run before");
            let path = out.join(REPORT);
            let fix = "remove the folder and quantize again";
            serde_json::from_str(&read_text(&path)?)
                .map_err(|error| Error::malformed(&path, "report", "what this program wrote", error, fix))
        }
    }
}
