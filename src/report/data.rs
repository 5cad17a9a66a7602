//! study.json: the measurements of a study, from which the report is made.
//!
//! A number that was not measured is absent, never 0.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::number;
use crate::error::{Error, Result};
use crate::metrics::information::Distance;

/// Version of the file's layout.
pub(crate) const SCHEMA: u32 = 1;

/// Method of runs in 16 bits, which the other runs of a model are compared with.
pub(crate) const BASELINE: &str = "bf16";

/// Method of runs with the blocks of a GGUF file, packed as the file has them.
pub(crate) const PACKED: &str = "gguf";

/// Measurements of several forms of one or more models, made alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StudyResult {
    pub schema: u32,
    pub title: String,
    /// Text above everything else.
    pub note: Option<String>,
    /// Forms that could not be measured, such as `Qwen2.5-7B gptq-2`, and the error.
    #[serde(default)]
    pub failures: Vec<NamedValue>,
    /// Forms still to be measured.
    #[serde(default)]
    pub missing: Vec<String>,
    pub conditions: Conditions,
    /// Runs in the order of the tables. A model's 16-bit run is the baseline of its others.
    pub runs: Vec<RunResult>,
}

/// Conditions of the measurement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// Command line that repeats the study.
    pub command: String,
    /// Day in UTC: 2026-01-31.
    pub date: String,
    /// Version of qwgpu, with the commit if it is known.
    pub qwgpu: String,
    pub adapter: String,
    pub driver: Option<String>,
    /// `portable` or `fast`.
    pub path: String,
    pub perplexity_protocol: String,
    pub speed_protocol: String,
    /// Digests of models, tokenizers and texts.
    #[serde(default)]
    pub digests: Vec<NamedValue>,
    #[serde(default)]
    pub seeds: Vec<NamedValue>,
    /// Other facts for readers.
    #[serde(default)]
    pub others: Vec<NamedValue>,
}

/// Named value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedValue {
    pub name: String,
    pub value: String,
}

impl NamedValue {
    /// Names a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> NamedValue {
        NamedValue { name: name.into(), value: value.into() }
    }
}

/// Measurements of a model in one form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    pub model: String,
    /// Number of weights in all tensors of the model.
    pub parameters: u64,
    /// Name of the quantization method: `gptq`. That of runs in 16 bits is `bf16`.
    pub method: String,
    /// Nominal bits of a weight: 16, 8, 4, 3, 2.
    pub bits: u32,
    /// Bits per quantized weight, counting codes, scales, zeros, outliers and their positions.
    pub true_bits: Option<f64>,
    #[serde(default)]
    pub purpose: Purpose,
    /// Options that differ from the method's defaults: `group size` 128.
    #[serde(default)]
    pub options: Vec<NamedValue>,
    pub outliers: Option<OutlierResult>,
    #[serde(default)]
    pub memory: Memory,
    #[serde(default)]
    pub speeds: Vec<SpeedResult>,
    #[serde(default)]
    pub perplexities: Vec<Perplexity>,
    #[serde(default)]
    pub scores: Vec<Score>,
}

/// Purpose of a run in the study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Measures the method with its default options.
    #[default]
    Preset,
    /// Measures the method with an outlier threshold that gives the true bits of another method.
    EqualBits,
    /// Measures what one option contributes, by changing it.
    Ablation,
}

/// Outliers: weights kept in 16 bits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OutlierResult {
    /// Share of all quantized weights, from 0 to 1.
    pub share: f64,
    /// Share of each decoder layer's quantized weights.
    #[serde(default)]
    pub layers: Vec<f64>,
    pub threshold: Option<f64>,
    /// File with the outliers of each matrix, relative to the report.
    pub samples: Option<String>,
}

/// Memory in bytes. Each number is measured separately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// All weights on the device.
    pub weights: Option<u64>,
    /// Keys and values of the whole context.
    pub kv: Option<u64>,
    /// Activations and other buffers on the device.
    pub scratch: Option<u64>,
    /// Peak resident set of the process.
    pub host_rss_peak: Option<u64>,
    /// File with the measurement, relative to the report.
    pub samples: Option<String>,
}

/// Speed at batch 1: greedy, the end token ignored, after a run to warm up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpeedResult {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens generated.
    pub generated: u64,
    /// Prefill of each repeat, in tokens a second.
    pub prefill: Vec<f64>,
    /// Decoding of each repeat, in tokens a second.
    pub decode: Vec<f64>,
    /// Bytes read for one generated token.
    pub bytes_per_token: Option<u64>,
    /// Plain copy on the same adapter, in bytes a second.
    pub copy_bandwidth: Option<f64>,
    /// Seconds to the first token before pipelines are compiled.
    pub first_token_cold: Option<f64>,
    /// File with the measurement, relative to the report.
    pub samples: Option<String>,
}

