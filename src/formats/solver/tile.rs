//! Some rows of a weight, turned so that a column is contiguous: rows do not interact in error
//! feedback, so that every loop below runs along rows, in vectors.

use std::ops::Range;

use rayon::prelude::*;

use super::Weight;
use super::hessian::Factor;
use crate::kernels::product::{View, product};

/// Rows of a tile. A multiple of the 16 rows that may share statistics; fixed, so that results
/// do not depend on the number of threads.
pub(in crate::formats) const ROWS: usize = 64;

/// Columns between two updates of all that is to the right.
const BLOCK: usize = 128;

/// Returns the columns of a block such that every group starts at a block's start or lies within a block.
pub(in crate::formats) fn block(group: usize) -> usize {
    match group {
        1..BLOCK => BLOCK / group * group,
        _ if group.is_multiple_of(BLOCK) => BLOCK,
        _ => group,
    }
}

pub(in crate::formats) struct Tile {
    /// At most [`ROWS`].
    pub(in crate::formats) rows: usize,
    /// \[cols\]\[rows\]
    pub(in crate::formats) values: Vec<f32>,
}

impl Tile {
    /// Copies the rows from `first` on, columns in the order of `perm`.
    pub(in crate::formats) fn new(weight: &Weight<'_>, first: usize, perm: Option<&[u32]>) -> Tile {
        let (rows, cols) = (ROWS.min(weight.rows - first), weight.cols);
        let mut values = vec![0.0; rows * cols];
        for (k, column) in values.chunks_exact_mut(rows).enumerate() {
            let col = perm.map_or(k, |perm| perm[k] as usize);
            for (r, value) in column.iter_mut().enumerate() {
                *value = weight.values[(first + r) * cols + col];
            }
        }
        Tile { rows, values }
    }

    pub(in crate::formats) fn clear_dead(&mut self, factor: &Factor<'_>) {
        for (column, _) in self.values.chunks_exact_mut(self.rows).zip(&factor.dead).filter(|(_, dead)| **dead) {
            column.fill(0.0);
        }
    }

    pub(in crate::formats) fn columns(&self, from: usize, to: usize) -> &[f32] {
        &self.values[from * self.rows..to * self.rows]
    }

    /// Takes the errors \[from.len()\]\[rows\] of the columns `from` from the columns `to`.
    pub(in crate::formats) fn feed_block(
        &mut self,
        errors: &[f32],
        factor: &Factor<'_>,
        from: Range<usize>,
        to: Range<usize>,
    ) {
        if to.is_empty() {
            return;
        }
        let (n, rows) = (factor.n(), self.rows);
        let upper = View::new(&factor.upper()[from.start * n + to.start..], from.len(), to.len(), n);
        let errors = View::new(errors, from.len(), rows, rows);
        product(&mut self.values[to.start * rows..], rows, true, -1.0, upper.transposed(), errors);
    }
}

/// Takes the errors \[k\]\[rows\] of some columns from a column that follows, u\[k\] of each, in the sums and with the roundings
/// of shaders/lib/block_errors.wgsl: where statistics of sixteen rows are rounded to f16, a last bit may decide all codes.
pub(in crate::formats) fn feed<'u>(column: &mut [f32], errors: &[f32], u: impl Iterator<Item = &'u f32>) {
    let mut sums = [[0.0f32; ROWS]; 4];
    for (k, (error, u)) in errors.chunks_exact(column.len()).zip(u).enumerate() {
        sums[k % 4].iter_mut().zip(error).for_each(|(sum, error)| *sum += error * u);
    }
    for (r, value) in column.iter_mut().enumerate() {
        *value -= sums[0][r] + sums[1][r] + sums[2][r] + sums[3][r];
    }
}

/// Writes the codes \[cols\]\[rows\] of some rows as \[rows\]\[cols\], column k as column `place`\[k\].
pub(in crate::formats) fn put_codes(out: &mut [u8], codes: &[f32], rows: usize, cols: usize, place: Option<&[u32]>) {
    out.par_chunks_mut(ROWS * cols).enumerate().for_each(|(strip, out)| {
        for (k, column) in codes.chunks_exact(rows).enumerate() {
            let col = place.map_or(k, |place| place[k] as usize);
            let column = &column[strip * ROWS..][..out.len() / cols];
            column.iter().enumerate().for_each(|(r, &code)| out[r * cols + col] = code as u8);
        }
    });
}

/// Rounds halves to even; for magnitudes below 2²². Adding this number leaves no bits below one: two
/// additions, where `round_ties_even` is a call on the oldest x86 and keeps loops out of vectors.
pub(in crate::formats) fn round(x: f32) -> f32 {
    const NO_FRACTION: f32 = 12_582_912.0;
    (x + NO_FRACTION) - NO_FRACTION
}
