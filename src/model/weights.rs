//! Loading of weights from a checkpoint, or of random ones, to a device: in pieces, and split by rows where a tensor is
//! larger than the device can bind.

use std::ops::Range;

use rayon::prelude::*;

use super::Config;
use super::families::Slot;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::formats::file::{self, Quantization};
use crate::formats::gguf::blocks::{Block, Q8_0};
use crate::formats::gguf::{Blocks, table};
use crate::formats::linear::{Orders, row_blocks};
use crate::formats::stack::{Stack, overlaps};
use crate::formats::{Linear, QuantType, QuantizedWeight, bf16};
use crate::kernels::linear::next_words;
use crate::kernels::{RowBlock, WeightLayout, extra_words};
use crate::plan::{Backend, Element, Plan, Tensor};
use crate::progress::Progress;

/// Source of a model's weights.
#[derive(Clone, Copy)]
pub enum WeightSource<'a> {
    /// Checkpoint. Quantized weights and GGUF's blocks stay packed, other weights are rounded to bf16; with
    /// `dequantize` GGUF's blocks are, too.
    Checkpoint { checkpoint: &'a Checkpoint, dequantize: bool },
    /// Reproducible values of about the spread of trained ones; None is bf16. With `lm_head`, embedding and output matrix
    /// are in 8 bits.
    Random { seed: u32, quant: Option<QuantType>, lm_head: bool },
}