/// Perplexity on one text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Perplexity {
    /// `WikiText2`, `PTB`, `C4`.
    pub text: String,
    /// Protocol of the measurement: `windows`.
    pub protocol: String,
    /// Tokens of a window.
    pub window: u64,
    /// Tokens scored.
    pub tokens: u64,
    /// Perplexity. That of a broken model may be infinite or NaN, which the file has as text.
    #[serde(with = "number::any")]
    pub value: f64,
    /// Mean negative log-likelihood of each window, in nats. All runs of a model have the same windows.
    #[serde(default, with = "number::any_list")]
    pub windows: Vec<f64>,
    /// File with the log of the windows, relative to the report.
    pub samples: Option<String>,
    /// Distance of the predictions from those of the 16-bit run, over the text's first tokens.
    pub distance: Option<Distance>,
    /// File with the distance of each prediction, relative to the report.
    pub distance_samples: Option<String>,
}

/// Score of a benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Score {
    /// Title in tables: `MMLU`.
    pub task: String,
    /// Subject, group, language pair or category. Absent for the whole task.
    pub set: Option<String>,
    /// Metric and filter: `acc`, `exact_match, strict`.
    pub metric: String,
    /// True if it is the number to name if the task has several.
    #[serde(default)]
    pub primary: bool,
    pub profile: String,
    pub shots: u64,
    /// Number of documents, including those that ended in an error.
    pub documents: u64,
    pub value: f64,
    pub stderr: Option<f64>,
    /// Score of a model that guesses.
    pub chance: Option<f64>,
    /// Best possible score: 1 or 100.
    pub scale: f64,
    pub higher_is_better: bool,
    /// Value of each document if the score is their mean. None: the document ended in an error.
    #[serde(default)]
    pub items: Vec<Option<f64>>,
    /// Digest of the documents and prompts. Runs are paired only where it is the same.
    #[serde(default)]
    pub digest: String,
    /// File with every document's answer, relative to the report.
    pub samples: Option<String>,
    /// Number of documents whose best choices were equal.
    #[serde(default)]
    pub ties: u64,
    /// Number of documents that ended in an error.
    #[serde(default)]
    pub errors: u64,
    /// Number of documents whose prompt was cut to the context.
    #[serde(default)]
    pub truncated: u64,
}

impl StudyResult {
    /// Reads study.json.
    ///
    /// # Errors
    /// A file that cannot be read or has another layout; numbers outside their ranges.
    pub fn read(file: &Path) -> Result<StudyResult> {
        let text = std::fs::read(file).map_err(Error::io(file))?;
        let fix = "make it again with `qwgpu study`";
        let study: StudyResult = serde_json::from_slice(&text).map_err(|error| {
            Error::malformed(file, format!("line {}", error.line()), "the results of a study", error, fix)
        })?;
        let malformed = |[field, expected, found]: [String; 3]| Error::malformed(file, field, expected, found, fix);
        study.check().map_err(malformed).map(|()| study)
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// The path of the first that is not, what is expected there, and what is found.
    pub(super) fn check(&self) -> Result<(), [String; 3]> {
        let above = |field, number: f64| expect(number > 0.0 && number.is_finite(), field, "a number above 0", number);
        let share = |field, number: f64| expect((0.0..=1.0).contains(&number), field, "a share from 0 to 1", number);
        expect(self.schema == SCHEMA, "schema".to_owned(), SCHEMA, self.schema)?;
        for (index, run) in self.runs.iter().enumerate() {
            let field = |name: &str| format!("runs[{index}].{name}");
            run.true_bits.map_or(Ok(()), |bits| above(field("true_bits"), bits))?;
            if let Some(outliers) = &run.outliers {
                share(field("outliers.share"), outliers.share)?;
                outliers.layers.iter().try_for_each(|layer| share(field("outliers.layers"), *layer))?;
            }
            let mut rates = run.speeds.iter().flat_map(|s| s.prefill.iter().chain(&s.decode).chain(&s.copy_bandwidth));
            rates.try_for_each(|rate| above(field("speeds"), *rate))?;
            for (index, score) in run.scores.iter().enumerate() {
                let field = |name: &str| field(&format!("scores[{index}].{name}"));
                let (items, documents) = (score.items.len() as u64, score.documents);
                above(field("scale"), score.scale)?;
                expect(score.value.is_finite(), field("value"), "a number", score.value)?;
                let expected = format!("{documents}, one for each document");
                expect(items == 0 || items == documents, field("items"), expected, items)?;
            }
        }
        Ok(())
    }
}

fn expect(holds: bool, field: String, expected: impl ToString, found: impl ToString) -> Result<(), [String; 3]> {
    if holds { Ok(()) } else { Err([field, expected.to_string(), found.to_string()]) }
}
