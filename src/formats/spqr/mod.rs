//! SpQR: small groups whose scales and zeros are themselves quantized, sixteen rows together, and a sparse matrix of
//! outliers that is added. Dettmers et al. 2023, arXiv 2306.03078.

mod feedback_kernel;
mod fit_kernel;
mod folder;
mod layout;
mod matmul;
mod matvec;
mod options;
mod solve;
mod statistics;

use std::ops::Range;

use half::f16;

pub use folder::{OutlierMeaning, SpqrFolder};
pub use options::{METHOD, SpqrOptions};
pub use solve::{outlier_share, spqr, spqr_on};

use super::codes::{code, code_words, in_own_order, pad_rows, put};
use super::linear::Linear;
use super::{DeviceTensor, Format, QuantizedWeight, RowWords, weight_of_format};
use crate::kernels::WeightLayout;
use layout::{outlier, sparse_words, stat_words};

pub static FORMAT: Format = Format {
    name: "spqr",
    kernels: &[&matvec::KERNEL, &matmul::KERNEL, &fit_kernel::FIT, &feedback_kernel::FEEDBACK],
    product: [&matvec::KERNEL, &matmul::KERNEL],
    input: Linear::ordered_input,
    fused: None,
    norms: true,
    embed: None,
    rows_depend: |_| false,
    folders: &[&folder::FOLDER],
};

/// Weight of SpQR: w = s · (code - z) + outlier, with s = S_s · (scale code - S_z) and z = Z_s · (zero code - Z_z),
/// all in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Spqr {
    /// A multiple of 16.
    pub rows: usize,
    pub cols: usize,
    /// 2, 3, 4 or 8.
    pub bits: u32,
    /// Stored columns that share a scale and a zero: a multiple of 16 that divides `cols`.
    pub group_size: usize,
    /// Bits of a scale's code and of a zero's, 2 to 8.
    pub scale_bits: u32,
    pub zero_bits: u32,
    /// \[rows\]\[cols · bits / 32\]
    pub codes: Vec<u32>,
    /// \[cols / group_size\]\[rows\]
    pub scale_codes: Vec<u8>,
    /// \[cols / group_size\]\[rows\]
    pub zero_codes: Vec<u8>,
    /// \[cols / group_size\]\[rows / 16\]: S_s, S_z, Z_s, Z_z.
    pub stats: Vec<[f16; 4]>,
    /// \[rows + 1\]: outliers of row r are `row_start[r]..row_start[r + 1]` of `columns` and `values`.
    pub row_start: Vec<u32>,
    /// Stored columns of the outliers, increasing within a row.
    pub columns: Vec<u16>,
    pub values: Vec<f16>,
    /// Stored column k is column `order[k]` of W.
    pub order: Option<Vec<u32>>,
}

impl Spqr {
    /// Returns the groups of a row.
    pub fn groups(&self) -> usize {
        self.cols / self.group_size
    }

    /// Returns the words of a row of codes.
    fn row_words(&self) -> usize {
        self.cols * self.bits as usize / 32
    }

    /// Returns scale and zero of stored column group `group` in `row`.
    pub fn statistics(&self, group: usize, row: usize) -> (f32, f32) {
        let [ss, sz, zs, zz] = self.stats[group * (self.rows / 16) + row / 16].map(f16::to_f32);
        let at = group * self.rows + row;
        (ss * (f32::from(self.scale_codes[at]) - sz), zs * (f32::from(self.zero_codes[at]) - zz))
    }

    /// Packs the codes of scales and zeros: sixteen rows by groups, a group by eights of rows.
    fn stat_codes(&self, rows: Range<usize>) -> Vec<u32> {
        let stride = stat_words(self.groups(), QuantizedWeight::layout(self));
        let mut words = vec![0u32; rows.len() / 16 * stride];
        for (at, block) in words.chunks_exact_mut(stride).enumerate() {
            let mut bit = 0;
            let mut put = |code: u8, bits: u32| {
                put(block, bit, bits, code);
                bit += bits as usize;
            };
            for (group, half) in (0..self.groups()).flat_map(|group| [(group, 0), (group, 8)]) {
                let first = group * self.rows + rows.start + at * 16 + half;
                self.scale_codes[first..first + 8].iter().for_each(|&code| put(code, self.scale_bits));
                self.zero_codes[first..first + 8].iter().for_each(|&code| put(code, self.zero_bits));
            }
        }
        words
    }

    /// Packs S_s, S_z, Z_s, Z_z by sixteens of rows.
    fn stats(&self, rows: Range<usize>) -> Vec<u32> {
        let block = |block: usize| (0..self.groups()).map(move |g| self.stats[g * (self.rows / 16) + block]);
        let blocks = (rows.start / 16..rows.end / 16).flat_map(block);
        let pair = |a: half::f16, b: half::f16| u32::from(a.to_bits()) | u32::from(b.to_bits()) << 16;
        blocks.flat_map(|[ss, sz, zs, zz]| [pair(ss, sz), pair(zs, zz)]).collect()
    }

