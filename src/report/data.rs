//! What a study measured: study.json, the machine-readable result that the pages are made from.
//!
//! Whatever was not measured is absent, never 0.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::number;
use crate::error::{Error, Result};
use crate::metrics::information::Distance;

/// Version of the file's form.
pub const SCHEMA: u32 = 1;

/// The method of runs in 16 bits, which the other runs of a model are compared with.
pub const BASELINE: &str = "bf16";

/// A study: several configurations of one or more models, measured alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Study {
    pub schema: u32,
    pub title: String,
    /// Shown above everything, such as that only a part was run.
    #[serde(default)]
    pub note: Option<String>,
    /// Forms that could not be measured, such as `Qwen2.5-7B gptq-2`, and the error.
    #[serde(default)]
    pub failures: Vec<Fact>,
    /// Forms still to be measured; none once the study is finished.
    #[serde(default)]
    pub missing: Vec<String>,
    pub conditions: Conditions,
    /// In the order of the tables; a model's 16-bit run is the baseline of its others.
    pub runs: Vec<Run>,
}

/// How it was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// The command line that repeats the study.
    pub command: String,
    /// UTC: 2026-01-31.
    pub date: String,
    /// Version of qwgpu, and the commit where it is known.
    pub qwgpu: String,
    pub adapter: String,
    #[serde(default)]
    pub driver: Option<String>,
    /// `portable` or `fast`.
    pub path: String,
    pub perplexity_protocol: String,
    pub speed_protocol: String,
    /// Digests of models, tokenizers and texts.
    #[serde(default)]
    pub digests: Vec<Fact>,
    #[serde(default)]
    pub seeds: Vec<Fact>,
    /// Whatever else a reader should know.
    #[serde(default)]
    pub others: Vec<Fact>,
}

/// A name and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

/// A model in one form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub model: String,
    /// Weights of the model, all tensors.
    pub parameters: u64,
    /// Name of the method that made the weights: `gptq`. [`BASELINE`] is none.
    pub method: String,
    /// As the method counts them: 16, 8, 4, 3, 2.
    pub bits: u32,
    /// Bits per quantized weight with everything counted: codes, scales, zeros, outliers and their places.
    #[serde(default)]
    pub true_bits: Option<f64>,
    #[serde(default)]
    pub purpose: Purpose,
    /// Settings other than the method's preset: `group size` 128.
    #[serde(default)]
    pub options: Vec<Fact>,
    #[serde(default)]
    pub outliers: Option<Outliers>,
    #[serde(default)]
    pub memory: Memory,
    #[serde(default)]
    pub speeds: Vec<Speed>,
    #[serde(default)]
    pub perplexities: Vec<Perplexity>,
    #[serde(default)]
    pub scores: Vec<Score>,
}

/// Why a run is in the study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The method's own settings.
    #[default]
    Preset,
    /// An outlier threshold chosen so that the true bits come near those of other methods.
    EqualBits,
    /// One setting changed, to see what it contributes.
    Ablation,
}

impl Purpose {
    /// Returns the name that files have.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Preset => "preset",
            Purpose::EqualBits => "equal-bits",
            Purpose::Ablation => "ablation",
        }
    }
}

/// Weights kept in 16 bits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outliers {
    /// Of all quantized weights, from 0 to 1.
    pub share: f64,
    /// The same of each decoder layer, the first first.
    #[serde(default)]
    pub layers: Vec<f64>,
    #[serde(default)]
    pub threshold: Option<f64>,
    /// File with the outliers of each matrix, relative to the report.
    #[serde(default)]
    pub samples: Option<String>,
}

/// Bytes. Each is measured by itself; none stands for another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Of all weights on the device, exact.
    pub weights: Option<u64>,
    /// Keys and values of the whole context.
    pub kv: Option<u64>,
    pub scratch: Option<u64>,
    pub host_rss_peak: Option<u64>,
    /// File with the measurement, relative to the report.
    pub samples: Option<String>,
}

/// One protocol of speed: batch 1, greedy, the end token ignored, after a run for warming up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Speed {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens generated.
    pub generated: u64,
    /// Tokens a second of each repeat.
    pub prefill: Vec<f64>,
    /// Tokens a second of each repeat.
    pub decode: Vec<f64>,
    /// Bytes read for one generated token.
    #[serde(default)]
    pub bytes_per_token: Option<u64>,
    /// Bytes a second of a plain copy on the same adapter.
    #[serde(default)]
    pub copy_bandwidth: Option<f64>,
    /// Seconds to the first token, pipelines not yet compiled.
    #[serde(default)]
    pub first_token_cold: Option<f64>,
    /// File with the measurement, relative to the report.
    #[serde(default)]
    pub samples: Option<String>,
}

