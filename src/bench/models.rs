//! Speed and memory of a whole model: greedy, one sequence, nothing ends it early.

use serde::{Deserialize, Serialize};

use super::work::{self, Work};
use super::{Elapsed, Stopwatch};
use crate::error::{Error, Result};
use crate::generate::{Flow, KvType, Model};
use crate::metrics::statistics::quantile;
use crate::progress::Progress;

/// Lengths and repeats of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct SpeedProtocol {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens generated after it.
    pub generated: usize,
    /// Runs that count, after one that only warms up.
    pub repeats: usize,
}

/// Speed and memory of a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelResult {
    pub model: String,
    pub prompt: usize,
    pub generated: usize,
    pub repeats: usize,
    /// Tokens that prefill together.
    pub chunk: usize,
    /// Seconds of loading, or of making random weights.
    pub load_s: f64,
    /// Seconds until the first token of the run that warms up, which compiles shaders.
    pub cold_first_token_s: f64,
    pub prefill: PhaseSpeed,
    pub decode: PhaseSpeed,
    pub weight_bytes: u64,
    pub cache_bytes: u64,
    /// Type of the keys and values in the cache: f32 in files from before there was a choice.
    #[serde(default)]
    pub kv_cache: KvType,
    pub scratch_bytes: u64,
    /// Peak memory of the process; only where it ran nothing else.
    pub peak_host_bytes: Option<u64>,
    /// Speed that the shader lab predicts; only on a card that it lists.
    #[serde(default)]
    pub predicted: Option<PredictedSpeed>,
}

/// Predicted speed of a model on a card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PredictedSpeed {
    pub card: String,
    pub prefill_tokens_per_s: f64,
    pub decode_tokens_per_s: f64,
}

/// Speed of prefill or of decoding.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhaseSpeed {
    /// Tokens a second of each run.
    pub tokens_per_s: Vec<f64>,
    /// Median of the milliseconds of CPU time over all threads.
    pub cpu_ms_per_token: Option<f64>,
    /// Bytes counted from the plan, the cache at its mean length.
    pub bytes_per_token: f64,
    pub flops_per_token: f64,
}

impl PhaseSpeed {
    /// Returns the median of the tokens a second; NaN where none were measured.
    pub fn median(&self) -> f64 {
        quantile(&self.tokens_per_s, 0.5).unwrap_or(f64::NAN)
    }

    /// Returns the time of one token.
    pub fn per_token(&self) -> Elapsed {
        Elapsed { seconds: 1.0 / self.median(), cpu_seconds: self.cpu_ms_per_token.map(|ms| ms * 1e-3) }
    }
}

/// Measures a model by `protocol`.
///
/// # Errors
/// A length or the repeats are 0; those of the engine; what `progress` returns.
pub fn measure(
    model: &mut Model,
    name: &str,
    load_s: f64,
    protocol: SpeedProtocol,
    progress: &mut dyn Progress,
) -> Result<ModelResult> {
    let SpeedProtocol { prompt, generated, repeats } = protocol;
    if prompt == 0 || generated == 0 || repeats == 0 {
        let found = format!("{prompt}, {generated} and {repeats}");
        return Err(Error::request("prompt, generated and repeats", "1 or more each", found, "give larger numbers"));
    }
    // Any tokens do: none of the work depends on which.
    let vocab = model.engine.model.config.vocab_size.min(100_000);
    let ids: Vec<u32> = (0..=prompt).map(|i| ((i * 7919 + 785) % vocab) as u32).collect();
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    let mut cold = 0.0;
    let total = ((repeats + 1) * (prompt + generated)) as u64;
    for repeat in 0..=repeats {
        let what = if repeat == 0 { "warming up".to_owned() } else { format!("run {repeat} of {repeats}") };
        let mut done = repeat * (prompt + generated);
        progress.at(&what, done as u64, total)?;
        model.engine.truncate(0);
        let before = Stopwatch::start();
        model.engine.prefill(&ids[..prompt])?;
        let fed = before.elapsed();
        done += prompt;
        progress.at(&what, done as u64, total)?;
        let before = Stopwatch::start();
        let mut first = 0.0;
        model.engine.greedy(&ids[prompt..], generated, |_| {
            if first == 0.0 {
                first = before.elapsed().seconds;
            }
            done += 1;
            progress.at(&what, done as u64, total)?;
            Ok(Flow::Continue)
        })?;
        let continued = before.elapsed();
        if repeat == 0 {
            cold = fed.seconds + first;
        } else {
            prefill.push(fed);
            decode.push(continued);
        }
    }
    let (weight_bytes, cache_bytes, scratch_bytes) = model.engine.memory();
    let (fed, written) = work::engine(&model.engine, prompt, generated);
    Ok(ModelResult {
        model: name.to_owned(),
        prompt,
        generated,
        repeats,
        chunk: model.engine.chunk(),
        load_s,
        cold_first_token_s: cold,
        prefill: speed(&prefill, prompt, fed),
        decode: speed(&decode, generated, written),
        weight_bytes,
        cache_bytes,
        kv_cache: model.engine.kv_cache(),
        scratch_bytes,
        peak_host_bytes: None,
        predicted: None,
    })
}

fn speed(runs: &[Elapsed], tokens: usize, work: Work) -> PhaseSpeed {
    let n = tokens as f64;
    let cpu: Option<Vec<f64>> = runs.iter().map(|run| run.cpu_seconds).collect();
    PhaseSpeed {
        tokens_per_s: runs.iter().map(|run| n / run.seconds).collect(),
        cpu_ms_per_token: cpu.and_then(|cpu| Some(quantile(&cpu, 0.5).ok()? * 1e3 / n)),
        bytes_per_token: work.bytes,
        flops_per_token: work.flops,
    }
}
