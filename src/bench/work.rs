//! Work of a model: the bytes it must read and the operations it must do, counted from its plans.

use crate::generate::{Engine, Output};
use crate::plan::Plan;

/// Bytes that must be moved once, and operations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    pub bytes: f64,
    pub flops: f64,
}

impl Work {
    /// Adds up the steps of a plan. Those of attention count the whole cache, of which rows see `cache_share` on
    /// average.
    pub fn of(plan: &Plan, cache_share: f64) -> Work {
        plan.steps.iter().fold(Work::default(), |sum, step| {
            let scale = if step.kernel.name.starts_with("attention") { cache_share } else { 1.0 };
            Work { bytes: sum.bytes + scale * step.bytes as f64, flops: sum.flops + scale * step.flops as f64 }
        })
    }

    /// Divides by a number of tokens.
    pub fn per(self, tokens: usize) -> Work {
        Work { bytes: self.bytes / tokens as f64, flops: self.flops / tokens as f64 }
    }
}

/// Work of a model for each token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelWork {
    pub weight_bytes: u64,
    pub cache_bytes_per_token: u64,
    /// Work of one token of the prompt, whose chunk prefills together.
    pub prefill: Work,
    /// Work of one greedy token.
    pub decode: Work,
}

/// Counts the work of an engine for a prompt of `prompt` tokens and `generated` more.
pub fn engine(engine: &Engine, prompt: usize, generated: usize) -> ModelWork {
    let chunk = engine.chunk().min(prompt);
    let capacity = engine.context();
    let (weight_bytes, cache_bytes, _) = engine.memory();
    let (prefill, _) = engine.plan(chunk, Output::Nothing);
    let (decode, _) = engine.plan(1, Output::Token);
    let share = |seen: f64| (seen / capacity as f64).min(1.0);
    ModelWork {
        weight_bytes,
        cache_bytes_per_token: cache_bytes / capacity as u64,
        prefill: Work::of(&prefill, share(prompt as f64 / 2.0)).per(chunk),
        decode: Work::of(&decode, share(prompt as f64 + generated as f64 / 2.0)),
    }
}
