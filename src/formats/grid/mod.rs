//! Uniform grid in groups of columns, as GPTQ and RTN make it: w = scale · (code - zero).

mod awq;
mod config;
mod feedback_kernel;
mod file;
mod fit;
mod fit_kernel;
mod gptq;
mod layout;
mod matmul;
mod matvec;
mod options;
mod rtn;

use std::ops::Range;

use half::f16;
use rayon::prelude::*;

pub use config::{GptqFolder, Zeros};
pub use gptq::{gptq, gptq_on};
pub use options::{GPTQ, GptqOptions, GridOptions, GroupSize, RTN, RtnOptions};
pub use rtn::rtn;

use super::codes::{code, code_words, in_own_order, pack, pad_rows};
use super::linear::Linear;
use super::{DeviceTensor, Format, QuantizedWeight, weight_of_format};
use crate::kernels::WeightLayout;
use layout::{deal, padded, stat_at, zero_bits};

pub static FORMAT: Format = Format {
    name: "grid",
    kernels: &[&matvec::KERNEL, &matmul::KERNEL, &fit_kernel::FIT, &feedback_kernel::FEEDBACK],
    product: [&matvec::KERNEL, &matmul::KERNEL],
    input: Linear::ordered_input,
    fused: None,
    norms: true,
    embed: None,
    rows_depend: |_| false,
    folders: &[&config::FOLDER, &awq::FOLDER],
};

/// Weight on a uniform grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub rows: usize,
    pub cols: usize,
    /// 2, 3, 4 or 8.
    pub bits: u32,
    /// Stored columns that share a scale and a zero: a multiple of 32 that divides `cols`, or `cols`.
    pub group_size: usize,
    /// \[rows\]\[cols · bits / 32\]
    pub codes: Vec<u32>,
    /// \[cols / group_size\]\[rows\]
    pub scales: Vec<f16>,
    /// \[cols / group_size\]\[rows\], each below 2^bits.
    pub zeros: Vec<u8>,
    /// Stored column k is column `order[k]` of W.
    pub order: Option<Vec<u32>>,
}

impl Grid {
    /// Returns the groups of a row.
    pub fn groups(&self) -> usize {
        self.cols / self.group_size
    }

    /// Returns the words of a row of codes.
    fn row_words(&self) -> usize {
        self.cols * self.bits as usize / 32
    }
}

impl QuantizedWeight for Grid {
    weight_of_format!();

    fn layout(&self) -> WeightLayout {
        WeightLayout { bits: self.bits, group_size: self.group_size, ..WeightLayout::default() }
    }

    fn order(&self) -> Option<&[u32]> {
        self.order.as_deref()
    }

    /// The tensors that `layout` describes.
    fn device_tensors(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        let (n, groups, words) = (rows.len(), self.groups(), self.row_words());
        let width = zero_bits(self.bits);
        let mut scales = vec![0u32; groups * padded(n) / 2];
        let mut zeros = vec![0u32; groups * padded(n) * width as usize / 32];
        for g in 0..groups {
            for (at, row) in rows.clone().enumerate() {
                let (to, from) = (stat_at(groups, g, at), g * self.rows + row);
                scales[to / 2] |= u32::from(self.scales[from].to_bits()) << (to % 2 * 16);
                let per = 32 / width as usize;
                zeros[to / per] |= u32::from(self.zeros[from]) << (to % per * width as usize);
            }
        }
        let stored = code_words(self.cols, self.bits);
        let codes = &self.codes[rows.start * words..rows.end * words];
        let dealt: Vec<u32> =
            codes.par_chunks_exact(words).flat_map_iter(|row| deal(row, self.bits, self.group_size)).collect();
        let codes = pad_rows(&dealt, words, stored);
        vec![
            DeviceTensor::of_words("codes", n, codes),
            DeviceTensor::of_words("scales", groups, scales),
            DeviceTensor::of_words("zeros", groups, zeros),
        ]
    }

    fn dequantize(&self) -> Vec<f32> {
        let words = self.row_words();
        in_own_order(self.order(), self.rows, self.cols, |row, k| {
            let at = k / self.group_size * self.rows + row;
            let code = code(&self.codes[row * words..][..words], k, self.bits);
            self.scales[at].to_f32() * (code as f32 - f32::from(self.zeros[at]))
        })
    }

    fn true_bits(&self) -> u64 {
        let weights = (self.rows * self.cols) as u64;
        let order = self.order.as_ref().map_or(0, |order| 16 * order.len() as u64);
        u64::from(self.bits) * weights + u64::from(16 + self.bits) * self.scales.len() as u64 + order
    }

    fn as_stored(&self) -> Option<Box<dyn QuantizedWeight>> {
        let order = self.order.as_ref()?;
        let mut sorted: Vec<usize> = (0..self.cols).collect();
        sorted.sort_by_key(|&k| (k / self.group_size, order[k]));
        let row = |words: &[u32]| sorted.iter().map(|&k| code(words, k, self.bits) as u8).collect::<Vec<u8>>();
        let codes: Vec<u8> = self.codes.chunks_exact(self.row_words()).flat_map(row).collect();
        let order = sorted.iter().map(|&k| order[k]).collect();
        Some(Box::new(Grid { codes: pack(&codes, self.cols, self.bits), order: Some(order), ..self.clone() }))
    }
}

/// Returns a weight of random codes; see [`super::Method::random`].
fn random(bits: u32, rows: usize, cols: usize, seed: u32) -> Box<dyn QuantizedWeight> {
    let group_size = if cols.is_multiple_of(128) { 128 } else { cols };
    let groups = rows * (cols / group_size);
    // Values uniform over -a to a have the standard deviation a / √3.
    let scale = 2.0 * (3.0 / cols as f32).sqrt() / ((1 << bits) - 1) as f32;
    Box::new(Grid {
        rows,
        cols,
        bits,
        group_size,
        codes: super::codes::random_words(rows * cols * bits as usize / 32, seed),
        scales: vec![f16::from_f32(scale); groups],
        zeros: vec![1 << (bits - 1); groups],
        order: None,
    })
}