    /// Packs row starts and outliers.
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
}

impl QuantizedWeight for Spqr {
    weight_of_format!();

    fn layout(&self) -> WeightLayout {
        let &Spqr { bits, group_size, scale_bits, zero_bits, .. } = self;
        WeightLayout { bits, group_size, scale_bits, zero_bits, ..WeightLayout::default() }
    }

    fn order(&self) -> Option<&[u32]> {
        self.order.as_deref()
    }

    /// Counts the outliers too: those of some rows may be many.
    fn row_bytes(&self) -> u64 {
        let most = self.row_start.windows(2).map(|row| row[1] - row[0]).max().unwrap_or(0);
        self.layout().row_bytes(self.cols).max(4 * u64::from(most + 2))
    }

    /// The tensors that `layout` describes, for whole sixteens of rows.
    fn device_tensors(&self, rows: Range<usize>) -> Vec<DeviceTensor> {
        assert!(rows.start.is_multiple_of(16) && rows.end.is_multiple_of(16), "statistics of rows {rows:?}");
        let (n, words) = (rows.len(), self.row_words());
        let stored = code_words(self.cols, self.bits);
        let codes = pad_rows(&self.codes[rows.start * words..rows.end * words], words, stored);
        vec![
            DeviceTensor::of_words("codes", n, codes),
            DeviceTensor::of_words("stat_codes", n / 16, self.stat_codes(rows.clone())),
            DeviceTensor::of_words("stats", n / 16, self.stats(rows.clone())),
            DeviceTensor { join: join_sparse, ..DeviceTensor::of_words("sparse", 1, self.sparse(rows)) },
        ]
    }

    fn dequantize(&self) -> Vec<f32> {
        let words = self.row_words();
        let mut weight = in_own_order(self.order(), self.rows, self.cols, |row, k| {
            let (scale, zero) = self.statistics(k / self.group_size, row);
            scale * (code(&self.codes[row * words..][..words], k, self.bits) as f32 - zero)
        });
        for row in 0..self.rows {
            for e in self.row_start[row] as usize..self.row_start[row + 1] as usize {
                let k = self.columns[e] as usize;
                let col = self.order.as_ref().map_or(k, |order| order[k] as usize);
                weight[row * self.cols + col] += self.values[e].to_f32();
            }
        }
        weight
    }

    fn true_bits(&self) -> u64 {
        u64::from(self.bits) * (self.rows * self.cols) as u64
            + u64::from(self.scale_bits + self.zero_bits) * self.scale_codes.len() as u64
            + 64 * self.stats.len() as u64
            + 32 * (self.values.len() + self.row_start.len()) as u64
            + self.order.as_ref().map_or(0, |order| 16 * order.len() as u64)
    }
}

/// Returns the row starts of both, then the outliers of both.
fn join_sparse((n, words): RowWords, (m, more): RowWords) -> Vec<u32> {
    let (outliers, others) = (words[n], more[m]);
    let mut joined = words[..n].to_vec();
    joined.extend(more[..=m].iter().map(|start| outliers + start));
    joined.resize(n + m + 4, 0);
    joined.extend(&words[n + 4..][..outliers as usize]);
    joined.extend(&more[m + 4..][..others as usize]);
    joined.resize(sparse_words(n + m, (outliers + others) as usize), 0);
    joined
}

/// Returns a weight of random codes with 1 % outliers; see [`super::Method::random`].
fn random(bits: u32, rows: usize, cols: usize, seed: u32) -> Box<dyn QuantizedWeight> {
    const PER_THOUSAND: usize = 10;
    let group_size = 16;
    // Values uniform over -a to a have the standard deviation a / √3.
    let reach = (3.0 / cols as f32).sqrt();
    let scale = 2.0 * reach / ((1 << bits) - 1) as f32;
    let groups = rows * (cols / group_size);
    let outliers = (cols * PER_THOUSAND / 1000).max(1);
    let columns = |row: usize| (0..outliers).map(move |e| ((e * cols + row % cols) / outliers) as u16);
    Box::new(Spqr {
        rows,
        cols,
        bits,
        group_size,
        scale_bits: 3,
        zero_bits: 3,
        codes: super::codes::random_words(rows * cols * bits as usize / 32, seed),
        scale_codes: vec![4; groups],
        zero_codes: vec![4; groups],
        stats: vec![
            [scale / 4.0, 0.0, (1 << (bits - 1)) as f32 / 4.0, 0.0].map(f16::from_f32);
            cols / group_size * (rows / 16)
        ],
        row_start: (0..=rows).map(|row| (row * outliers) as u32).collect(),
        columns: (0..rows).flat_map(columns).collect(),
        values: vec![f16::from_f32(reach); rows * outliers],
        order: None,
    })
}
