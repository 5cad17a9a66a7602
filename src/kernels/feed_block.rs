//! W\[:, after\] -= E · U\[block, after\]: what error feedback takes from the columns after a block, for the errors E of
//! the block's (Frantar et al., 2022).

use super::factor_block::bands;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { rows: u32, start: u32, stride: u32, k0: u32, k1: u32, j0: u32, j1: u32 } }

/// Columns and rows of a tile.
const TILE: usize = 64;

impl Plan {
    /// Takes the `errors` [block, rows] of the columns `done` of a block from those after them, `after`, both counted from
    /// the block's beginning, column `start` of `w` [cols, rows]. `upper` has the block's rows of U from `start` on. As many
    /// columns a step as keep it short.
    pub fn feed_block(
        &mut self,
        [upper, errors, w]: [Tensor; 3],
        start: usize,
        done: std::ops::Range<usize>,
        after: std::ops::Range<usize>,
    ) {
        let rows = w.cols;
        errors.expect("errors", errors.rows, rows, Element::F32);
        assert!(done.end <= errors.rows.min(upper.rows) && after.end <= upper.cols && start + after.end <= w.rows);
        for part in bands(after.len(), 2 * done.len() * rows) {
            let [j0, j1] = [part.start, part.end].map(|at| (after.start + at) as u32);
            let [start, stride, k0, k1] = [start, upper.cols, done.start, done.end].map(|at| at as u32);
            let params = Params { rows: rows as u32, start, stride, k0, k1, j0, j1 };
            let flops = 2 * (done.len() * part.len() * rows) as u64;
            let step = self.add(&KERNEL, "feed_block", params, &[upper, errors, w], [part.len(), rows], flops);
            step.bytes = 4 * (done.len() * (part.len() + rows) + 2 * part.len() * rows) as u64;
        }
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "feed_block",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("feed_block", "lib/tile_product"), &[], |_| [TILE as u32; 2], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("896_rows_of_768", |t| feed_block(t, 896, [0, 128, 896], 0..128)),
        Case::test("70_rows_of_75", |t| feed_block(t, 70, [3, 43, 118], 0..40)),
        Case::test("5_rows_of_9_from_16", |t| feed_block(t, 5, [0, 32, 41], 16..32)),
    ],
};

/// Adds a step that feeds the columns `done` of a block from `start` to `end` to all columns behind it.
fn feed_block(t: &mut Trial, rows: usize, [start, end, cols]: [usize; 3], done: std::ops::Range<usize>) -> Tensor {
    let block = end - start;
    let tensors = [t.f32(block, cols - start), t.f32(block, rows), t.f32(cols, rows)];
    t.plan.feed_block(tensors, start, done, block..cols - start);
    tensors[2]
}

fn reference(io: &mut Io) {
    let Params { rows, start, stride, k0, k1, j0, j1 } = io.params();
    let (upper, errors, rows) = (io.f32(0), io.f32(1), rows as usize);
    for j in j0..j1 {
        let column = &mut io.out_f32()[(start + j) as usize * rows..][..rows];
        for k in k0..k1 {
            let u = upper[(k * stride + j) as usize];
            column.iter_mut().zip(&errors[k as usize * rows..]).for_each(|(w, error)| *w -= u * error);
        }
    }
}
