//! Calibration samples go through a decoder layer in stages. Each stage ends at the input of linears and accumulates
//! its Hessian.
//!
//! The device holds the layer, one sample's activations and one Hessian; the samples' residual streams
//! and attention outputs are on the host. A stage runs with the linears before it as they are by then,
//! so that quantized inputs propagate.

use std::cell::Cell;
use std::time::Instant;

use crate::error::Result;
use crate::formats::Activation;
use crate::formats::solver::{Hessian, hessian_bands};
use crate::gpu::tuning::Chunk;
use crate::kernels::{Reach, hessian, rope_table};
use crate::model::families::LinearInput;
use crate::model::{Config, Layer, Rows, Sequence};
use crate::plan::{Backend, Element, Plan, ProgramId, Tensor};
use crate::progress::Progress;

/// Stage of a layer: up to an input of linears. None: to the layer's end. The one to the input of o_proj keeps that
/// input on the host, the one to the MLP's norm and the last keep the residual stream. Where the host computes, the one
/// to the input of down_proj keeps that, too, if there is room; a device makes it anew for the last.
pub type Stage = Option<LinearInput>;

/// Activations of a calibration sample, on the host.
pub struct CalibrationSample {
    pub tokens: usize,
    /// Residual stream [tokens, hidden].
    pub x: Vec<f32>,
    /// Input of o_proj [tokens, q_size] or of down_proj [tokens, intermediate_size], between its stage and the next.
    pub a: Vec<f32>,
}

/// Numbers of the inputs of down_proj that are kept at most: a gigabyte.
const MOST_KEPT: usize = 1 << 28;

/// Device tensors of one sample of up to `capacity` tokens, and the stages that run on them.
pub struct Calibrator {
    x: Tensor,
    a: Tensor,
    /// Input of down_proj, where the host computes.
    m: Option<Tensor>,
    sequence: Sequence,
    /// Rows of a pass: a sample is one, or several where a device has a watchdog.
    chunk: usize,
    /// Time of forward passes and of Hessians since it was last taken.
    pub seconds: Cell<[f64; 2]>,
}

impl Calibrator {
    /// Creates the tensors, for samples of up to `capacity` tokens.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] when the device refuses.
    pub fn new(backend: &mut dyn Backend, config: &Config, capacity: usize, chunk: Chunk) -> Result<Calibrator> {
        let x = backend.create("x", capacity, config.hidden_size, Element::F32)?;
        let a = backend.create("a", capacity, config.q_size(), Element::F32)?;
        let m = backend.is_host().then(|| backend.create("m", capacity, config.intermediate_size, Element::F32));
        let position = backend.create("position", 1, capacity, Element::U32)?;
        let rope = backend.create("rope", capacity, config.head_dim, Element::F32)?;
        let k = backend.create("k", capacity, config.kv_size(), Element::F32)?;
        let v = backend.create("v", capacity, config.kv_size(), Element::F32)?;
        let table = rope_table(capacity, config.head_dim, config.rope_theta, &config.rope_scaling);
        backend.write(None, rope, 0, bytemuck::cast_slice(&table))?;
        let reach = backend.create("reach", capacity, 4, Element::U32)?;
        backend.write(None, reach, 0, bytemuck::cast_slice(&vec![Reach::ALONE; capacity]))?;
        let rows = Rows { position, slot: position, reach };
        // H is read and written once a pass: a sample is one where it may be.
        let chunk = Chunk { most: capacity, ..chunk }.rows(config.row_flops(capacity));
        Ok(Calibrator {
            x,
            a,
            m: m.transpose()?,
            sequence: Sequence { rows, rope, k, v },
            chunk,
            seconds: Cell::default(),
        })
    }

