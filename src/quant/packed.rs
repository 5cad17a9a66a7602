//! Quantized weights on the host: what solvers make, files hold and devices are sent.
//!
//! Every weight is W [rows, cols], rows = outputs. Codes are one little-endian bit stream a row: the
//! code of column c has bits c · bits to c · bits + bits - 1 of its row's words, which is how GPTQ
//! files pack them, turned so that a row is contiguous. Where a weight has `perm`, its stored column
//! k is column perm\[k\] of W, so x is gathered once by `perm` before the product.

use half::f16;

/// A uniform grid in groups of columns, as GPTQ and RTN make it: w = scale · (code - zero).
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub rows: usize,
    pub cols: usize,
    /// 2, 3, 4 or 8.
    pub bits: u32,
    /// Stored columns that share a scale and a zero: a multiple of 32 that divides `cols`, or `cols`.
    pub group: usize,
    /// \[rows\]\[cols · bits / 32\]
    pub codes: Vec<u32>,
    /// \[cols / group\]\[rows\]
    pub scales: Vec<f16>,
    /// \[cols / group\]\[rows\], each below 2^bits.
    pub zeros: Vec<u8>,
    pub perm: Option<Vec<u32>>,
}

/// LLM.int8(): w = code · scale / 127, with the row's largest magnitude as scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8 {
    pub rows: usize,
    pub cols: usize,
    /// \[rows\]\[cols\], none -128.
    pub codes: Vec<i8>,
    /// \[rows\]; SCB in the files.
    pub scales: Vec<f32>,
}

/// SpQR: small groups whose scales and zeros are themselves quantized, sixteen rows together, and a
/// sparse matrix that is added: w = s · (code - z) + outlier, with s = S_s · (scale code - S_z) and
/// z = Z_s · (zero code - Z_z), all in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Spqr {
    /// A multiple of 16.
    pub rows: usize,
    pub cols: usize,
    /// 2, 3, 4 or 8.
    pub bits: u32,
    /// Stored columns that share a scale and a zero: a multiple of 16 that divides `cols`.
    pub group: usize,
    /// Bits of a scale's code and of a zero's, 2 to 8.
    pub scale_bits: u32,
    pub zero_bits: u32,
    /// \[rows\]\[cols · bits / 32\]
    pub codes: Vec<u32>,
    /// \[cols / group\]\[rows\]
    pub scale_codes: Vec<u8>,
    /// \[cols / group\]\[rows\]
    pub zero_codes: Vec<u8>,
    /// \[cols / group\]\[rows / 16\]: S_s, S_z, Z_s, Z_z.
    pub stats: Vec<[f16; 4]>,
    /// Outliers of row r are `row_start[r]..row_start[r + 1]` of `columns` (stored columns,
    /// increasing) and `values`.
    pub row_start: Vec<u32>,
    pub columns: Vec<u16>,
    pub values: Vec<f16>,
    pub perm: Option<Vec<u32>>,
}

/// A quantized weight of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Packed {
    Grid(Grid),
    Int8(Int8),
    Spqr(Spqr),
}

/// Packs rows of codes, `cols` each and `cols · bits` a multiple of 32, into words.
pub fn pack(codes: &[u8], cols: usize, bits: u32) -> Vec<u32> {
    assert_eq!(cols * bits as usize % 32, 0, "rows of whole words");
    let row_words = cols * bits as usize / 32;
    let mut words = vec![0u32; codes.len() / cols * row_words];
    for (codes, words) in codes.chunks_exact(cols).zip(words.chunks_exact_mut(row_words)) {
        for (c, &code) in codes.iter().enumerate() {
            let (word, shift) = (c * bits as usize / 32, c as u32 * bits % 32);
            words[word] |= u32::from(code) << shift;
            if shift + bits > 32 {
                words[word + 1] |= u32::from(code) >> (32 - shift);
            }
        }
    }
    words
}

/// Code number `at` of a row's words.
pub fn code(words: &[u32], at: usize, bits: u32) -> u32 {
    let (word, shift) = (at * bits as usize / 32, at as u32 * bits % 32);
    let low = words[word] >> shift;
    let high = if shift + bits > 32 { words[word + 1] << (32 - shift) } else { 0 };
    (low | high) & ((1 << bits) - 1)
}

/// W [rows, cols] from rows of stored columns.
fn in_place(perm: &Option<Vec<u32>>, rows: usize, cols: usize, stored: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut weight = vec![0.0; rows * cols];
    for (row, weight) in weight.chunks_exact_mut(cols).enumerate() {
        for k in 0..cols {
            weight[perm.as_ref().map_or(k, |perm| perm[k] as usize)] = stored(row, k);
        }
    }
    weight
}

impl Grid {
    pub fn groups(&self) -> usize {
        self.cols / self.group
    }

