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
use crate::kernels::{Reach, hessian, rope_table};
use crate::model::families::LinearInput;
use crate::model::{Config, Layer, Rows, Sequence};
use crate::plan::{Backend, Element, Plan, ProgramId, Tensor};
use crate::progress::Progress;

/// Stage of a layer: up to an input of linears. None: to the layer's end. The one to the input of o_proj keeps that
/// input on the host, the one to the MLP's norm and the last keep the residual stream.
pub type Stage = Option<LinearInput>;

/// Activations of a calibration sample, on the host.
pub struct CalibrationSample {
    pub tokens: usize,
    /// Residual stream [tokens, hidden].
    pub x: Vec<f32>,
    /// Input of o_proj [tokens, q_size], between its stage and the next.
    pub a: Vec<f32>,
}

/// Device tensors of one sample of up to `capacity` tokens, and the stages that run on them.
pub struct Calibrator {
    x: Tensor,
    a: Tensor,
    sequence: Sequence,
    capacity: usize,
    /// Time of forward passes and of Hessians since it was last taken.
    pub seconds: Cell<[f64; 2]>,
}

impl Calibrator {
    /// Creates the tensors.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the device refuses.
    pub fn new(backend: &mut dyn Backend, config: &Config, capacity: usize) -> Result<Calibrator> {
        let x = backend.create("x", capacity, config.hidden_size, Element::F32)?;
        let a = backend.create("a", capacity, config.q_size(), Element::F32)?;
        let position = backend.create("position", 1, capacity, Element::U32)?;
        let rope = backend.create("rope", capacity, config.head_dim, Element::F32)?;
        let k = backend.create("k", capacity, config.kv_size(), Element::F32)?;
        let v = backend.create("v", capacity, config.kv_size(), Element::F32)?;
        let table = rope_table(capacity, config.head_dim, config.rope_theta, &config.rope_scaling);
        backend.write(None, rope, 0, bytemuck::cast_slice(&table))?;
        let positions: Vec<u32> = (0..capacity as u32).collect();
        backend.write(None, position, 0, &positions)?;
        let reach = backend.create("reach", capacity, 4, Element::U32)?;
        backend.write(None, reach, 0, bytemuck::cast_slice(&vec![Reach::ALONE; capacity]))?;
        let rows = Rows { position, slot: position, reach };
        Ok(Calibrator { x, a, sequence: Sequence { rows, rope, k, v }, capacity, seconds: Cell::default() })
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
        let mut programs: Vec<(usize, ProgramId, Tensor, usize)> = Vec::new();
        let count = samples.len() as u64;
        for (number, sample) in samples.iter_mut().enumerate() {
            let known = programs.iter().find(|(tokens, ..)| *tokens == sample.tokens).copied();
            let (_, program, end, steps) = match known {
                Some(program) => program,
                None => {
                    let mut plan = Plan::new();
                    let end = self.plan(&mut plan, layer, stage, sample.tokens);
                    let steps = plan.steps.len();
                    let scale = 2.0 / tokens as f32;
                    bands.iter().for_each(|&(row0, h)| plan.hessian("hessian", end, scale, row0, h));
                    // Lengths come and go; the programs of a few are kept.
                    if programs.len() == 8 {
                        backend.release(programs.remove(0).1);
                    }
                    programs.push((sample.tokens, backend.prepare(&plan, false)?, end, steps));
                    programs[programs.len() - 1]
                }
            };
            backend.write(None, self.x, 0, bytemuck::cast_slice(&sample.x))?;
            if stage == Some(LinearInput::MlpNorm) {
                backend.write(None, self.a, 0, bytemuck::cast_slice(&sample.a))?;
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
                Some(LinearInput::Attention) => sample.a = read(backend, end)?,
                Some(LinearInput::MlpNorm) | None => {
                    sample.x = read(backend, self.rows(self.x, sample.tokens))?;
                    sample.a = Vec::new();
                }
                // So that progress is of work done.
                Some(LinearInput::AttentionNorm | LinearInput::MlpActivation) => self.wait(backend)?,
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

    fn rows(&self, tensor: Tensor, rows: usize) -> Tensor {
        assert!(rows <= self.capacity);
        Tensor { rows, ..tensor }
    }

    /// Adds a stage and returns the input of linears at its end.
    fn plan(&self, plan: &mut Plan, layer: &Layer, stage: Stage, tokens: usize) -> Tensor {
        let x = self.rows(self.x, tokens);
        let s = Sequence { rows: self.sequence.rows.first(tokens), ..self.sequence };
        match stage {
            Some(LinearInput::AttentionNorm) => layer.attention_input(plan, x).x,
            Some(LinearInput::Attention) => {
                let mut h = layer.attention_input(plan, x);
                layer.attend(plan, &mut h, &s).x
            }
            Some(LinearInput::MlpNorm) => {
                layer.add_attention(plan, Activation::new(self.rows(self.a, tokens)), x);
                layer.mlp_input(plan, x).x
            }
            Some(LinearInput::MlpActivation) | None => {
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