/// Perplexity on one text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Perplexity {
    /// `WikiText2`, `PTB`, `C4`.
    pub text: String,
    /// `windows`, `word`, `second-half`.
    pub protocol: String,
    /// Tokens of a window.
    pub window: u64,
    /// Tokens scored.
    pub tokens: u64,
    /// May be infinite or NaN: then the model is broken, and the file has it as text.
    #[serde(with = "number::any")]
    pub value: f64,
    /// Mean negative log-likelihood of each window in nats, the same windows for all runs of a model.
    #[serde(default, with = "number::any_list")]
    pub windows: Vec<f64>,
    /// File with the log of the windows, relative to the report.
    #[serde(default)]
    pub samples: Option<String>,
    /// How far the model's predictions are from those of the 16-bit run, over the text's first tokens.
    #[serde(default)]
    pub distance: Option<Distance>,
    /// File with the distance of each prediction, relative to the report.
    #[serde(default)]
    pub distance_samples: Option<String>,
}

/// A benchmark's number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Score {
    /// As in tables: `MMLU`.
    pub task: String,
    /// A subject, group, language pair or category; absent for the whole task.
    #[serde(default)]
    pub set: Option<String>,
    /// Metric and filter: `acc`, `exact_match, strict`.
    pub metric: String,
    /// The number to name where the task has several.
    #[serde(default)]
    pub primary: bool,
    pub profile: String,
    pub shots: u64,
    /// Documents asked, those that ended in an error too.
    pub documents: u64,
    pub value: f64,
    #[serde(default)]
    pub stderr: Option<f64>,
    /// Score of a model that guesses.
    #[serde(default)]
    pub chance: Option<f64>,
    /// Of the best possible score: 1, 100.
    pub scale: f64,
    pub higher_is_better: bool,
    /// What each document gave, where the score is their mean; null where it ended in an error.
    #[serde(default)]
    pub items: Vec<Option<f64>>,
    /// Digest of the documents and prompts. Runs are paired only where it is the same.
    #[serde(default)]
    pub digest: String,
    /// File with every document's answer, relative to the report.
    #[serde(default)]
    pub samples: Option<String>,
    /// Documents whose best choices were equal.
    #[serde(default)]
    pub ties: u64,
    #[serde(default)]
    pub errors: u64,
    /// Documents whose prompt was cut to the context.
    #[serde(default)]
    pub truncated: u64,
}

impl Study {
    /// # Errors
    /// A file that cannot be read, is of another form, or holds numbers outside their ranges.
    pub fn read(file: &Path) -> Result<Study> {
        let text = std::fs::read(file).map_err(Error::io(file))?;
        let fix = "make it again with `qwgpu study`";
        let study: Study = serde_json::from_slice(&text).map_err(|error| {
            Error::malformed(file, format!("line {}", error.line()), "the results of a study", error, fix)
        })?;
        match study.fault() {
            None => Ok(study),
            Some(fault) => Err(Error::malformed(file, fault.field, fault.expected, fault.found, fix)),
        }
    }

    /// The first number outside its range.
    pub(super) fn fault(&self) -> Option<Fault> {
        if self.schema != SCHEMA {
            return Some(Fault::new("schema", SCHEMA, self.schema));
        }
        let runs = self.runs.iter().enumerate();
        runs.into_iter().find_map(|(index, run)| run.fault().map(|fault| fault.within(&format!("runs[{index}]"))))
    }
}

impl Run {
    fn fault(&self) -> Option<Fault> {
        let above = |field: &str, value: f64| {
            (!(value > 0.0 && value.is_finite())).then(|| Fault::new(field, "a number above 0", value))
        };
        let share = |field: &str, value: f64| {
            (!(0.0..=1.0).contains(&value)).then(|| Fault::new(field, "a share from 0 to 1", value))
        };
        let outliers = self.outliers.as_ref().and_then(|outliers| {
            share("outliers.share", outliers.share)
                .or_else(|| outliers.layers.iter().find_map(|value| share("outliers.layers", *value)))
        });
        let speeds = self.speeds.iter().find_map(|speed| {
            let repeats = speed.prefill.iter().chain(&speed.decode).chain(&speed.copy_bandwidth);
            repeats.into_iter().find_map(|value| above("speeds", *value))
        });
        let true_bits = self.true_bits.and_then(|bits| above("true_bits", bits));
        let scores =
            || self.scores.iter().enumerate().find_map(|(i, s)| Some(s.fault()?.within(&format!("scores[{i}]"))));
        true_bits.or(outliers).or(speeds).or_else(scores)
    }
}

impl Score {
    fn fault(&self) -> Option<Fault> {
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return Some(Fault::new("scale", "a number above 0", self.scale));
        }
        if !self.value.is_finite() {
            return Some(Fault::new("value", "a number", self.value));
        }
        if !self.items.is_empty() && self.items.len() as u64 != self.documents {
            return Some(Fault::new("items", format!("{}, one for each document", self.documents), self.items.len()));
        }
        None
    }
}

/// A number outside its range.
pub(super) struct Fault {
    pub field: String,
    pub expected: String,
    pub found: String,
}

impl Fault {
    fn new(field: &str, expected: impl ToString, found: impl ToString) -> Fault {
        Fault { field: field.to_owned(), expected: expected.to_string(), found: found.to_string() }
    }

    fn within(self, path: &str) -> Fault {
        Fault { field: format!("{path}.{}", self.field), ..self }
    }
}
