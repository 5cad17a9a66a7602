//! Some rows of a weight, turned so that a column is contiguous: rows do not interact in error
//! feedback, so that every loop below runs along rows, in vectors.

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

    /// Takes the errors \[end - start\]\[rows\] of a finished block from all columns to its right.
    pub(in crate::formats) fn feed_block(&mut self, errors: &[f32], factor: &Factor<'_>, start: usize, end: usize) {
        let (n, rows) = (factor.n(), self.rows);
        if end == n {
            return;
        }
        let upper = View::new(&factor.upper()[start * n + end..], end - start, n - end, n);
        let errors = View::new(errors, end - start, rows, rows);
        product(&mut self.values[end * rows..], rows, true, -1.0, upper.transposed(), errors);
    }
}

/// Takes the error of column c from the columns that follow it, up to the end of its block:
/// `rest` \[u.len()\]\[rows\], u = U\[c, c + 1..\].
pub(in crate::formats) fn feed(rest: &mut [f32], error: &[f32], u: &[f32]) {
    for (column, &u) in rest.chunks_exact_mut(error.len()).zip(u) {
        for (value, error) in column.iter_mut().zip(error) {
            *value -= error * u;
        }
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
