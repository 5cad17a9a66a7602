//! Error feedback within a block of columns on a device: what `gptq` does column by column, for all rows at once.

use super::fit::Grids;
use crate::formats::solver::device::BLOCK;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { rows: u32, start: u32, len: u32, maxq: u32 } }

/// Rows of a workgroup. Their errors in a block fill the workgroup memory that every adapter has.
const ROWS: u32 = 32;

/// Inputs of the feedback of a block: the block's own part of U, turned [BLOCK, BLOCK]; the group of each column
/// [1, cols]; scale and zero of each group and row [groups, 2 rows].
#[derive(Clone, Copy)]
pub(super) struct FeedbackInputs {
    pub triangle: Tensor,
    pub groups: Tensor,
    pub grids: Tensor,
}

impl Plan {
    /// Quantizes `len` columns from `start` on of `w` [cols, rows], which become their codes. Leaves their `errors`
    /// [BLOCK, rows], and adds the squares of these to `loss` [1, rows].
    pub(super) fn feedback_grid(
        &mut self,
        inputs: FeedbackInputs,
        [w, errors, loss]: [Tensor; 3],
        start: usize,
        len: usize,
        bits: u32,
    ) {
        let FeedbackInputs { triangle, groups, grids } = inputs;
        let rows = w.cols;
        triangle.expect("triangle", BLOCK, BLOCK, Element::F32);
        groups.expect("groups", 1, w.rows, Element::U32);
        grids.expect("grids", grids.rows, 2 * rows, Element::F32);
        errors.expect("errors", BLOCK, rows, Element::F32);
        loss.expect("loss", 1, rows, Element::F32);
        assert!(len <= BLOCK && start + len <= w.rows, "{len} columns from {start} of {w:?}");
        let params = Params { rows: rows as u32, start: start as u32, len: len as u32, maxq: (1 << bits) - 1 };
        let bind = [triangle, groups, grids, w, errors, loss];
        let step = self.add(&FEEDBACK, "feedback", params, &bind, [1, rows], (len * (len + 6) * rows) as u64);
        step.set_outputs(&["codes", "errors", "loss"]);
        step.bytes = 4 * (BLOCK * BLOCK + 3 * len * rows + 4 * rows) as u64;
    }
}

pub static FEEDBACK: Kernel = Kernel {
    name: "feedback_grid",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("feedback_grid", "lib/block_errors"), &[], |_| [1, ROWS], 1e-8)],
    reference,
    host: None,
    cases: &[
        Case::bench("896_rows_q4", |t| feedback(t, [896, 896, 128], 128, 4)),
        Case::test("37_rows_of_70_q4", |t| feedback(t, [37, 96, 32], 70, 4)),
        Case::test("5_rows_of_128_q3", |t| feedback(t, [5, 192, 64], 128, 3)),
        Case::test("9_rows_of_29_q8", |t| feedback(t, [9, 32, 32], 29, 8)),
    ],
};

/// Adds the feedback of `len` columns from the third on.
fn feedback(t: &mut Trial, [rows, cols, group_size]: [usize; 3], len: usize, bits: u32) -> Tensor {
    let start = 2.min(cols - len);
    let maxq = ((1u32 << bits) - 1) as f32;
    let triangle = t.f32_of(BLOCK, BLOCK, |i, value| match (i / BLOCK, i % BLOCK) {
        (c, k) if k == c => 1.5 + value / 2.0,
        (c, k) if k < c => value / 4.0,
        _ => 0.0,
    });
    // The groups of neighbouring columns differ, as they do in an order of columns.
    let count = cols / group_size;
    let groups = t.u32(1, cols, (0..cols).map(|c| (c % count) as u32));
    let grids = t.f32_of(count, 2 * rows, |i, value| match i % 2 {
        0 => (2.0 + value / 4.0) / maxq,
        _ => ((0.5 + value / 8.0) * maxq).round_ties_even(),
    });
    let (w, errors, loss) = (t.f32(cols, rows), t.f32(BLOCK, rows), t.f32(1, rows));
    t.plan.feedback_grid(FeedbackInputs { triangle, groups, grids }, [w, errors, loss], start, len, bits);
    w
}

fn reference(io: &mut Io) {
    let Params { rows, start, len, maxq } = io.params();
    let (triangle, groups, grids) = (io.f32(0), io.u32(1), io.f32(2));
    let (rows, start, mut found) = (rows as usize, start as usize, Vec::new());
    for c in 0..len as usize {
        let mut values = io.output_f32(0)[(start + c) * rows..][..rows].to_vec();
        for (k, &u) in triangle[c * BLOCK..][..c].iter().enumerate() {
            let errors = &io.output_f32(1)[k * rows..][..rows];
            values.iter_mut().zip(errors).for_each(|(value, error)| *value -= error * u);
        }
        let g = groups[start + c] as usize;
        let grids = Grids::of_pairs(maxq as f32, &grids[2 * g * rows..][..2 * rows]);
        found.resize(rows, 0.0);
        let codes = &mut io.output_f32(0)[(start + c) * rows..][..rows];
        grids.quantize(&values, codes, &mut found);
        for (r, (value, found)) in values.iter().zip(&found).enumerate() {
            let error = (value - found) / triangle[c * BLOCK + c];
            io.output_f32(1)[c * rows + r] = error;
            io.output_f32(2)[r] += error * error;
        }
    }
}
