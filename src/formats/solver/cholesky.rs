//! The inverse of a Cholesky factor, in blocks, so that nearly all of the work is products.

use crate::kernels::product::{View, product};
use rayon::prelude::*;

/// Columns of a block.
const BLOCK: usize = 256;
/// Rows that one task works on.
const STRIP: usize = 128;

/// Replaces the lower triangle of the symmetric A [n, n] = L · Lᵀ, which alone is read, by L⁻¹. The values above the
/// diagonal mean nothing afterwards. Returns false where A is not positive definite.
pub(super) fn inverse_factor(a: &mut [f64], n: usize) -> bool {
    assert_eq!(a.len(), n * n);
    factor(a, n) && {
        invert(a, n);
        true
    }
}

/// Factors A, left-looking: a block of columns is brought up to date by one product with all columns before it,
/// which writes each element once. Blocks on the diagonal become the *inverses* of the factor's.
fn factor(a: &mut [f64], n: usize) -> bool {
    for first in (0..n).step_by(BLOCK) {
        let b = BLOCK.min(n - first);
        // What the rows of this block hold to the left of it multiplies every row below.
        let (_, below) = a.split_at_mut(first * n);
        let left: Vec<f64> = below.chunks_exact(n).take(b).flat_map(|row| &row[..first]).copied().collect();
        let left = View::new(&left, b, first, first);
        let updated = |strip: &[f64]| {
            let rows = strip.len() / n;
            let mut block: Vec<f64> = strip.chunks_exact(n).flat_map(|row| &row[first..first + b]).copied().collect();
            product(&mut block, b, true, -1.0, View::new(strip, rows, first, n), left.transposed());
            block
        };
        let (diagonal, below) = below.split_at_mut(b * n);
        let mut block: Vec<f64> = diagonal.par_chunks(STRIP * n).flat_map_iter(updated).collect();
        if !small_factor(&mut block, b) {
            return false;
        }
        small_invert(&mut block, b);
        put(diagonal, n, first, &block, b);
        let inverse = View::new(&block, b, b, b).transposed();
        below.par_chunks_mut(STRIP * n).for_each(|strip| {
            let rows = strip.len() / n;
            let block = updated(strip);
            let mut solved = vec![0.0; rows * b];
            product(&mut solved, b, false, 1.0, View::new(&block, rows, b, b), inverse);
            put(strip, n, first, &solved, b);
        });
    }
    true
}

/// Computes L⁻¹ from L with inverted blocks on the diagonal, a block of rows at a time:
/// X\[i, j\] = -inverse\[i\] · sum of L\[i, k\] · X\[k, j\] over blocks k from j to i - 1.
fn invert(a: &mut [f64], n: usize) {
    for first in (BLOCK..n).step_by(BLOCK) {
        let b = BLOCK.min(n - first);
        let (done, rows) = a.split_at_mut(first * n);
        let rows = &mut rows[..b * n];
        let current = &rows[..];
        let inverse = View::new(&current[first..], b, b, n);
        let column = |j: usize| {
            let mut sum = vec![0.0; b * BLOCK];
            let factor = View::new(&current[j..], b, first - j, n);
            product(&mut sum, BLOCK, false, 1.0, factor, View::new(&done[j * n + j..], first - j, BLOCK, n));
            let mut found = vec![0.0; b * BLOCK];
            product(&mut found, BLOCK, false, -1.0, inverse, View::new(&sum, b, BLOCK, BLOCK));
            found
        };
        let columns: Vec<_> = (0..first / BLOCK).into_par_iter().map(|j| column(j * BLOCK)).collect();
        for (j, column) in columns.iter().enumerate() {
            put(rows, n, j * BLOCK, column, BLOCK);
        }
    }
}

/// Writes `block` [rows, b] into rows of `n`, from column `first` on.
fn put(rows: &mut [f64], n: usize, first: usize, block: &[f64], b: usize) {
    for (row, block) in rows.chunks_exact_mut(n).zip(block.chunks_exact(b)) {
        row[first..first + b].copy_from_slice(block);
    }
}

/// Factors one block [b, b]: L below, zeros above. Returns false where a pivot is not positive.
fn small_factor(a: &mut [f64], b: usize) -> bool {
    for row in 0..b {
        let (above, current) = a.split_at_mut(row * b);
        for col in 0..row {
            let other = &above[col * b..][..col + 1];
            current[col] = (current[col] - dot(&current[..col], &other[..col])) / other[col];
        }
        let pivot = current[row] - dot(&current[..row], &current[..row]);
        // Written so that NaN fails.
        if !(pivot > 0.0 && pivot < f64::INFINITY) {
            return false;
        }
        current[row] = pivot.sqrt();
        current[row + 1..b].fill(0.0);
    }
    true
}

/// Inverts a lower triangle [b, b] in place, row by row.
fn small_invert(l: &mut [f64], b: usize) {
    let mut sums = vec![0.0; b];
    for row in 0..b {
        let (above, current) = l.split_at_mut(row * b);
        let scale = 1.0 / current[row];
        sums[..row].fill(0.0);
        for (k, inverse) in above.chunks_exact(b).enumerate() {
            for (sum, value) in sums.iter_mut().zip(&inverse[..=k]) {
                *sum += current[k] * value;
            }
        }
        for (value, sum) in current[..row].iter_mut().zip(&sums) {
            *value = -scale * sum;
        }
        current[row] = scale;
    }
}

/// Multiplies in four chains, which the compiler turns into vectors.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (x, y) = (x.chunks_exact(4), y.chunks_exact(4));
    let rest: f64 = x.remainder().iter().zip(y.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in x.zip(y) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f64>() + rest
}
