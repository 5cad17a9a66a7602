//! Memory and speed of a form, measured in a process that does nothing else: what ran before in a process decides how
//! much it holds.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::settings::StudySettings;
use super::step::ends_study;
use crate::bench::models::{ModelResult, SpeedProtocol, measure};
use crate::bench::usage;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::session::OpenOptions;

/// Tokens of prompt and reply where only memory is asked: the scratch tensors are there once a model has run.
const MEMORY_LENGTHS: (usize, usize) = (64, 4);

/// A model's files and how they are run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelFiles {
    /// Name of the form.
    pub name: String,
    /// Folder or .gguf file.
    pub path: PathBuf,
    /// True if a GGUF file's blocks run packed; otherwise they are widened to bf16.
    pub packed: bool,
    /// Longest sequence in tokens.
    pub context: usize,
}

/// Memory and speed of a form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemorySpeed {
    /// Bytes of all weights on the device.
    pub weights: u64,
    /// Bytes of keys and values of the whole context.
    pub cache: u64,
    /// Bytes of activations and other buffers on the device.
    pub scratch: u64,
    /// Most bytes that the process held, where the system tells and nothing else counts.
    pub host_peak: Option<u64>,
    /// None where the model computes NaN, or where speed is not asked.
    pub speed: Option<ModelResult>,
}

/// Returns the lengths of prompt and reply in `settings`, None where speed is not asked.
pub fn lengths(settings: &StudySettings) -> Option<(usize, usize)> {
    let (prompt, generated) = settings.speed;
    (prompt > 0 && generated > 0).then_some((prompt, generated))
}

/// Measures a form with a model that is loaded for this alone.
///
/// # Errors
/// A model that does not load or run; what `progress` returns.
pub fn measure_here(settings: &StudySettings, files: &ModelFiles, progress: &mut dyn Progress) -> Result<MemorySpeed> {
    let own_peak = usage::reset_peak();
    let device = settings.device_on(settings.speed_path());
    let options =
        OpenOptions { device, context: Some(files.context), dequantize: !files.packed, ..OpenOptions::default() };
    let mut model = options.open(&files.path.display().to_string(), progress)?;
    let asked = lengths(settings);
    let (prompt, generated) = asked.unwrap_or(MEMORY_LENGTHS);
    let repeats = match asked {
        None => 1,
        Some(_) if model.run.software => 3,
        Some(_) => 5,
    };
    let room = files.context.saturating_sub(generated).max(1);
    let protocol = SpeedProtocol { prompt: prompt.min(room), generated, repeats };
    let speed = match measure(&mut model, &files.name, 0.0, protocol, progress) {
        // A model that gives no numbers writes no tokens.
        Err(Error::NotFinite { .. }) => None,
        measured => Some(measured?).filter(|_| asked.is_some()),
    };
    let (weights, cache, scratch) = model.engine.memory();
    let host_peak = usage::peak_bytes().filter(|_| own_peak);
    Ok(MemorySpeed { weights, cache, scratch, host_peak, speed })
}

/// Measures a form as [`measure_here`] does, in a process of its own where the settings name a program for it.
///
/// # Errors
/// Those of [`measure_here`]; a process that cannot be started or that something ended.
pub fn measure_apart(settings: &StudySettings, files: &ModelFiles, progress: &mut dyn Progress) -> Result<MemorySpeed> {
    let Some(command) = &settings.child else { return measure_here(settings, files, progress) };
    let failed = |why: String| Error::Child { what: files.name.clone(), why };
    let [program, arguments @ ..] = &command[..] else { return Err(failed("no program is named".into())) };
    let asked = OsString::from(serde_json::to_string(files).expect("names and numbers"));
    let mut child = Command::new(program);
    // While it is piped the child knows that this process lives.
    child.args(arguments).arg(asked).stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = child.spawn().map_err(|error| failed(error.to_string()))?;
    let ended = wait(child).map_err(|error| failed(error.to_string()))?;
    match ended.status.code() {
        Some(0) => {
            let answer: Result<MemorySpeed, String> =
                serde_json::from_slice(&ended.stdout).map_err(|error| failed(error.to_string()))?;
            answer.map_err(failed)
        }
        Some(130) => Err(Error::Interrupted),
        Some(4) => Err(Error::DeviceLost(format!("while {} was measured", files.name))),
        _ => Err(failed(format!("{}; where a signal ended it, memory may have run out", ended.status))),
    }
}

/// Waits for the end of a child and keeps its standard input open until then.
fn wait(mut child: std::process::Child) -> std::io::Result<std::process::Output> {
    let input = child.stdin.take();
    let ended = child.wait_with_output();
    drop(input);
    ended
}

/// Returns what the child process prints: memory and speed, or the words of an error that concerns this form alone.
///
/// # Errors
/// Those that end a study.
pub fn answer(settings: &StudySettings, files: &ModelFiles, progress: &mut dyn Progress) -> Result<String> {
    let found = match measure_here(settings, files, &mut AdapterKnown(progress)) {
        Err(error) if !ends_study(&error) => Err(error.to_string()),
        found => Ok(found?),
    };
    Ok(serde_json::to_string(&found).expect("numbers and names"))
}

/// Progress of what loads models on adapters that the study has named already.
pub struct AdapterKnown<'a>(pub &'a mut dyn Progress);

impl Progress for AdapterKnown<'_> {
    fn at(&mut self, what: &str, done: u64, total: u64) -> Result<()> {
        self.0.at(what, done, total)
    }

    fn note(&mut self, line: &str) {
        if !line.starts_with("adapter: ") {
            self.0.note(line);
        }
    }
}
