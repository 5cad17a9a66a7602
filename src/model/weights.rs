//! Loading of weights from a checkpoint, or of random ones, to a device: in pieces, and split by rows where a tensor is
//! larger than the device can bind.

use rayon::prelude::*;

use super::Config;
use super::families::Slot;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::formats::file::{self, Quantization};
use crate::formats::gguf::Blocks;
use crate::formats::gguf::blocks::Block;
use crate::formats::linear::{Orders, row_blocks};
use crate::formats::{Linear, QuantType, QuantizedWeight, bf16};
use crate::kernels::{RowBlock, WeightLayout};
use crate::plan::{Backend, Element, Plan, Tensor};
use crate::progress::Progress;

/// Source of a model's weights.
#[derive(Clone, Copy)]
pub enum WeightSource<'a> {
    /// Checkpoint. Quantized weights and GGUF's blocks stay packed, other weights are rounded to bf16; with
    /// `dequantize` GGUF's blocks are, too.
    Checkpoint { checkpoint: &'a Checkpoint, dequantize: bool },
    /// Reproducible values of about the spread of trained ones; None is bf16.
    Random { seed: u32, quant: Option<QuantType> },
}

impl<'a> WeightSource<'a> {
    /// Returns a checkpoint whose blocks are widened to bf16.
    pub fn dequantized(checkpoint: &'a Checkpoint) -> WeightSource<'a> {
        WeightSource::Checkpoint { checkpoint, dequantize: true }
    }
}

/// Elements that one core decodes at a time.
const PIECE: usize = 1 << 20;

pub(super) struct Weights<'a> {
    source: WeightSource<'a>,
    /// True if GGUF's blocks stay packed.
    packed: bool,
    quantization: Option<Quantization>,
    orders: Orders,
    backend: &'a mut dyn Backend,
    progress: &'a mut dyn Progress,
    done: u64,
    total: u64,
    loaded: usize,
}

