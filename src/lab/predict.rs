//! Speed of a model on a card, predicted from its plan and from counters of the emulated adapter.

use std::collections::HashMap;

use serde::Serialize;

use super::cards::{Card, cards};
use super::outline::OutlinedModel;
use super::roofline::{self, Limit};
use super::sample;
use crate::checkpoint::Checkpoint;
use crate::emulator::Counters;
use crate::error::{Error, Result};
use crate::formats::QuantType;
use crate::generate::load::{config_file, within};
use crate::generate::{PassOutput, Spec};
use crate::gpu::tuning::{self, Chunk};
use crate::model::{Config, KvType, WeightSource};
use crate::plan::{Step, Variant};
use crate::progress::Progress;

/// Prediction of a model's speed on a card.
#[derive(Clone, Debug, Serialize)]
pub struct SpeedPrediction {
    /// What this is, and how wrong it was where it was checked.
    pub notice: String,
    /// Name of the card.
    pub card: String,
    /// Name of the model.
    pub model: String,
    /// Keys that the decoded token sees, its own included.
    pub context: usize,
    /// Decoding of one token.
    #[serde(flatten)]
    pub decode: Phase,
    /// Prefill of a prompt, where its length is given.
    pub prefill: Option<Phase>,
}

/// Predicted speed of a phase.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Tokens of the phase.
    pub tokens: usize,
    /// Tokens a second.
    pub tokens_per_s: f64,
    /// Share of the speed that the copy bandwidth would allow for the bytes that must move.
    pub share_of_copy: f64,
    /// Dispatches of the phase.
    pub dispatches: usize,
    /// Steps; those that all layers have stand once.
    pub steps: Vec<StepTime>,
}

/// Predicted time of a step.
#[derive(Clone, Debug, Serialize)]
pub struct StepTime {
    /// Place in the model.
    pub step: String,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Name of the variant that the card runs.
    pub variant: &'static str,
    /// How often the phase runs the step.
    pub count: usize,
    /// Dispatches of one such step: one or, where its variant splits the work, two.
    pub dispatches: usize,
    /// Time of one such step.
    pub microseconds: f64,
    /// What binds the longest of its dispatches.
    pub limit: Limit,
    /// Time of the multiplications of a product by tiles at the card's rate, or of its tiles' loads from workgroup memory
    /// if that is longer, see [`roofline::tile_time`].
    pub tile_microseconds: Option<f64>,
}

/// Kernel, parameters and shapes of a step: equal ones cost the same.
type StepShape = (&'static str, Vec<u8>, Vec<(&'static str, u32)>, [usize; 2]);

struct Predictor<'a> {
    card: &'a Card,
    model: OutlinedModel,
    known: HashMap<StepShape, (Vec<Counters>, &'static Variant)>,
}

/// Predicts a decoded token that sees `context` keys, and the prefill of `prompt` tokens, of a published shape with
/// random weights or of a model's files, which keep the formats they have. None for `context` is 4096, or less if the
/// model was trained for less. The cache is of type `kv_cache`.
///
/// # Errors
/// There is no such model; files with `quant`; a length beyond what the model was trained for; what `progress` returns.
pub fn predict(
    card: &Card,
    model: &str,
    quant: Option<QuantType>,
    [context, prompt]: [Option<usize>; 2],
    kv_cache: KvType,
    progress: &mut dyn Progress,
) -> Result<SpeedPrediction> {
    let checkpoint;
    let (config, source) = match (Spec::parse(model)?, quant) {
        (Spec::Random { config, .. }, quant) => (*config, WeightSource::Random { seed: 0, quant, lm_head: false }),
        (Spec::Files { path, dequantize }, None) => {
            checkpoint = Checkpoint::open(&path)?;
            let config = Config::from_json(&checkpoint.config, &config_file(&path))?;
            (config, WeightSource::Checkpoint { checkpoint: &checkpoint, dequantize })
        }
        (Spec::Files { .. }, Some(quant)) => {
            let fix = "name the quantized folder, or random:NAME with its shape";
            return Err(Error::request("`quant`", "none for files, which have their formats", quant, fix));
        }
    };
    let context = within("`context`", context, 4096, &config)?;
    let prompt = prompt.map(|prompt| within("`prompt`", Some(prompt), prompt, &config)).transpose()?;
    let capacity = context.max(prompt.unwrap_or(0));
    let chunk = Chunk::of(card.class, card.has()?).rows(config.row_flops(capacity)).min(capacity);
    let outlined = OutlinedModel::new(&config, source, card, [capacity, chunk], kv_cache, progress)?;
    let mut predictor = Predictor { card, model: outlined, known: HashMap::new() };
    let decode = predictor.phase(1, &[(1, context - 1, 1)], PassOutput::Token, progress)?;
    let prefill = prompt.map(|prompt| {
        // A chunk in the middle stands for all: attention's work grows steadily.
        let (full, rest) = (prompt / chunk, prompt % chunk);
        let chunks = [(chunk, full.saturating_sub(1) * chunk / 2, full), (rest, full * chunk, usize::from(rest > 0))];
        predictor.phase(prompt, &chunks, PassOutput::Nothing, progress)
    });
    Ok(SpeedPrediction {
        notice: notice(card),
        card: card.name.clone(),
        model: format!("{model}{}", quant.map_or(String::new(), |quant| format!(" {quant}"))),
        context,
        decode,
        prefill: prefill.transpose()?,
    })
}

