//! The uniform grid that RTN and GPTQ share: w ≈ scale · (code - zero), one scale and one zero for the columns of a
//! group in a row. The arithmetic is that of GPTQ's reference quantizer, which its successors kept.

use half::f16;

use super::{Grid, GridOptions};
use crate::error::{Error, Result};
use crate::formats::codes::pack;
use crate::formats::solver::Weight;
use crate::formats::solver::tile::{put_codes, round};

/// Grid options at one width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit<'a> {
    pub bits: u32,
    pub options: &'a GridOptions,
}

impl Fit<'_> {
    /// Returns the columns of a group in this weight.
    ///
    /// # Errors
    /// The options do not suit a weight of `cols` columns.
    pub(super) fn group_size(&self, name: &str, cols: usize) -> Result<usize> {
        if ![2, 3, 4, 8].contains(&self.bits) {
            return Err(Error::request(name, "2, 3, 4 or 8 bits", self.bits, "choose another width"));
        }
        let group_size = self.options.group_size.columns().unwrap_or(cols);
        let words = (cols * self.bits as usize).is_multiple_of(32);
        let groups = group_size.is_multiple_of(32) && cols.is_multiple_of(group_size);
        if !words || (group_size != cols && !groups) {
            let expected = format!("groups of a multiple of 32 that divides its {cols} columns, or whole rows");
            return Err(Error::request(name, expected, group_size, "choose another size of groups"));
        }
        Ok(group_size)
    }

    /// Fits the grids of `rows` rows to columns \[k\]\[rows\].
    pub(super) fn fit(&self, columns: &[f32], rows: usize) -> Grids {
        let (mut low, mut high) = (vec![0.0f32; rows], vec![0.0f32; rows]);
        for column in columns.chunks_exact(rows) {
            for ((low, high), &w) in low.iter_mut().zip(&mut high).zip(column) {
                *low = low.min(w);
                *high = high.max(w);
            }
        }
        for (low, high) in low.iter_mut().zip(&mut high) {
            if self.options.sym {
                *high = high.max(-*low);
                if *low < 0.0 || !self.options.reference_sym {
                    *low = -*high;
                }
            }
            if *low == 0.0 && *high == 0.0 {
                (*low, *high) = (-1.0, 1.0);
            }
        }
        let mut best = self.grids(&low, &high, 1.0);
        let Some(exponent) = self.options.mse else { return best };
        let mut least = best.errors(columns, exponent);
        for step in 1..80 {
            let tried = self.grids(&low, &high, 1.0 - step as f32 / 100.0);
            for (row, error) in tried.errors(columns, exponent).into_iter().enumerate() {
                if error < least[row] {
                    least[row] = error;
                    (best.scales[row], best.zeros[row]) = (tried.scales[row], tried.zeros[row]);
                }
            }
        }
        best
    }

    /// Returns the grids for a share of these ranges.
    fn grids(&self, low: &[f32], high: &[f32], share: f32) -> Grids {
        let maxq = ((1u32 << self.bits) - 1) as f32;
        let grids = low.iter().zip(high).map(|(low, high)| {
            let (low, high) = (share * low, share * high);
            let mut scale = ((high - low) / maxq).max(f32::MIN_POSITIVE);
            if self.options.f16_scale_grid {
                scale = f16::from_f32(scale).max(f16::MIN_POSITIVE_SUBNORMAL).to_f32();
            }
            let zero = if self.options.sym { (maxq + 1.0) / 2.0 } else { round(-low / scale).clamp(0.0, maxq) };
            (scale, zero)
        });
        let (scales, zeros) = grids.unzip();
        Grids { maxq, scales, zeros }
    }
}

/// Scale and zero of one group in each of some rows.
pub(super) struct Grids {
    maxq: f32,
    pub(super) scales: Vec<f32>,
    pub(super) zeros: Vec<f32>,
}

impl Grids {
    /// Returns grids from scale and zero of each row.
    pub(super) fn of_pairs(maxq: f32, pairs: &[f32]) -> Grids {
        let (scales, zeros) = pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
        Grids { maxq, scales, zeros }
    }

    /// Writes code and value of each weight of a column.
    pub(super) fn quantize(&self, column: &[f32], codes: &mut [f32], values: &mut [f32]) {
        let grids = self.scales.iter().zip(&self.zeros);
        for (((w, code), value), (scale, zero)) in column.iter().zip(codes).zip(values).zip(grids) {
            // Clamped before it is rounded, which is the same as z is an integer, so that `round` may be used.
            let level = round((w / scale).max(-zero).min(self.maxq - zero));
            *code = level + zero;
            *value = scale * level;
        }
    }

    fn errors(&self, columns: &[f32], exponent: f32) -> Vec<f32> {
        let rows = self.scales.len();
        let (mut sums, mut codes, mut values) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        for column in columns.chunks_exact(rows) {
            self.quantize(column, &mut codes, &mut values);
            for ((sum, value), w) in sums.iter_mut().zip(&values).zip(column) {
                *sum += (value - w).abs().powf(exponent);
            }
        }
        sums
    }
}

/// Codes of a tile of rows.
pub(super) struct CodedTile {
    pub(super) rows: usize,
    /// \[cols\]\[rows\], in the order of quantization.
    pub(super) codes: Vec<f32>,
    /// A group each.
    pub(super) grids: Vec<Grids>,
    /// Σ ((w - ŵ) / U_cc)²
    pub(super) loss: f64,
}

impl CodedTile {
    pub(super) fn new(rows: usize, cols: usize) -> CodedTile {
        CodedTile { rows, codes: vec![0.0; rows * cols], grids: Vec::new(), loss: 0.0 }
    }

    /// Quantizes column c on the grids of a group. Writes what the codes stand for to `values`.
    pub(super) fn quantize(&mut self, group: usize, c: usize, column: &[f32], values: &mut [f32]) {
        self.grids[group].quantize(column, &mut self.codes[c * self.rows..][..self.rows], values);
    }
}

/// Packs tiles in order. Column k of a tile is stored as column `place`\[k\]; `order` is that of the stored columns.
pub(super) fn assemble(
    weight: &Weight<'_>,
    bits: u32,
    group_size: usize,
    tiles: &[CodedTile],
    place: Option<&[u32]>,
    order: Option<Vec<u32>>,
) -> Result<Box<Grid>> {
    let (rows, cols) = (weight.rows, weight.cols);
    let mut codes = vec![0u8; rows * cols];
    let (mut scales, mut zeros) = (vec![f16::ZERO; cols / group_size * rows], vec![0u8; cols / group_size * rows]);
    let (mut first, mut rest) = (0, &mut codes[..]);
    for tile in tiles {
        let codes;
        (codes, rest) = rest.split_at_mut(tile.rows * cols);
        put_codes(codes, &tile.codes, tile.rows, cols, place);
        for (g, grids) in tile.grids.iter().enumerate() {
            for (r, (&scale, &zero)) in grids.scales.iter().zip(&grids.zeros).enumerate() {
                let at = g * rows + first + r;
                (scales[at], zeros[at]) = (f16::from_f32(scale), zero as u8);
            }
        }
        first += tile.rows;
    }
    if !scales.iter().all(|scale| scale.is_finite()) {
        let (step, tensor) = ("storing them in f16".to_owned(), format!("a scale of {}", weight.name));
        return Err(Error::NotFinite { step, tensor });
    }
    let codes = pack(&codes, cols, bits);
    Ok(Box::new(Grid { rows, cols, bits, group_size, codes, scales, zeros, order }))
}