    /// Runs `stage` over all samples. With `gather`, the name of a linear, returns the Hessian of the input that the
    /// stage ends with.
    ///
    /// # Errors
    /// Those of the device; the user interrupted.
    pub fn run(
        &self,
        backend: &mut dyn Backend,
        layer: &Layer,
        stage: Stage,
        samples: &mut [CalibrationSample],
        gather: Option<&str>,
        progress: &mut dyn Progress,
    ) -> Result<Option<Hessian>> {
        let begun = Instant::now();
        let mut hessian_seconds = 0.0;
        let kept = backend.residents();
        let tokens: usize = samples.iter().map(|s| s.tokens).sum();
        let width = match stage {
            Some(LinearInput::AttentionNorm | LinearInput::MlpNorm) => self.x.cols,
            Some(LinearInput::Attention) => self.a.cols,
            Some(LinearInput::MlpActivation) => layer.linear("mlp.down_proj").cols,
            None => 0,
        };
        let bands = gather.map(|name| hessian_bands(backend, name, width)).transpose()?.unwrap_or_default();
        let keeps = match stage {
            Some(LinearInput::Attention) => true,
            Some(LinearInput::MlpActivation) => self.m.is_some() && tokens * width <= MOST_KEPT,
            _ => false,
        };
        let input = match stage {
            Some(LinearInput::MlpNorm) => Some(self.a),
            None => self.m.filter(|_| samples.iter().all(|sample| !sample.a.is_empty())),
            _ => None,
        };
        let mut programs: Vec<(usize, ProgramId, Tensor, usize)> = Vec::new();
        let count = samples.len() as u64;
        for (number, sample) in samples.iter_mut().enumerate() {
            for first in (0..sample.tokens).step_by(self.chunk) {
                let rows = self.chunk.min(sample.tokens - first);
                let known = programs.iter().find(|(known, ..)| *known == rows).copied();
                let (_, program, end, steps) = match known {
                    Some(program) => program,
                    None => {
                        let mut plan = Plan::new();
                        let end = self.plan(&mut plan, layer, stage, input.map(|input| input.first_rows(rows)), rows);
                        let steps = plan.steps.len();
                        let scale = 2.0 / tokens as f32;
                        bands.iter().for_each(|&(row0, h)| plan.hessian("hessian", end, scale, row0, h));
                        // Lengths come and go; the programs of a few are kept.
                        if programs.len() == 8 {
                            backend.release(programs.remove(0).1);
                        }
                        programs.push((rows, backend.prepare(&plan, false)?, end, steps));
                        programs[programs.len() - 1]
                    }
                };
                let positions: Vec<u32> = (first..first + rows).map(|position| position as u32).collect();
                backend.write(None, self.sequence.rows.position, 0, &positions)?;
                let own = |cols: usize| first * cols..(first + rows) * cols;
                backend.write(None, self.x, 0, bytemuck::cast_slice(&sample.x[own(self.x.cols)]))?;
                if let Some(input) = input {
                    backend.write(None, input, 0, bytemuck::cast_slice(&sample.a[own(input.cols)]))?;
                }
                backend.run_steps(program, 0..steps)?;
                if !bands.is_empty() {
                    self.wait(backend)?;
                    let begun = Instant::now();
                    backend.run_steps(program, steps..usize::MAX)?;
                    self.wait(backend)?;
                    hessian_seconds += begun.elapsed().as_secs_f64();
                }
                let read = |backend: &mut dyn Backend, tensor: Tensor| -> Result<Vec<f32>> {
                    let fetch = backend.fetch(Some(program), tensor, 0, tensor.words())?;
                    Ok(bytemuck::cast_vec(backend.finish(fetch)?))
                };
                match stage {
                    _ if keeps => {
                        sample.a.truncate(own(width).start);
                        sample.a.extend(read(backend, end)?);
                    }
                    Some(LinearInput::MlpNorm) | None => {
                        sample.x[own(self.x.cols)].copy_from_slice(&read(backend, self.x.first_rows(rows))?);
                    }
                    // So that progress is of work done.
                    _ => self.wait(backend)?,
                }
            }
            if input.is_some() {
                sample.a = Vec::new();
            }
            progress.at("calibration samples", number as u64 + 1, count)?;
        }
        programs.iter().for_each(|(_, program, ..)| backend.release(*program));
        let reading = Instant::now();
        let hessian = gather.map(|name| read_hessian(backend, name, width, &bands)).transpose()?;
        hessian_seconds += reading.elapsed().as_secs_f64();
        let [forward, hessians] = self.seconds.get();
        self.seconds.set([forward + begun.elapsed().as_secs_f64() - hessian_seconds, hessians + hessian_seconds]);
        backend.keep_residents(kept);
        Ok(hessian)
    }

    /// Waits until the device has done all it was given.
    fn wait(&self, backend: &mut dyn Backend) -> Result<()> {
        let fetch = backend.fetch(None, self.sequence.rows.position, 0, 1)?;
        backend.finish(fetch).map(|_| ())
    }

    /// Adds a stage for some rows, from the `input` that one before it kept, and returns the input of linears at its end.
    fn plan(&self, plan: &mut Plan, layer: &Layer, stage: Stage, input: Option<Tensor>, rows: usize) -> Tensor {
        let x = self.x.first_rows(rows);
        let s = Sequence { rows: self.sequence.rows.first(rows), ..self.sequence };
        match (stage, input) {
            (Some(LinearInput::AttentionNorm), _) => layer.attention_input(plan, x).x,
            (Some(LinearInput::Attention), _) => {
                let mut h = layer.attention_input(plan, x);
                layer.attend(plan, &mut h, &s).x
            }
            (Some(LinearInput::MlpNorm), input) => {
                layer.add_attention(plan, Activation::new(input.expect("kept by the stage before")), x);
                layer.mlp_input(plan, x).x
            }
            (None, Some(input)) => {
                layer.add_mlp(plan, Activation::new(input), x);
                input
            }
            (Some(LinearInput::MlpActivation) | None, _) => {
                let mut h = layer.mlp_input(plan, x);
                let h = layer.activate(plan, &mut h);
                let end = h.x;
                if stage.is_none() {
                    layer.add_mlp(plan, h, x);
                }
                end
            }
        }
    }
}

