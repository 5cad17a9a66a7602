//! SpQR on the device: codes as a grid's; codes of scales and zeros by neighbouring rows, so that who
//! multiplies eight or sixteen of them reads those once; outliers by rows.

use std::ops::Range;

use super::grid::in_blocks;
use super::{DeviceTensor, Format, Input, Linear, Spqr};
use crate::kernels::weights_grid::code_words;
use crate::kernels::weights_spqr::{outlier, sparse_words, stat_words};
use crate::kernels::{Into, Packing};
use crate::plan::{Element, Plan, Tensor};

pub static FORMAT: Format = Format { name: "spqr", product };

fn product(plan: &mut Plan, name: &str, input: &mut Input, linear: &Linear, into: Into) -> Tensor {
    let x = input.in_order(plan, name, linear.order);
    let product = linear.product(x, into);
    if x.rows == 1 { plan.matvec_spqr(name, product) } else { plan.matmul_spqr(name, product) }
}

impl Spqr {
    pub fn packing(&self) -> Packing {
        let &Spqr { bits, group, scale_bits, zero_bits, .. } = self;
        Packing { bits, group, scale_bits, zero_bits, ..Packing::default() }
    }

    /// The tensors of some rows, whole sixteens of them, in binding order; see `kernels::weights_spqr`.
    pub fn on_device(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        assert!(rows.start.is_multiple_of(16) && rows.end.is_multiple_of(16), "statistics of rows {rows:?}");
        let (n, words) = (rows.len(), self.cols * self.bits as usize / 32);
        let stored = code_words(self.cols, self.bits);
        let codes = in_blocks(&self.codes[rows.start * words..rows.end * words], words, stored);
        let sparse = self.sparse(rows.clone());
        let tensor = |name, rows, words: Vec<u32>| DeviceTensor {
            name,
            rows,
            cols: words.len() / rows,
            element: Element::U32,
            words,
        };
        vec![
            tensor("codes", n, codes),
            tensor("stat_codes", n / 16, self.stat_codes(rows.clone())),
            tensor("stats", n / 16, self.stats(rows)),
            tensor("sparse", 1, sparse),
        ]
    }

    /// The codes of scales and zeros: of sixteen rows by groups, of a group by eights of rows.
    fn stat_codes(&self, rows: Range<usize>) -> Vec<u32> {
        let stride = stat_words(self.groups(), self.packing());
        let mut words = vec![0u32; rows.len() / 16 * stride];
        for (at, block) in words.chunks_exact_mut(stride).enumerate() {
            let mut bit = 0;
            let mut put = |code: u8, width: u32| {
                block[bit / 32] |= u32::from(code) << (bit % 32);
                if bit % 32 + width as usize > 32 {
                    block[bit / 32 + 1] |= u32::from(code) >> (32 - bit % 32);
                }
                bit += width as usize;
            };
            for (group, half) in (0..self.groups()).flat_map(|group| [(group, 0), (group, 8)]) {
                let first = group * self.rows + rows.start + at * 16 + half;
                self.scale_codes[first..first + 8].iter().for_each(|&code| put(code, self.scale_bits));
                self.zero_codes[first..first + 8].iter().for_each(|&code| put(code, self.zero_bits));
            }
        }
        words
    }

    fn stats(&self, rows: Range<usize>) -> Vec<u32> {
        let block = |block: usize| (0..self.groups()).map(move |g| self.stats[g * (self.rows / 16) + block]);
        let blocks = (rows.start / 16..rows.end / 16).flat_map(block);
        let pair = |a: half::f16, b: half::f16| u32::from(a.to_bits()) | u32::from(b.to_bits()) << 16;
        blocks.flat_map(|[ss, sz, zs, zz]| [pair(ss, sz), pair(zs, zz)]).collect()
    }

    /// Row starts and outliers.
    fn sparse(&self, rows: Range<usize>) -> Vec<u32> {
        let first = self.row_start[rows.start];
        let entries = first as usize..self.row_start[rows.end] as usize;
        let length = sparse_words(rows.len(), entries.len());
        let mut words = Vec::with_capacity(length);
        words.extend(self.row_start[rows.start..=rows.end].iter().map(|start| start - first));
        words.resize(rows.len() + 4, 0);
        words.extend(entries.map(|e| outlier(self.columns[e], self.values[e])));
        words.resize(length, 0);
        words
    }

    /// Words of a part's largest tensor, for each of its rows: the outliers of some rows may be many.
    pub(super) fn row_bytes(&self) -> u64 {
        let most = self.row_start.windows(2).map(|row| row[1] - row[0]).max().unwrap_or(0);
        self.packing().row_bytes(self.cols).max(4 * u64::from(most + 2))
    }
}