impl<'a> Weights<'a> {
    pub fn new(
        source: WeightSource<'a>,
        backend: &'a mut dyn Backend,
        progress: &'a mut dyn Progress,
        config: &Config,
    ) -> Result<Weights<'a>> {
        let (packed, quantization) = match source {
            WeightSource::Checkpoint { checkpoint, dequantize } => {
                check_layers(checkpoint, config)?;
                (!dequantize && checkpoint.is_gguf(), Quantization::of(checkpoint)?)
            }
            WeightSource::Random { .. } => (false, None),
        };
        let total = match source {
            WeightSource::Checkpoint { checkpoint, .. } if quantization.is_some() || packed => {
                checkpoint.tensors.file_bytes()
            }
            _ => bf16_bytes(config),
        };
        let orders = Orders::default();
        Ok(Weights { source, packed, quantization, orders, backend, progress, done: 0, total, loaded: 0 })
    }

    /// Loads a norm or bias [1, len] in f32: rounded to bf16 as every weight, but where blocks stay packed.
    pub fn vector(&mut self, name: &str, len: usize) -> Result<Tensor> {
        let words: Vec<u32> = match self.source {
            WeightSource::Checkpoint { checkpoint, .. } => {
                expect(checkpoint, name, &[len])?;
                if self.packed {
                    let mut values = Vec::new();
                    checkpoint.tensors.read_f32(name, 0..len, &mut values)?;
                    values.into_iter().map(f32::to_bits).collect()
                } else {
                    let mut values = Vec::new();
                    checkpoint.tensors.read_bf16(name, 0..len, &mut values)?;
                    values.iter().map(|&half| u32::from(half) << 16).collect()
                }
            }
            WeightSource::Random { .. } => {
                let value = if name.ends_with("bias") { 0.0f32 } else { 1.0 };
                vec![value.to_bits(); len]
            }
        };
        let tensor = self.backend.create(name, 1, len, Element::F32)?;
        self.backend.write(None, tensor, 0, &words)?;
        self.advance(tensor.bytes(), name)?;
        Ok(tensor)
    }

    /// Loads a weight of a decoder layer: quantized where the source has it so, else as [`Self::matrix`].
    pub fn linear(&mut self, name: &str, rows: usize, cols: usize, bias: bool) -> Result<Linear> {
        let bias = if bias { Some(self.vector(&format!("{name}.bias"), rows)?) } else { None };
        let linear = match self.quantized(name, rows, cols)? {
            Some(weight) => self.upload(name, &*weight)?,
            None => self.matrix(name, rows, cols)?,
        };
        Ok(Linear { bias, ..linear })
    }

    /// Returns the weight in the format of a method. None: it is not quantized by one.
    fn quantized(&mut self, name: &str, rows: usize, cols: usize) -> Result<Option<Box<dyn QuantizedWeight>>> {
        match (self.source, &self.quantization) {
            (WeightSource::Checkpoint { checkpoint, .. }, Some(quantization)) => {
                file::read(checkpoint, name, rows, cols, quantization)
            }
            (WeightSource::Random { quant: Some(quant @ QuantType::Method(_)), seed }, _) => {
                Ok(Some(quant.random(rows, cols, self.next_seed(seed))))
            }
            _ => Ok(None),
        }
    }

    /// Returns the weight `name`.weight in GGUF's blocks. None: it is stored otherwise, or blocks are to be widened.
    fn blocks(&mut self, name: &str, rows: usize, cols: usize) -> Result<Option<Box<dyn QuantizedWeight>>> {
        match self.source {
            WeightSource::Checkpoint { checkpoint, .. } if self.packed => {
                let weight = format!("{name}.weight");
                let tensor = checkpoint.tensors.get(&weight);
                let Some(block) = tensor.and_then(|tensor| Block::named(tensor.storage.name)) else { return Ok(None) };
                expect(checkpoint, &weight, &[rows, cols])?;
                let mut bytes = Vec::new();
                checkpoint.tensors.read_rows(&weight, 0..rows, &mut bytes)?;
                let blocks = Blocks::from_bytes(&checkpoint.path, &weight, block, [rows, cols], &bytes)?;
                Ok(Some(Box::new(blocks)))
            }
            WeightSource::Random { quant: Some(quant @ QuantType::Block(_)), seed } => {
                Ok(Some(quant.random(rows, cols, self.next_seed(seed))))
            }
            _ => Ok(None),
        }
    }

    fn next_seed(&mut self, seed: u32) -> u32 {
        self.loaded += 1;
        seed.wrapping_add((self.loaded as u32) << 8)
    }

    fn upload(&mut self, name: &str, weight: &dyn QuantizedWeight) -> Result<Linear> {
        let linear = Linear::upload(self.backend, name, weight, &mut self.orders)?;
        self.advance(linear.weight_bytes(), name)?;
        Ok(linear)
    }

    /// Loads the weight `name`.weight [rows, cols] without a bias: in GGUF's blocks or bf16.
    pub fn matrix(&mut self, name: &str, rows: usize, cols: usize) -> Result<Linear> {
        if let Some(blocks) = self.blocks(name, rows, cols)? {
            return self.upload(name, &*blocks);
        }
        let weight = format!("{name}.weight");
        if let WeightSource::Checkpoint { checkpoint, .. } = self.source {
            expect(checkpoint, &weight, &[rows, cols])?;
        }
        let layout = WeightLayout::default();
        let mut blocks = Vec::new();
        for range in row_blocks(self.backend, &weight, rows, layout.row_bytes(cols))? {
            let tensor = self.backend.create(&weight, range.len(), cols, Element::Bf16)?;
            self.fill(&weight, tensor, range.start)?;
            blocks.push(RowBlock { row0: range.start, rows: range.len(), tensors: vec![tensor] });
        }
        self.loaded += 1;
        Ok(Linear {
            format: &bf16::FORMAT,
            rows,
            cols,
            layout,
            row_blocks: blocks,
            bias: None,
            order: None,
            counted_bytes: 0,
        })
    }

    fn fill(&mut self, name: &str, tensor: Tensor, row0: usize) -> Result<()> {
        match self.source {
            WeightSource::Checkpoint { checkpoint, .. } => self.copy(checkpoint, name, tensor, row0),
            WeightSource::Random { seed, .. } => {
                let mut plan = Plan::new();
                // The spread of a trained weight: products keep the scale of their inputs.
                let scale = (3.0 / tensor.cols as f32).sqrt();
                plan.random_bf16(name, self.next_seed(seed), scale, tensor);
                let program = self.backend.prepare(&plan, false)?;
                self.backend.run(program)?;
                self.backend.release(program);
                self.advance(tensor.bytes(), name)
            }
        }
    }

    /// Decodes a few pieces at a time, one a core, and writes them in order.
    fn copy(&mut self, checkpoint: &Checkpoint, name: &str, tensor: Tensor, row0: usize) -> Result<()> {
        let (first, cols) = (row0 * tensor.cols, tensor.cols);
        let piece = (PIECE / cols).max(1) * cols;
        let end = first + tensor.rows * cols;
        let starts: Vec<usize> = (first..end).step_by(piece).collect();
        for starts in starts.chunks(rayon::current_num_threads()) {
            let read = |&start: &usize| -> Result<Vec<u16>> {
                let mut values = Vec::new();
                checkpoint.tensors.read_bf16(name, start..(start + piece).min(end), &mut values)?;
                Ok(values)
            };
            let pieces: Result<Vec<_>> = starts.par_iter().map(read).collect();
            for (start, values) in starts.iter().zip(pieces?) {
                // Two to a word; cols is even, so pieces are whole words.
                let words: Vec<u32> =
                    values.chunks_exact(2).map(|pair| u32::from(pair[0]) | u32::from(pair[1]) << 16).collect();
                self.backend.write(None, tensor, (start - first) / 2, &words)?;
                self.advance(words.len() as u64 * 4, name)?;
            }
        }
        Ok(())
    }

    fn advance(&mut self, bytes: u64, name: &str) -> Result<()> {
        self.done += bytes;
        self.progress.at(&format!("loading {name}"), self.done, self.total)
    }
}