/// Reads H and completes its lower triangle.
fn read_hessian(backend: &mut dyn Backend, name: &str, width: usize, bands: &[(usize, Tensor)]) -> Result<Hessian> {
    let mut values = Vec::with_capacity(width * width);
    for &(_, band) in bands {
        values.extend(backend.read(None, band)?.into_iter().map(f32::from_bits));
    }
    hessian::mirror(&mut values, width);
    Ok(Hessian { name: name.to_owned(), n: width, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Class;
    use crate::kernels::factor_block::MOST_FLOPS;
    use crate::model::WeightSource;
    use crate::plan::compare::compare;
    use crate::plan::cpu::{Cpu, Mode};
    use crate::plan::{Needs, Place};

    /// Runs all stages over a sample, in passes of rows that take so many operations, 32 or more: all Hessians, and the
    /// residual stream at the end, from the input of down_proj that was kept or from one made anew.
    fn run(flops: u64, kept: bool) -> Vec<Vec<f32>> {
        let backend = &mut Cpu::new(Mode::Host, u64::MAX);
        let config = Config::published("qwen2.5-0.5b").unwrap();
        let source = WeightSource::Random { seed: 0, quant: None, lm_head: false };
        let layer = Layer::load(&config, source, 0, backend, &mut ()).unwrap();
        let calibrator = Calibrator::new(backend, &config, 70, Chunk { most: 70, flops }).unwrap();
        let x = (0..70 * config.hidden_size).map(|i| (i as f32).sin()).collect();
        let mut samples = [CalibrationSample { tokens: 70, x, a: Vec::new() }];
        let mut found = Vec::new();
        for stage in LinearInput::ALL.map(Some).into_iter().chain([None]) {
            let gather = stage.map(|_| "h");
            if stage.is_none() {
                assert_eq!(samples[0].a.len(), 70 * config.intermediate_size);
                samples[0].a.truncate(if kept { usize::MAX } else { 0 });
            }
            let hessian = calibrator.run(backend, &layer, stage, &mut samples, gather, &mut ()).unwrap();
            found.extend(hessian.map(|hessian| hessian.values));
        }
        let [sample] = samples;
        found.push(sample.x);
        found
    }

    #[test]
    fn what_is_kept_is_what_would_be_made_anew() {
        assert!(run(u64::MAX, true) == run(u64::MAX, false));
    }

    #[test]
    fn several_passes_give_what_one_gives() {
        let (whole, parts) = (run(u64::MAX, true), run(1, true));
        assert!(whole != parts, "one pass each");
        for (whole, parts) in whole.iter().zip(parts) {
            let nmse = compare(whole, &parts).nmse;
            assert!(nmse <= 1e-10, "{nmse:e}");
        }
    }

    /// Counts the operations of steps of the widest published model, on an adapter of the slowest class.
    #[test]
    fn dispatches_end_before_a_watchdog() {
        const TOKENS: usize = 2048;
        const BLOCK: usize = 128;
        let configs = Config::published_names().into_iter().filter_map(Config::published);
        let config = configs.max_by_key(|config| config.intermediate_size).unwrap();
        let (n, hidden) = (config.intermediate_size, config.hidden_size);
        let tensor = |number, rows, cols| Tensor { place: Place::Resident(number), rows, cols, element: Element::F32 };
        let mut plan = Plan::new();
        plan.hessian("", tensor(0, TOKENS, n), 1.0, 0, tensor(1, n, n));
        assert_eq!(plan.steps.iter().map(|step| step.flops).sum::<u64>(), (TOKENS * n * n) as u64);
        for [rows, cols] in [[hidden, n], [n, hidden]] {
            let tensors = [tensor(0, BLOCK, cols), tensor(1, BLOCK, rows), tensor(2, cols, rows)];
            plan.feed_block(tensors, 0, 0..BLOCK, BLOCK..cols);
        }
        let chunk = Chunk { most: TOKENS, ..Chunk::of(Class::Integrated, Needs::empty()) };
        let row = config.row_flops(TOKENS);
        let products = chunk.rows(row) as u64 * row;
        let steps = plan.steps.iter().map(|step| step.flops);
        assert!(steps.chain([products]).all(|flops| flops <= MOST_FLOPS as u64));
    }
}
