//! The uniform grid that RTN and GPTQ share: w is near s · (code - z), with one s and one z for the
//! columns of a group in a row. METHODS: GPTQ's reference quantizer, which all of its heirs kept.

use half::f16;

use super::Weight;
use super::tile::round;
use crate::error::{Error, Result};
use crate::quant::packed::{Grid, Packed, pack};

#[derive(Clone, Debug, PartialEq)]
pub struct GridOptions {
    /// 2, 3, 4 or 8.
    pub bits: u32,
    /// Columns of a group; None is a whole row.
    pub group: Option<usize>,
    /// z = 2^(bits - 1), with the largest magnitude a half code beyond the grid's upper end.
    pub sym: bool,
    /// Search the range that has the smallest error Σ|w - ŵ|^this; 2.4 in the references.
    pub mse: Option<f32>,
    /// As the references do for `sym`: a group without negative weights gets half the range.
    pub reference_sym: bool,
    /// Choose codes against the scale as it is stored, in f16.
    pub f16_scale_grid: bool,
}

impl GridOptions {
    /// Asymmetric, without a search: what the references do unless told otherwise.
    pub fn new(bits: u32, group: Option<usize>) -> GridOptions {
        GridOptions { bits, group, sym: false, mse: None, reference_sym: false, f16_scale_grid: false }
    }

    /// Largest code.
    pub(super) fn maxq(&self) -> f32 {
        ((1u32 << self.bits) - 1) as f32
    }

    /// The size of a group in this weight.
    pub(super) fn group_in(&self, weight: &Weight<'_>) -> Result<usize> {
        if ![2, 3, 4, 8].contains(&self.bits) {
            return Err(Error::request(weight.name, "2, 3, 4 or 8 bits", self.bits, "choose another width"));
        }
        let group = self.group.unwrap_or(weight.cols);
        let words = (weight.cols * self.bits as usize).is_multiple_of(32);
        let groups = group.is_multiple_of(32) && weight.cols.is_multiple_of(group);
        if !words || (group != weight.cols && !groups) {
            let expected =
                format!("groups of a multiple of 32 that divides its {} columns, or whole rows", weight.cols);
            return Err(Error::request(weight.name, expected, group, "choose another size of groups"));
        }
        Ok(group)
    }

    /// The grids of `rows` rows over columns \[k\]\[rows\].
    pub(super) fn fit(&self, columns: &[f32], rows: usize) -> Grids {
        let (mut low, mut high) = (vec![0.0f32; rows], vec![0.0f32; rows]);
        for column in columns.chunks_exact(rows) {
            for ((low, high), &w) in low.iter_mut().zip(&mut high).zip(column) {
                *low = low.min(w);
                *high = high.max(w);
            }
        }
        for (low, high) in low.iter_mut().zip(&mut high) {
            if self.sym {
                *high = high.max(-*low);
                if *low < 0.0 || !self.reference_sym {
                    *low = -*high;
                }
            }
            if *low == 0.0 && *high == 0.0 {
                (*low, *high) = (-1.0, 1.0);
            }
        }
        let mut best = self.grids(&low, &high, 1.0);
        let Some(exponent) = self.mse else { return best };
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

    /// The grids for a share of these ranges.
    fn grids(&self, low: &[f32], high: &[f32], share: f32) -> Grids {
        let maxq = self.maxq();
        let grids = low.iter().zip(high).map(|(low, high)| {
            let (low, high) = (share * low, share * high);
            let mut scale = ((high - low) / maxq).max(f32::MIN_POSITIVE);
            if self.f16_scale_grid {
                scale = f16::from_f32(scale).max(f16::MIN_POSITIVE_SUBNORMAL).to_f32();
            }
            let zero = if self.sym { (maxq + 1.0) / 2.0 } else { round(-low / scale).clamp(0.0, maxq) };
            (scale, zero)
        });
        let (scales, zeros) = grids.unzip();
        Grids { maxq, scales, zeros }
    }
}

/// A scale and a zero for each of some rows.
pub(super) struct Grids {
    maxq: f32,
    pub(super) scales: Vec<f32>,
    pub(super) zeros: Vec<f32>,
}

impl Grids {
    /// Code and value of each weight of a column.
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

/// What a tile of rows became.
pub(super) struct CodedTile {
    rows: usize,
    /// \[cols\]\[rows\], in the order of quantization.
    codes: Vec<f32>,
    /// A group each.
    pub(super) grids: Vec<Grids>,
    /// Σ ((w - ŵ) / U_cc)²
    pub(super) loss: f64,
}

impl CodedTile {
    pub(super) fn new(rows: usize, cols: usize) -> CodedTile {
        CodedTile { rows, codes: vec![0.0; rows * cols], grids: Vec::new(), loss: 0.0 }
    }

    /// Codes of column c, on the grids of a group; their values go to `values`.
    pub(super) fn quantize(&mut self, group: usize, c: usize, column: &[f32], values: &mut [f32]) {
        self.grids[group].quantize(column, &mut self.codes[c * self.rows..][..self.rows], values);
    }
}

/// Packs tiles in order. Column k of a tile is stored as column `place`\[k\]; `perm` is that of the
/// stored columns.
pub(super) fn assemble(
    weight: &Weight<'_>,
    options: &GridOptions,
    group: usize,
    tiles: &[CodedTile],
    place: Option<&[u32]>,
    perm: Option<Vec<u32>>,
) -> Result<Packed> {
    let (rows, cols) = (weight.rows, weight.cols);
    let mut codes = vec![0u8; rows * cols];
    let (mut scales, mut zeros) = (vec![f16::ZERO; cols / group * rows], vec![0u8; cols / group * rows]);
    let mut first = 0;
    for (tile, codes) in tiles.iter().zip(codes.chunks_mut(super::tile::ROWS * cols)) {
        for (k, column) in tile.codes.chunks_exact(tile.rows).enumerate() {
            let col = place.map_or(k, |place| place[k] as usize);
            column.iter().enumerate().for_each(|(r, &code)| codes[r * cols + col] = code as u8);
        }
        for (g, grids) in tile.grids.iter().enumerate() {
            for (r, (&scale, &zero)) in grids.scales.iter().zip(&grids.zeros).enumerate() {
                let at = g * rows + first + r;
                (scales[at], zeros[at]) = (f16::from_f32(scale), zero as u8);
            }
        }
        first += tile.rows;
    }
    if !scales.iter().all(|scale| scale.is_finite()) {
        return Err(Error::NotFinite {
            step: "storing them in f16".to_owned(),
            tensor: format!("a scale of {}", weight.name),
        });
    }
    let codes = pack(&codes, cols, options.bits);
    Ok(Packed::Grid(Grid { rows, cols, bits: options.bits, group, codes, scales, zeros, perm }))
}
