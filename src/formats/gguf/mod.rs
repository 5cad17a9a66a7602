//! Blocks of GGUF files: w = scale · (code - offset) - minimum, scale and minimum for groups of 16 or 32 columns. Every
//! bit is as in the file; a row's codes and its statistics are apart, as devices take them.

pub mod blocks;
mod embed;
mod layout;
mod matmul;
mod matvec;
pub mod table;

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::codes::code_words;
use super::linear::Linear;
use super::{DeviceTensor, Format, QuantizedWeight, weight_of_format};
use crate::error::{Error, Result};
use crate::kernels::WeightLayout;
use crate::plan::kernel::hash;
use blocks::Block;
use layout::{dequantize_blocks, stat_words};

pub static FORMAT: Format = Format {
    name: "gguf",
    kernels: &[&matvec::KERNEL, &matmul::KERNEL, &embed::KERNEL],
    product: [&matvec::KERNEL, &matmul::KERNEL],
    input: Linear::ordered_input,
    fused: None,
    norms: true,
    embed: Some(&embed::KERNEL),
    rows_depend: |_| false,
    folders: &[],
};

/// W [rows, cols] in blocks of one type.
#[derive(Clone, Debug)]
pub struct Blocks {
    block: &'static Block,
    rows: usize,
    cols: usize,
    /// \[rows\]\[`code_words`\], as `layout` has them.
    codes: Vec<u32>,
    /// \[rows\]\[`stat_words`\], likewise.
    stats: Vec<u32>,
}

impl Blocks {
    /// Splits the bytes of a tensor [rows, cols], or of some rows of it, as `file` holds them.
    ///
    /// # Errors
    /// [`Error::Malformed`] where rows are not whole blocks, the bytes are not those of the rows, or a scale or a
    /// minimum is infinite or NaN.
    pub fn from_bytes(
        file: &Path,
        name: &str,
        block: &'static Block,
        [rows, cols]: [usize; 2],
        bytes: &[u8],
    ) -> Result<Blocks> {
        let fault = |expected: String, found: String| {
            let fix = "the file is damaged or cut short; download it again";
            Err(Error::malformed(file, format!("tensor {name}"), expected, found, fix))
        };
        if cols == 0 || !cols.is_multiple_of(block.columns) {
            return fault(
                format!("rows of whole {} blocks, {} columns each", block.name, block.columns),
                cols.to_string(),
            );
        }
        let row_bytes = cols / block.columns * block.bytes;
        if rows.checked_mul(row_bytes) != Some(bytes.len()) {
            return fault(format!("{rows} rows of {row_bytes} bytes"), format!("{} bytes", bytes.len()));
        }
        let mut blocks = Blocks::zeros(block, rows, cols);
        let bits = block.bits() as usize;
        blocks.rows_mut().zip(bytes.par_chunks_exact(row_bytes)).for_each(|((codes, stats), bytes)| {
            let codes = codes.chunks_exact_mut(block.columns * bits / 8);
            let stats = stats.chunks_exact_mut(block.stat_bytes());
            for ((bytes, codes), stats) in bytes.chunks_exact(block.bytes).zip(codes).zip(stats) {
                block.split(bytes, codes, stats);
            }
        });
        match blocks.not_finite() {
            Some([row, col]) => fault("finite weights".into(), format!("infinity or NaN in row {row}, column {col}")),
            None => Ok(blocks),
        }
    }

    /// Makes random weights without a file, for speed and memory: products keep the scale of their inputs.
    ///
    /// # Panics
    /// If rows are not whole blocks.
    pub fn random(block: &'static Block, rows: usize, cols: usize, seed: u32) -> Blocks {
        assert!(cols.is_multiple_of(block.columns), "{cols} columns in blocks of {}", block.columns);
        let mut blocks = Blocks::zeros(block, rows, cols);
        blocks.codes.par_iter_mut().enumerate().for_each(|(i, word)| *word = hash(i as u32 ^ seed));
        // The spread of values even over -a to a is a / sqrt 3.
        let scale = 2.0 * (3.0 / cols as f32).sqrt() / ((1 << block.bits()) - 1) as f32;
        blocks.rows_mut().for_each(|(_, stats)| {
            let stats = stats.chunks_exact_mut(block.stat_bytes()).take(cols / block.columns);
            stats.for_each(|stats| block.even_stats(scale, stats));
        });
        blocks
    }

    fn zeros(block: &'static Block, rows: usize, cols: usize) -> Blocks {
        let codes = vec![0; rows * code_words(cols, block.bits())];
        Blocks { block, rows, cols, codes, stats: vec![0; rows * stat_words(block, cols)] }
    }

    /// Bytes of each row's codes and of its statistics.
    fn rows_mut(&mut self) -> impl IndexedParallelIterator<Item = (&mut [u8], &mut [u8])> {
        let (codes, stats) = (4 * code_words(self.cols, self.block.bits()), 4 * stat_words(self.block, self.cols));
        let bytes = |words| bytemuck::cast_slice_mut::<u32, u8>(words);
        bytes(&mut self.codes).par_chunks_exact_mut(codes).zip(bytes(&mut self.stats).par_chunks_exact_mut(stats))
    }

    /// The row and the first column of a group whose scale or minimum is infinite or NaN.
    fn not_finite(&self) -> Option<[usize; 2]> {
        let (block, words) = (self.block, stat_words(self.block, self.cols));
        let groups = block.columns / block.group;
        (0..self.rows).into_par_iter().find_map_first(|row| {
            let stats: &[u8] = bytemuck::cast_slice(&self.stats[row * words..][..words]);
            let finite = |g: &usize| {
                let (scale, minimum) = block.scale_and_minimum(&stats[g / groups * block.stat_bytes()..], g % groups);
                scale.is_finite() && minimum.is_finite()
            };
            (0..self.cols / block.group).find(|g| !finite(g)).map(|g| [row, g * block.group])
        })
    }
}

impl QuantizedWeight for Blocks {
    weight_of_format!();

    /// As `checkpoint` decodes it.
    fn dequantize(&self) -> Vec<f32> {
        let (codes, stats) = (code_words(self.cols, self.block.bits()), stat_words(self.block, self.cols));
        let mut weight = vec![0.0; self.rows * self.cols];
        weight.par_chunks_exact_mut(self.cols).enumerate().for_each(|(row, weight)| {
            dequantize_blocks(
                self.block,
                &self.codes[row * codes..][..codes],
                &self.stats[row * stats..][..stats],
                weight,
            );
        });
        weight
    }

    /// Bits of the weight in a file.
    fn true_bits(&self) -> u64 {
        8 * (self.rows * (self.cols / self.block.columns) * self.block.bytes) as u64
    }

    fn layout(&self) -> WeightLayout {
        layout::layout(self.block)
    }

    /// The tensors that `layout` describes.
    fn device_tensors(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        let tensor = |name, cols: usize, words: &[u32]| {
            DeviceTensor::of_words(name, rows.len(), words[rows.start * cols..rows.end * cols].to_vec())
        };
        vec![
            tensor("codes", code_words(self.cols, self.block.bits()), &self.codes),
            tensor("stats", stat_words(self.block, self.cols), &self.stats),
        ]
    }
}
