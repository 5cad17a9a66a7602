//! Work of a model: the bytes it must read and the operations it must do, counted from its plans.

use crate::generate::{Engine, PassOutput};
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
}

/// Counts an engine's work for one token of a prompt of `prompt` tokens, whose chunk prefills together, and for one of
/// `generated` greedy tokens after it.
pub fn engine(engine: &Engine, prompt: usize, generated: usize) -> (Work, Work) {
    let chunk = engine.chunk().min(prompt);
    let share = |seen: f64| (seen / engine.context() as f64).min(1.0);
    let work = |rows, output, seen| Work::of(&engine.plan(rows, output).0, share(seen));
    let Work { bytes, flops } = work(chunk, PassOutput::Nothing, prompt as f64 / 2.0);
    let prefill = Work { bytes: bytes / chunk as f64, flops: flops / chunk as f64 };
    (prefill, work(1, PassOutput::Token, prompt as f64 + generated as f64 / 2.0))
}
