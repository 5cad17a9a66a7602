//! Work of a model: the bytes it must read and the operations it must do, counted from its plans without a device.

use crate::error::Result;
use crate::generate::{Engine, Output};
use crate::model::{Config, Decoder, Source};
use crate::plan::{Backend, Element, Fetch, Kernel, Place, Plan, ProgramId, Tensor};

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

/// Counts the work of a model of this shape in bf16, prefilled `chunk` tokens at a time.
pub fn shape(config: &Config, prompt: usize, generated: usize, chunk: usize) -> Result<ModelWork> {
    let mut counter = Counter::default();
    let model = Decoder::load(config.clone(), Source::Random { seed: 0, quant: None }, &mut counter, &mut ())?;
    Ok(engine(&Engine::new(Box::new(counter), model, prompt + generated, chunk)?, prompt, generated))
}

/// Backend of tensors without contents.
#[derive(Default)]
struct Counter {
    names: Vec<String>,
}

impl Backend for Counter {
    fn create(&mut self, name: &str, rows: usize, cols: usize, element: Element) -> Result<Tensor> {
        self.names.push(name.to_owned());
        Ok(Tensor { place: Place::Resident(self.names.len() as u32 - 1), rows, cols, element })
    }

    fn name(&self, tensor: Tensor) -> &str {
        match tensor.place {
            Place::Resident(r) => &self.names[r as usize],
            Place::Scratch(_) => "scratch",
        }
    }

    fn max_tensor_bytes(&self) -> u64 {
        u64::MAX
    }

    fn tolerance(&self, _: &'static Kernel) -> f64 {
        0.0
    }

    fn residents(&self) -> usize {
        self.names.len()
    }

    fn keep_residents(&mut self, kept: usize) {
        self.names.truncate(kept);
    }

    fn prepare(&mut self, _: &Plan, _: bool) -> Result<ProgramId> {
        Ok(ProgramId(0))
    }

    fn release(&mut self, _: ProgramId) {}

    fn run_steps(&mut self, _: ProgramId, _: std::ops::Range<usize>) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, _: Option<ProgramId>, _: Tensor, _: usize, _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn fetch(&mut self, _: Option<ProgramId>, _: Tensor, _: usize, _: usize) -> Result<Fetch> {
        Ok(Fetch(0))
    }

    fn finish(&mut self, _: Fetch) -> Result<Vec<u32>> {
        Ok(Vec::new())
    }

    fn memory(&self) -> (u64, u64) {
        (0, 0)
    }
}