impl<'a> WeightSource<'a> {
    /// Returns a checkpoint whose blocks are widened to bf16.
    pub fn dequantized(checkpoint: &'a Checkpoint) -> WeightSource<'a> {
        WeightSource::Checkpoint { checkpoint, dequantize: true }
    }
}

/// Elements that one core decodes at a time.
const PIECE: usize = 1 << 20;

/// Linear to be loaded: its name in the checkpoint, its rows, and whether it has a bias.
pub(super) struct Part {
    pub name: String,
    pub rows: usize,
    pub bias: bool,
}

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
        let words = self.vector_words(name, len)?;
        self.upload_vector(name, &words)
    }

    /// Makes what follows `len` outputs of a product or embedding: the weight of the norm of this name, if there is one, and
    /// the order of the columns that come next.
    pub fn next(&mut self, name: Option<&str>, len: usize, order: Option<&[u32]>) -> Result<Tensor> {
        let norm = name.map(|name| self.vector_words(name, len)).transpose()?;
        let words = next_words(len, norm.as_deref(), order);
        let tensor = self.backend.create("next", len, 2, Element::U32)?;
        self.backend.write(None, tensor, 0, &words)?;
        Ok(tensor)
    }

    /// Makes what attention takes besides: the weights of these norms, of q's and k's heads, and the order of columns after it.
    pub fn attention_extra(&mut self, norms: &[String], config: &Config, order: Option<&[u32]>) -> Result<Tensor> {
        let norms: Result<Vec<_>> = norms.iter().map(|name| self.vector_words(name, config.head_dim)).collect();
        let norms = Some(norms?.concat()).filter(|words| !words.is_empty());
        let words = extra_words(config.head_dim, norms.as_deref(), config.q_size(), order);
        let tensor = self.backend.create("attention_extra", 1, words.len(), Element::U32)?;
        self.backend.write(None, tensor, 0, &words)?;
        Ok(tensor)
    }

    /// Returns whether the device gains by steps that do more at once.
    pub fn fuses(&self) -> bool {
        self.backend.fuses()
    }

    /// Loads norms of `len` values each as one tensor [names, len].
    pub fn vectors(&mut self, names: &[String], len: usize) -> Result<Tensor> {
        let words: Result<Vec<_>> = names.iter().map(|name| self.vector_words(name, len)).collect();
        let tensor = self.upload_vector(&names[0], &words?.concat())?;
        Ok(tensor.reshaped(names.len(), len))
    }

    fn upload_vector(&mut self, name: &str, words: &[u32]) -> Result<Tensor> {
        let tensor = self.backend.create(name, 1, words.len(), Element::F32)?;
        self.backend.write(None, tensor, 0, words)?;
        self.advance(tensor.bytes(), name)?;
        Ok(tensor)
    }

    fn vector_words(&self, name: &str, len: usize) -> Result<Vec<u32>> {
        Ok(match self.source {
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
        })
    }

    /// Loads weights of a decoder layer that have one input of `cols` columns: quantized where the source has them so,
    /// else in GGUF's blocks or bf16. Returns one linear with the rows of all where they are alike, else one each.
    pub fn linears(&mut self, parts: &[Part], cols: usize) -> Result<Vec<Linear>> {
        let mut weights = Vec::new();
        for Part { name, rows, .. } in parts {
            weights.push(match self.quantized(name, *rows, cols)? {
                None => self.blocks(name, *rows, cols)?,
                weight => weight,
            });
        }
        let all: Option<Vec<_>> = weights.iter().all(Option::is_some).then(|| weights.drain(..).flatten().collect());
        let one = match all.map(Stack::new) {
            Some(Ok(stack)) => Some(self.upload(&parts[0].name, &stack)?),
            Some(Err(rest)) => {
                weights = rest.into_iter().map(Some).collect();
                None
            }
            None if weights.iter().all(Option::is_none) => Some(self.bf16(parts, cols)?),
            None => None,
        };
        if let Some(linear) = one {
            return Ok(vec![Linear { bias: self.bias(parts)?, ..linear }]);
        }
        let each = |(part, weight): (&Part, Option<Box<dyn QuantizedWeight>>)| {
            let part = std::slice::from_ref(part);
            let linear = match weight {
                Some(weight) => self.upload(&part[0].name, &*weight)?,
                None => self.bf16(part, cols)?,
            };
            Ok(Linear { bias: self.bias(part)?, ..linear })
        };
        parts.iter().zip(weights).map(each).collect()
    }

    /// Loads the biases of some linears as one, zeros where one has none. None: none has one.
    fn bias(&mut self, parts: &[Part]) -> Result<Option<Tensor>> {
        if parts.iter().all(|part| !part.bias) {
            return Ok(None);
        }
        let mut words = Vec::new();
        for Part { name, rows, bias } in parts {
            match bias {
                true => words.extend(self.vector_words(&format!("{name}.bias"), *rows)?),
                false => words.resize(words.len() + rows, 0),
            }
        }
        self.upload_vector(&format!("{}.bias", parts[0].name), &words).map(Some)
    }

    /// Returns the weight in the format of a method. None: it is not quantized by one.
    fn quantized(&mut self, name: &str, rows: usize, cols: usize) -> Result<Option<Box<dyn QuantizedWeight>>> {
        match (self.source, &self.quantization) {
            (WeightSource::Checkpoint { checkpoint, .. }, Some(quantization)) => {
                file::read(checkpoint, name, rows, cols, quantization)
            }
            (WeightSource::Random { quant: Some(quant @ QuantType::Method(_)), seed, .. }, _) => {
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
            WeightSource::Random { quant: Some(quant @ QuantType::Block(_)), seed, .. } => {
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

    /// Loads the embedding or the output matrix: in 8 bits where the source has it so, else as [`Self::matrix`].
    pub fn table(&mut self, name: &str, rows: usize, cols: usize) -> Result<Linear> {
        let rounded = match self.source {
            WeightSource::Checkpoint { checkpoint, .. } => table::read(checkpoint, name, [rows, cols])?,
            WeightSource::Random { seed, lm_head, .. } => {
                lm_head.then(|| Blocks::random(&Q8_0, rows, cols, self.next_seed(seed)))
            }
        };
        match rounded {
            Some(blocks) => self.upload(name, &blocks),
            None => self.matrix(name, rows, cols),
        }
    }

    /// Loads the weight `name`.weight [rows, cols] without a bias: in GGUF's blocks or bf16.
    pub fn matrix(&mut self, name: &str, rows: usize, cols: usize) -> Result<Linear> {
        match self.blocks(name, rows, cols)? {
            Some(blocks) => self.upload(name, &*blocks),
            None => self.bf16(&[Part { name: name.to_owned(), rows, bias: false }], cols),
        }
    }

    /// Loads weights in bf16 as one, the rows of each behind those before it.
    fn bf16(&mut self, parts: &[Part], cols: usize) -> Result<Linear> {
        if let WeightSource::Checkpoint { checkpoint, .. } = self.source {
            for Part { name, rows, .. } in parts {
                expect(checkpoint, &format!("{name}.weight"), &[*rows, cols])?;
            }
        }
        let rows = parts.iter().map(|part| part.rows).sum();
        let layout = WeightLayout::default();
        let mut blocks = Vec::new();
        for range in row_blocks(self.backend, &parts[0].name, rows, layout.row_bytes(cols))? {
            let tensor = self.backend.create(&format!("{}.weight", parts[0].name), range.len(), cols, Element::Bf16)?;
            self.fill(parts, tensor, range.clone())?;
            blocks.push(RowBlock { row0: range.start, rows: range.len(), tensors: vec![tensor] });
        }
        self.loaded += 1;
        Ok(Linear {
            fuses: self.backend.fuses(),
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

    /// Fills `tensor` with these of the rows of all parts.
    fn fill(&mut self, parts: &[Part], tensor: Tensor, rows: Range<usize>) -> Result<()> {
        match self.source {
            WeightSource::Checkpoint { checkpoint, .. } => {
                for (part, own, at) in overlaps(parts.iter().map(|part| part.rows), rows) {
                    self.copy(checkpoint, &format!("{}.weight", parts[part].name), own, tensor, at)?;
                }
                Ok(())
            }
            WeightSource::Random { seed, .. } => {
                let name = &parts[0].name;
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

    /// Copies rows of a tensor to row `at` of `to`: decodes a few pieces at a time, one a core, and writes them in order.
    fn copy(&mut self, checkpoint: &Checkpoint, name: &str, rows: Range<usize>, to: Tensor, at: usize) -> Result<()> {
        let (first, end) = (rows.start * to.cols, rows.end * to.cols);
        let piece = (PIECE / to.cols).max(1) * to.cols;
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
                self.backend.write(None, to, (at * to.cols + start - first) / 2, &words)?;
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
