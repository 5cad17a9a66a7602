//! Rows of X · H for an approximate inverse X of the factor L of H, more exact than f32: where X is exact they are Lᵀ.

use super::factor_block::{BLOCK, bands};
use crate::plan::kernel::uniform;
use crate::plan::{Case, Element, Io, Kernel, Plan, Tensor, Trial, Variant};
use crate::{params, wgsl};

params! { struct Params { n: u32, row0: u32, rows: u32, col0: u32, cols: u32 } }

/// Rows that are corrected together.
pub const ROWS: usize = 256;

impl Plan {
    /// Corrects X = L⁻¹, the lower triangle of `x` [n, n], for H = L · Lᵀ, `h` [n, n] with ones or less on its diagonal:
    /// if X is (I + E) · L⁻¹ for a small E, it becomes (I - E) · X. `residual` and `error` are [ROWS, n].
    ///
    /// X · H · Xᵀ is I + E + Eᵀ but for E², and E is lower triangular. Rows depend on those above, so the last come first.
    pub fn correct_inverse(&mut self, [h, x, residual, error]: [Tensor; 4]) {
        let n = x.cols;
        for row0 in (0..n).step_by(ROWS).rev() {
            let (rows, end) = (ROWS.min(n - row0), n.min(row0 + ROWS));
            for cols in bands(end, 6 * rows * end) {
                self.factor_residual([h, x, residual], row0, rows, cols);
            }
            for cols in bands(end, 2 * rows * end) {
                self.factor_error([residual, x, error], row0, rows, cols);
            }
            for row in (row0..end).step_by(BLOCK).rev() {
                let len = BLOCK.min(end - row);
                for cols in bands(row + len, 2 * len * (row + len)) {
                    self.factor_correct([error, x], row0, row..row + len, cols);
                }
            }
        }
    }

    fn factor_residual(&mut self, tensors: [Tensor; 3], row0: usize, rows: usize, cols: std::ops::Range<usize>) {
        let [h, x, residual] = tensors;
        let n = x.cols;
        h.expect("h", n, n, Element::F32);
        x.expect("x", n, n, Element::F32);
        residual.expect("residual", residual.rows, n, Element::F32);
        assert!(rows <= residual.rows && row0 + rows <= n && cols.end <= n, "{rows} rows from {row0}, {cols:?}");
        let [n, row0, rows, col0, width] = [n, row0, rows, cols.start, cols.len()].map(|at| at as u32);
        let params = Params { n, row0, rows, col0, cols: width };
        let (depth, cells) = ((row0 + rows) as usize, [rows as usize, cols.len()]);
        let flops = 6 * rows as usize * cols.len() * depth;
        let step = self.add(&KERNEL, "factor_residual", params, &tensors, cells, flops as u64);
        step.bytes = 4 * (depth * (rows as usize + cols.len()) + rows as usize * cols.len()) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "factor_residual",
    params: Params::FIELDS,
    variants: &[Variant::portable(wgsl!("factor_residual"), &[], |_| [BLOCK as u32; 2], 1e-10)],
    reference,
    host: None,
    cases: &[
        Case::bench("256_of_896", |t| residual(t, 896, 640, 256, 0..896)),
        Case::test("70_of_134", |t| residual(t, 134, 64, 70, 0..134)),
        Case::test("5_of_37_from_9", |t| residual(t, 37, 32, 5, 9..30)),
    ],
};

/// Adds a residual that is a ten thousandth of its terms, which plain sums in f32 miss: neighbouring rows of H are nearly
/// opposite, and neighbouring columns of X equal.
fn residual(t: &mut Trial, n: usize, row0: usize, rows: usize, cols: std::ops::Range<usize>) -> Tensor {
    let pair = |i: usize, s: usize| 0.75 + uniform((i * n + (i - s) / 2) as u32) / 4.0;
    let x = t.f32_of(n, n, |at, value| match (at / n, at % n) {
        (i, 0) if i.is_multiple_of(2) => value / 1000.0,
        (i, s) if s <= i => pair(i, s),
        _ => value,
    });
    let h = t.f32_of(n, n, |at, value| {
        let large = 0.75 + uniform((at % n) as u32) / 4.0;
        value / 10_000.0 + if (at / n).is_multiple_of(2) { large } else { -large }
    });
    let residual = t.f32(rows, n);
    t.plan.factor_residual([h, x, residual], row0, rows, cols);
    residual
}

fn reference(io: &mut Io) {
    let Params { n, row0, rows, col0, cols } = io.params();
    let (h, x, n) = (io.f32(0), io.f32(1), n as usize);
    for t in 0..rows as usize {
        let i = row0 as usize + t;
        for m in col0 as usize..(col0 + cols) as usize {
            let terms = (0..=i).map(|s| f64::from(x[i * n + s]) * f64::from(h[s * n + m]));
            io.out_f32()[t * n + m] = terms.sum::<f64>() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::factor_block::MOST_FLOPS;
    use super::*;
    use crate::plan::Place;

    #[test]
    fn steps_end_before_a_watchdog() {
        for n in [64, 4864, 18_944] {
            let tensor = |number, rows| Tensor { place: Place::Resident(number), rows, cols: n, element: Element::F32 };
            let mut plan = Plan::new();
            plan.inverse_factor([tensor(0, n), tensor(1, BLOCK), tensor(2, 1)]);
            plan.correct_inverse([tensor(3, n), tensor(0, n), tensor(1, ROWS), tensor(2, ROWS)]);
            assert!(plan.steps.iter().all(|step| step.flops <= MOST_FLOPS as u64), "{n} columns");
        }
    }
}
