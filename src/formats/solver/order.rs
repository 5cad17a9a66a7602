//! Orders of columns.

use rayon::prelude::*;

use super::Weight;
use crate::error::{Error, Result};
use crate::kernels::product::{View, product};

/// Returns the indices of `values`, largest first; equal values keep their order.
pub(super) fn descending(values: &[f32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]));
    order
}

/// Returns whether `perm` holds every column once.
pub(super) fn check(perm: &[u32], n: usize, name: &str) -> Result<()> {
    let mut seen = vec![false; n];
    let fresh = perm.iter().all(|&k| seen.get_mut(k as usize).is_some_and(|seen| !std::mem::replace(seen, true)));
    if fresh && perm.len() == n {
        return Ok(());
    }
    let found = format!("{} numbers, some twice or out of range", perm.len());
    Err(Error::request(format!("order of columns of {name}"), format!("each of 0 to {}", n - 1), found, "correct it"))
}

/// Returns the greedy order by rank correlation: from column 0 on, the next column is the one whose ranks over
/// the rows correlate best with those of the last.
pub fn spearman(weight: &Weight<'_>) -> Vec<u32> {
    let (rows, cols) = (weight.rows, weight.cols);
    // Ranks of every column are the same numbers in another order, so that products compare as correlations do.
    let mut ranks = vec![0.0f32; cols * rows];
    ranks.par_chunks_mut(rows.max(1)).enumerate().for_each(|(col, ranks)| {
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by(|&a, &b| weight.values[a * cols + col].total_cmp(&weight.values[b * cols + col]));
        let mean = (rows as f32 - 1.0) / 2.0;
        order.iter().enumerate().for_each(|(rank, &row)| ranks[row] = rank as f32 - mean);
    });
    let all = View::new(&ranks, cols, rows, rows).transposed();
    let mut correlation = vec![0.0f32; cols * cols];
    correlation.par_chunks_mut(64 * cols).zip(ranks.par_chunks(64 * rows)).for_each(|(out, strip)| {
        product(out, cols, false, 1.0, View::new(strip, strip.len() / rows, rows, rows), all);
    });
    let mut perm: Vec<u32> = (0..cols as u32).collect();
    for at in 1..cols.saturating_sub(1) {
        let last = &correlation[perm[at - 1] as usize * cols..][..cols];
        let mut best = at;
        for other in at + 1..cols {
            if last[perm[other] as usize] > last[perm[best] as usize] {
                best = other;
            }
        }
        perm.swap(at, best);
    }
    perm
}
