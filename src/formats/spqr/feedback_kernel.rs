//! Error feedback within a group of columns on a device, with outliers: what `spqr` does column by column, for all
//! rows at once.

use half::f16;

use super::fit_kernel::{Group, ROWS};
use super::statistics::code;
use crate::formats::solver::device::BLOCK;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { rows: u32, start: u32, first: u32, len: u32, group: u32, maxq: u32, threshold: f32 } }

impl Plan {
    /// Quantizes the columns of a group of `w` [cols, rows], which become codes and [`outlier`]s. Leaves their `errors`
    /// [BLOCK, rows], and adds the squares of these to `loss` [1, rows].
    pub(super) fn feedback_spqr(
        &mut self,
        [triangle, statistics]: [Tensor; 2],
        [w, errors, loss]: [Tensor; 3],
        group: Group,
        bits: u32,
        threshold: f32,
    ) {
        let Group { start, first, size, number } = group;
        let rows = w.cols;
        triangle.expect("triangle", BLOCK, BLOCK, Element::F32);
        statistics.expect("statistics", statistics.rows, 8 * rows, Element::F32);
        errors.expect("errors", BLOCK, rows, Element::F32);
        loss.expect("loss", 1, rows, Element::F32);
        assert!(
            first + size <= BLOCK && start + first + size <= w.rows,
            "{size} columns from {start} + {first} of {w:?}"
        );
        let [start, first, len, group] = [start, first, size, number].map(|number| number as u32);
        let params = Params { rows: rows as u32, start, first, len, group, maxq: (1 << bits) - 1, threshold };
        let bind = [triangle, statistics, w, errors, loss];
        let flops = (size * (size + 10) * rows) as u64;
        let step = self.add(&FEEDBACK, "feedback", params, &bind, [1, rows], flops);
        step.set_outputs(&["codes", "errors", "loss"]);
        step.bytes = 4 * (size * BLOCK + 3 * size * rows + 6 * rows) as u64;
    }
}

/// Returns the outlier that the feedback left in a weight's place: f16 leaves the last bits of an f32 zero, of which one is
/// set. None: a code is there.
pub(super) fn outlier(number: f32) -> Option<f16> {
    (number.to_bits() & 1 == 1).then(|| f16::from_f32(f32::from_bits(number.to_bits() & !1)))
}

pub static FEEDBACK: Kernel = Kernel {
    name: "feedback_spqr",
    params: Params::FIELDS,
    variants: &[Variant::portable(
        wgsl!("feedback_spqr", "lib/block_errors", "lib/f16_round"),
        &[],
        |_| [1, ROWS],
        1e-10,
    )],
    reference,
    host: None,
    cases: &[
        Case::bench("896_rows_q4", |t| feedback(t, 896, 4, 0.02)),
        Case::test("48_rows_q3", |t| feedback(t, 48, 3, f32::MAX)),
        Case::test("33_rows_q2_outliers", |t| feedback(t, 33, 2, 0.03)),
    ],
};

/// Adds the feedback of the second sixteen columns of a block.
fn feedback(t: &mut Trial, rows: usize, bits: u32, threshold: f32) -> Tensor {
    let maxq = ((1u32 << bits) - 1) as f32;
    let triangle = t.f32_of(BLOCK, BLOCK, |i, value| match (i / BLOCK, i % BLOCK) {
        (c, k) if k == c => 1.5 + value / 2.0,
        (c, k) if k < c => value / 4.0,
        _ => 0.0,
    });
    let statistics = t.f32_of(3, 8 * rows, |i, value| match i % 8 {
        0 => (2.0 + value / 4.0) / maxq,
        _ => (0.5 + value / 8.0) * maxq,
    });
    let (w, errors, loss) = (t.f32(40, rows), t.f32(BLOCK, rows), t.f32(1, rows));
    let group = Group { start: 8, first: 16, size: 16, number: 2 };
    t.plan.feedback_spqr([triangle, statistics], [w, errors, loss], group, bits, threshold);
    w
}

fn reference(io: &mut Io) {
    let Params { rows, start, first, len, group, maxq, threshold } = io.params();
    let (triangle, statistics) = (io.f32(0), io.f32(1));
    let (rows, first, maxq) = (rows as usize, first as usize, maxq as f32);
    for c in first..first + len as usize {
        for r in 0..rows {
            let [scale, zero] = [0, 1].map(|i| statistics[8 * (group as usize * rows + r) + i]);
            let at = (start as usize + c) * rows + r;
            let mut w = io.output_f32(0)[at];
            for k in first..c {
                w -= io.output_f32(1)[k * rows + r] * triangle[c * BLOCK + k];
            }
            let pivot = triangle[c * BLOCK + c];
            let mut found = code(w, scale, zero, maxq);
            let mut error = (w - scale * (found - zero)) / pivot;
            if error * error > threshold {
                found = code(0.0, scale, zero, maxq);
                let dense = scale * (found - zero);
                let value = f16::from_f32((w - dense).clamp(-65504.0, 65504.0));
                error = (w - (dense + value.to_f32())) / pivot;
                if value != f16::ZERO {
                    found = f32::from_bits(value.to_f32().to_bits() | 1);
                }
            }
            io.output_f32(0)[at] = found;
            io.output_f32(1)[c * rows + r] = error;
            io.output_f32(2)[r] += error * error;
        }
    }
}
