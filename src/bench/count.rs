//! What a model must read and compute, counted from its plans without a device.

use crate::error::Result;
use crate::generate::{Engine, Output};
use crate::model::{Config, Decoder, Source};
use crate::plan::{Backend, Element, Fetch, Kernel, Place, Plan, ProgramId, Tensor};

/// Bytes to move once and operations to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    pub bytes: f64,
    pub flops: f64,
}

impl Work {
    /// The work of a plan whose rows see `seen` of the cache's `capacity` tokens on average. The steps
    /// of attention count the whole cache.
    pub fn of(plan: &Plan, seen: f64, capacity: usize) -> Work {
        let share = (seen / capacity as f64).min(1.0);
        plan.steps.iter().fold(Work::default(), |sum, step| {
            let scale = if step.kernel.name.starts_with("attention") { share } else { 1.0 };
            Work { bytes: sum.bytes + scale * step.bytes as f64, flops: sum.flops + scale * step.flops as f64 }
        })
    }

    pub fn per(self, tokens: usize) -> Work {
        Work { bytes: self.bytes / tokens as f64, flops: self.flops / tokens as f64 }
    }
}

/// The work of a prompt's token, and of a generated one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    pub weight_bytes: u64,
    pub cache_bytes_per_token: u64,
    /// Of one token of a prompt that prefills `chunk` tokens at a time.
    pub prefill: Work,
    /// Of one greedy token.
    pub decode: Work,
}

/// Counts the work of an engine for a prompt of `prompt` tokens and `generated` more.
pub fn engine(engine: &Engine, prompt: usize, generated: usize) -> Counted {
    let chunk = engine.chunk().min(prompt);
    let capacity = engine.context();
    let (weight_bytes, cache_bytes, _) = engine.memory();
    let (prefill, _) = engine.plan(chunk, Output::Nothing);
    let (decode, _) = engine.plan(1, Output::Token);
    Counted {
        weight_bytes,
        cache_bytes_per_token: cache_bytes / capacity as u64,
        prefill: Work::of(&prefill, prompt as f64 / 2.0, capacity).per(chunk),
        decode: Work::of(&decode, prompt as f64 + generated as f64 / 2.0, capacity),
    }
}

/// Counts the work of a model of this shape in bf16, prefilled `chunk` tokens at a time.
pub fn shape(config: &Config, prompt: usize, generated: usize, chunk: usize) -> Result<Counted> {
    let mut counter = Counter::default();
    let model = Decoder::load(config.clone(), Source::Random { seed: 0, quant: None }, &mut counter, &mut ())?;
    Ok(engine(&Engine::new(Box::new(counter), model, prompt + generated, chunk)?, prompt, generated))
}

/// A backend of tensors without bytes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_qwen_is_what_its_card_says() {
        let config = Config::published("qwen2.5-0.5b").unwrap();
        let counted = shape(&config, 512, 128, 512).unwrap();
        // 494,032,768 parameters (358 M of them in layers); biases and norms are kept in f32.
        assert!((counted.weight_bytes as f64 / 2.0 / 494_032_768.0 - 1.0).abs() < 1e-3);
        // Two multiplications and additions per weight, and attention: 4 · 24 · 896 for every token seen.
        let attention = 4.0 * 24.0 * 896.0;
        let decode = 2.0 * 494e6 + attention * 576.0;
        assert!((counted.decode.flops / decode - 1.0).abs() < 2e-3, "{:e}", counted.decode.flops);
        let prefill = 2.0 * 357.8e6 + attention * 256.0;
        assert!((counted.prefill.flops / prefill - 1.0).abs() < 2e-3, "{:e}", counted.prefill.flops);
        // Keys and values of two heads of 64, 24 layers, f32.
        assert_eq!(counted.cache_bytes_per_token, 2 * 2 * 64 * 24 * 4);
    }
}