/// Checks that the checkpoint has as many layers as the config counts.
fn check_layers(checkpoint: &Checkpoint, config: &Config) -> Result<()> {
    let layer = |name: &str| name.strip_prefix("model.layers.")?.split('.').next()?.parse::<usize>().ok();
    let last = checkpoint.tensors.infos().iter().filter_map(|t| layer(&t.name)).max();
    let layers = last.map_or(0, |last| last.saturating_add(1));
    if layers == config.num_hidden_layers {
        return Ok(());
    }
    Err(Error::malformed(
        &checkpoint.path,
        "num_hidden_layers",
        format!("{layers}, the layers of the weights"),
        config.num_hidden_layers,
        "config and weights are not of the same model; download both again",
    ))
}

/// Returns the bytes of all weights of this shape, unquantized.
pub fn bf16_bytes(config: &Config) -> u64 {
    let slot = |slot: &Slot| match *slot {
        Slot::Norm { size, .. } => 4 * size.of(config) as u64,
        Slot::Linear { rows, cols, bias, .. } => {
            let (rows, cols) = (rows.of(config) as u64, cols.of(config) as u64);
            2 * rows * cols + if bias.of(config) { 4 * rows } else { 0 }
        }
    };
    let layer: u64 = config.family.layer.iter().map(slot).sum();
    let hidden = config.hidden_size as u64;
    let tables = if config.tie_word_embeddings { 1 } else { 2 };
    config.num_hidden_layers as u64 * layer + tables * 2 * config.vocab_size as u64 * hidden + 4 * hidden
}

/// Checks that the tensor is there and has this shape.
fn expect(checkpoint: &Checkpoint, name: &str, shape: &[usize]) -> Result<()> {
    let found = match checkpoint.tensors.get(name) {
        Some(tensor) if tensor.shape == shape => return Ok(()),
        Some(tensor) => format!("{:?}", tensor.shape),
        None => "no such tensor".into(),
    };
    let fix = match name {
        "lm_head.weight" => "a model without one sets tie_word_embeddings; else download config and weights again",
        _ => "config and weights are not of the same model; download both again",
    };
    Err(Error::malformed(
        &checkpoint.path,
        format!("tensor {name}"),
        format!("shape {shape:?} by config.json"),
        found,
        fix,
    ))
}