    /// The same weight with the columns of each group in their own order: what reading a GPTQ file gives,
    /// which says for each column its group and no more.
    pub fn sorted(self) -> Grid {
        let Some(perm) = &self.perm else { return self };
        let mut order: Vec<usize> = (0..self.cols).collect();
        order.sort_by_key(|&k| (k / self.group, perm[k]));
        let words = self.cols * self.bits as usize / 32;
        let row = |words: &[u32]| order.iter().map(|&k| code(words, k, self.bits) as u8).collect::<Vec<u8>>();
        let codes: Vec<u8> = self.codes.chunks_exact(words).flat_map(row).collect();
        let perm = order.iter().map(|&k| perm[k]).collect();
        Grid { codes: pack(&codes, self.cols, self.bits), perm: Some(perm), ..self }
    }

    /// W [rows, cols] in its own order of columns.
    pub fn dequantize(&self) -> Vec<f32> {
        let words = self.cols * self.bits as usize / 32;
        in_place(&self.perm, self.rows, self.cols, |row, k| {
            let at = k / self.group * self.rows + row;
            let code = code(&self.codes[row * words..][..words], k, self.bits);
            self.scales[at].to_f32() * (code as f32 - f32::from(self.zeros[at]))
        })
    }
}

impl Int8 {
    /// W [rows, cols].
    pub fn dequantize(&self) -> Vec<f32> {
        let row =
            |(codes, scale): (&[i8], &f32)| codes.iter().map(|&c| f32::from(c) * scale / 127.0).collect::<Vec<_>>();
        self.codes.chunks_exact(self.cols).zip(&self.scales).flat_map(row).collect()
    }
}

impl Spqr {
    pub fn groups(&self) -> usize {
        self.cols / self.group
    }

    /// Scale and zero of stored column group `group` in `row`.
    pub fn statistics(&self, group: usize, row: usize) -> (f32, f32) {
        let [ss, sz, zs, zz] = self.stats[group * (self.rows / 16) + row / 16].map(f16::to_f32);
        let at = group * self.rows + row;
        (ss * (f32::from(self.scale_codes[at]) - sz), zs * (f32::from(self.zero_codes[at]) - zz))
    }

    /// W [rows, cols] in its own order of columns.
    pub fn dequantize(&self) -> Vec<f32> {
        let words = self.cols * self.bits as usize / 32;
        let mut weight = in_place(&self.perm, self.rows, self.cols, |row, k| {
            let (scale, zero) = self.statistics(k / self.group, row);
            scale * (code(&self.codes[row * words..][..words], k, self.bits) as f32 - zero)
        });
        for row in 0..self.rows {
            for e in self.row_start[row] as usize..self.row_start[row + 1] as usize {
                let k = self.columns[e] as usize;
                let col = self.perm.as_ref().map_or(k, |perm| perm[k] as usize);
                weight[row * self.cols + col] += self.values[e].to_f32();
            }
        }
        weight
    }
}

impl Packed {
    pub fn rows(&self) -> usize {
        match self {
            Packed::Grid(w) => w.rows,
            Packed::Int8(w) => w.rows,
            Packed::Spqr(w) => w.rows,
        }
    }

    pub fn cols(&self) -> usize {
        match self {
            Packed::Grid(w) => w.cols,
            Packed::Int8(w) => w.cols,
            Packed::Spqr(w) => w.cols,
        }
    }

    /// W [rows, cols] in its own order of columns.
    pub fn dequantize(&self) -> Vec<f32> {
        match self {
            Packed::Grid(w) => w.dequantize(),
            Packed::Int8(w) => w.dequantize(),
            Packed::Spqr(w) => w.dequantize(),
        }
    }

    /// Bits that hold the weight, everything counted: codes, scales, zeros, statistics, outliers with
    /// their columns and row starts, the order of columns.
    pub fn true_bits(&self) -> u64 {
        let weights = (self.rows() * self.cols()) as u64;
        let order = |perm: &Option<Vec<u32>>| perm.as_ref().map_or(0, |perm| 16 * perm.len() as u64);
        match self {
            Packed::Grid(w) => {
                u64::from(w.bits) * weights + u64::from(16 + w.bits) * w.scales.len() as u64 + order(&w.perm)
            }
            Packed::Int8(w) => 8 * weights + 32 * w.rows as u64,
            Packed::Spqr(w) => {
                u64::from(w.bits) * weights
                    + u64::from(w.scale_bits + w.zero_bits) * w.scale_codes.len() as u64
                    + 64 * w.stats.len() as u64
                    + 32 * (w.values.len() + w.row_start.len()) as u64
                    + order(&w.perm)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_at_every_width() {
        for bits in [2u32, 3, 4, 8] {
            let codes: Vec<u8> = (0..3 * 64u32).map(|i| (i.wrapping_mul(2_654_435_761) >> (32 - bits)) as u8).collect();
            let words = pack(&codes, 64, bits);
            let row_words = 2 * bits as usize;
            let found: Vec<u8> =
                (0..3 * 64).map(|i| code(&words[i / 64 * row_words..][..row_words], i % 64, bits) as u8).collect();
            assert_eq!(codes, found);
        }
    }
}