/// Returns what a prediction for the card is, and how wrong it was.
fn notice(card: &Card) -> String {
    let what = "Predicted, not measured: a model of the card by the counters of the emulated adapter and the figures of \
                src/lab/cards.json.";
    if card.checked.is_empty() {
        let known: Vec<String> = cards().into_iter().flat_map(|card| card.checked).collect();
        return format!("{what} It was never checked on this card. Elsewhere: {}", known.join(" "));
    }
    format!("{what} Checked: {}", card.checked.join(" "))
}

impl Predictor<'_> {
    /// Predicts passes of `rows` tokens after `start` others, `times` each, which process `tokens` together.
    fn phase(
        &mut self,
        tokens: usize,
        passes: &[(usize, usize, usize)],
        output: PassOutput,
        progress: &mut dyn Progress,
    ) -> Result<Phase> {
        let (mut seconds, mut bytes, mut dispatches, mut all) = (0.0, 0.0, 0, Vec::new());
        for &(rows, start, times) in passes.iter().filter(|(_, _, times)| *times > 0) {
            let steps = self.model.steps(rows, start, output)?;
            // Steps of attention count the whole cache.
            let seen = (start as f64 + (rows as f64 + 1.0) / 2.0) / self.model.context() as f64;
            for (at, (step, count)) in steps.iter().enumerate() {
                progress.at(&step.name, at as u64, steps.len() as u64)?;
                let count = count * times;
                let attends = step.kernel.name.starts_with("attention");
                let share = if attends { seen.min(1.0) } else { 1.0 };
                let streams = attends || step.weights().is_some();
                let moved = step.bytes as f64 * share;
                let (counters, variant) = self.counters(step, start)?;
                let (time, limit) = roofline::step_time(self.card, &counters, (moved, streams));
                seconds += time * count as f64;
                bytes += moved * count as f64;
                let each = counters.len();
                dispatches += count * each;
                let (kernel, variant) = (step.kernel.name, variant.name);
                let microseconds = time * 1e6;
                let tiles = roofline::tile_time(self.card, &counters).filter(|_| rows > 1 && step.weights().is_some());
                let step = step.name.clone();
                all.push(StepTime {
                    step,
                    kernel,
                    variant,
                    count,
                    dispatches: each,
                    microseconds,
                    limit,
                    tile_microseconds: tiles.map(|seconds| seconds * 1e6),
                });
            }
        }
        Ok(Phase {
            tokens,
            tokens_per_s: tokens as f64 / seconds,
            share_of_copy: bytes / (self.card.copy_gb_s.0 * 1e9) / seconds,
            dispatches,
            steps: all,
        })
    }

    /// Returns the counters of each of a step's dispatches, and the variant that the card runs.
    fn counters(&mut self, step: &Step, start: usize) -> Result<(Vec<Counters>, &'static Variant)> {
        let consts: Vec<_> = step.consts.iter().copied().chain([("start", start as u32)]).collect();
        let key = (step.kernel.name, step.params.clone(), consts, step.cells);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let subgroup = self.card.subgroup.0;
        let (variant, consts) = tuning::choose(step.kernel, self.card.class, self.card.has()?, subgroup as u32);
        let counters = sample::step(step, (variant, consts), subgroup, |tensor| self.model.words(tensor))?;
        self.known.insert(key, (counters.clone(), variant));
        Ok((counters, variant))
    }
}

impl SpeedPrediction {
    /// Returns the speeds, and the steps as tables.
    pub fn text(&self) -> String {
        let SpeedPrediction { notice, card, model, context, decode, prefill } = self;
        let decode = format!("{model} on {card}, decode at {context} tokens: {}", decode.text());
        let prefill = prefill.as_ref().map(|p| format!("\nprefill of {} tokens: {}", p.tokens, p.text()));
        format!("{notice}\n\n{decode}{}", prefill.unwrap_or_default())
    }
}

impl Phase {
    fn text(&self) -> String {
        let mut text = format!(
            "{:.1} tokens/s predicted, {:.0} % of the copy bound, {} dispatches\n\n\
             {:<36} {:<36} {:>10} {:>10}  {}\n",
            self.tokens_per_s,
            self.share_of_copy * 100.0,
            self.dispatches,
            "step",
            "kernel",
            "times",
            "µs each",
            "limit"
        );
        for s in &self.steps {
            let limit = serde_json::to_value(s.limit).ok().and_then(|v| v.as_str().map(str::to_owned));
            let limit = limit.unwrap_or_default();
            let kernel = format!("{}/{}", s.kernel, s.variant);
            let share =
                s.tile_microseconds.map(|tiles| format!(", {:.0} % of the rate", tiles / s.microseconds * 100.0));
            let share = share.unwrap_or_default();
            text += &format!("{:<36} {kernel:<36} {:>10} {:>10.1}  {limit}{share}\n", s.step, s.count, s.microseconds);
        }
        text
    }
}
